"""run: starts the distributed variant and follows it until it ends, by items done and pending."""

import argparse
import contextlib
import json
import random
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any

from client import arguments, display
from client.errors import UnknownVariant, when_interrupted
from client.stack import Stack
from handlers import exact_json
from handlers.processing import FAILURES_FILE, ITEMS_FILE

NOTHING_GIVEN: Mapping[str, Any] = {}

POLL_SECONDS = 0.5
"""On the emulator, which has no quotas."""

AWS_POLL_SECONDS = (2.0, 5.0)
"""Between two looks at AWS, by chance. An account may ask for Map Runs once a second, and for pages of a history twenty times:
https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html"""

ROW_MS = 1.0
HISTORY_PAGE = 1_000
THROTTLED = ("ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded")
SHOWN_FAILURES = 10
HINTS = {
    "States.DataLimitExceeded": "all results together take more than the 262,144 bytes that an inline Map may: return less, or use "
    "mode DISTRIBUTED"
}


@dataclass(frozen=True)
class Progress:
    """How far a run is. Which of the items failed is known when they are tallied."""

    done: int
    pending: int

    @property
    def items(self) -> int:
        return self.done + self.pending


@dataclass(frozen=True)
class Run:
    """A run that has ended.

    status: SUCCEEDED, FAILED, TIMED_OUT or ABORTED; error: its name, such as ToleranceExceeded or InvalidSource; done: fewer than the
    items where the run was cut short, and then nobody counted the failed ones; failedBy: how many failed with which type of error;
    results: an s3:// address, or the outcomes; failures: {"index", "item", "error"}, as many as were asked for.
    """

    execution: str
    status: str
    items: int | None = None
    done: int | None = None
    succeeded: int | None = None
    failed: int | None = None
    failedBy: dict[str, int] = field(default_factory=dict)
    results: Any = None
    failures: list[dict[str, Any]] = field(default_factory=list)
    error: str | None = None
    cause: str | None = None

    @property
    def exit_code(self) -> int:
        """2 for a source that could not be run, as for any wrong use; 1 for every other end but success."""
        return {"SUCCEEDED": 0, "InvalidSource": 2, "InvalidInput": 2}.get(self.error or self.status, 1)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--name", help="the execution's name: what was run under it is not run again")
    what.add_argument("--follow", metavar="RUN", help="follow a run that was started before: its execution's name or ARN")
    what.add_argument("--stop", metavar="RUN", help="stop that run: items that have begun end, no other begins")
    parser.add_argument("--dry-run", action="store_true", help="read and check the source, say what a run would take, and start nothing")
    parser.add_argument(
        "--row-ms", type=float, default=ROW_MS, metavar="T", help=f"for --dry-run: what process takes for an item; default: {ROW_MS:g}"
    )
    of_source = parser.add_argument_group("in place of what the stack is configured with")
    of_source.add_argument("--bucket", help="of the data set")
    of_source.add_argument("--key", help="the object with the data set")
    of_source.add_argument("--prefix", help="all objects below it, which ends in /")
    of_source.add_argument("--key-value", metavar="VALUE", help="of the item with the list, or of the query")
    of_source.add_argument("--tolerate", type=_tolerance, metavar="N|P%%", help="how many items, or which share of them, may fail")
    of_source.add_argument("--concurrency", type=_none_or_more, metavar="N", help="how many items, or batches, at once")
    of_source.add_argument("--label", help="runs with one label process an item once between them, where the stack is idempotent")
    of_source.add_argument("--again", metavar="RUN", help="process what failed or was not reached in that run")
    parser.add_argument(
        "--failures",
        type=_none_or_more,
        default=SHOWN_FAILURES,
        metavar="N",
        help=f"how many failed items to list; default: {SHOWN_FAILURES}",
    )


def _none_or_more(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is not 0 or more")
    return number


def _tolerance(text: str) -> dict[str, float]:
    share = text.endswith("%")
    try:
        return {"percentage": float(text[:-1])} if share else {"count": int(text)}
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is neither a number of items, such as 10, nor a share of them, such as 1%") from None


def run(options: argparse.Namespace, stack: Stack) -> int:
    if options.dry_run:
        from client import dry_run

        return dry_run.run(stack, input_of(options, stack), options.row_ms / 1_000, as_json=options.json)
    execution = named(stack, options.follow or options.stop or options.name or str(uuid.uuid4()))
    name = execution.rpartition(":")[2]
    follows, stops = (arguments.command(options, "run", how, execution) for how in ("--follow", "--stop"))
    with (
        when_interrupted(f"what was started goes on: {follows}; to stop it: {stops}"),
        _display(lambda: size_of(stack, name), as_json=options.json) as show,
    ):
        if options.stop:
            stack.client("stepfunctions").stop_execution(executionArn=execution)
        elif not options.follow:
            start(stack, name, input_of(options, stack))
        for progress in watch(stack, execution):
            show(progress)
    ended = result(stack, execution, options.failures)
    if options.json:
        print(json.dumps(asdict(ended), default=str))
    else:
        _print(ended, name)
    return ended.exit_code


def input_of(options: argparse.Namespace, stack: Stack) -> dict[str, Any]:
    """Of the execution, as `handlers.run_input` has it: what the options say of the run, and nothing else."""
    is_number = stack.outputs.get("distributedSource", {}).get("keyType") == "N"
    value = options.key_value
    given = {
        "bucket": options.bucket,
        "key": options.key,
        "prefix": options.prefix,
        "keyValue": int(value) if is_number and value and value.lstrip("-").isdecimal() else value,
        "tolerance": options.tolerate,
        "maxConcurrency": options.concurrency,
        "label": options.label,
        "again": options.again,
    }
    return {name: value for name, value in given.items() if value is not None}


def start(stack: Stack, name: str | None = None, given: Mapping[str, Any] = NOTHING_GIVEN) -> str:
    """The ARN of the new execution. given: its input. UnknownVariant where the variant is not deployed."""
    machine = machine_of(stack)
    started = stack.client("stepfunctions").start_execution(
        stateMachineArn=machine, input=json.dumps(given), **({"name": name} if name else {})
    )
    return started["executionArn"]


def named(stack: Stack, run: str) -> str:
    """The ARN of the execution with that name, or that ARN. Raises as `start` does."""
    return run if run.startswith("arn:") else f"{machine_of(stack).replace(':stateMachine:', ':execution:')}:{run}"


def machine_of(stack: Stack) -> str:
    machine = stack.outputs.get("distributedStateMachineArn")
    if machine is None:
        raise UnknownVariant("variant distributed is not deployed: add it to variants")
    return machine


def place_of_results(stack: Stack) -> tuple[str, str] | None:
    """Bucket and prefix of the runs' rows and results; None of a stack whose runs are inline."""
    bucket, _, prefix = stack.outputs["distributedResults"].removeprefix("s3://").partition("/")
    return (bucket, prefix.rstrip("/")) if stack.outputs["distributedResults"].startswith("s3://") else None


def size_of(stack: Stack, run: str) -> int | None:
    """How many bytes the rows of a run take that its reader has laid out; None of one whose rows are elsewhere."""
    from botocore.exceptions import ClientError

    place = place_of_results(stack)
    if place is None:
        return None
    bucket, prefix = place
    try:
        return stack.client("s3").head_object(Bucket=bucket, Key=f"{prefix}/{run}/{ITEMS_FILE}")["ContentLength"]
    except ClientError:
        # It is only for show: that a run goes on matters more.
        return None


def watch(stack: Stack, execution: str, poll_seconds: float | None = None) -> Iterator[Progress]:
    """The progress whenever it has changed, until the execution ends. poll_seconds: between two looks; without it, what AWS allows. A look
    that AWS throttles is one that sees nothing new."""
    workflows, seen, map_run, ended = stack.client("stepfunctions"), None, None, False
    is_distributed = place_of_results(stack) is not None
    while True:
        with _patience():
            ended = ended or workflows.describe_execution(executionArn=execution)["status"] != "RUNNING"
            if is_distributed:
                map_run = map_run or _map_run(workflows, execution)
                progress = _map_run_progress(workflows, map_run) if map_run else None
            else:
                progress = _inline_progress(workflows, execution)
            if progress is not None and progress != seen:
                seen = progress
                yield progress
            if ended:
                return
        time.sleep(_pause(stack) if poll_seconds is None else poll_seconds)


def _pause(stack: Stack) -> float:
    return POLL_SECONDS if stack.endpoint else random.uniform(*AWS_POLL_SECONDS)


@contextlib.contextmanager
def _patience() -> Generator[None]:
    """Of whoever asks more often than the account may, other callers included."""
    from botocore.exceptions import ClientError

    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] not in THROTTLED:
            raise


def result(stack: Stack, execution: str, failures: int = SHOWN_FAILURES) -> Run:
    """What an execution that has ended came to. failures: how many to fetch at the most."""
    workflows = stack.client("stepfunctions")
    state = workflows.describe_execution(executionArn=execution)
    summary: dict[str, Any] = _summary(state)
    if "items" not in summary:
        # It was cut short. Which of the items failed, only the tally would have known.
        map_run = _map_run(workflows, execution)
        progress = _map_run_progress(workflows, map_run) if map_run else None
        summary = {"items": progress.items, "done": progress.done} if progress else {}
    listed = islice(_failures(stack, summary), failures)
    return Run(
        execution=execution,
        status=state["status"],
        items=summary.get("items"),
        done=summary.get("done", summary.get("items")),
        succeeded=summary.get("succeeded"),
        failed=summary.get("failed"),
        failedBy=summary.get("failedBy", {}),
        results=summary.get("results"),
        error=state.get("error"),
        cause=state.get("cause"),
        failures=[
            {"index": failure["index"], "item": exact_json.from_json(failure.get("item")), "error": failure["error"]} for failure in listed
        ],
    )


def _summary(state: dict[str, Any]) -> dict[str, Any]:
    """The tally's: a run within its tolerance has it as its output, one beyond it as its cause."""
    if state["status"] == "SUCCEEDED":
        return json.loads(state["output"])
    return json.loads(state["cause"]) if state.get("error") == "ToleranceExceeded" else {}


def _failures(stack: Stack, summary: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All of them: of a Distributed Map, the tally wrote them beside the results."""
    if not isinstance(summary.get("results"), str):
        yield from summary.get("failures", [])
        return
    if not summary["failed"]:
        return
    bucket, _, folder = summary["results"].removeprefix("s3://").partition("/")
    for line in stack.client("s3").get_object(Bucket=bucket, Key=f"{folder}{FAILURES_FILE}")["Body"].iter_lines():
        yield json.loads(line)


def _map_run(workflows: Any, execution: str) -> str | None:
    """The ARN of the execution's Map Run; None where it has none (yet)."""
    runs = workflows.list_map_runs(executionArn=execution)["mapRuns"]
    return runs[0]["mapRunArn"] if runs else None


def _map_run_progress(workflows: Any, map_run: str) -> Progress:
    counts = workflows.describe_map_run(mapRunArn=map_run)["itemCounts"]
    pending = counts["pending"] + counts["running"]
    return Progress(counts["total"] - pending, pending)


def _inline_progress(workflows: Any, execution: str) -> Progress | None:
    """From the history; None where it has no iterations yet, or none ever, as on the emulator."""
    length, done = None, 0
    for page in workflows.get_paginator("get_execution_history").paginate(
        executionArn=execution, includeExecutionData=False, maxResults=HISTORY_PAGE
    ):
        for event in page["events"]:
            if event["type"] == "MapStateStarted":
                length = event["mapStateStartedEventDetails"]["length"]
            done += event["type"] in ("MapIterationSucceeded", "MapIterationFailed")
    return None if length is None else Progress(done, length - done)


class _display:
    """One line that is rewritten on a terminal, or a line of JSON for each step; nothing where the output is piped. size: of all rows,
    asked for when the first of them are known."""

    def __init__(self, size: Callable[[], int | None], *, as_json: bool) -> None:
        from rich.console import Console

        self._console = Console(stderr=True)
        self._as_json = as_json
        self._size, self._bytes = size, None
        self._status: Any = None
        self._began: tuple[float, int] | None = None

    def __enter__(self) -> Any:
        if not self._as_json and self._console.is_terminal:
            self._status = self._console.status("reading the source")
            self._status.start()
        return self._show

    def _show(self, progress: Progress) -> None:
        if not self._as_json and self._status is None:
            return
        now = time.monotonic()
        if self._began is None:
            self._began, self._bytes = (now, progress.done), self._size()
        since, before = self._began
        pace = (progress.done - before) / (now - since) if now > since else 0.0
        left = progress.pending / pace if pace else None
        if self._as_json:
            size = {} if self._bytes is None else {"bytes": self._bytes, "bytesDone": self._of(progress)}
            told = {"items": progress.items, **asdict(progress), **size, "perSecond": round(pace, 1), "secondsLeft": left and round(left)}
            print(json.dumps({"progress": told}), flush=True)
        else:
            going = f", {pace:,.0f} a second, {_duration(left)} left" if left is not None else ""
            size = "" if self._bytes is None else f", {self._of(progress) / 1e6:.1f} of {self._bytes / 1e6:.1f} MB"
            self._status.update(f"{progress.done:,} of {progress.items:,} items done{size}{going}")

    def _of(self, progress: Progress) -> int:
        """The bytes of the rows that are done, if all of them are alike."""
        return round((self._bytes or 0) * progress.done / max(1, progress.items))

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _print(ended: Run, name: str) -> None:
    from rich.text import Text

    console = display.console()
    colour = "green" if ended.status == "SUCCEEDED" else "red"
    if ended.failed is not None:
        counts = f": {ended.items} items, {ended.succeeded} succeeded, {ended.failed} failed"
    else:
        counts = "" if ended.items is None else f": {ended.done} of {ended.items} items done"
    console.print(Text.assemble("run ", (ended.status.lower(), colour), counts), soft_wrap=True)
    if ended.error and ended.items is None:
        console.print(Text(f"{ended.error}: {ended.cause or ''}"), soft_wrap=True)
        if ended.error in HINTS:
            console.print(Text(HINTS[ended.error]), soft_wrap=True)
    if len(ended.failedBy) > 1 or sum(ended.failedBy.values()) > len(ended.failures):
        by = ", ".join(f"{count:,} {kind}" for kind, count in ended.failedBy.items())
        console.print(Text(f"failed by type: {by}"), soft_wrap=True)
    if isinstance(ended.results, str):
        console.print(Text(f"results: {ended.results}"), soft_wrap=True)
    for failure in ended.failures:
        error = failure["error"]
        where = f" ({error['at']})" if "at" in error else ""
        console.print(Text(f"  item {failure['index']}: {error['type']}: {error['message']}{where}"), soft_wrap=True)
    if ended.failed and ended.failed > len(ended.failures):
        console.print(f"  and {ended.failed - len(ended.failures):,} more (--failures N)")
    if isinstance(ended.results, str):
        console.print(Text(f"one file: results {name} -o FILE"), soft_wrap=True)
    if ended.exit_code != 2 and (ended.failed is None or (ended.failed and isinstance(ended.results, str))):
        console.print(Text(f"what failed or was not reached: run --again {name}"), soft_wrap=True)
