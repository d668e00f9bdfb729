"""completion SHELL: prints what the shell reads to complete `python -m` client, local and examples when Tab is pressed.

    source <(python -m client completion bash)

The shell asks the program itself, by argcomplete's protocol. Completions of python that the shell had before stay.
"""

import argparse
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from client import outputs
from client.stack import Stack

IS_OURS = """\
_scatter_gather_is() {
    case $1 in
        scatter_gather.client | scatter_gather.local) ;;
        client | local | examples) command grep -qs PYTHON_ARGCOMPLETE_OK "$1/__main__.py" ;;
        *) false ;;
    esac
}
"""
"""Modules by these names may be anybody's, and Tab is to run no other program than this."""

BASH = (
    IS_OURS
    + r"""
_scatter_gather() {
    if ((COMP_CWORD > 2)) && [[ ${COMP_WORDS[1]} == -m ]] && _scatter_gather_is "${COMP_WORDS[2]}"; then
        local IFS=$'\v'
        COMPREPLY=($(_ARGCOMPLETE=3 _ARGCOMPLETE_SHELL=bash _ARGCOMPLETE_IFS=$IFS _ARGCOMPLETE_SUPPRESS_SPACE=1 \
            _ARGCOMPLETE_COMP_WORDBREAKS=$COMP_WORDBREAKS COMP_LINE=$COMP_LINE COMP_POINT=$COMP_POINT \
            "$1" -m "${COMP_WORDS[2]}" 8>&1 9>/dev/null >/dev/null 2>&1 </dev/null))
        [[ ${COMPREPLY-} != *[=/:] ]] || compopt -o nospace
    else
        local before="_scatter_gather_before_${1##*/}"
        [[ -z ${!before-} ]] || "${!before}" "$@"
    fi
}

for _scatter_gather_name in python python3; do
    ! declare -F _completion_loader >/dev/null || _completion_loader "$_scatter_gather_name" >/dev/null 2>&1
    _scatter_gather_spec=$(complete -p "$_scatter_gather_name" 2>/dev/null || complete -p -D 2>/dev/null ||
        echo complete -o default -o bashdefault -D)
    if [[ $_scatter_gather_spec != *" _scatter_gather "* ]]; then
        [[ ! $_scatter_gather_spec =~ -F\ ([^ ]+) ]] ||
            printf -v "_scatter_gather_before_$_scatter_gather_name" %s "${BASH_REMATCH[1]}"
        eval "${_scatter_gather_spec% *} -F _scatter_gather $_scatter_gather_name"
    fi
done
unset _scatter_gather_name _scatter_gather_spec
"""
)

ZSH = (
    IS_OURS
    + r"""
_scatter_gather() {
    if (( CURRENT > 3 )) && [[ $words[2] == -m ]] && _scatter_gather_is "$words[3]"; then
        local line="$words[1,CURRENT-1] $PREFIX"
        local -a found=(${${(ps:\v:)"$(_ARGCOMPLETE=3 _ARGCOMPLETE_SHELL=zsh _ARGCOMPLETE_SUPPRESS_SPACE=1 COMP_LINE=$line \
            COMP_POINT=$#line ${(Q)~words[1]} -m $words[3] 8>&1 9>/dev/null >/dev/null 2>&1 </dev/null)"}%:})
        _describe $words[3] found -o nosort
    else
        $_scatter_gather_before
    fi
}

(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
[[ ${_comps[python]-} == _scatter_gather ]] || typeset -g _scatter_gather_before=${_comps[python]:-_python}
compdef _scatter_gather python python3
"""
)

FISH = r"""function __scatter_gather_is
    set -l words (commandline -opc)
    test (count $words) -gt 2; and test "$words[2]" = -m; or return
    switch "$words[3]"
        case scatter_gather.client scatter_gather.local
        case client local examples
            command grep -qs PYTHON_ARGCOMPLETE_OK "$words[3]/__main__.py"
        case '*'
            false
    end
end

function __scatter_gather
    set -l words (commandline -opc)
    set -lx _ARGCOMPLETE 3
    set -lx _ARGCOMPLETE_SHELL fish
    set -lx _ARGCOMPLETE_DFS \t
    set -lx _ARGCOMPLETE_IFS \n
    set -lx _ARGCOMPLETE_SUPPRESS_SPACE 1
    set -lx COMP_LINE (commandline -p)
    set -lx COMP_POINT (string length -- (commandline -cp))
    $words[1] -m $words[3] 8>&1 9>/dev/null >/dev/null 2>&1 </dev/null
end

for name in python python3
    complete -c $name -n __scatter_gather_is -f -a '(__scatter_gather)'
end
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}
MOST = 20
"""Requests and runs: the newest."""

DAYS = 7


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SCRIPTS, help="for which shell")


def run_here(options: argparse.Namespace) -> int:
    print(SCRIPTS[options.shell], end="")
    return 0


def complete(program: argparse.ArgumentParser, verbs: Mapping[str, str], parser_of: Callable[[str], argparse.ArgumentParser]) -> None:
    """Answers the shell that asks in the environment, and ends the process. program: takes a verb, of which `parser_of` takes the rest."""
    import argcomplete

    words = argcomplete.split_line(os.environ["COMP_LINE"], int(os.environ["COMP_POINT"]))[3]
    before = int(os.environ["_ARGCOMPLETE"])
    if len(words) > before and words[before] in verbs:
        program = parser_of(words[before])
        os.environ["_ARGCOMPLETE"] = str(before + 1)
    known = {"verb": lambda _: verbs, **COMPLETIONS}
    for action in program._actions:
        if action.dest in known:
            action.completer = _of_options(known[action.dest])  # ty: ignore[missing-attribute]
    argcomplete.autocomplete(program, always_complete_options=False)


def _of_options(complete: Callable[[argparse.Namespace], Iterable[str]]) -> Callable[..., Iterable[str]]:
    return lambda *, parsed_args, **_: complete(parsed_args)


def _stacks(_: argparse.Namespace) -> Iterable[str]:
    return outputs.stack_names()


def _stack(options: argparse.Namespace) -> Stack:
    return Stack.find(getattr(options, "stack", None), getattr(options, "outputs", None))


def _carriers(options: argparse.Namespace) -> Iterable[str]:
    return _stack(options).variants


def _responders(options: argparse.Namespace) -> Iterable[str]:
    return _stack(options).outputs["responderNames"]


def _configured(options: argparse.Namespace) -> Iterable[str]:
    from client import trial

    return [responder.name for responder in trial.configured(getattr(options, "stack", None)).settings.responders]


def _requests(options: argparse.Namespace) -> Mapping[str, str]:
    """Those of the emulator's: on AWS each Tab would be paid for."""
    from client import list as listed

    stack = _stack(options)
    if stack.endpoint is None:
        return {}
    newest = listed.newest(stack, DAYS * 24 * 3600, MOST, listed.Read())
    return {each["requestId"]: f"{each['variant']} {each['status'].lower()}" for _, each in zip(range(MOST), newest, strict=False)}


def _runs(options: argparse.Namespace) -> Mapping[str, str]:
    """As `_requests`."""
    from client.run import machine_of

    stack = _stack(options)
    if stack.endpoint is None:
        return {}
    found = stack.client("stepfunctions").list_executions(stateMachineArn=machine_of(stack), maxResults=MOST)["executions"]
    return {each["name"]: each["status"].lower() for each in found}


def _speakers(options: argparse.Namespace) -> Collection[str]:
    return {**dict.fromkeys(_stack(options).outputs["logGroups"], "function"), **_requests(options)}


COMPLETIONS: Mapping[str, Callable[[argparse.Namespace], Iterable[Any]]] = {
    "stack": _stacks,
    "variant": _carriers,
    "require": _responders,
    "responder": _configured,
    "id": _requests,
    "speaker": _speakers,
    "execution": _runs,
    "follow": _runs,
    "stop": _runs,
    "again": _runs,
}
"""What stands for an argument of a verb, by the argument's name."""
