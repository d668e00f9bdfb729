"""`run --dry-run`: what a run would read, and what it would take; nothing is started."""

import io
import json

import pytest
from botocore.response import StreamingBody

from client import Stack, UsageError, dry_run
from tests.unit.test_distributed_definitions import render

MACHINE = "arn:aws:states:us-east-1:000000000000:stateMachine:machine"
OBJECT = {"source": "s3", "bucket": "rows", "key": "data/a.csv", "format": "auto", "reading": {}, "readable": ["s3://rows/data/"]}


class Aws:
    """A machine, its function and the objects of a bucket. Whatever would start something is not here."""

    def __init__(self, machine, objects):
        self.machine, self.objects = machine, objects

    def describe_state_machine(self, stateMachineArn):
        return {"definition": json.dumps(self.machine)}

    def get_function_configuration(self, FunctionName):
        return {"MemorySize": 128}

    def get_object(self, Bucket, Key):
        body = self.objects[Key]
        return {"Body": StreamingBody(io.BytesIO(body), len(body))}


class StackOf(Stack):
    def client(self, service):
        return self.outputs["aws"]


def stack_with(objects, source=OBJECT, **config):
    outputs = {"distributedStateMachineArn": MACHINE, "distributedSource": source}
    return StackOf({**outputs, "aws": Aws(render(100, source="s3", **config), objects)})


ROWS = {"data/a.csv": b"id;n\n" + b"".join(b"%d;%s\n" % (number, b"x" * 1_000) for number in range(1_000))}


def test_the_rows_are_counted_and_put_into_batches_as_a_run_would():
    found = dry_run.look(stack_with(ROWS, batchSize=500, childType="EXPRESS"), {}, 0.01)

    assert (found.rows, found.source, found.mode, found.batchSize, found.maxConcurrency) == (
        1_000,
        "s3://rows/data/a.csv",
        "DISTRIBUTED",
        500,
        100,
    )
    assert found.read == ["s3://rows/data/a.csv: CSV, separated by semicolons, in UTF-8"]
    # 200,000 bytes are less than 500 of these rows.
    assert found.batches == 6
    assert found.samples[0] == {"id": "0", "n": "x" * 1_000}
    assert found.seconds > 0 and found.dollars > 0


def test_what_a_run_says_of_itself_is_followed():
    found = dry_run.look(stack_with({**ROWS, "data/b.json": b"[1, 2]"}), {"key": "data/b.json", "maxConcurrency": 3}, 0.01)

    assert (found.rows, found.maxConcurrency, found.source) == (2, 3, "s3://rows/data/b.json")


def test_slower_items_take_longer_and_cost_more():
    fast, slow = (dry_run.look(stack_with(ROWS), {}, seconds) for seconds in (0.001, 1))

    assert slow.seconds > fast.seconds and slow.dollars > fast.dollars


@pytest.mark.parametrize(
    ("given", "source", "why"),
    [
        ({"kye": 1}, OBJECT, "the input has kye; allowed"),
        ({"key": "elsewhere"}, OBJECT, "which this stack may not read"),
        ({"key": "data/bad.json"}, OBJECT, r"s3://rows/data/bad\.json, line 1"),
        ({"again": "first"}, OBJECT, "what --again processes is known when the earlier run is looked at"),
        ({}, {**OBJECT, "format": "parquet"}, "format parquet is read by Step Functions itself"),
    ],
)
def test_what_a_run_would_refuse_is_refused(given, source, why):
    with pytest.raises(UsageError, match=why):
        dry_run.look(stack_with({"data/bad.json": b"[1, }"}, source), given, 0.01)


def test_it_is_said_for_people_and_for_machines(capsys):
    stack = stack_with({"data/a.csv": b"id,n\n1,2\n3,4\n"})

    assert dry_run.run(stack, {}, 0.01, as_json=False) == 0
    assert dry_run.run(stack, {}, 0.01, as_json=True) == 0

    *told, machine = capsys.readouterr().out.splitlines()
    assert told[:4] == [
        "s3://rows/data/a.csv: CSV, separated by commas, in UTF-8",
        "2 rows in s3://rows/data/a.csv, 36 bytes as JSON, the largest 18",
        '  row 1: {"id": "1", "n": "2"}',
        '  row 2: {"id": "3", "n": "4"}',
    ]
    assert told[4] == "mode DISTRIBUTED: 2 calls, 100 at once, STANDARD executions"
    assert "where an item takes 10 ms (--row-ms); nothing was started" in told[5]
    assert json.loads(machine)["rows"] == 2
