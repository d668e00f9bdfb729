"""A data set in S3 on the emulator: every row exactly once, failing ones tolerated, listed, or the end of the run."""

import csv
import json

import pytest

from client import load, results, run


@pytest.fixture
def stack(deployed):
    return data_set(deployed, format="csv", toleratedFailurePercentage=1)


def data_set(deployed, max_concurrency=4, **config):
    return deployed(
        variants=["distributed"],
        responderCount=1,
        maxConcurrency=max_concurrency,
        distributed={"source": "s3", "module": "tests.processes", **config},
    )


def orders(tmp_path, count, failing):
    """A CSV file whose rows leave their id in a log; `failing` of them, spread evenly, ask to fail."""
    file, log = tmp_path / "orders.csv", tmp_path / "log"
    every = count // failing if failing else count + 1
    with file.open("w", newline="") as text:
        writer = csv.writer(text)
        writer.writerow(["id", "log", "fail"])
        writer.writerows([number, log, f"row {number}" if number % every == 0 else ""] for number in range(1, count + 1))
    return file, log


def finish(stack, failures=1000):
    execution = run.start(stack)
    seen = list(run.watch(stack, execution, poll_seconds=0.1))
    return run.result(stack, execution, failures), seen


def test_every_row_exactly_once_with_one_percent_failing(stack, tmp_path):
    count = 1_000
    file, log = orders(tmp_path, count, failing=count // 100)

    assert load.load(stack, file).items == count
    ended, seen = finish(stack)

    assert (ended.status, ended.items, ended.succeeded, ended.failed) == ("SUCCEEDED", count, count * 99 // 100, count // 100)
    assert sorted(map(int, log.read_text().split())) == list(range(1, count + 1))
    assert sorted(int(failure["item"]["id"]) for failure in ended.failures) == list(range(100, count + 1, 100))
    assert {failure["error"]["type"] for failure in ended.failures} == {"ValueError"}
    assert ended.failures[0]["error"]["message"] == f"row {ended.failures[0]['item']['id']}"
    assert seen[-1] == run.Progress(count, 0)
    assert any(progress.pending for progress in seen)


def test_five_percent_failing_end_the_run_with_a_summary(stack, tmp_path):
    file, _ = orders(tmp_path, 200, failing=10)
    load.load(stack, file)

    ended, _ = finish(stack)

    assert (ended.status, ended.error, ended.items, ended.failed, ended.exit_code) == ("FAILED", "ToleranceExceeded", 200, 10, 1)
    summary = json.loads(ended.cause or "")
    assert (summary["succeeded"], summary["tolerance"], summary["withinTolerance"]) == (190, {"percentage": 1}, False)
    assert summary["results"].startswith(stack.outputs["distributedResults"])
    assert len(ended.failures) == 10


def test_objects_and_numbers_arrive_unchanged(deployed, tmp_path):
    stack = data_set(deployed, max_concurrency=1)
    items = ["text", 2.5, {"price": 0.1, "nested": [[1], None]}, None]
    file = tmp_path / "items.json"
    file.write_text(json.dumps(items)[:-1] + ", 12345678901234567890.5]")

    load.load(stack, file)
    execution = run.start(stack)
    list(run.watch(stack, execution, poll_seconds=0.1))

    found = [row["result"] for row in results.rows(stack, execution)]
    assert [result["item"] for result in found[:4]] == items
    assert (found[4]["type"], found[4]["text"]) == ("Decimal", "12345678901234567890.5")


def test_a_missing_object_is_one_clear_error(stack):
    source = stack.outputs["distributedSource"]
    stack.client("s3").delete_object(Bucket=source["bucket"], Key=source["key"])

    ended, _ = finish(stack)

    assert (ended.status, ended.error, ended.exit_code) == ("FAILED", "InvalidSource", 2)
    assert source["key"] in (ended.cause or "")


def test_the_bucket_is_private_encrypted_and_forgets_results(stack):
    s3, bucket = stack.client("s3"), stack.outputs["distributedSourceBucketName"]

    assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
    [rule] = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    [statement] = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    results, uploads = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert (results["Filter"], results["Expiration"]) == ({"Prefix": "results/"}, {"Days": 30})
    assert uploads["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
