"""What several verbs take from the command line."""

import argparse
import json
import math
import re
import shlex
import sys
from pathlib import Path
from typing import Any

from client.errors import UsageError
from client.stack import TIMEOUT_SECONDS, Stack

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def add_request(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--input", "-i", metavar="FILE", help="the request as JSON, - for standard input; default: the stack's sampleInput")
    completion = parser.add_argument_group("when the request closes, in place of what the input says")
    completion.add_argument("--quorum", type=int, metavar="N", help="N quotes are enough")
    completion.add_argument("--below", metavar="AMOUNT", help="the first quote below AMOUNT is enough")
    completion.add_argument("--require", action="append", metavar="NAME", help="but not without NAME; may be repeated")
    completion.add_argument("--deadline", type=_seconds, metavar="SECONDS", help="not longer than SECONDS")


def add_api(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--api",
        action="store_true",
        help="talk to the stack's HTTP API, not to AWS's services: signed with your AWS "
        "credentials, or, with auth JWT, with the token in SCATTER_GATHER_TOKEN",
    )


def add_timeout(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=TIMEOUT_SECONDS,
        metavar="SECONDS",
        help=f"how long to wait for the result; default: {TIMEOUT_SECONDS:g}",
    )


def read_request(options: argparse.Namespace, stack: Stack) -> Any:
    """The request that the arguments of `add_request` describe. UsageError where the input cannot be read."""
    body = _input(options.input, stack)
    completion = {
        key: value
        for key, value in (
            ("quorum", options.quorum),
            ("amountBelow", options.below),
            ("required", options.require),
            ("deadlineSeconds", options.deadline),
        )
        if value is not None
    }
    given = body.get("completion", {}) if isinstance(body, dict) else None
    # What is no request stays as it is, to be refused for what it is.
    return {**body, "completion": {**given, **completion}} if completion and isinstance(given, dict) else body


def command(options: argparse.Namespace, *words: str) -> str:
    """As it is typed, to the stack of these options."""
    of_stack = [f"--{name}={value}" for name in ("stack", "outputs") if (value := getattr(options, name, None)) is not None]
    return shlex.join(["python", "-m", str(__package__), *words, *of_stack, *(["--api"] if getattr(options, "api", False) else [])])


def ago(text: str) -> float:
    found = re.fullmatch(r"(\d+)([smhd])", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text} is no time; allowed: a number with s, m, h or d, such as 10m")
    return int(found[1]) * UNITS[found[2]]


def _input(source: str | None, stack: Stack) -> Any:
    """The JSON in a file or on standard input, else the stack's sample."""
    return stack.sample_request if source is None else read_json(source)


def read_json(source: str) -> Any:
    """source: a file, or - for standard input. UsageError where it cannot be read."""
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
        return json.loads(text)
    except OSError as error:
        raise UsageError(f"cannot read {source}: {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"{'standard input' if source == '-' else source} is not JSON: {error}") from None


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number of seconds above 0, not {text}")
    return seconds
