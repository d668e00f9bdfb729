"""The loader: what it reads, what it writes, what it refuses, and how much memory that takes."""

import json
import subprocess
import sys
import textwrap
from argparse import ArgumentParser
from pathlib import Path

import pytest

from client import Stack, UsageError, load
from client.load import LoadError
from examples.lists import orders
from handlers.rows import Form

FOLDER = Path(__file__).parents[2]
LIST = {
    "source": "dynamodb",
    "read": "list",
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

    def upload_fileobj(self, file, bucket, key, Config=None):
        while chunk := file.read(1000):
            self.uploaded += chunk


class StackOf(Stack):
    def client(self, service):
        return self.outputs["target"]


def stack_with(source, target):
    return StackOf({"distributedSource": source, "target": target})


def data_set(format):
    return {"source": "s3", "format": format, "reading": {}, "bucket": "rows", "key": "data/items"}


@pytest.fixture
def write(tmp_path):
    def write(text, name="items.json"):
        file = tmp_path / name
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    return write


def test_what_a_file_is_may_be_given(write):
    target = Target()
    file = write("1;ä\r\n2;b\r\n".encode("latin-1"), "items.txt")

    load.load(stack_with(data_set("jsonl"), target), file, {"format": "csv", "delimiter": ";", "encoding": "latin-1", "header": ["n", "t"]})

    assert target.uploaded.decode() == '{"n":"1","t":"ä"}\n{"n":"2","t":"b"}\n'


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("1", "items.txt", "items.txt does not end in .json, .*: give its format, json or jsonl or csv"),
        ("id,id\n1,2\n", "items.csv", r"items.csv, line 1 \(byte 0\): the header names id more than once"),
        (b'["\xff"]', "items.json", r"items.json, line 1 \(byte 2\): the byte 0xFF is not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(write, text, name, message):
    with pytest.raises(LoadError, match=message):
        load.load(stack_with(data_set("jsonl"), Target()), write(text, name))


def test_a_file_that_is_not_there_is_refused():
    with pytest.raises(LoadError, match=r"cannot read nowhere.json: No such file"):
        load.load(stack_with(data_set("jsonl"), Target()), Path("nowhere.json"))


def test_a_list_goes_into_one_attribute_of_one_item(write):
    target = Target()

    loaded = load.load(stack_with(LIST, target), write('["a", {"topic": "x", "price": 0.1, "n": null}]'))

    assert loaded == load.Loaded(2, "topics in the item of table subjects with term = 2027", Form("json"))
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


@pytest.mark.parametrize("format", ["auto", "jsonl"])
def test_a_data_set_is_written_as_json_lines(write, format):
    target = Target()

    loaded = load.load(stack_with(data_set(format), target), write('[{"a": 1.50, "b": "x"}, {"a": 12345678901234567890, "b": true}]'))

    assert target.uploaded.decode() == '{"a":1.5,"b":"x"}\n{"a":{"$decimal":"12345678901234567890"},"b":true}\n'
    assert loaded == load.Loaded(2, "s3://rows/data/items", Form("json"))


def test_below_a_prefix_a_file_keeps_its_name(write):
    source = {"source": "s3", "bucket": "rows", "prefix": "in/", "format": "auto", "reading": {}}

    assert load.load(stack_with(source, Target()), write("n\n1\n", "today.csv")).target == "s3://rows/in/today.jsonl"


def test_a_stack_that_is_told_what_it_reads_gets_the_file_as_it_is(write):
    target, text = Target(), "a;b\n1,50;x\n"

    loaded = load.load(stack_with({**data_set("csv"), "reading": {"delimiter": ";"}}, target), write(text, "items.txt"))

    assert target.uploaded.decode() == text
    assert (loaded.items, loaded.form) == (1, Form("csv", delimiter=";"))


def test_what_such_a_stack_could_not_read_is_refused_before_anything_is_written(write):
    target = Target()

    with pytest.raises(LoadError, match="line 3"):
        load.load(stack_with(data_set("csv"), target), write("a,b\n1,2\n3\n", "items.csv"))
    assert target.uploaded == b""


@pytest.mark.parametrize(
    ("source", "given", "message"),
    [
        (data_set("csv"), {"format": "json"}, "the stack reads format csv, not json: leave out distributed.format to load it"),
        (data_set("csv"), {"delimiter": ";"}, "the stack reads delimiter as it finds it, not ;: leave out distributed.format to load it"),
        (data_set("parquet"), {}, "the stack reads parquet: put such an object to s3://rows/data/items"),
        ({**LIST, "read": "query"}, {}, r"the stack reads the items of a table \(distributed.read: query\): put them into subjects"),
    ],
)
def test_what_is_not_for_the_stack_is_refused(write, source, given, message):
    with pytest.raises(LoadError, match=message):
        load.load(stack_with(source, Target()), write("[]"), given)


def test_an_item_that_no_execution_takes_is_refused(write):
    with pytest.raises(LoadError, match=r"item 1 takes 262146 bytes; the input of an execution holds at most 262144"):
        load.load(stack_with(data_set("jsonl"), Target()), write(json.dumps(["x" * 262_144])))


@pytest.mark.parametrize("target", [LIST, data_set("jsonl")], ids=["dynamodb", "s3"])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, NaN]", "NaN is no number in JSON"),
        (f"[{'1' * 5000}]", "a whole number has more than 4300 digits"),
        ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
        (r'["\ud800"]', "half of a character"),
    ],
)
def test_what_json_cannot_carry_is_refused(write, target, text, message):
    with pytest.raises(LoadError, match=message):
        load.load(stack_with(target, Target()), write(text))


def test_the_names_of_columns_may_have_commas(write, capsys):
    target = Target()
    options = options_of(str(write("1;2\n", "items.csv")), "--delimiter", ";", "--no-header", 'n,"a, b"')

    assert load.run(options, stack_with(data_set("jsonl"), target)) == 0
    assert target.uploaded == b'{"n":"1","a, b":"2"}\n'
    assert "separated by semicolons, without a header, in UTF-8" in capsys.readouterr().err


def options_of(*arguments):
    parser = ArgumentParser()
    parser.add_argument("--json", action="store_true")
    load.add_arguments(parser)
    return parser.parse_args(arguments)


def test_an_empty_list_is_a_list(write):
    target = Target()

    assert load.load(stack_with(data_set("auto"), target), write("[]")).items == 0
    assert target.uploaded == b""


def test_without_the_variant_there_is_nothing_to_load_into(write):
    with pytest.raises(LoadError, match="variant distributed is not deployed"):
        load.load(Stack({}), write("[]"))


def test_the_verb_says_what_it_read_and_what_it_did(write, capsys):
    file = write('["a"]')

    assert load.run(options_of(str(file)), stack_with(data_set("jsonl"), Target())) == 0
    assert capsys.readouterr() == ("1 items are in s3://rows/data/items\n", f"{file} was read as a JSON list, in UTF-8\n")


def test_as_json_the_verb_says_both_in_one_object(write, capsys):
    assert load.run(options_of(str(write('["a"]')), "--json"), stack_with(data_set("jsonl"), Target())) == 0

    said = '{"items": 1, "target": "s3://rows/data/items", "read": {"format": "json", "encoding": "utf-8"}}\n'
    assert capsys.readouterr() == (said, "")


def test_what_is_refused_is_wrong_use():
    assert issubclass(LoadError, UsageError)


def test_the_progress_adds_up_to_the_file(write):
    read = []
    file = write(json.dumps([{"n": number} for number in range(20_000)]))

    load.load(stack_with(data_set("jsonl"), Target()), file, report=read.append)

    assert sum(read) == file.stat().st_size
    assert len(read) > 1


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
    def file_of(count):
        file = tmp_path / f"{count}-{name}"
        with file.open("w", newline="") as text:
            if name.endswith(".csv"):
                orders.write(text, count)
            else:
                text.write("[")
                text.writelines(f"{', ' if row[0] != '1' else ''}{json.dumps(row)}" for row in orders.rows(count))
                text.write("]")
        return file

    small, large = (peak_bytes(file_of(rows)) for rows in (10_000, 200_000))

    # A part of the large file's upload, 8 MB, is in memory and is copied once. Its rows as Python's objects would take a hundred MB.
    assert large - small < 30e6, (small, large)
