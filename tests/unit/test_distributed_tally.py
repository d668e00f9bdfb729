"""The tally of a distributed run: Step Functions' counts, the failed items inside batches, the tolerance."""

import importlib
import io
import json
import sys

import pytest
from botocore.exceptions import ClientError
from botocore.response import StreamingBody

from handlers.processing import TransientError

RUN = "arn:aws:states:us-east-1:000000000000:mapRun:machine/items:1a2b"


def counts(total, succeeded, failed=0, timed_out=0, aborted=0):
    return {"total": total, "succeeded": succeeded, "failed": failed, "timedOut": timed_out, "aborted": aborted}


class States:
    def __init__(self, status="SUCCEEDED", item_counts=None):
        self.status, self.item_counts = status, item_counts

    def list_map_runs(self, executionArn):
        return {"mapRuns": [{"mapRunArn": RUN}] if self.status else []}

    def describe_map_run(self, mapRunArn):
        return {"mapRunArn": mapRunArn, "status": self.status, "itemCounts": self.item_counts}


class S3:
    def __init__(self, objects):
        self.objects = objects

    def get_object(self, Bucket, Key):
        if Key not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        body = self.objects[Key].encode()
        return {"Body": StreamingBody(io.BytesIO(body), len(body))}


@pytest.fixture
def tally(monkeypatch):
    environment = {"RESULTS_BUCKET": "rows", "RESULTS_PREFIX": "results", "BATCHED": "true", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    sys.modules.pop("handlers.tally", None)
    yield importlib.import_module("handlers.tally")
    sys.modules.pop("handlers.tally", None)


EVENT = {"executionArn": "arn:execution", "thresholdExceeded": False, "tolerance": {"percentage": 1}}


def test_failed_items_inside_batches_count_one_by_one(tally, monkeypatch):
    outcomes = [{"index": index, "status": "FAILED" if index in (3, 70) else "SUCCEEDED"} for index in range(100)]
    manifest = {"DestinationBucket": "rows", "MapRunArn": RUN, "ResultFiles": {
        "FAILED": [], "PENDING": [], "SUCCEEDED": [{"Key": "results/1a2b/SUCCEEDED_0.jsonl"}, {"Key": "results/1a2b/SUCCEEDED_1.jsonl"}]}}
    monkeypatch.setattr(tally, "states", States(item_counts=counts(200, 200)))
    monkeypatch.setattr(tally, "s3", S3({
        "results/1a2b/manifest.json": json.dumps(manifest),
        "results/1a2b/SUCCEEDED_0.jsonl": "\n".join(map(json.dumps, outcomes)) + "\n",
        "results/1a2b/SUCCEEDED_1.jsonl": "\n".join(json.dumps({"index": index, "status": "SUCCEEDED"}) for index in range(100, 200))}))

    assert tally.handler(EVENT, None) == {
        "items": 200, "succeeded": 198, "failed": 2, "withinTolerance": True, "tolerance": {"percentage": 1}, "mapRunArn": RUN,
        "results": "s3://rows/results/1a2b/"}
    assert tally.handler({**EVENT, "tolerance": {"count": 1}}, None)["withinTolerance"] is False


def test_where_no_batch_succeeded_no_results_are_looked_for(tally, monkeypatch):
    monkeypatch.setattr(tally, "states", States(item_counts=counts(0, 0)))
    # S3 tells those who may not list a bucket that an object which is not there is denied.
    monkeypatch.setattr(tally, "s3", None)

    assert tally.handler(EVENT, None)["withinTolerance"] is True


def test_a_threshold_that_step_functions_saw_exceeded_stays_exceeded(tally, monkeypatch):
    monkeypatch.setattr(tally, "states", States("FAILED", counts(1000, 3, failed=1, aborted=0)))
    monkeypatch.setattr(tally, "s3", S3({}))

    assert tally.handler({**EVENT, "thresholdExceeded": True}, None)["withinTolerance"] is False


@pytest.mark.parametrize("status", ["RUNNING", None])
def test_counts_that_are_not_final_are_asked_for_again(tally, monkeypatch, status):
    monkeypatch.setattr(tally, "states", States(status, counts(10, 3)))

    with pytest.raises(TransientError):
        tally.handler(EVENT, None)


@pytest.mark.parametrize(("tolerance", "failed", "items", "within"), [
    ({}, 0, 10, True), ({}, 1, 10, False), ({"count": 1}, 1, 10, True), ({"count": 1}, 2, 10, False), ({"percentage": 10}, 1, 10, True),
    ({"percentage": 10}, 2, 10, False), ({"percentage": 0}, 0, 0, True), ({"percentage": 100}, 10, 10, True),
    ({"count": 5, "percentage": 10}, 2, 10, False), ({"count": 1, "percentage": 50}, 2, 10, False)])
def test_the_tolerance_that_is_exceeded_first_decides(tally, tolerance, failed, items, within):
    assert tally.is_within(tolerance, failed, items) is within


def test_all_that_did_not_succeed_failed(tally):
    assert tally.summarise(counts(10, 5, failed=2, timed_out=2, aborted=1), 1, {"count": 6}) == {
        "items": 10, "succeeded": 4, "failed": 6, "withinTolerance": True, "tolerance": {"count": 6}}
