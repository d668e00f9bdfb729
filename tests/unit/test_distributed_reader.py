"""The reader of a run: rows that are numbered and handed over, or written as JSON Lines; what failed of an earlier run."""

import io
import json

import pytest
from botocore.exceptions import ClientError
from botocore.response import StreamingBody

from handlers import reader
from handlers.processing import STORED

LIST = {
    "source": "dynamodb",
    "table": "subjects",
    "read": "list",
    "keyName": "id",
    "keyType": "S",
    "keyValue": "list",
    "attribute": "topics",
}
OBJECT = {"source": "s3", "bucket": "rows", "key": "data/a.jsonl", "format": "auto", "reading": {}, "readable": ["s3://rows/data/"]}
NAME = "topics in the item of table subjects with id = list"
EXECUTION = "arn:aws:states:us-east-1:000000000000:execution:machine:run-2"


class Context:
    def __init__(self, seconds=900):
        self.seconds = seconds

    def get_remaining_time_in_millis(self):
        return self.seconds * 1000


class Aws:
    """The services that the reader asks: a list of DynamoDB, the objects of S3 by their key, and the Map Runs of run-1."""

    def __init__(self, items=(), objects=None, map_runs=()):
        self.items, self.objects, self.map_runs = items, objects or {}, map_runs

    def get_item(self, **_):
        return {"Item": {"topics": {"L": self.items}}}

    def get_object(self, Bucket, Key):
        if Key not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey"}, "ResponseMetadata": {"HTTPStatusCode": 404}}, "GetObject")
        body = self.objects[Key]
        return {"Body": StreamingBody(io.BytesIO(body), len(body))}

    head_object = get_object

    def put_object(self, Bucket, Key, Body):
        self.objects[Key] = Body

    def upload_fileobj(self, file, bucket, key, Config):
        self.objects[key] = file.read()

    def list_map_runs(self, executionArn):
        assert executionArn == EXECUTION.replace("run-2", "run-1")
        return {"mapRuns": self.map_runs() if callable(self.map_runs) else self.map_runs}


@pytest.fixture
def handle(monkeypatch):
    """`handle(aws, source, input)` is what the function answers to run-2; most: what an inline Map takes."""

    def handle(aws, source, given=None, most=None, seconds=900):
        monkeypatch.setenv("SOURCE", json.dumps(source))
        monkeypatch.delenv("MAX_ITEMS", raising=False)
        for name, value in ({"MAX_ITEMS": str(most)} if most else {"RESULTS_BUCKET": "kept", "RESULTS_PREFIX": "results"}).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(reader, "client", lambda service: aws)
        monkeypatch.setattr(reader, "LOOK_SECONDS", 0)
        event = {"run": "run-2", "execution": EXECUTION, "input": given or {}, "maxConcurrency": 10}
        return reader.handler(event, Context(seconds))

    return handle


def lines(*values):
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def test_a_list_for_an_inline_map_is_handed_over(handle):
    assert handle(Aws([{"S": "a"}, {"N": "1"}]), LIST, most=9) == {
        "label": "run-2",
        "maxConcurrency": 10,
        "items": [{"index": 0, "item": "a"}, {"index": 1, "item": 1}],
    }


def test_a_list_for_a_distributed_map_is_put_beside_its_results(handle):
    aws = Aws([{"S": "é"}, {"N": "12345678901234567890"}])

    found = handle(aws, LIST, {"label": "today", "maxConcurrency": 3})

    assert found == {"label": "today", "maxConcurrency": 3, "bucket": "kept", "key": "results/run-2/items.jsonl"}
    assert aws.objects["results/run-2/items.jsonl"].decode() == (
        '{"index":0,"item":"é"}\n{"index":1,"item":{"$decimal":"12345678901234567890"}}\n'
    )
    assert json.loads(aws.objects["results/run-2/source.json"]) == {"label": "today", "source": NAME, "read": [], "rows": 2}


def test_a_data_set_is_written_as_numbered_lines_and_how_it_was_read_is_kept(handle):
    aws = Aws(objects={"data/a.csv": b"id;n\n1;2,5\n"})

    found = handle(aws, OBJECT, {"key": "data/a.csv"})

    assert found["key"] == "results/run-2/items.jsonl"
    assert aws.objects["results/run-2/items.jsonl"] == b'{"index":0,"item":{"id":"1","n":"2,5"}}\n'
    [sentence] = json.loads(aws.objects["results/run-2/source.json"])["read"]
    assert sentence.startswith("s3://rows/data/a.csv: CSV")


@pytest.mark.parametrize("format", ["parquet", "inventory", "athena"])
def test_what_step_functions_reads_for_itself_stays_where_it_is(handle, format):
    aws = Aws(objects={"data/a.jsonl": b"PAR1"})

    found = handle(aws, {**OBJECT, "format": format})

    assert (found["bucket"], found["key"]) == ("rows", "data/a.jsonl")
    assert "results/run-2/items.jsonl" not in aws.objects
    assert "rows" not in json.loads(aws.objects["results/run-2/source.json"])


def test_a_refusal_is_data(handle):
    assert handle(Aws(), OBJECT) == {
        "refused": {"type": "InvalidSource", "message": "there is no object s3://rows/data/a.jsonl"},
    }
    assert handle(Aws(), OBJECT, {"kye": 1})["refused"]["type"] == "InvalidInput"


def test_an_inline_map_takes_so_many_items_and_no_more(handle):
    assert len(handle(Aws([{"N": "1"}] * 5), LIST, most=5)["items"]) == 5

    refused = handle(Aws([{"N": "1"}] * 6), LIST, most=5)["refused"]
    assert refused["message"] == f"{NAME} has more than 5 items; an inline Map takes 5: use mode DISTRIBUTED"


def test_an_inline_map_takes_so_many_bytes_of_utf_8_and_no_more(handle):
    room = reader.LIST_BYTES - len('[{"index":0,"item":""}]')

    assert "items" in handle(Aws([{"S": "é" * (room // 2)}]), LIST, most=5)
    refused = handle(Aws([{"S": "é" * (room // 2 + 1)}]), LIST, most=5)["refused"]
    assert refused["message"] == (
        f"{NAME} takes more than {reader.LIST_BYTES} bytes as JSON, which is what an inline Map takes: use mode DISTRIBUTED"
    )


def test_a_row_that_no_execution_takes_is_refused_with_its_number(handle):
    refused = handle(Aws([{"N": "1"}, {"S": "é" * 150_000}]), LIST)["refused"]

    assert refused["message"] == f"row 2 of {NAME} takes 300021 bytes as JSON; an execution takes {reader.LIST_BYTES}"


def test_a_reader_whose_time_is_over_says_how_far_it_came(handle):
    refused = handle(Aws(objects={"data/a.jsonl": b"1\n" * 3_000}), OBJECT, seconds=30)["refused"]

    assert refused["message"] == (
        "s3://rows/data/a.jsonl has more rows than are read in 30 s: 1000 came that far; divide it, or take format parquet, which Step "
        "Functions reads for itself"
    )


ENDED = [{"mapRunArn": "arn:aws:states:us-east-1:000000000000:mapRun:machine/items:1a2b", "stopDate": "2027-01-03"}]


def earlier(**objects):
    """run-1 with five rows, of which 0 succeeded, 1 failed, 2 and 3 succeeded in a batch that was kept apart, and 4 was never reached."""
    manifest = {"ResultFiles": {"SUCCEEDED": [{"Key": "results/1a2b/SUCCEEDED_0.jsonl"}]}}
    return {
        "results/run-1/source.json": json.dumps({"label": "first", "source": "s3://rows/data/a.jsonl", "read": [], "rows": 5}).encode(),
        "results/run-1/items.jsonl": lines(*({"index": index, "item": index} for index in range(5))),
        "results/1a2b/manifest.json": json.dumps(manifest).encode(),
        "results/1a2b/SUCCEEDED_0.jsonl": lines(
            {"index": 0, "status": "SUCCEEDED", "result": 0},
            {"index": 1, "status": "FAILED", "item": 1, "error": {"type": "E", "message": ""}},
            {"index": 2, "status": STORED, "key": "results/run-1/outcomes/2.jsonl"},
        ),
        "results/run-1/outcomes/2.jsonl": lines(*({"index": index, "status": "SUCCEEDED", "result": index} for index in (2, 3))),
        **objects,
    }


def test_again_is_what_failed_and_what_was_not_reached(handle):
    aws = Aws(objects=earlier(), map_runs=ENDED)

    found = handle(aws, OBJECT, {"again": "run-1"})

    assert found == {"label": "first", "maxConcurrency": 10, "bucket": "kept", "key": "results/run-2/items.jsonl"}
    assert aws.objects["results/run-2/items.jsonl"] == b'{"index":1,"item":1}\n{"index":4,"item":4}\n'
    assert json.loads(aws.objects["results/run-2/source.json"])["again"] == "run-1"


def test_again_after_a_run_that_came_to_no_map_is_all_of_it(handle):
    aws = Aws(objects=earlier())

    handle(aws, OBJECT, {"again": "run-1"})

    assert aws.objects["results/run-2/items.jsonl"].count(b"\n") == 5


def test_again_waits_for_a_run_that_is_about_to_end(handle):
    looks = iter([[{"mapRunArn": ENDED[0]["mapRunArn"]}], ENDED])

    found = handle(Aws(objects=earlier(), map_runs=lambda: next(looks)), OBJECT, {"again": "run-1"})

    assert found["key"] == "results/run-2/items.jsonl"


def test_again_has_a_label_of_its_own_where_one_is_given(handle):
    assert handle(Aws(objects=earlier(), map_runs=ENDED), OBJECT, {"again": "run-1", "label": "new"})["label"] == "new"


@pytest.mark.parametrize(
    ("aws", "why"),
    [
        (Aws(), "there is no object s3://kept/results/run-1/source.json"),
        (
            Aws(objects=earlier(), map_runs=[{"mapRunArn": ENDED[0]["mapRunArn"]}]),
            "run run-1 still goes on: what it does not reach is known when it has ended",
        ),
        (
            Aws(objects=earlier(**{"results/run-1/source.json": b'{"label": "first"}'})),
            "the rows of run run-1 were read by Step Functions and are not kept; again needs another format",
        ),
    ],
)
def test_a_run_that_cannot_be_gone_back_to_is_refused(handle, aws, why):
    assert handle(aws, OBJECT, {"again": "run-1"})["refused"] == {"type": "InvalidSource", "message": why}
