"""python -m client VERB: talk to a deployed stack."""
# PYTHON_ARGCOMPLETE_OK: it answers where a shell asks for completions (`client.completion`).

import argparse
import importlib
import importlib.util
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from client.errors import NoStack, StackError, StillOpen, UnknownRequest, UnknownVariant, UsageError
from handlers.contract import InvalidRequest
from scatter_gather import __version__ as VERSION

if TYPE_CHECKING:
    from client.stack import Stack

VERBS = {
    "request": "send a request and show its answers as they arrive",
    "get": "show a request and its result so far",
    "list": "show the last requests, newest first",
    "show": "show the course of a request, moment by moment",
    "watch": "show the answers to a request as they arrive",
    "logs": "show what the functions of the stack say, of a responder or of a request",
    "compare": "send the same request through every carrier; latency, cost and a recommendation",
    "load": "put a list where the distributed variant reads it",
    "plan": "say which setting of the distributed variant suits so many rows, with seconds and price",
    "run": "run the distributed variant and follow it",
    "results": "write the results of a run into one file, in the order of the source",
    "verify": "show that the deployed stack does what it should, line by line",
    "redrive": "send what is in the dead-letter queues once more",
    "board": "open the quote board in a browser",
    "new": "write a responder, with a test of it, into the project",
    "try": "ask one responder alone, without a stack",
    "completion": "print what bash, zsh or fish read to complete the commands",
    "doctor": "look at what the commands need of this machine",
}
"""Each is a module of this package with `add_arguments(parser)` and `run(options, stack) -> exit code`, or, where no stack need be
deployed, `run_here(options)`."""

FAILED, WRONG_USE, NOT_FOUND, UNREACHABLE, STILL_OPEN = 1, 2, 3, 4, 5
INTERRUPTED = 128 + signal.SIGINT

EXIT_CODES = """exit codes:
  0    done; for a request: it ended COMPLETE or PARTIAL
  1    the request ended FAILED, or its carrier or AWS refused it
  2    wrong use: arguments, a file, a variant that is not deployed, a request that breaks the contract
  3    there is no such stack, or no such request
  4    AWS or the emulator cannot be reached, or there are no credentials for it
  5    the request was still open when --timeout was over
  130  interrupted"""

CODES: tuple[tuple[type[Exception], int], ...] = (
    (InvalidRequest, WRONG_USE),
    (UsageError, WRONG_USE),
    (UnknownVariant, WRONG_USE),
    (NoStack, NOT_FOUND),
    (UnknownRequest, NOT_FOUND),
    (StillOpen, STILL_OPEN),
    (StackError, FAILED),
)


def main(arguments: list[str] | None = None) -> int:
    if "_ARGCOMPLETE" in os.environ:
        from client import completion

        completion.complete(_program(), VERBS, _verb)
    options = _parse(sys.argv[1:] if arguments is None else arguments)
    try:
        if options.run_here is not None:
            return options.run_here(options)
        if importlib.util.find_spec("boto3") is None:
            # Before a stack is looked for, which would be blamed for not being there.
            raise ModuleNotFoundError(name="boto3")
        return options.run(options, _stack_class(options).find(options.stack, options.outputs))
    except KeyboardInterrupt as interrupt:
        return _fail("; ".join(["interrupted", *map(str, interrupt.args)]), INTERRUPTED)
    except BrokenPipeError:
        # Whoever read the output has seen enough; Python would complain once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except ModuleNotFoundError as error:
        return _fail(
            f"{error.name} is not installed: activate the environment (source .venv/bin/activate), or install the package with [client]",
            WRONG_USE,
        )
    except Exception as error:
        code = _code_of(error)
        if code is None:
            raise
        return _fail(_in_one_line(error), code)


def _stack_class(options: argparse.Namespace) -> "type[Stack]":
    if getattr(options, "api", False):
        from client.api_stack import ApiStack

        return ApiStack
    from client.stack import Stack

    return Stack


def _code_of(error: Exception) -> int | None:
    """The exit code of what a user can act on; None for a mistake of ours."""
    for kind, code in CODES:
        if isinstance(error, kind):
            return code
    # Only now, because it is slow to import: unless AWS was called, it was not AWS.
    if "botocore" not in sys.modules:
        return None
    from botocore import exceptions

    if isinstance(error, exceptions.ClientError):
        return FAILED
    return UNREACHABLE if isinstance(error, exceptions.BotoCoreError) else None


def _in_one_line(error: Exception) -> str:
    message = " ".join(str(error).split())
    hints = {
        "NoCredentialsError": "; sign in (aws sso login), or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        "NoRegionError": "; set AWS_REGION",
    }
    return message + hints.get(type(error).__name__, "")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        sys.exit(_fail(f"{message}; see {self.prog} --help", WRONG_USE))


def _parse(arguments: list[str]) -> argparse.Namespace:
    chosen = _program().parse_args(arguments)
    return _verb(chosen.verb).parse_args(chosen.rest)


def _program() -> argparse.ArgumentParser:
    verbs = {verb: summary for verb, summary in VERBS.items() if importlib.util.find_spec(f"{__package__}.{verb}")}
    listed = "\n".join(f"  {verb:<10} {summary}" for verb, summary in verbs.items())
    parser = _Parser(
        prog=f"python -m {__package__}",
        usage="%(prog)s VERB [--stack STACK | --outputs FILE] [--json] …",
        description=__doc__,
        epilog=f"verbs:\n{listed}\n\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=VERSION)
    parser.add_argument("verb", choices=verbs, metavar="VERB", help="what to do; VERB --help tells more")
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def _verb(name: str) -> argparse.ArgumentParser:
    """Of what follows the verb. Only its module is imported, so that the others cost nothing."""
    module = importlib.import_module(f"{__package__}.{name}")
    parser = _Parser(
        prog=f"python -m {__package__} {name}",
        description=VERBS[name],
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--stack", "-s", help="the stack; default: local, else the one that the Pulumi CLI has selected")
    parser.add_argument("--outputs", type=Path, metavar="FILE", help="the stack's outputs, as `pulumi stack output --json` prints them")
    parser.add_argument("--json", action="store_true", help="print JSON")
    module.add_arguments(parser)
    parser.set_defaults(run=getattr(module, "run", None), run_here=getattr(module, "run_here", None))
    return parser


def _fail(reason: str, code: int) -> int:
    print(f"error: {reason}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
