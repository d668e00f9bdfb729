"""watch ID: shows the answers to a request as they arrive, until it is closed. With --json, one line for each change."""

import argparse
import json

from client import arguments, display
from client.errors import when_interrupted
from client.stack import Stack


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", help="the request's id")
    arguments.add_timeout(parser)
    arguments.add_api(parser)


def run(options: argparse.Namespace, stack: Stack) -> int:
    changes = stack.watch(options.id, options.timeout)
    with when_interrupted(f"the request goes on: {arguments.command(options, 'watch', options.id)}"):
        if options.json:
            status = "OPEN"
            for result in changes:
                print(json.dumps(result, default=str), flush=True)
                status = result["status"]
        else:
            status = display.last(stack, changes)["status"]
    return 1 if status == "FAILED" else 0
