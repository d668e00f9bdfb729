"""What the ResultWriter of a Distributed Map leaves in S3, read as outcomes; and the failed ones, written beside it.

manifest.json names the files. SUCCEEDED_n.jsonl has an outcome a line; a batch whose outcomes together were too large for an execution
has one line, which says where they are. FAILED_n.jsonl and PENDING_n.jsonl have an execution a line, with its input: those whose
execution itself failed, or never ran.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from handlers import streaming
from handlers.processing import STORED, Outcome, failure

CHUNK_BYTES = 1_048_576


def manifest_of(prefix: str, map_run: str) -> str:
    """The key of a Map Run's manifest, in a folder that is named as the run. As seen on AWS:
    https://sigpwned.com/2023/04/27/aws-step-functions-distributed-map-resultwriter-example"""
    return f"{prefix}/{map_run.rpartition(':')[2]}/manifest.json"


def outcomes(s3: Any, bucket: str, manifest_key: str, is_empty: Callable[[], bool]) -> Iterator[Outcome]:
    """Of all items of the run, one after the other. is_empty: whether the run had no items, asked where there is no manifest."""
    try:
        files = json.load(s3.get_object(Bucket=bucket, Key=manifest_key)["Body"])["ResultFiles"]
    except ClientError as error:
        # S3 tells those who may not list a bucket that an object which is not there is denied.
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
