"""logs [NAME | REQUEST_ID]: what the functions of the stack say, oldest first, one line for each event.

    13:14:59.042  avis  ERROR  3f2c…  its code raised: KeyError: 'days' (acme.py:12)

The words of an exception stand in its line; --traceback shows the rest of it. --json prints each event as it is, with "source" and "time".
"""

import argparse
import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from client import arguments, display
from client.errors import UsageError, when_interrupted
from client.stack import Stack
from handlers.contract import REQUEST_ID

if TYPE_CHECKING:
    from rich.text import Text

POLL_SECONDS = 1.0
"""FilterLogEvents may be called 10 times a second and more in an account, which a stack of a hundred responders would use up:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html"""

AT_ONCE = 8
PLATFORM = ("START RequestId", "END RequestId", "REPORT RequestId", "INIT_START")
DETAILS = ("status", "attempt", "messages", "reason")
LEVELS = {"ERROR": "red", "CRITICAL": "red", "WARNING": "yellow"}


@dataclass(frozen=True, order=True)
class Event:
    """One event of a log. time: seconds since 1970. content: its JSON; {"message"} for one that is none."""

    time: float
    id: str
    source: str
    content: Mapping[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "speaker",
        nargs="?",
        metavar="NAME | REQUEST_ID",
        help="a responder, another function of the stack (aggregator, api …), or the id of a request; default: everything",
    )
    parser.add_argument("--since", type=arguments.ago, default="10m", metavar="TIME", help="how far back: 30s, 10m, 2h, 1d; default: 10m")
    parser.add_argument("--follow", "-f", action="store_true", help="go on with what comes, until interrupted")
    parser.add_argument("--traceback", action="store_true", help="show the whole traceback of an exception")


def run(options: argparse.Namespace, stack: Stack) -> int:
    groups: Mapping[str, str] = stack.outputs.get("logGroups", {})
    chosen, request_id = _chosen(options.speaker, groups)
    since = time.time() - options.since
    seen: set[str] = set()
    again = arguments.command(options, "logs", *filter(None, [options.speaker]), "--follow")
    with when_interrupted(f"to go on: {again}"):
        while True:
            for event in sorted(events(stack, chosen, since, request_id)):
                if event.id not in seen:
                    seen.add(event.id)
                    _show(event, options)
            if not options.follow:
                return 0
            sys.stdout.flush()
            # What was written a moment ago may still be on its way.
            since = max(since, time.time() - 60)
            time.sleep(POLL_SECONDS)


def events(stack: Stack, groups: Mapping[str, str], since: float, request_id: str | None = None) -> Iterator[Event]:
    """What stands in these log groups, by what writes there. request_id: only what concerns that request."""
    logs = stack.client("logs")

    def read(source: str) -> list[Event]:
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=groups[source], startTime=int(since * 1000), **({"filterPattern": f'"{request_id}"'} if request_id else {})
        )
        return [event for page in pages for line in page["events"] if (event := _event(source, line)) is not None]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for found in pool.map(read, groups):
            yield from found


def _event(source: str, line: Mapping[str, Any]) -> Event | None:
    text = line["message"].rstrip()
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        content = {"message": text}
    if text.startswith(PLATFORM) or str(content.get("type", "")).startswith("platform."):
        return None
    return Event(line["timestamp"] / 1000, line.get("eventId") or f"{source} {line['timestamp']} {text}", source, content)


def _chosen(of: str | None, groups: Mapping[str, str]) -> tuple[Mapping[str, str], str | None]:
    """The log groups to read, and the id of the request that they are to speak of."""
    if not groups:
        raise UsageError("the stack has no output logGroups: run `pulumi up`, or `python -m local up`, once more")
    if of is None:
        return groups, None
    if of in groups:
        return {of: groups[of]}, None
    if not REQUEST_ID.fullmatch(of):
        raise UsageError(f"{of} is no id of a request; allowed: such an id, or one of {', '.join(groups)}")
    return groups, of


def _show(event: Event, options: argparse.Namespace) -> None:
    if options.json:
        print(json.dumps({"source": event.source, "time": _time(event), **event.content}, ensure_ascii=False))
        return
    out = display.console()
    for line in lines(event, with_traceback=options.traceback):
        out.print(line, soft_wrap=True)


def lines(event: Event, *, with_traceback: bool) -> "Iterable[Text]":
    from rich.text import Text

    content = event.content
    level = str(content.get("level", ""))
    trace = str(content.get("exception", "")).rstrip().splitlines()
    said = display.visible(content.get("message", ""))
    words = f": {display.visible(trace[-1])}" if trace else ""
    yield Text.assemble(
        (_time(event)[11:23], "dim"),
        "  ",
        (event.source, "bold"),
        "  ",
        (f"{level}  " if level else "", LEVELS.get(level, "")),
        f"{content['correlation_id']}  " if "correlation_id" in content else "",
        said,
        words,
        (_details(content), "dim"),
    )
    if with_traceback:
        yield from (Text(f"    {display.visible(line)}", "dim") for line in trace)


def _details(content: Mapping[str, Any]) -> str:
    """What else an event of the project's own says."""
    error = content.get("error")
    shown = [f"{key} {display.visible(content[key])}" for key in DETAILS if content.get(key)]
    if isinstance(error, dict):
        shown.append(display.visible(f"{error.get('type')}: {error.get('message')}" + (f" ({error['at']})" if "at" in error else "")))
    return f"  ({', '.join(shown)})" if shown else ""


def _time(event: Event) -> str:
    return datetime.fromtimestamp(event.time, UTC).isoformat(timespec="milliseconds")
