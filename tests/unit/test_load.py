"""The loader: what it reads, what it writes, what it refuses, and how much memory that takes."""

import json
import subprocess
import sys
import textwrap
from argparse import ArgumentParser
from decimal import Decimal
from pathlib import Path

import pytest

from client import Stack, UsageError, load
from client.load import LoadError
from examples.lists import orders

FOLDER = Path(__file__).parents[2]
LIST = {
    "source": "dynamodb",
    "format": "json",
    "table": "subjects",
    "keyName": "term",
    "keyValue": "2027",
    "keyType": "N",
    "attribute": "topics",
}


class Target:
    """Takes what the loader sends, in place of DynamoDB and S3."""

    def __init__(self):
        self.update = None
        self.uploaded = b""

    def update_item(self, **update):
        self.update = update

    def upload_fileobj(self, file, bucket, key, Config):
        while chunk := file.read(1000):
            self.uploaded += chunk


class StackOf(Stack):
    def client(self, service):
        return self.outputs["target"]


def stack_with(source, target):
    return StackOf({"distributedSource": source, "target": target})


def data_set(format):
    return {"source": "s3", "format": format, "bucket": "rows", "key": "data/items"}


@pytest.fixture
def write(tmp_path):
    def write(text, name="items.json"):
        file = tmp_path / name
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    return write


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("[]", []),
        (" [ ] \n", []),
        ('["a", "b"]', ["a", "b"]),
        ("[1,2.5,-3e2,0.1]", [1, Decimal("2.5"), Decimal("-3e2"), Decimal("0.1")]),
        ('[{"topic": "x", "n": [1, null]}, true]', [{"topic": "x", "n": [1, None]}, True]),
        ('\ufeff["a"]', ["a"]),
        ("[12345678901234567890.5]", [Decimal("12345678901234567890.5")]),
    ],
)
def test_a_json_list_is_read_with_its_numbers(write, text, items):
    assert list(load.read(write(text))) == items


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_however_the_chunks_fall_the_items_are_the_same(write, monkeypatch, size):
    monkeypatch.setattr(load, "CHUNK_CHARS", size)
    items = ["ab", 123, 4567.25, {"k": "v,]}"}, [1, [2]], None, "\u20ac"]

    assert json.loads(json.dumps(list(load.read(write(json.dumps(items, indent=1)))), default=float)) == items


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"topic": "x"}', "must hold a JSON list"),
        ('"x"', "must hold a JSON list"),
        ("", "must hold a JSON list"),
        ("[1, 2", "item 2 is not JSON: it ends early"),
        ("[1, x]", "item 2 is not JSON"),
        ("[1,]", "item 2 is not JSON"),
        ("[1 2]", "expected a comma"),
        ("[1] 2", "goes on after the end"),
    ],
)
def test_what_is_no_json_list_is_refused(write, text, message):
    with pytest.raises(LoadError, match=message):
        list(load.read(write(text)))


def test_json_lines_are_read_one_by_one(write):
    assert list(load.read(write('{"a": 1.5}\n\n"b"\r\n', "items.jsonl"))) == [{"a": Decimal("1.5")}, "b"]

    with pytest.raises(LoadError, match="line 2 is not JSON"):
        list(load.read(write("1\nx\n", "items.jsonl")))


def test_csv_rows_are_objects_of_strings(write):
    assert list(load.read(write('\ufeffid,name\n1,"Hopper, Grace"\n2,"two\nlines"\n', "items.csv"))) == [
        {"id": "1", "name": "Hopper, Grace"},
        {"id": "2", "name": "two\nlines"},
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [("id,id\n1,2\n", "must name each column once"), ("id,name\n1\n", "line 2 has 1 fields; the header has 2"), ('id\n"a\n', "is not CSV")],
)
def test_a_csv_file_that_would_lose_fields_is_refused(write, text, message):
    with pytest.raises(LoadError, match=message):
        list(load.read(write(text, "items.csv")))


def test_a_file_that_says_nothing_of_its_format_needs_it_said(write):
    with pytest.raises(LoadError, match="say which with --format"):
        list(load.read(write("1", "items.txt")))
    assert list(load.read(write("1", "items.txt"), "jsonl")) == [1]
    with pytest.raises(LoadError, match=r"cannot read .*: No such file"):
        list(load.read(Path("nowhere.json")))
    with pytest.raises(LoadError, match="is not UTF-8"):
        list(load.read(write(b'["\xff"]')))


def test_a_list_goes_into_one_attribute_of_one_item(write):
    target = Target()

    loaded = load.load(stack_with(LIST, target), write('["a", {"topic": "x", "price": 0.1, "n": null}]'))

    assert loaded == load.Loaded(2, "topics of term = 2027 in table subjects")
    assert target.update == {
        "TableName": "subjects",
        "Key": {"term": {"N": "2027"}},
        "UpdateExpression": "SET #list = :list",
        "ExpressionAttributeNames": {"#list": "topics"},
        "ExpressionAttributeValues": {
            ":list": {"L": [{"S": "a"}, {"M": {"topic": {"S": "x"}, "price": {"N": "0.1"}, "n": {"NULL": True}}}]}
        },
    }


def test_a_list_that_does_not_fit_is_refused_before_anything_is_written(write):
    target = Target()
    file = write(json.dumps(["x" * 1000] * 300))

    message = r"its first 258 items alone take \d+ bytes.*409600.*put it into S3 instead: set distributed.source to s3"
    with pytest.raises(LoadError, match=message):
        load.load(stack_with(LIST, target), file)
    assert target.update is None


def test_a_number_that_dynamodb_cannot_keep_is_refused(write):
    with pytest.raises(LoadError, match="item 2 has a number that DynamoDB cannot keep: of more than 38 digits"):
        load.load(stack_with(LIST, Target()), write(f"[1, 1.{'1' * 40}]"))


@pytest.mark.parametrize(
    ("format", "text"),
    [
        ("json", '[{"a":1.5,"b":"x"},\n{"a":{"$decimal":"12345678901234567890"},"b":null}]\n'),
        ("jsonl", '{"a":1.5,"b":"x"}\n{"a":{"$decimal":"12345678901234567890"},"b":null}\n'),
        ("csv", "a,b\n1.5,x\n12345678901234567890,\n"),
    ],
)
def test_a_data_set_is_written_in_the_format_of_the_source(write, format, text):
    target = Target()

    loaded = load.load(stack_with(data_set(format), target), write('[{"a": 1.5, "b": "x"}, {"a": 12345678901234567890, "b": null}]'))

    assert target.uploaded.decode() == text
    assert loaded == load.Loaded(2, "s3://rows/data/items")


@pytest.mark.parametrize(
    ("text", "format", "message"),
    [
        ('["a"]', "csv", "item 1 is no row"),
        ('[{"a": [1]}]', "csv", "item 1 is no row"),
        ('[{"a": 1}, {"b": 1}]', "csv", "item 2 has the fields b"),
        ("[{}]", "csv", "item 1 is no row: CSV takes flat objects with a field or more"),
        (r'[{"a": "C:\\Users"}]', "csv", r"item 1 has a backslash, which Step Functions takes out of CSV; set distributed.format to jsonl"),
        (json.dumps(["x" * 262_144]), "jsonl", r"item 1 takes 262146 bytes; the input of an execution holds at most 262144"),
    ],
)
def test_what_the_format_or_an_execution_cannot_take_is_refused(write, text, format, message):
    with pytest.raises(LoadError, match=message):
        load.load(stack_with(data_set(format), Target()), write(text))


@pytest.mark.parametrize("target", [LIST, data_set("jsonl")], ids=["dynamodb", "s3"])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, NaN]", "item 2 is not JSON: NaN is no number in JSON"),
        (f"[{'1' * 5000}]", "item 1 is not JSON: Exceeds the limit"),
        ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
        (r'["\ud800"]', "item 1 has half a character"),
    ],
)
def test_what_json_cannot_carry_is_refused(write, target, text, message):
    with pytest.raises(LoadError, match=message):
        load.load(stack_with(target, Target()), write(text))


def test_a_long_field_of_csv_is_read(write):
    [row] = load.read(write(f"a\n{'x' * 200_000}\n\n", "rows.csv"))

    assert len(row["a"]) == 200_000


def test_an_empty_list_is_a_list(write):
    target = Target()
    load.load(stack_with(data_set("json"), target), write("[]"))

    assert json.loads(target.uploaded) == []


def test_without_the_variant_there_is_nothing_to_load_into(write):
    with pytest.raises(LoadError, match="variant distributed is not deployed"):
        load.load(Stack({}), write("[]"))


@pytest.mark.parametrize(
    ("flags", "out"), [([], "1 items are in s3://rows/data/items\n"), (["--json"], '{"items": 1, "target": "s3://rows/data/items"}\n')]
)
def test_the_verb_says_what_it_did(write, capsys, flags, out):
    parser = ArgumentParser()
    parser.add_argument("--json", action="store_true")
    load.add_arguments(parser)

    assert load.run(parser.parse_args([str(write('["a"]')), *flags]), stack_with(data_set("jsonl"), Target())) == 0
    assert capsys.readouterr() == (out, "")


def test_what_is_refused_is_wrong_use():
    assert issubclass(LoadError, UsageError)


def test_the_progress_adds_up_to_the_file(write):
    read = []
    file = write(json.dumps([{"n": number} for number in range(20_000)]))

    list(load.read(file, report=read.append))

    assert sum(read) == file.stat().st_size
    assert len(read) > 3


MEASURE = """
    import sys
    import boto3.s3.transfer
    from client import Stack, UsageError, load
    from pathlib import Path

    class Sink(Stack):
        def client(self, service):
            return self

        def upload_fileobj(self, file, bucket, key, Config):
            while file.read(Config.multipart_chunksize):
                pass

    load.load(Sink({"distributedSource": {"source": "s3", "format": "jsonl", "bucket": "b", "key": "k"}}), Path(sys.argv[1]))
    print(next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")))
"""


def peak_bytes(file):
    ran = subprocess.run([sys.executable, "-c", textwrap.dedent(MEASURE), file], cwd=FOLDER, capture_output=True, text=True, check=True)
    return int(ran.stdout) * 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process is read from /proc")
@pytest.mark.parametrize("name", ["orders.csv", "orders.json"])
def test_memory_stays_flat_from_ten_thousand_to_two_hundred_thousand_rows(tmp_path, name):
    def file_of(rows):
        file = tmp_path / f"{rows}-{name}"
        with file.open("w", newline="") as text:
            if name.endswith(".csv"):
                orders.write(text, rows)
            else:
                text.write("[")
                text.writelines(f"{', ' if row[0] != '1' else ''}{json.dumps(row)}" for row in orders.rows(rows))
                text.write("]")
        return file

    small, large = (peak_bytes(file_of(rows)) for rows in (10_000, 200_000))

    # Of the large file a part of the upload, 8 MB, is in memory and is copied once; of the small one all, which is less.
    assert large - small < 20e6, (small, large)
