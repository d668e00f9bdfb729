"""The command line: `python -m local VERB`, with the Pulumi CLI's words, flags and output shapes.

Only the verbs that run the program import the provider and the engine, so that the others answer at once.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from local import emulator as emulator_control
from local.config import Project, StackConfig, load_project, text
from local.emulator import require_loopback
from local.errors import LocalError
from local.state import StateFile, stack_names

if TYPE_CHECKING:
    from local.session import Outcome, Session

DEFAULT_STACK = "local"
FAILED, WRONG_USAGE, UNEXPECTED_CHANGES = 1, 2, 7
ONLY_THE_CLI = ("cancel", "console", "env", "import", "install", "logs", "new", "policy", "state", "watch")
STACK_ONLY_THE_CLI = ("export", "history", "import", "init", "rename", "select", "tag")

EPILOGUE = """\
exit codes:
  0    done
  1    it failed: one line on stderr says why
  2    wrong usage, or a confirmation is needed and nobody can be asked (--yes)
  7    there were changes, and --expect-no-changes
  130  interrupted with Ctrl-C; 143 by SIGTERM, 129 by SIGHUP. What was done is saved

With --cli, the same verb and flags go to the Pulumi CLI, with this project's provider and a backend in .local/cli.
"""


class CommandError(LocalError):
    """The command can't be done; the message is for the user."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code


def main(arguments: list[str]) -> int:
    """Runs one command and returns its exit code."""
    parser = _parser()
    if "_ARGCOMPLETE" in os.environ:
        from argcomplete import autocomplete

        autocomplete(parser, always_complete_options=False, exclude=(*ONLY_THE_CLI, *STACK_ONLY_THE_CLI))
    options, unknown = parser.parse_known_args(arguments)
    options.typed = shlex.join(["python", "-m", str(__package__), *arguments])
    if options.cli:
        from local.pulumi_cli import run_pulumi

        return _in_words(options, lambda _: run_pulumi(load_project(Path(options.cwd).resolve()), options, arguments))
    if unknown and options.run is not _not_here:
        return _fail(options, CommandError(f"{unknown[0]} isn't supported by the local engine; use --cli"), WRONG_USAGE)
    return _in_words(options, options.run)


def _in_words(options: argparse.Namespace, run: Callable[[argparse.Namespace], int]) -> int:
    """The exit code of a verb, whose errors are one line each."""
    try:
        return run(options)
    except BrokenPipeError:
        # Whoever read the output has seen enough; Python would complain once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except (LocalError, OSError) as error:
        return _fail(options, error, getattr(error, "code", FAILED))
    except KeyboardInterrupt as interrupt:
        _print_error(f"interrupted; what was done is saved; to go on: {options.typed}")
        return 128 + getattr(interrupt, "number", signal.SIGINT)


def _fail(options: argparse.Namespace, error: BaseException, code: int) -> int:
    if options.debug:
        traceback.print_exception(error)
    _print_error(" ".join(str(error).split()) or type(error).__name__)
    return code


def _print_error(message: str) -> None:
    print(f"error: {message}", file=sys.stderr)


# Verbs that run the engine


def _up(options: argparse.Namespace) -> int:
    if options.then is not None and not options.watch:
        raise CommandError("--then has no effect without --watch", WRONG_USAGE)
    if not options.watch:
        return _update(options)
    if not (options.yes or options.skip_preview) or options.json:
        raise CommandError("--watch asks nobody and prints no JSON: pass --yes or --skip-preview, and no --json", WRONG_USAGE)
    from local.watch import watch

    options.skip_preview = options.suppress_outputs = True
    return watch(_project(options).program_folder, lambda: _in_words(options, _update), options.then)


def _update(options: argparse.Namespace) -> int:
    return _operate(options, "update")


def _preview(options: argparse.Namespace) -> int:
    config, file = _stack(options)
    _refuse_stack_of_the_cli(config)
    config.validate()
    session = _session(options, config, file, makes=False)
    _warn(session.take_up(save=False))
    return _report(options, config, session.update(preview=True))


def _destroy(options: argparse.Namespace) -> int:
    code = _operate(options, "destroy")
    running = emulator_control.find(_project(options).local_folder)
    if code == 0 and running is not None and not options.json:
        print(f"The emulator keeps running at {running.endpoint}; `python -m {__package__} stop` stops it.")
    return code


def _refresh(options: argparse.Namespace) -> int:
    return _operate(options, "refresh")


def _operate(options: argparse.Namespace, name: str) -> int:
    """Preview, confirmation, then the method of the session that has this name, under the stack's lock."""
    interactive = _is_interactive(options) and not options.json
    if not (options.yes or options.skip_preview or interactive):
        raise CommandError("--yes or --skip-preview must be passed in to proceed when running in non-interactive mode", WRONG_USAGE)
    config, file = _stack(options)
    _refuse_stack_of_the_cli(config)
    if name == "update":
        config.validate()
    elif not (file.exists() or options.json):
        # No emulator is started for what was never deployed.
        print(f"Stack {config.stack} has no resources")
        return 0
    with file.lock():
        session = _session(options, config, file, makes=name == "update")
        run = getattr(session, name)
        _warn(session.take_up(save=True))
        if name == "update" and options.refresh:
            refreshed = session.refresh(preview=False)
            if refreshed.failed:
                return _report(options, config, refreshed)
        if not options.skip_preview:
            planned = run(preview=True)
            if planned.failed:
                return _report(options, config, planned)
            if not options.yes and not _confirm(name, options.stack):
                raise CommandError(f"confirmation declined, not proceeding with the {name}")
        return _report(options, config, run(preview=False))


def _refuse_stack_of_the_cli(config: StackConfig) -> None:
    """One stack has one state: what `--cli` deployed is not this engine's."""
    from local.pulumi_cli import resources_of_cli

    count = resources_of_cli(config.project.local_folder / "cli", config.stack)
    if count:
        raise CommandError(
            f"stack {config.stack} has {count} resources that `--cli` made: go on with --cli, destroy them with it, or take another --stack"
        )


def _not_here(options: argparse.Namespace) -> int:
    raise CommandError(f"{options.words} isn't supported by the local engine; use --cli", WRONG_USAGE)


def _session(options: argparse.Namespace, config: StackConfig, file: StateFile, *, makes: bool) -> Session:
    from local.session import Options, Session

    colour = options.color == "always" or (options.color == "auto" and sys.stdout.isatty() and "NO_COLOR" not in os.environ)
    shown = Options(
        json=options.json,
        diff=options.diff,
        show_sames=options.show_sames,
        suppress_outputs=options.suppress_outputs,
        live=sys.stdout.isatty() and not options.non_interactive and os.environ.get("TERM") != "dumb",
        colour=colour,
        parallel=options.parallel,
        endpoint=options.endpoint,
    )
    return Session(config, file, shown, makes=makes)


def _report(options: argparse.Namespace, config: StackConfig, outcome: Outcome) -> int:
    if options.json:
        print(json.dumps(outcome.digest(config, show_sames=options.show_sames), indent=4))
    if options.debug and outcome.error is not None:
        traceback.print_exception(outcome.error)
    for message in outcome.messages():
        _print_error(message)
    if outcome.failed:
        return FAILED
    changes = {op: count for op, count in outcome.deployment.changes().items() if op not in ("same", "read", "discard") and count}
    if options.expect_no_changes and changes:
        happened = "were proposed" if outcome.deployment.preview else "occurred"
        raise CommandError(f"no changes were expected but changes {happened}", UNEXPECTED_CHANGES)
    return 0


def _warn(notes: list[str]) -> None:
    for note in notes:
        print(f"warning: {note}", file=sys.stderr)


def _is_interactive(options: argparse.Namespace) -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty() and not options.non_interactive


def _confirm(name: str, stack: str) -> bool:
    try:
        answer = input(f"Do you want to perform this {name} on stack {stack}? [yes/no] ")
    except EOFError:
        return False
    return answer.strip().lower() in ("y", "yes")


# Configuration


def _config_list(options: argparse.Namespace) -> int:
    config = _stack(options)[0]
    hidden = set(config.secret_keys())
    values = {config.project.short_key(key): (key, value) for key, value in config.values().items()}
    if options.json:
        shown = {key: _config_json(value, key in hidden) for key, value in values.values()}
        print(json.dumps(shown, indent=2))
    else:
        rows = [(name, "[secret]" if key in hidden else text(value)) for name, (key, value) in values.items()]
        _print_table(("KEY", "VALUE"), rows)
    return 0


def _config_json(value: Any, secret: bool) -> dict[str, Any]:
    if secret:
        return {"secret": True}
    nested = {"objectValue": value} if isinstance(value, dict | list) else {}
    return {"value": text(value), **nested, "secret": False}


def _config_get(options: argparse.Namespace) -> int:
    config = _stack(options)[0]
    value = config.get(options.key, path=options.path)
    secret = config.project.whole_key(options.key) in config.secret_keys()
    print(json.dumps(_config_json(value, secret=False) | {"secret": secret}, indent=2) if options.json else value)
    return 0


def _config_set(options: argparse.Namespace) -> int:
    config = StackConfig(_project(options), options.stack, options.config_file)
    value = options.value
    if value is None:
        value = input("value: ") if _is_interactive(options) else sys.stdin.read().rstrip("\n")
    config.set(options.key, value, path=options.path)
    return 0


def _config_remove(options: argparse.Namespace) -> int:
    _stack(options)[0].remove(options.key, path=options.path)
    return 0


# Stacks


def _stack_show(options: argparse.Namespace) -> int:
    config, file = _stack(options)
    resources = file.load().resources
    print(f"Current stack is {config.stack}:\n    Managed by {config.project.local_folder.name}/{file.path.name}")
    print(f"Current stack resources ({len(resources)}):")
    _print_table(("TYPE", "NAME"), [(resource.type, resource.name) for resource in resources], indent="    ")
    print()
    _print_outputs(file.load().outputs(), options.show_secrets)
    return 0


def _stack_output(options: argparse.Namespace) -> int:
    outputs = _stack(options)[1].load().outputs()
    if options.name is None and not options.json:
        _print_outputs(outputs, options.show_secrets)
        return 0
    if options.name is not None and options.name not in outputs:
        raise CommandError(f"current stack does not have output property '{options.name}'")
    shown = _shown(outputs, options.show_secrets)
    value = shown if options.name is None else shown[options.name]
    print(json.dumps(value, indent=2) if options.json else text(value))
    return 0


def _shown(outputs: dict[str, Any], show_secrets: bool) -> dict[str, Any]:
    from local.properties import redact, without_secrets

    return without_secrets(outputs) if show_secrets else redact(outputs)


def _print_outputs(outputs: dict[str, Any], show_secrets: bool) -> None:
    print(f"Current stack outputs ({len(outputs)}):")
    if not outputs:
        print("    No output values currently in this stack")
        return
    rows = [(name, text(value)) for name, value in sorted(_shown(outputs, show_secrets).items())]
    _print_table(("OUTPUT", "VALUE"), rows, indent="    ")


def _stack_list(options: argparse.Namespace) -> int:
    folder = _project(options).local_folder
    names = sorted(path.name.removesuffix(".state.json") for path in folder.glob("*.state.json"))
    counts = {name: len(StateFile(folder, name).load().resources) for name in names}
    if options.json:
        print(json.dumps([{"name": name, "current": name == options.stack, "resourceCount": count}
                          for name, count in counts.items()], indent=2))  # fmt: skip
        return 0
    rows = [(f"{name}*" if name == options.stack else name, str(count)) for name, count in counts.items()]
    _print_table(("NAME", "RESOURCE COUNT"), rows)
    return 0


def _stack_remove(options: argparse.Namespace) -> int:
    config, file = _stack(options)
    with file.lock():
        count = len(file.load().resources)
        if count and not options.force:
            raise CommandError(f"'{config.stack}' still has resources; removal rejected. Possible actions: destroy, or rm --force")
        if not options.yes and not (_is_interactive(options) and _confirm("removal", config.stack)):
            raise CommandError("--yes must be passed in to proceed when running in non-interactive mode", WRONG_USAGE)
        file.remove()
    print(f"Stack '{config.stack}' has been removed!")
    return 0


# The emulator


def _start(options: argparse.Namespace) -> int:
    port = None
    if options.endpoint:
        from urllib.parse import urlsplit

        require_loopback(options.endpoint)
        port = urlsplit(options.endpoint).port
    running = emulator_control.start(_project(options).local_folder, port=port, auth=True)
    print(f"The emulator {'runs' if running.started else 'already runs'} at {running.endpoint} (pid {running.pid})")
    return 0


def _stop(options: argparse.Namespace) -> int:
    running = emulator_control.find(_project(options).local_folder)
    if running is None:
        print("The emulator isn't running")
        return 0
    running.stop()
    print(f"Stopped the emulator (pid {running.pid}); what was deployed to it is gone")
    return 0


def _status(options: argparse.Namespace) -> int:
    folder = _project(options).local_folder
    running = emulator_control.find(folder)
    if options.env:
        if running is None:
            raise CommandError(f"the emulator isn't running: python -m {__package__} start")
        for name, value in running.environment.items():
            print(f"export {name}={value}")
        return 0
    from local.leftovers import leftovers

    left = list(leftovers(folder, running))
    if options.json:
        address = {"endpoint": running.endpoint, "pid": running.pid} if running is not None else {}
        print(json.dumps({"running": running is not None, **address, "left": [each._asdict() for each in left]}, indent=2))
    else:
        where = f"runs at {running.endpoint} (pid {running.pid}); its log is .local/emulator.log" if running else "isn't running"
        print(f"The emulator {where}")
        _warn([f"{each.found}: {each.command}" for each in left])
    return 0 if running is not None else FAILED


# What they share


def _project(options: argparse.Namespace) -> Project:
    return load_project(Path(options.cwd).resolve())


def _stack(options: argparse.Namespace) -> tuple[StackConfig, StateFile]:
    config = StackConfig(_project(options), options.stack, options.config_file)
    file = StateFile(config.project.local_folder, options.stack)
    if options.stack != DEFAULT_STACK and not config.path.exists() and not file.exists():
        raise CommandError(f"no stack named '{options.stack}' found: there is no {config.path.name}")
    return config, file


def _print_table(header: tuple[str, str], rows: list[tuple[str, str]], indent: str = "") -> None:
    width = max(len(row[0]) for row in [header, *rows])
    for first, second in [header, *rows]:
        print(f"{indent}{first:<{width}}  {second}".rstrip())


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> NoReturn:
        from importlib.metadata import version

        own = f"scatter-gather {_own_version(Path(__file__).parents[1] / 'pyproject.toml')}"
        print(", ".join([own, *(f"{package} {version(package)}" for package in ("pulumi", "pulumi-aws", "ministack"))]))
        sys.exit(0)


def _own_version(pyproject: Path) -> str:
    """Of the project that this is a part of: what its checkout says, else the installed package."""
    if not pyproject.exists():
        from importlib.metadata import version

        return version("scatter-gather")
    import tomllib

    source = tomllib.loads(pyproject.read_text())["tool"]["hatch"]["version"]["path"]
    return (pyproject.parent / source).read_text().partition('__version__ = "')[2].partition('"')[0]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        _print_error(message)
        sys.exit(WRONG_USAGE)


def _parser() -> argparse.ArgumentParser:
    common = _Parser(add_help=False, argument_default=argparse.SUPPRESS, allow_abbrev=False)
    _add_common(common)
    parser = _Parser(
        prog=f"python -m {__package__}",
        description="Runs the project's Pulumi program without AWS and without the Pulumi CLI.",
        epilog=EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the versions of what it runs, and end")
    _add_common(parser)
    parser.set_defaults(
        stack=DEFAULT_STACK, cwd=".", color="auto", endpoint=None, cli=False, debug=False, non_interactive=False,
        json=False, path=False,
    )  # fmt: skip
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)

    def verb(name: str, run: Callable[[argparse.Namespace], int], help_: str, to: Any = verbs) -> Any:
        added = to.add_parser(name, parents=[common], help=help_, description=help_, allow_abbrev=False)
        added.set_defaults(run=run)
        return added

    def of_the_cli(name: str, words: str, to: Any = verbs) -> None:
        added = to.add_parser(name, parents=[common], add_help=False, allow_abbrev=False)
        added.add_argument("rest", nargs="*")
        added.set_defaults(run=_not_here, words=words)

    for name, run, help_ in (
        ("up", _up, "Create or update the resources of the stack"),
        ("preview", _preview, "Show what an update would do"),
        ("destroy", _destroy, "Delete the resources of the stack"),
        ("refresh", _refresh, "Take over into the state what the emulator has now"),
    ):
        _add_operation_flags(verb(name, run, help_), name)

    config = verb("config", _config_list, "List the configuration; set, get or remove a value")
    _add_json(config)
    config_verbs = config.add_subparsers(metavar="set|get|rm")
    for name, run, help_ in (
        ("set", _config_set, "Save a value"),
        ("get", _config_get, "Print a value"),
        ("rm", _config_remove, "Remove a value"),
    ):
        added = verb(name, run, help_, config_verbs)
        _complete(added.add_argument("key"), lambda project: [project.short_key(key) for key in project.declarations])
        added.add_argument("--path", action="store_true", help="the key is a path into an array or object")
        if name == "set":
            added.add_argument("value", nargs="?", help="read from standard input when left out")
            added.add_argument("--plaintext", action="store_true", help="save the value as it is, which is the default")
        elif name == "get":
            _add_json(added)

    stack = verb("stack", _stack_show, "Show the stack; print its outputs; list the stacks")
    stack.add_argument("--show-secrets", action="store_true", help="show secret outputs in plain")
    stack_verbs = stack.add_subparsers(metavar="output|ls|rm")
    output = verb("output", _stack_output, "Print the outputs, or one: strings as they are, the rest as JSON", stack_verbs)
    output.add_argument("name", nargs="?")
    output.add_argument("--show-secrets", action="store_true", help="show secrets in plain")
    _add_json(output)
    _add_json(verb("ls", _stack_list, "List the stacks", stack_verbs))
    remove = verb("rm", _stack_remove, "Remove a stack that has no resources", stack_verbs)
    remove.add_argument("-y", "--yes", action="store_true", help="don't ask for confirmation")
    remove.add_argument("-f", "--force", action="store_true", help="even if it has resources, which stay behind")
    for name in STACK_ONLY_THE_CLI:
        of_the_cli(name, f"stack {name}", stack_verbs)
    for name in ONLY_THE_CLI:
        of_the_cli(name, name)

    verb("start", _start, "Start the emulator")
    verb("stop", _stop, "Stop the emulator")
    status = verb("status", _status, "Say whether the emulator runs; exit code 1 when it doesn't")
    shown = status.add_mutually_exclusive_group()
    _add_json(shown)
    shown.add_argument("--env", action="store_true", help='print its address and credentials as a shell sets them: eval "$(...)"')
    return parser


def _add_common(parser: argparse.ArgumentParser) -> None:
    stack = parser.add_argument("-s", "--stack", help=f"the stack to work on (default: {DEFAULT_STACK})")
    _complete(stack, lambda project: stack_names(project.folder))
    parser.add_argument("--config-file", type=Path, metavar="FILE", help="the stack's configuration (default: Pulumi.STACK.yaml)")
    parser.add_argument("-C", "--cwd", metavar="FOLDER", help="work as if started in that folder")
    parser.add_argument("--color", choices=("auto", "always", "never"), help="colours (default: auto; NO_COLOR is honoured)")
    parser.add_argument("--endpoint", metavar="URL", help="an emulator that runs already (default: $AWS_ENDPOINT_URL)")
    parser.add_argument("--non-interactive", action="store_true", help="never ask")
    parser.add_argument("--cli", action="store_true", help="hand the verb to the Pulumi CLI")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")


def _complete(argument: argparse.Action, found: Callable[[Project], list[str]]) -> None:
    """What a shell completes that argument with."""
    argument.completer = lambda **_: found(load_project(Path.cwd()))  # ty: ignore[missing-attribute]


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _add_json(parser: argparse._ActionsContainer) -> None:
    parser.add_argument("-j", "--json", action="store_true", default=argparse.SUPPRESS, help="print JSON")


def _add_operation_flags(parser: argparse.ArgumentParser, name: str) -> None:
    _add_json(parser)
    parser.set_defaults(yes=False, skip_preview=False, refresh=False)
    if name != "preview":
        parser.add_argument("-y", "--yes", action="store_true", help="don't ask for confirmation")
        parser.add_argument("-f", "--skip-preview", action="store_true", help="don't preview first")
    if name == "up":
        parser.add_argument("-r", "--refresh", action="store_true", help="refresh the state first")
        parser.add_argument("-w", "--watch", action="store_true", help="go on, with an update whenever a file of the project is saved")
        parser.add_argument("--then", metavar="COMMAND", help="with --watch: run it after each update that succeeded")
    parser.add_argument("--diff", action="store_true", help="show the changes in detail")
    parser.add_argument("--suppress-outputs", action="store_true", help="do not show the stack's outputs")
    parser.add_argument("--show-sames", action="store_true", help="list unchanged resources too in --json")
    parser.add_argument("--expect-no-changes", action="store_true", help="fail when there is anything to change")
    parser.add_argument("-p", "--parallel", type=_positive, default=16, metavar="N", help="steps at once (default: 16)")
