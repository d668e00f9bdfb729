"""Lambda adapter that begins a run: checks its input, reads the source, and says where the Map finds its items.

Every row is numbered in the order of the source, from 0. An inline Map receives the rows directly. For a distributed Map they are written
as JSON Lines to RESULTS_PREFIX/RUN/items.jsonl, and a description of the source to source.json beside it. Rows in a format that Step
Functions reads by itself stay where they are.

Event     {"run", "execution": its ARN, "input": the execution's, "maxConcurrency"}
Returns   {"label", "maxConcurrency", and "items": [{"index", "item"}] | "bucket", "key"} | {"refused": {"type", "message"}}, where the
          type is InvalidInput or InvalidSource

Environment: SOURCE (JSON, see `handlers.sources`); MAX_ITEMS of an inline Map, or RESULTS_BUCKET and RESULTS_PREFIX.
"""

import functools
import json
import os
import time
from collections.abc import Iterator, Mapping
from typing import Any

import boto3
from aws_lambda_powertools.logging import Logger

from handlers import result_files, run_input, sources, streaming
from handlers.processing import ITEMS_FILE, READ_BY_STEP_FUNCTIONS, SOURCE_FILE, STATE_BYTES
from handlers.run_input import InvalidInput, RunInput
from handlers.sources import InvalidSource

logger = Logger(service="reader")

LIST_BYTES = STATE_BYTES - 2_048
"""Room for the other fields of a function's answer, or of an execution's input, beside its items."""

SPARE_SECONDS = 30
"""Reading must end so long before the function's time is over, to leave time to write the last part."""

LOOKS, LOOK_SECONDS = 15, 2.0
"""The pause between two looks at an earlier run that has not ended yet: an account may list Map Runs once a second."""

LOOKED_EVERY = 1_000
"""Rows between two looks at the clock."""


@functools.cache
def client(service: str) -> Any:
    return boto3.client(service)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    logger.append_keys(correlation_id=event["run"])
    try:
        begun = begin(event, Clock(context.get_remaining_time_in_millis() / 1000))
    except (InvalidInput, InvalidSource) as reason:
        logger.warning("refused", extra={"reason": str(reason)})
        return {"refused": {"type": type(reason).__name__, "message": str(reason)}}
    logger.info("read", extra={name: value for name, value in begun.items() if name != "items"})
    return begun


def begin(event: Mapping[str, Any], clock: "Clock") -> dict[str, Any]:
    """The handler's return value. Raises InvalidInput and InvalidSource."""
    mode = "INLINE" if "MAX_ITEMS" in os.environ else "DISTRIBUTED"
    asked = run_input.checked(event["input"], json.loads(os.environ["SOURCE"]), mode, event["maxConcurrency"])
    known = {"label": asked.label or event["run"], "maxConcurrency": asked.max_concurrency}
    if mode == "INLINE":
        rows = sources.rows_of(asked.source, client)
        return {**known, "items": fitting_inline(numbered(rows), sources.name_of(asked.source), int(os.environ["MAX_ITEMS"]))}
    folder = Folder(client("s3"), os.environ["RESULTS_BUCKET"], f"{os.environ['RESULTS_PREFIX']}/{event['run']}")
    if asked.again:
        return known | again(folder, asked, event["execution"], clock)
    return known | laid_out(folder, asked, known["label"], clock)


class Clock:
    """seconds: how much of the function's time is left."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds - SPARE_SECONDS
        self._seconds = seconds

    def check(self, rows: int, name: str) -> None:
        """Raises InvalidSource if no time is left."""
        if time.monotonic() > self._ends:
            raise InvalidSource(
                f"{name} has more rows than are read in {self._seconds:.0f} s: {rows} came that far; divide it, or take format parquet, "
                "which Step Functions reads for itself"
            )


class Folder:
    """Where a run keeps its rows and their description."""

    def __init__(self, s3: Any, bucket: str, path: str) -> None:
        self._s3, self.bucket, self._path = s3, bucket, path

    def of(self, run: str) -> "Folder":
        return Folder(self._s3, self.bucket, f"{self._path.rpartition('/')[0]}/{run}")

    @property
    def items_key(self) -> str:
        return f"{self._path}/{ITEMS_FILE}"

    def write_items(self, lines: Iterator[str]) -> None:
        streaming.upload(self._s3, self.bucket, self.items_key, lines)

    def items(self) -> Iterator[dict[str, Any]]:
        return result_files.lines(self._s3, self.bucket, self.items_key)

    def write_source(self, known: Mapping[str, Any]) -> None:
        self._s3.put_object(Bucket=self.bucket, Key=f"{self._path}/{SOURCE_FILE}", Body=json.dumps(known).encode())

    def source(self) -> dict[str, Any]:
        """Raises InvalidSource if the run left nothing, or what it left is gone."""
        key = f"{self._path}/{SOURCE_FILE}"
        body = sources.with_reasons(lambda: self._s3.get_object(Bucket=self.bucket, Key=key)["Body"], sources.address(self.bucket, key))
        return json.load(body)


def laid_out(folder: Folder, asked: RunInput, label: str, clock: Clock) -> dict[str, Any]:
    """Raises InvalidSource."""
    name = sources.name_of(asked.source)
    known = {"label": label, "source": name}
    if asked.source.get("format") in READ_BY_STEP_FUNCTIONS:
        sources.check_object(asked.source, client("s3"))
        folder.write_source({**known, "read": [f"{name}: {asked.source['format']}, by Step Functions"]})
        return {"bucket": asked.source["bucket"], "key": asked.source["key"]}
    said: list[str] = []
    written = Lines(numbered(sources.rows_of(asked.source, client, said.append)), name, clock)
    folder.write_items(iter(written))
    folder.write_source({**known, "read": said, "rows": written.count})
    return {"bucket": folder.bucket, "key": folder.items_key}


def again(folder: Folder, asked: RunInput, execution: str, clock: Clock) -> dict[str, Any]:
    """The rows of an earlier run that did not succeed. Raises InvalidSource."""
    earlier = folder.of(asked.again or "")
    source = earlier.source()
    if "rows" not in source:
        raise InvalidSource(f"the rows of run {asked.again} were read by Step Functions and are not kept; again needs another format")
    done = Done(source["rows"])
    for run in ended_runs(f"{execution.rpartition(':')[0]}:{asked.again}"):
        manifest = result_files.manifest_of(os.environ["RESULTS_PREFIX"], run["mapRunArn"])
        for outcome in result_files.outcomes(client("s3"), folder.bucket, manifest, is_empty=lambda: True):
            if outcome["status"] == "SUCCEEDED":
                done.add(outcome["index"])
    left = (entry for entry in earlier.items() if entry["index"] not in done)
    written = Lines(left, f"run {asked.again}", clock)
    folder.write_items(iter(written))
    label = asked.label or source["label"]
    folder.write_source({"label": label, "source": source["source"], "read": [], "again": asked.again, "rows": source["rows"]})
    return {"bucket": folder.bucket, "key": folder.items_key, "label": label}


def ended_runs(execution: str) -> list[dict[str, Any]]:
    """The Map Runs of an execution. A Map Run that was stopped may still be ending, because it finishes what it has begun. Raises
    InvalidSource if a Map Run keeps running."""
    for look in range(LOOKS):
        time.sleep(LOOK_SECONDS if look else 0)
        runs = client("stepfunctions").list_map_runs(executionArn=execution)["mapRuns"]
        if all("stopDate" in run for run in runs):
            return runs
    raise InvalidSource(f"run {execution.rpartition(':')[2]} still goes on: what it does not reach is known when it has ended")


class Done:
    """Which of so many rows succeeded, with one bit per row."""

    def __init__(self, rows: int) -> None:
        self._bits = bytearray(rows // 8 + 1)

    def add(self, index: int) -> None:
        self._bits[index >> 3] |= 1 << (index & 7)

    def __contains__(self, index: int) -> bool:
        return bool(self._bits[index >> 3] & 1 << (index & 7))


class Lines:
    """Turns rows into lines of JSON and counts them. Raises InvalidSource for a row that is too large for an execution's input."""

    def __init__(self, entries: Iterator[dict[str, Any]], name: str, clock: Clock) -> None:
        self._entries, self._name, self._clock = entries, name, clock
        self.count = 0

    def __iter__(self) -> Iterator[str]:
        for entry in self._entries:
            line = _json(entry)
            # Most lines are far below the limit, whatever a character takes.
            if len(line) * 4 > LIST_BYTES and len(line.encode()) > LIST_BYTES:
                raise InvalidSource(
                    f"row {entry['index'] + 1} of {self._name} takes {len(line.encode())} bytes as JSON; an execution takes {LIST_BYTES}"
                )
            self.count += 1
            if self.count % LOOKED_EVERY == 0:
                self._clock.check(self.count, self._name)
            yield line + "\n"


def numbered(rows: Iterator[Any]) -> Iterator[dict[str, Any]]:
    for index, row in enumerate(rows):
        yield {"index": index, "item": row}


def fitting_inline(entries: Iterator[dict[str, Any]], name: str, most: int) -> list[dict[str, Any]]:
    """The rows. Raises InvalidSource if there are more than an inline Map can take."""
    found: list[dict[str, Any]] = []
    size = 1
    for entry in entries:
        found.append(entry)
        size += len(_json(entry).encode()) + 1
        if len(found) > most:
            raise InvalidSource(f"{name} has more than {most} items; an inline Map takes {most}: use mode DISTRIBUTED")
        if size > LIST_BYTES:
            raise InvalidSource(
                f"{name} takes more than {LIST_BYTES} bytes as JSON, which is what an inline Map takes: use mode DISTRIBUTED"
            )
    return found


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
