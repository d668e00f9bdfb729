"""get ID: shows a request and its result so far."""

import argparse

from client import arguments, display
from client.errors import UnknownRequest
from client.stack import Stack


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", help="the request's id")
    arguments.add_api(parser)


def run(options: argparse.Namespace, stack: Stack) -> int:
    result = stack.result(options.id)
    if result is None:
        raise UnknownRequest(f"there is no request {options.id}")
    if options.json:
        display.print_json(result)
    else:
        display.print_result(result)
    return 0
