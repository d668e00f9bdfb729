"""The tally of a run: its outcomes by value or from the files of the result writer, the tolerance, a crash as an outcome."""

import importlib
import io
import json
import sys

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError
from botocore.response import StreamingBody

MAP_RUN = "arn:aws:states:us-east-1:000000000000:mapRun:machine/items:1a2b"
ACCOUNT = {"AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
WRITTEN = {"MapRunArn": MAP_RUN, "ResultWriterDetails": {"Bucket": "rows", "Key": "results/1a2b/manifest.json"}}


class RawReply(io.BytesIO):
    def stream(self):
        yield self.read()


class S3:
    def __init__(self, objects, absent="NoSuchKey"):
        self.objects, self.absent = objects, absent

    def get_object(self, Bucket, Key):
        if Key not in self.objects:
            raise ClientError({"Error": {"Code": self.absent}}, "GetObject")
        body = self.objects[Key].encode()
        return {"Body": StreamingBody(io.BytesIO(body), len(body))}

    def upload_fileobj(self, file, bucket, key, Config):
        self.objects[key] = file.read().decode()


@pytest.fixture
def load(monkeypatch):
    """`load(RESULTS_BUCKET="rows")` is handlers.tally with this environment."""

    def load(**environment):
        for name, value in {**ACCOUNT, **environment}.items():
            monkeypatch.setenv(name, value)
        sys.modules.pop("handlers.tally", None)
        return importlib.import_module("handlers.tally")

    yield load
    sys.modules.pop("handlers.tally", None)


@pytest.fixture
def inline(load):
    return load()


@pytest.fixture
def distributed(load):
    return load(RESULTS_BUCKET="rows", RESULTS_PREFIX="results")


def succeeded(index):
    return {"index": index, "status": "SUCCEEDED", "result": index}


def failed(index, item="x", message="no"):
    return {"index": index, "status": "FAILED", "item": item, "error": {"type": "ValueError", "message": message}}


def event(outcomes, **tolerance):
    return {"run": "run-1", "input": {}, "outcomes": outcomes, "tolerance": tolerance}


def lines(*values):
    return "".join(json.dumps(value) + "\n" for value in values)


def test_an_inline_run_has_its_outcomes_in_its_summary(inline):
    assert inline.handler(event([succeeded(0), failed(1), succeeded(2)], count=1), None) == {
        "items": 3,
        "succeeded": 2,
        "failed": 1,
        "failedBy": {"ValueError": 1},
        "withinTolerance": True,
        "tolerance": {"count": 1},
        "results": [succeeded(0), succeeded(2)],
        "failures": [failed(1)],
    }


def test_beyond_the_tolerance_there_is_a_cause_and_nothing_else_to_carry(inline):
    ended = inline.handler(event([succeeded(0), failed(1)]), None)

    assert ended.keys() == {"withinTolerance", "cause"}
    assert ended["withinTolerance"] is False
    assert json.loads(ended["cause"]) == {
        "items": 2,
        "succeeded": 1,
        "failed": 1,
        "failedBy": {"ValueError": 1},
        "withinTolerance": False,
        "tolerance": {},
        "failures": [failed(1)],
    }


def test_a_cause_fits_a_fail_state_and_is_whole(inline):
    large = [failed(index, item="é" * 9_000) for index in range(20)]

    ended = inline.handler(event(large), None)

    assert len(ended["cause"]) <= 32_768
    assert [failure["index"] for failure in json.loads(ended["cause"])["failures"]] == [0, 1, 2]


def test_a_distributed_run_is_counted_from_its_files_and_its_failures_are_written(distributed, monkeypatch):
    manifest = {
        "DestinationBucket": "rows",
        "MapRunArn": MAP_RUN,
        "ResultFiles": {
            "FAILED": [{"Key": "results/1a2b/FAILED_0.jsonl"}],
            "PENDING": [{"Key": "results/1a2b/PENDING_0.jsonl"}],
            "SUCCEEDED": [{"Key": "results/1a2b/SUCCEEDED_0.jsonl"}, {"Key": "results/1a2b/SUCCEEDED_1.jsonl"}],
        },
    }
    batch = {"Items": [{"run": "1", "index": 4, "item": "c"}, {"run": "1", "index": 5, "item": "d"}]}
    s3 = S3(
        {
            "results/1a2b/manifest.json": json.dumps(manifest),
            "results/1a2b/SUCCEEDED_0.jsonl": lines(succeeded(0), failed(1)),
            "results/1a2b/SUCCEEDED_1.jsonl": lines(succeeded(2), succeeded(3)),
            "results/1a2b/FAILED_0.jsonl": lines({"Input": json.dumps(batch), "Status": "FAILED", "Error": "E", "Cause": "w" * 600}),
            "results/1a2b/PENDING_0.jsonl": lines({"Input": json.dumps({"run": "1", "index": 6, "item": "e"}), "Status": "ABORTED"}),
        }
    )
    monkeypatch.setattr(distributed, "s3", s3)

    assert distributed.handler(event(WRITTEN, percentage=60), None) == {
        "items": 7,
        "succeeded": 3,
        "failed": 4,
        "failedBy": {"E": 2, "ValueError": 1, "ABORTED": 1},
        "withinTolerance": True,
        "tolerance": {"percentage": 60},
        "results": "s3://rows/results/1a2b/",
    }
    assert [json.loads(line) for line in s3.objects["results/1a2b/failures.jsonl"].splitlines()] == [
        failed(1),
        *(
            {"index": index, "status": "FAILED", "item": item, "error": {"type": "E", "message": "w" * 500}}
            for index, item in ((4, "c"), (5, "d"))
        ),
        {"index": 6, "status": "FAILED", "item": "e", "error": {"type": "ABORTED", "message": ""}},
    ]


def test_beyond_the_tolerance_a_distributed_run_says_where_all_failures_are(distributed, monkeypatch):
    manifest = {"ResultFiles": {"SUCCEEDED": [{"Key": "results/1a2b/SUCCEEDED_0.jsonl"}]}}
    s3 = S3({"results/1a2b/manifest.json": json.dumps(manifest), "results/1a2b/SUCCEEDED_0.jsonl": lines(failed(0))})
    monkeypatch.setattr(distributed, "s3", s3)

    ended = distributed.handler(event(WRITTEN), None)

    assert json.loads(ended["cause"])["results"] == "s3://rows/results/1a2b/"


def test_a_batch_whose_outcomes_are_kept_apart_is_counted_like_any_other(distributed, monkeypatch):
    manifest = {"ResultFiles": {"SUCCEEDED": [{"Key": "results/1a2b/SUCCEEDED_0.jsonl"}]}}
    s3 = S3(
        {
            "results/1a2b/manifest.json": json.dumps(manifest),
            "results/1a2b/SUCCEEDED_0.jsonl": lines(
                succeeded(0), {"index": 1, "status": "STORED", "key": "results/run-1/outcomes/1.jsonl"}
            ),
            "results/run-1/outcomes/1.jsonl": lines(succeeded(1), failed(2)),
        }
    )
    monkeypatch.setattr(distributed, "s3", s3)

    counted = distributed.handler(event(WRITTEN, count=1), None)

    assert (counted["items"], counted["succeeded"], counted["failed"]) == (3, 2, 1)


def test_a_run_has_the_tolerance_that_its_input_says(inline):
    given = {**event([failed(0)], count=0), "input": {"tolerance": {"count": 1}}}

    ended = inline.handler(given, None)

    assert (ended["withinTolerance"], ended["tolerance"]) == (True, {"count": 1})


class States:
    def __init__(self, total):
        self.total = total

    def describe_map_run(self, mapRunArn):
        assert mapRunArn == MAP_RUN
        return {"itemCounts": {"total": self.total}}


@pytest.mark.parametrize("absent", ["NoSuchKey", "AccessDenied"])
def test_where_there_were_no_items_there_need_be_no_files(distributed, monkeypatch, absent):
    monkeypatch.setattr(distributed, "s3", S3({}, absent))
    monkeypatch.setattr(distributed, "workflows", States(0))

    assert distributed.handler(event(WRITTEN), None)["items"] == 0


def test_where_there_were_items_and_no_files_the_run_fails(distributed, monkeypatch):
    monkeypatch.setattr(distributed, "s3", S3({}))
    monkeypatch.setattr(distributed, "workflows", States(3))

    with pytest.raises(ClientError, match="NoSuchKey"):
        distributed.handler(event(WRITTEN), None)


def test_a_throttled_look_at_the_map_run_waits(distributed, monkeypatch):
    refusals, slept = 5, []

    def reply(request, **_):
        throttled = len(slept) < refusals
        body = {"__type": "ThrottlingException", "message": "Rate exceeded"} if throttled else {"itemCounts": {"total": 0}}
        return AWSResponse(request.url, 400 if throttled else 200, {}, RawReply(json.dumps(body).encode()))

    distributed.workflows.meta.events.register("before-send.sfn.DescribeMapRun", reply)
    monkeypatch.setattr("botocore.endpoint.time.sleep", slept.append)
    monkeypatch.setattr(distributed, "s3", S3({}))

    assert distributed.handler(event(WRITTEN), None)["items"] == 0
    assert len(slept) == refusals


def test_an_inline_tally_starts_without_boto3(inline):
    assert not hasattr(inline, "boto3")


@pytest.mark.parametrize(
    ("tolerance", "failed", "items", "within"),
    [
        ({}, 0, 10, True),
        ({}, 1, 10, False),
        ({"count": 1}, 1, 10, True),
        ({"count": 1}, 2, 10, False),
        ({"percentage": 10}, 1, 10, True),
        ({"percentage": 10}, 2, 10, False),
        ({"percentage": 0}, 0, 0, True),
        ({"percentage": 100}, 10, 10, True),
        ({"count": 5, "percentage": 10}, 2, 10, False),
        ({"count": 1, "percentage": 50}, 2, 10, False),
    ],
)
def test_the_tolerance_that_is_exceeded_first_decides(inline, tolerance, failed, items, within):
    assert inline.is_within(tolerance, failed, items) is within


LOST = {"Error": "Runtime.ExitError", "Cause": json.dumps({"errorType": "Runtime.ExitError", "errorMessage": "signal: killed"})}


def test_a_crash_is_the_outcome_of_its_item(inline):
    assert inline.handler({"run": "run-1", "index": 3, "item": {"a": 1}, "crash": LOST}, None) == {
        "index": 3,
        "status": "FAILED",
        "item": {"a": 1},
        "error": {"type": "Runtime.ExitError", "message": "signal: killed"},
    }


def test_a_crash_of_a_batch_is_an_outcome_for_each_of_its_items(inline):
    entries = [{"run": "run-1", "index": index, "item": index * 10} for index in (4, 5)]

    outcomes = inline.handler({"Items": entries, "crash": {"Error": "States.Timeout"}}, None)

    assert outcomes == [
        {"index": index, "status": "FAILED", "item": index * 10, "error": {"type": "States.Timeout", "message": ""}} for index in (4, 5)
    ]


def test_items_that_do_not_fit_beside_their_errors_are_left_out(inline):
    entries = [{"run": "run-1", "index": index, "item": "é" * 9_000} for index in range(12)]

    outcomes = inline.handler({"Items": entries, "crash": {"Error": "E", "Cause": "why"}}, None)

    assert outcomes == [{"index": index, "status": "FAILED", "error": {"type": "E", "message": "why"}} for index in range(12)]


@pytest.mark.parametrize("cause", ["x" * 30_000, json.dumps({"errorMessage": "x" * 30_000}), '"' + "x" * 30_000])
def test_the_reason_of_a_crash_is_cut(inline, cause):
    outcome = inline.handler({"run": "run-1", "index": 0, "item": 1, "crash": {"Error": "E", "Cause": cause}}, None)

    assert len(outcome["error"]["message"]) == 500
