"""What several verbs take from the command line."""

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

from client.errors import UsageError
from client.stack import TIMEOUT_SECONDS, Stack


def add_input(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--input", "-i", metavar="FILE", help="the request as JSON, - for standard input; default: the stack's sampleInput")


def add_api(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--api", action="store_true", help="talk to the stack's HTTP API, not to AWS's services: signed with your AWS "
                        "credentials, or, with auth JWT, with the token in SCATTER_GATHER_TOKEN")


def add_timeout(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--timeout", type=_seconds, default=TIMEOUT_SECONDS, metavar="SECONDS",
                        help=f"how long to wait for the result; default: {TIMEOUT_SECONDS:g}")


def read_request(source: str | None, stack: Stack) -> Any:
    """The JSON in a file or on standard input, else the stack's sample. UsageError where there is none."""
    if source is None:
        return stack.sample_request
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
