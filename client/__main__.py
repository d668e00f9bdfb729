"""python -m client VERB: talk to a deployed stack."""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from client.outputs import NoStack
from client.stack import RequestFailed, Stack
from handlers.contract import InvalidRequest

EXIT_CODES = """exit codes:
  0  done; for a request: it ended COMPLETE or PARTIAL
  1  the request ended FAILED, or the carrier could not take it
  2  wrong use, or a request that breaks the contract
  3  there is no stack, or no such request"""


class UsageError(Exception):
    """What the user typed cannot be done as it stands."""


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        return options.run(options, Stack.find(options.stack, options.outputs))
    except (InvalidRequest, UsageError) as error:
        return _fail(error, 2)
    except NoStack as error:
        return _fail(error, 3)
    except RequestFailed as error:
        return _fail(error, 1)
    except KeyboardInterrupt:
        return _fail("interrupted", 130)


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--stack", "-s", help="the stack; default: local, else the one that the Pulumi CLI has selected")
    common.add_argument("--outputs", type=Path, metavar="FILE", help="the stack's outputs, as `pulumi stack output --json` prints them")
    common.add_argument("--json", action="store_true", help="print JSON")
    parser = argparse.ArgumentParser(
        prog="python -m client", description=__doc__, epilog=EXIT_CODES, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(metavar="VERB", required=True)

    request = verbs.add_parser("request", parents=[common], help="send a request and show what came of it")
    request.add_argument("variant", help="map, parallel or sns, as deployed")
    request.add_argument("--input", default=None, metavar="FILE", help="the request as JSON, - for standard input; default: sampleInput")
    request.add_argument("--no-wait", action="store_true", help="print the request's id and do not wait for its result")
    request.set_defaults(run=_request)

    get = verbs.add_parser("get", parents=[common], help="show a request and its result so far")
    get.add_argument("id")
    get.set_defaults(run=_get)
    return parser


def _request(options: argparse.Namespace, stack: Stack) -> int:
    body = stack.sample_request if options.input is None else _read(options.input)
    if options.no_wait:
        request_id = stack.send(options.variant, body)
        print(json.dumps({"requestId": request_id}) if options.json else request_id)
        return 0
    result = stack.request(options.variant, body)
    _show(result, options.json)
    return 1 if result["status"] == "FAILED" else 0


def _get(options: argparse.Namespace, stack: Stack) -> int:
    result = stack.result(options.id)
    if result is None:
        raise NoStack(f"there is no request {options.id}")
    _show(result, options.json)
    return 0


def _read(source: str) -> Any:
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text()
        return json.loads(text)
    except OSError as error:
        raise UsageError(f"cannot read {source}: {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"{source} is not JSON: {error}") from None


def _show(result: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(result, indent=2))
        return
    from rich.console import Console

    from client import display

    display.result(Console(highlight=False), result)


def _fail(reason: object, code: int) -> int:
    print(f"error: {reason}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
