"""Lambda adapter that ends a run: counts its outcomes and compares the failed ones with the tolerance. An inline Map passes its outcomes; a
distributed Map passes the place where it wrote them.

Event     {"run", "input": the execution's, "outcomes": [Outcome] | {"ResultWriterDetails": {"Bucket", "Key"}, "MapRunArn"},
          "tolerance": {"count"?, "percentage"?}, which the input may replace}
Returns   {"withinTolerance": true, "items", "succeeded", "failed", "failedBy": {type: count}, "tolerance", and inline "results": [Outcome],
          "failures": [Outcome], distributed "results": "s3://…/", where failures.jsonl has the failed outcomes}
          | {"withinTolerance": false, "cause": the same as JSON text, with "failures", the first of them, and no inline results}

It also records a crash, if the function of an item or of a batch broke and could not report it itself:

Event     an event of `handlers.processor`, and "crash": {"Error", "Cause"}
Returns   FAILED Outcomes, in the processor's form

Environment: RESULTS_BUCKET of a distributed Map.
"""

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from aws_lambda_powertools.logging import Logger

from handlers import run_input
from handlers.processing import FAILURES_FILE, MAX_OUTCOMES_BYTES, Entry, Outcome, failure

logger = Logger(service="tally")

s3: Any = None
workflows: Any = None
if "RESULTS_BUCKET" in os.environ:
    import boto3
    from botocore.config import Config

    s3 = boto3.client("s3")
    # An account may describe one Map Run per second. A throttled call waits, because all items of the run are done.
    workflows = boto3.client("stepfunctions", config=Config(retries={"mode": "standard", "total_max_attempts": 8}))

LISTED_FAILURES = 10
LISTED_TYPES = 20
MAX_CAUSE_CHARS = 32_000
"""The limit on a cause: a Fail state allows 32,768 characters."""


def handler(event: dict[str, Any], context: Any) -> Any:
    if "crash" in event:
        return crashed(event)
    logger.append_keys(correlation_id=event["run"])
    outcomes = event["outcomes"]
    tolerance = run_input.tolerance_of(event["input"], event["tolerance"])
    count = Count()
    if s3 is None:
        results = list(count.of(outcomes))
        found: dict[str, Any] = {
            "results": [outcome for outcome in results if outcome["status"] == "SUCCEEDED"],
            "failures": [outcome for outcome in results if outcome["status"] == "FAILED"],
        }
    else:
        found = {"results": _write_failures(outcomes, count)}
    counted = count.summary(tolerance)
    logger.info("counted", extra=counted)
    if counted["withinTolerance"]:
        return {**counted, **found}
    listed = {"results": found["results"]} if s3 else {}
    return {"withinTolerance": False, "cause": cause({**counted, **listed}, count.first_failures)}


class Count:
    """Counts the outcomes that pass, and keeps the first failures."""

    def __init__(self) -> None:
        self.items = self.failed = 0
        self.failed_by: Counter[str] = Counter()
        self.first_failures: list[Outcome] = []

    def of(self, outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
        for outcome in outcomes:
            self.items += 1
            if outcome["status"] == "FAILED":
                self.failed += 1
                self.failed_by[outcome["error"]["type"]] += 1
                if len(self.first_failures) < LISTED_FAILURES:
                    self.first_failures.append(outcome)
            yield outcome

    def summary(self, tolerance: Mapping[str, float]) -> dict[str, Any]:
        return {
            "items": self.items,
            "succeeded": self.items - self.failed,
            "failed": self.failed,
            "failedBy": dict(self.failed_by.most_common(LISTED_TYPES)),
            "withinTolerance": is_within(tolerance, self.failed, self.items),
            "tolerance": dict(tolerance),
        }


def is_within(tolerance: Mapping[str, float], failed: int, items: int) -> bool:
    """If there are a count and a percentage, the one that is exceeded first decides. Without either, no item may fail."""
    if not tolerance:
        return failed == 0
    return failed <= tolerance.get("count", failed) and failed * 100 <= tolerance.get("percentage", 100) * items


def cause(summary: Mapping[str, Any], failures: Iterable[Outcome]) -> str:
    """The summary as JSON, with as many failures as a Fail state has room for."""
    listed: list[Outcome] = []
    text = json.dumps({**summary, "failures": listed}, ensure_ascii=False)
    for one in failures:
        longer = json.dumps({**summary, "failures": [*listed, one]}, ensure_ascii=False)
        if len(longer) <= MAX_CAUSE_CHARS:
            listed, text = [*listed, one], longer
    return text


def crashed(event: Mapping[str, Any]) -> Outcome | list[Outcome]:
    """The outcomes of an item or a batch whose function broke."""
    error, message = event["crash"]["Error"], reason(event["crash"].get("Cause", ""))
    logger.warning("crashed", extra={"error": error, "reason": message})
    if "Items" not in event:
        return failure(event["index"], error, message, event["item"])
    return crashed_batch(event["Items"], error, message)


def crashed_batch(entries: Iterable[Entry], error: str, message: str) -> list[Outcome]:
    """The outcomes with their items, or without them if they would not fit beside the errors."""
    outcomes = [failure(entry["index"], error, message, entry["item"]) for entry in entries]
    if len(json.dumps(outcomes, ensure_ascii=False).encode()) <= MAX_OUTCOMES_BYTES:
        return outcomes
    return [{key: value for key, value in outcome.items() if key != "item"} for outcome in outcomes]


def reason(cause: str) -> str:
    """The message of a function that broke, without Lambda's words around it."""
    try:
        said = json.loads(cause)
    except ValueError:
        return cause
    return str(said.get("errorMessage", cause)) if isinstance(said, dict) else cause


def _is_empty(map_run: str) -> bool:
    return workflows.describe_map_run(mapRunArn=map_run)["itemCounts"]["total"] == 0


def _write_failures(written: Mapping[str, Any], count: Count) -> str:
    """Writes the failed outcomes beside the results and returns the place. Only one outcome is in memory at a time."""
    from handlers import result_files

    bucket, manifest = os.environ["RESULTS_BUCKET"], written["ResultWriterDetails"]["Key"]
    folder = manifest.rpartition("/")[0]
    found = result_files.outcomes(s3, bucket, manifest, is_empty=lambda: _is_empty(written["MapRunArn"]))
    failed = (outcome for outcome in count.of(found) if outcome["status"] == "FAILED")
    result_files.write_lines(s3, bucket, f"{folder}/{FAILURES_FILE}", failed)
    return f"s3://{bucket}/{folder}/"
