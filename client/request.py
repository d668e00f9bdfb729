"""request VARIANT: sends a request and shows its answers as they arrive."""

import argparse
import json

from client import arguments, display
from client.errors import when_interrupted
from client.stack import Stack


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("variant", help="the carrier, such as map, as deployed")
    arguments.add_request(parser)
    parser.add_argument("--no-wait", action="store_true", help="print the request's id and do not wait for its result")
    arguments.add_timeout(parser)
    arguments.add_api(parser)


def run(options: argparse.Namespace, stack: Stack) -> int:
    body = stack.identified(arguments.read_request(options, stack))
    if options.no_wait:
        request_id = stack.send(options.variant, body)
        print(json.dumps({"requestId": request_id}) if options.json else request_id)
        return 0
    with when_interrupted(f"what was sent goes on: {arguments.command(options, 'watch', body['requestId'])}"):
        result = display.last(stack, stack.follow(options.variant, body, options.timeout), as_json=options.json)
    if options.json:
        display.print_json(result)
    return 1 if result["status"] == "FAILED" else 0
