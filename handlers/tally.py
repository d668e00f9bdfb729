"""Lambda adapter that ends a distributed run: counts its items and compares the failed ones with the tolerance.

Step Functions counts executions that failed. In a batch, an item that fails leaves the others alone and is an outcome among
theirs, so those are counted in the results.

Event     {"executionArn", "thresholdExceeded", "tolerance": {"count"?, "percentage"?}}
Returns   {"items", "succeeded", "failed", "withinTolerance", "tolerance", "mapRunArn", "results": "s3://…"}

Environment: RESULTS_BUCKET, RESULTS_PREFIX, BATCHED (true or false).
"""

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

import boto3
from aws_lambda_powertools.logging import Logger
from botocore.exceptions import ClientError

from handlers.processing import TransientError

logger = Logger(service="tally")
states = boto3.client("stepfunctions")
s3 = boto3.client("s3")


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    logger.append_keys(correlation_id=event["executionArn"])
    run = _ended_run(event["executionArn"])
    folder = f"{os.environ['RESULTS_PREFIX']}/{run['mapRunArn'].rpartition(':')[2]}"
    has_batches = os.environ["BATCHED"] == "true" and run["itemCounts"]["succeeded"] > 0
    inside_batches = count_failures(os.environ["RESULTS_BUCKET"], folder) if has_batches else 0
    summary = summarise(run["itemCounts"], inside_batches, event["tolerance"])
    summary["withinTolerance"] = summary["withinTolerance"] and not event["thresholdExceeded"]
    logger.info("counted", extra=summary)
    return {**summary, "mapRunArn": run["mapRunArn"], "results": f"s3://{os.environ['RESULTS_BUCKET']}/{folder}/"}


def summarise(counts: Mapping[str, int], inside_batches: int, tolerance: Mapping[str, float]) -> dict[str, Any]:
    """counts: the Map Run's itemCounts; inside_batches: failed items of executions that succeeded."""
    failed = counts["failed"] + counts["timedOut"] + counts["aborted"] + inside_batches
    return {
        "items": counts["total"],
        "succeeded": counts["succeeded"] - inside_batches,
        "failed": failed,
        "withinTolerance": is_within(tolerance, failed, counts["total"]),
        "tolerance": dict(tolerance),
    }


def is_within(tolerance: Mapping[str, float], failed: int, items: int) -> bool:
    """Of a count and a percentage, the one that is exceeded first decides; without either, no item may fail."""
    if not tolerance:
        return failed == 0
    return failed <= tolerance.get("count", failed) and failed * 100 <= tolerance.get("percentage", 100) * items


def _ended_run(execution_arn: str) -> dict[str, Any]:
    """The execution's Map Run, once its counts are final; they follow the executions with a delay."""
    runs = states.list_map_runs(executionArn=execution_arn)["mapRuns"]
    if not runs:
        raise TransientError(f"{execution_arn} has no Map Run yet")
    run = states.describe_map_run(mapRunArn=runs[0]["mapRunArn"])
    if run["status"] == "RUNNING":
        raise TransientError(f"{runs[0]['mapRunArn']} is still running")
    return run


def count_failures(bucket: str, folder: str) -> int:
    """Failed outcomes among the results of the executions that succeeded, which ResultWriter wrote as JSON Lines."""
    return sum(
        1 for key in result_files(bucket, folder, "SUCCEEDED") for outcome in _lines(bucket, key) if outcome["status"] == "FAILED")


def result_files(bucket: str, folder: str, status: str) -> list[str]:
    try:
        manifest = json.load(s3.get_object(Bucket=bucket, Key=f"{folder}/manifest.json")["Body"])
    except ClientError as error:
        # Without items there are no results; and the emulator writes none (it runs no batches either).
        if error.response["Error"]["Code"] in ("NoSuchKey", "NoSuchBucket"):
            return []
        raise
    return [file["Key"] for file in manifest["ResultFiles"].get(status, [])]


def _lines(bucket: str, key: str) -> Iterator[dict[str, Any]]:
    for line in s3.get_object(Bucket=bucket, Key=key)["Body"].iter_lines():
        if line:
            yield json.loads(line)
