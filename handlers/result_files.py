"""Reads the outcomes from the files that the ResultWriter of a Distributed Map leaves in S3, and writes the failed outcomes beside them.

manifest.json names the files. SUCCEEDED_n.jsonl has one outcome per line; if a batch's outcomes together were too large for an execution,
a single line says where they are. FAILED_n.jsonl and PENDING_n.jsonl have one execution per line, with its input: an execution that failed,
or one that never ran.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from handlers import streaming
from handlers.processing import STORED, Outcome, failure

CHUNK_BYTES = 1_048_576


def manifest_of(prefix: str, map_run: str) -> str:
    """The key of a Map Run's manifest, in a folder with the run's name. It looks like this on AWS:
    https://sigpwned.com/2023/04/27/aws-step-functions-distributed-map-resultwriter-example"""
    return f"{prefix}/{map_run.rpartition(':')[2]}/manifest.json"


def outcomes(s3: Any, bucket: str, manifest_key: str, is_empty: Callable[[], bool]) -> Iterator[Outcome]:
    """The outcomes of all items of the run, one by one. is_empty: tells whether the run had no items; called if there is no manifest."""
    try:
        files = json.load(s3.get_object(Bucket=bucket, Key=manifest_key)["Body"])["ResultFiles"]
    except ClientError as error:
        # To a caller who may not list the bucket, S3 reports a missing object as denied.
        if error.response["Error"]["Code"] not in ("NoSuchKey", "AccessDenied") or not is_empty():
            raise
        return
    for file in files.get("SUCCEEDED", []):
        for outcome in lines(s3, bucket, file["Key"]):
            if outcome["status"] == STORED:
                yield from lines(s3, bucket, outcome["key"])
            else:
                yield outcome
    for status in ("FAILED", "PENDING"):
        for file in files.get(status, []):
            for execution in lines(s3, bucket, file["Key"]):
                entry = json.loads(execution["Input"])
                for one in entry.get("Items", [entry]):
                    yield failure(one["index"], execution.get("Error", execution["Status"]), execution.get("Cause", ""), one["item"])


def lines(s3: Any, bucket: str, key: str) -> Iterator[Any]:
    for line in s3.get_object(Bucket=bucket, Key=key)["Body"].iter_lines(CHUNK_BYTES):
        if line:
            yield json.loads(line)


def write_lines(s3: Any, bucket: str, key: str, values: Iterable[Any]) -> None:
    streaming.upload(s3, bucket, key, (json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n" for value in values))
