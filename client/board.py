"""board: prints the address of the quote board and opens it in a browser."""

import argparse
import json
import urllib.error
import urllib.request
import webbrowser

from client.api_url import api_url
from client.errors import StackError, UsageError
from client.stack import Stack

ANSWERS_SECONDS = 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-open", action="store_true", help="only print the address")


def run(options: argparse.Namespace, stack: Stack) -> int:
    url = address(stack)
    print(json.dumps({"url": url}) if options.json else url, flush=True)
    if not options.no_open:
        webbrowser.open(url)
    return 0


def address(stack: Stack) -> str:
    """The board's address, once it has answered there. Raises UsageError where the stack has none, with what to set."""
    url = f"{api_url(stack.outputs, stack.endpoint)}/"
    try:
        with urllib.request.urlopen(url, timeout=ANSWERS_SECONDS):
            return url
    except urllib.error.HTTPError as error:
        if error.code == 404:
            raise UsageError("the stack's API has no board: a browser cannot sign for auth AWS_IAM; it needs api.auth JWT") from None
        raise StackError(f"{url} answered {error.code} {error.reason}") from None
    except OSError:
        from botocore.exceptions import EndpointConnectionError

        # As for everything else that cannot be reached, which has an exit code of its own.
        raise EndpointConnectionError(endpoint_url=url) from None
