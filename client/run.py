"""run: starts the distributed variant and follows it until it ends, by items succeeded, failed and pending."""

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any

from client import display
from client.errors import UnknownVariant
from client.stack import Stack
from handlers import exact_json

POLL_SECONDS = 0.5
SHOWN_FAILURES = 10


@dataclass(frozen=True)
class Progress:
    """How far a run is. pending is None where the number of items is not known (yet)."""

    succeeded: int
    failed: int
    pending: int | None


@dataclass(frozen=True)
class Run:
    """A run that has ended.

    status: SUCCEEDED, FAILED, TIMED_OUT or ABORTED; error: its name, such as ToleranceExceeded or InvalidSource; results: an
    s3:// address, or the outcomes; failures: {"index", "item", "error"}, as many as were asked for.
    """

    execution: str
    status: str
    items: int | None = None
    succeeded: int | None = None
    failed: int | None = None
    results: Any = None
    failures: list[dict[str, Any]] = field(default_factory=list)
    error: str | None = None
    cause: str | None = None

    @property
    def exit_code(self) -> int:
        """2 for a source that could not be run, as for any wrong use; 1 for every other end but success."""
        return {"SUCCEEDED": 0, "InvalidSource": 2}.get(self.error or self.status, 1)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", help="the execution's name: what was run under it is not run again")
    parser.add_argument("--failures", type=_none_or_more, default=SHOWN_FAILURES, metavar="N",
                        help=f"how many failed items to list; default: {SHOWN_FAILURES}")


def _none_or_more(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is not 0 or more")
    return number


def run(options: argparse.Namespace, stack: Stack) -> int:
    execution = start(stack, options.name)
    with _display(quiet=options.json) as show:
        for progress in watch(stack, execution):
            show(progress)
    ended = result(stack, execution, options.failures)
    if options.json:
        display.print_json(asdict(ended))
    else:
        _print(ended)
    return ended.exit_code


def start(stack: Stack, name: str | None = None) -> str:
    """The ARN of the new execution. UnknownVariant where the variant is not deployed."""
    machine = stack.outputs.get("distributedStateMachineArn")
    if machine is None:
        raise UnknownVariant("variant distributed is not deployed: add it to variants")
    named = {"name": name} if name else {}
    return stack.client("stepfunctions").start_execution(stateMachineArn=machine, input="{}", **named)["executionArn"]


def watch(stack: Stack, execution: str, poll_seconds: float = POLL_SECONDS) -> Iterator[Progress]:
    """The progress whenever it has changed, until the execution ends."""
    workflows, seen = stack.client("stepfunctions"), None
    while True:
        ended = workflows.describe_execution(executionArn=execution)["status"] != "RUNNING"
        progress = _map_run_progress(workflows, execution) or _inline_progress(workflows, execution)
        if progress is not None and progress != seen:
            seen = progress
            yield progress
        if ended:
            return
        time.sleep(poll_seconds)


def result(stack: Stack, execution: str, failures: int = SHOWN_FAILURES) -> Run:
    """What an execution that has ended came to. failures: how many to fetch at the most."""
    workflows = stack.client("stepfunctions")
    state = workflows.describe_execution(executionArn=execution)
    summary = _summary(state)
    run = _map_run(workflows, execution)
    if run is not None and "items" not in summary:
        counts = run["itemCounts"]
        summary = {"items": counts["total"], "succeeded": counts["succeeded"],
                   "failed": counts["failed"] + counts["timedOut"] + counts["aborted"]}
    listed = _distributed_failures(stack, run["mapRunArn"], summary.get("results")) if run else iter(summary.get("failures", []))
    return Run(
        execution=execution, status=state["status"], items=summary.get("items"), succeeded=summary.get("succeeded"),
        failed=summary.get("failed"), results=summary.get("results"), error=state.get("error"), cause=state.get("cause"),
        failures=[{key: failure[key] for key in ("index", "item", "error")} for failure in islice(listed, failures)])


def _summary(state: dict[str, Any]) -> dict[str, Any]:
    """The counts: a run within its tolerance has them as its output, one beyond it as its cause."""
    if state["status"] == "SUCCEEDED":
        return json.loads(state["output"])
    if state.get("error") == "ToleranceExceeded":
        try:
            return json.loads(state["cause"])
        except ValueError:
            # A cause is cut off at 32,768 characters.
            return {}
    return {}


def _map_run(workflows: Any, execution: str) -> dict[str, Any] | None:
    runs = workflows.list_map_runs(executionArn=execution)["mapRuns"]
    return workflows.describe_map_run(mapRunArn=runs[0]["mapRunArn"]) if runs else None


def _map_run_progress(workflows: Any, execution: str) -> Progress | None:
    run = _map_run(workflows, execution)
    if run is None:
        return None
    counts = run["itemCounts"]
    return Progress(counts["succeeded"], counts["failed"] + counts["timedOut"] + counts["aborted"],
                    counts["pending"] + counts["running"])


def _inline_progress(workflows: Any, execution: str) -> Progress | None:
    """From the history; None where it has no iterations yet, or none ever, as on the emulator."""
    length, succeeded, failed = None, 0, 0
    for page in workflows.get_paginator("get_execution_history").paginate(executionArn=execution, includeExecutionData=False):
        for event in page["events"]:
            if event["type"] == "MapStateStarted":
                length = event["mapStateStartedEventDetails"]["length"]
            succeeded += event["type"] == "MapIterationSucceeded"
            failed += event["type"] == "MapIterationFailed"
    return None if length is None else Progress(succeeded, failed, length - succeeded - failed)


def _distributed_failures(stack: Stack, map_run: str, results: str | None) -> Iterator[dict[str, Any]]:
    """From the files that ResultWriter wrote; where there are none, as on the emulator, from the executions themselves."""
    manifest = _manifest(stack, results) if results else None
    plain = _plain_list_item if stack.outputs["distributedSource"]["source"] == "dynamodb" else exact_json.from_json
    if manifest is None:
        executions = _failed_executions(stack.client("stepfunctions"), map_run)
    else:
        files = manifest["ResultFiles"]
        executions = (line for file in files.get("FAILED", []) for line in _lines(stack, manifest["DestinationBucket"], file["Key"]))
        for file in files.get("SUCCEEDED", []):
            for outcome in _lines(stack, manifest["DestinationBucket"], file["Key"]):
                if outcome["status"] == "FAILED":
                    yield {**outcome, "item": exact_json.from_json(outcome["item"])}
    for execution in executions:
        entry = json.loads(execution["Input"])
        error = {"type": execution.get("Error"), "message": execution.get("Cause")}
        for failed in entry.get("Items", [entry]):
            yield {"index": failed["index"], "item": plain(failed["item"]), "error": error}


def _failed_executions(workflows: Any, map_run: str) -> Iterator[dict[str, Any]]:
    pages = workflows.get_paginator("list_executions").paginate(mapRunArn=map_run, statusFilter="FAILED")
    for page in pages:
        for execution in page["executions"]:
            state = workflows.describe_execution(executionArn=execution["executionArn"])
            yield {"Input": state["input"], "Error": state.get("error"), "Cause": state.get("cause")}


def _manifest(stack: Stack, results: str) -> dict[str, Any] | None:
    from botocore.exceptions import ClientError

    bucket, _, folder = results.removeprefix("s3://").partition("/")
    try:
        return json.load(stack.client("s3").get_object(Bucket=bucket, Key=f"{folder}manifest.json")["Body"])
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchKey":
            return None
        raise


def _lines(stack: Stack, bucket: str, key: str) -> Iterator[dict[str, Any]]:
    for line in stack.client("s3").get_object(Bucket=bucket, Key=key)["Body"].iter_lines():
        if line:
            yield json.loads(line)


def _plain_list_item(value: dict[str, Any]) -> Any:
    """The input of a list's execution is still as DynamoDB has it."""
    from boto3.dynamodb.types import TypeDeserializer

    return TypeDeserializer().deserialize(value)


class _display:
    """One line that is rewritten on a terminal; nothing at all where the output is piped, or is to be JSON."""

    def __init__(self, *, quiet: bool) -> None:
        from rich.console import Console

        self._console = Console(stderr=True)
        self._quiet = quiet or not self._console.is_terminal
        self._status: Any = None

    def __enter__(self) -> Any:
        if not self._quiet:
            self._status = self._console.status("started")
            self._status.start()
        return self._show

    def _show(self, progress: Progress) -> None:
        if self._status is not None:
            pending = "" if progress.pending is None else f", {progress.pending} pending"
            self._status.update(f"{progress.succeeded} succeeded, {progress.failed} failed{pending}")

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()


def _print(ended: Run) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    colour = "green" if ended.status == "SUCCEEDED" else "red"
    counts = "" if ended.items is None else f": {ended.items} items, {ended.succeeded} succeeded, {ended.failed} failed"
    console.print(Text.assemble("run ", (ended.status.lower(), colour), counts), soft_wrap=True)
    if ended.error and ended.items is None:
        console.print(Text(f"{ended.error}: {ended.cause or ''}"), soft_wrap=True)
    if isinstance(ended.results, str):
        console.print(Text(f"results: {ended.results}"), soft_wrap=True)
    for failure in ended.failures:
        error = failure["error"]
        console.print(Text(f"  item {failure['index']}: {error['type']}: {error['message']}"), soft_wrap=True)
    if ended.failed and ended.failed > len(ended.failures):
        console.print(f"  and {ended.failed - len(ended.failures)} more (--failures N)")
