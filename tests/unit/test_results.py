"""`results`: one file in the order of the source, joined over the runs that go back to one another, in flat memory."""

import csv
import io
import json
import subprocess
import sys
import textwrap
from argparse import ArgumentParser

import pytest
from botocore.exceptions import ClientError
from botocore.response import StreamingBody

from client import Stack, results

MACHINE = "arn:aws:states:us-east-1:000000000000:stateMachine:machine"


def lines(*values):
    return "".join(json.dumps(value) + "\n" for value in values)


def succeeded(index, result):
    return {"index": index, "status": "SUCCEEDED", "result": result}


def failed(index, item="x"):
    return {"index": index, "status": "FAILED", "item": item, "error": {"type": "ValueError", "message": "no"}}


class Aws:
    """The runs that were, by their names: each with a Map Run, or none, and the files that it left."""

    def __init__(self, objects, map_runs, state=None):
        self.objects, self.map_runs, self.state = objects, map_runs, state

    def list_map_runs(self, executionArn):
        run = executionArn.rpartition(":")[2]
        return {"mapRuns": [{"mapRunArn": f"arn:aws:states:x:0:mapRun:machine/items:{id_}"} for id_ in self.map_runs.get(run, [])]}

    def describe_execution(self, executionArn):
        return self.state

    def get_object(self, Bucket, Key):
        if Key not in self.objects:
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject")
        body = self.objects[Key].encode()
        return {"Body": StreamingBody(io.BytesIO(body), len(body))}


class StackOf(Stack):
    def client(self, service):
        return self.outputs["aws"]


def stack_with(aws, kept="s3://rows/results/"):
    return StackOf({"distributedStateMachineArn": MACHINE, "distributedResults": kept, "aws": aws})


def left_by(run, id_, *outcomes, rows=None, again=None, pending=()):
    known = {"label": "first", "source": "s3://rows/a", "read": [], "rows": 4, **({"again": again} if again else {})}
    files = {"SUCCEEDED": [{"Key": f"results/{id_}/S.jsonl"}], **({"PENDING": [{"Key": f"results/{id_}/P.jsonl"}]} if pending else {})}
    return {
        f"results/{run}/source.json": json.dumps(known),
        f"results/{run}/items.jsonl": lines(*({"index": index, "item": item} for index, item in (rows or enumerate("abcd")))),
        f"results/{id_}/manifest.json": json.dumps({"ResultFiles": files}),
        f"results/{id_}/S.jsonl": lines(*outcomes),
        f"results/{id_}/P.jsonl": lines(*pending),
    }


FIRST = left_by(
    "first",
    "1a",
    succeeded(2, {"n": 3}),
    failed(1, "b"),
    succeeded(0, {"n": {"$decimal": "12345678901234567890.5"}}),
    pending=[{"Input": json.dumps({"Items": [{"index": 3, "item": "d"}]}), "Name": "c", "Status": "PENDING"}],
)
SECOND = left_by("second", "2b", succeeded(1, {"n": 2}), rows=[(1, "b"), (3, "d")], again="first")


def stack_of_both():
    return stack_with(Aws({**FIRST, **SECOND}, {"first": ["1a"], "second": ["2b"]}))


def test_rows_come_in_the_order_of_the_source_with_what_became_of_each():
    assert list(results.rows(stack_of_both(), "first")) == [
        {"row": 1, "status": "SUCCEEDED", "result": {"n": {"$decimal": "12345678901234567890.5"}}},
        {"row": 2, "status": "FAILED", "item": "b", "error": {"type": "ValueError", "message": "no"}},
        {"row": 3, "status": "SUCCEEDED", "result": {"n": 3}},
        {"row": 4, "status": "NOT_REACHED", "item": "d"},
    ]


def test_a_run_that_goes_back_to_another_is_joined_with_it():
    assert [(row["row"], row["status"]) for row in results.rows(stack_of_both(), "second")] == [
        (1, "SUCCEEDED"),
        (2, "SUCCEEDED"),
        (3, "SUCCEEDED"),
        (4, "NOT_REACHED"),
    ]


def test_a_run_that_came_to_no_map_has_reached_nothing():
    stack = stack_with(Aws(FIRST, {}))

    assert {row["status"] for row in results.rows(stack, "first")} == {"NOT_REACHED"}


def test_rows_that_step_functions_read_are_those_that_have_an_outcome():
    objects = {**FIRST, "results/first/source.json": json.dumps({"label": "first", "source": "s3://rows/a.parquet"})}

    assert [row["row"] for row in results.rows(stack_with(Aws(objects, {"first": ["1a"]})), "first")] == [1, 2, 3]


def test_a_run_that_left_nothing_is_told_from_one_with_results():
    with pytest.raises(results.NoResults, match="run never has left no rows: it is unknown, its source was refused, or its results have"):
        list(results.rows(stack_of_both(), "never"))


def test_an_inline_run_has_its_results_in_its_output():
    output = json.dumps({"results": [succeeded(1, 2)], "failures": [failed(0, "a")]})
    stack = stack_with(Aws({}, {}, {"status": "SUCCEEDED", "output": output}), kept="the execution's output")

    assert [(row["row"], row["status"]) for row in results.rows(stack, "first")] == [(1, "FAILED"), (2, "SUCCEEDED")]


def test_an_inline_run_that_failed_has_kept_none():
    stack = stack_with(Aws({}, {}, {"status": "FAILED"}), kept="the execution's output")

    with pytest.raises(results.NoResults, match="an inline run keeps its results where it succeeds; first ended FAILED"):
        list(results.rows(stack, "first"))


def arguments(*flags):
    parser = ArgumentParser()
    parser.add_argument("--json", action="store_true")
    results.add_arguments(parser)
    return parser.parse_args(flags)


def test_numbers_are_written_with_all_their_digits(capsys):
    results.run(arguments("first"), stack_of_both())

    assert capsys.readouterr().out.splitlines()[0] == '{"row":1,"status":"SUCCEEDED","result":{"n":12345678901234567890.5}}'


def test_failed_ones_alone(capsys):
    results.run(arguments("first", "--failed"), stack_of_both())

    assert [json.loads(line)["row"] for line in capsys.readouterr().out.splitlines()] == [2, 4]


def test_as_csv_the_columns_are_those_of_the_results(tmp_path, capsys):
    file = tmp_path / "all.csv"

    assert results.run(arguments("first", "-o", str(file)), stack_of_both()) == 0

    assert list(csv.reader(io.StringIO(file.read_text()))) == [
        ["row", "status", "n", "error"],
        ["1", "SUCCEEDED", "12345678901234567890.5", ""],
        ["2", "FAILED", "", "ValueError: no"],
        ["3", "SUCCEEDED", "3", ""],
        ["4", "NOT_REACHED", "", ""],
    ]
    assert capsys.readouterr().out == f"4 rows are in {file}\n"


def test_as_csv_failed_ones_alone_have_their_items(capsys):
    results.run(arguments("first", "--failed", "--csv"), stack_of_both())

    assert capsys.readouterr().out.splitlines() == ["row,status,item,error", "2,FAILED,b,ValueError: no", "4,NOT_REACHED,d,"]


def test_results_with_other_columns_are_no_table_and_leave_the_file_as_it_was(tmp_path):
    file = tmp_path / "all.csv"
    file.write_text("before")
    objects = {**FIRST, "results/1a/S.jsonl": lines(succeeded(0, {"n": 1}), succeeded(1, {"m": 1}))}

    with pytest.raises(results.NotATable, match="row 2 has the columns m; the first has n: take JSON Lines, without --csv"):
        results.run(arguments("first", "-o", str(file)), stack_with(Aws(objects, {"first": ["1a"]})))

    assert [path.name for path in tmp_path.iterdir()] == ["all.csv"] and file.read_text() == "before"


def test_a_file_that_cannot_be_written_is_one_line(tmp_path):
    with pytest.raises(results.UsageError, match=r"cannot write .*: No such file or directory"):
        results.run(arguments("first", "-o", str(tmp_path / "nowhere" / "a.jsonl")), stack_of_both())


MEASURE = """
    import json, sys
    from client import Stack, results

    count = int(sys.argv[1])
    OBJECTS = {
        "results/first/source.json": lambda: [json.dumps({"rows": count}).encode()],
        "results/first/items.jsonl": lambda: (b'{"index":%d,"item":"x"}' % index for index in range(count)),
        "results/1a/manifest.json": lambda: [b'{"ResultFiles": {"SUCCEEDED": [{"Key": "results/1a/S.jsonl"}]}}'],
        "results/1a/S.jsonl": lambda: (
            b'{"index":%d,"status":"SUCCEEDED","result":"%s"}' % (index * 7919 % count, b"x" * 100) for index in range(count)
        ),
    }

    class Body:
        def __init__(self, lines):
            self.lines = lines

        def read(self):
            return b"".join(self.lines)

        def iter_lines(self, *_):
            return self.lines

        iter_chunks = iter_lines

    class Aws:
        def get_object(self, Bucket, Key):
            return {"Body": Body(OBJECTS[Key]())}

        def list_map_runs(self, executionArn):
            return {"mapRuns": [{"mapRunArn": "a:1a"}]}

    class StackOf(Stack):
        def client(self, service):
            return Aws()

    outputs = {"distributedStateMachineArn": "arn:aws:states:us-east-1:0:stateMachine:m", "distributedResults": "s3://rows/results/"}
    assert sum(1 for _ in results.rows(StackOf(outputs), "first")) == count
    print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def test_memory_stays_flat_from_ten_thousand_to_a_hundred_thousand_rows():
    def peak_megabytes(rows):
        ran = subprocess.run([sys.executable, "-c", textwrap.dedent(MEASURE), str(rows)], capture_output=True, text=True, check=True)
        return int(ran.stdout) / 1_024

    # The larger one has 15 MB more to put in order.
    assert peak_megabytes(100_000) < peak_megabytes(10_000) + 8
