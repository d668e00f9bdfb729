"""The reader of a run's source: plain items with exact numbers, and one clear sentence for what is no source."""

import json
from decimal import Decimal

import pytest
from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import ClientError

from handlers import exact_json, reader

SOURCE = reader.ListSource("subjects", {"term": {"N": "2027"}}, "topics")
WHERE = "the item of table subjects with term = 2027"


class DynamoDb:
    def __init__(self, attributes=None, code=None, message=""):
        self.attributes, self.code, self.message = attributes, code, message

    def get_item(self, TableName, Key, **_):
        assert (TableName, Key) == ("subjects", {"term": {"N": "2027"}})
        if self.code:
            raise ClientError({"Error": {"Code": self.code, "Message": self.message}}, "GetItem")
        return {} if self.attributes is None else {"Item": {"term": {"N": "2027"}, **self.attributes}}


@pytest.mark.parametrize(
    "value",
    [
        "text",
        "",
        7,
        -7,
        Decimal("0.1"),
        10**15,
        Decimal("12345678901234567890.5"),
        True,
        False,
        None,
        [],
        [[1]],
        {},
        {"a": [None, {"b": [Decimal("1.25")]}]},
        {"S": "not a type"},
        "Zürich \u2028",
    ],
)
def test_what_was_loaded_is_what_is_read(value):
    plain = reader.plain(TypeSerializer().serialize(value))

    assert exact_json.from_json(json.loads(json.dumps(plain), parse_float=Decimal)) == value


@pytest.mark.parametrize(
    ("attribute", "plain"),
    [
        ({"N": "2.50"}, 2.5),
        ({"N": "1234567890123456"}, {"$decimal": "1234567890123456"}),
        ({"N": "1E+2"}, 100),
        ({"N": "-0"}, 0),
        ({"M": {"n": {"N": "0.1234567890123456789"}}}, {"n": {"$decimal": "0.1234567890123456789"}}),
        ({"SS": ["a", "b"]}, ["a", "b"]),
        ({"NS": ["1", "2.5"]}, [1, 2.5]),
        ({"B": b"\x00\xff"}, "AP8="),
        ({"BS": [b"a"]}, ["YQ=="]),
        ({"L": [{"L": [{"L": []}]}]}, [[[]]]),
        ({"NULL": True}, None),
    ],
)
def test_every_type_of_dynamodb_has_its_json(attribute, plain):
    assert reader.plain(attribute) == plain


@pytest.mark.parametrize(
    ("dynamodb", "why"),
    [
        (DynamoDb(), f"{WHERE} does not exist"),
        (DynamoDb({}), f"{WHERE} has no attribute topics"),
        (DynamoDb({"topics": {"S": "Economics"}}), f"topics in {WHERE} is a string, not a list"),
        (DynamoDb({"topics": {"NS": ["1"]}}), f"topics in {WHERE} is a set, not a list"),
        (DynamoDb(code="ResourceNotFoundException"), "table subjects does not exist"),
        (
            DynamoDb(code="ValidationException", message="The provided key element does not match the schema"),
            "the key of table subjects is not term (a number) alone: DynamoDB says: The provided key element does not match the schema",
        ),
    ],
)
def test_what_is_no_list_is_refused_with_the_reason(dynamodb, why):
    with pytest.raises(reader.InvalidSource) as refused:
        reader.read_list(dynamodb, SOURCE)

    assert str(refused.value) == why


@pytest.mark.parametrize("code", ["ProvisionedThroughputExceededException", "AccessDeniedException", "InternalServerError"])
def test_a_fault_that_may_pass_is_raised(code):
    with pytest.raises(ClientError, match=code):
        reader.read_list(DynamoDb(code=code), SOURCE)


def test_an_inline_map_takes_so_many_items_and_no_more():
    assert reader.fitting_inline([1] * 5, SOURCE, 5) == [1] * 5

    with pytest.raises(reader.InvalidSource, match="has 6 items; an inline Map takes 5: use mode DISTRIBUTED"):
        reader.fitting_inline([1] * 6, SOURCE, 5)


def test_sizes_are_bytes_of_utf_8():
    fitting = ["é" * 130_046]  # 260,092 bytes, two quotes and two brackets

    assert reader.fitting_inline(fitting, SOURCE, 5) == fitting
    with pytest.raises(reader.InvalidSource, match="takes 260098 bytes as JSON; an inline Map takes 260096: use mode DISTRIBUTED"):
        reader.fitting_inline(["é" * 130_047], SOURCE, 5)


def test_items_for_a_distributed_map_are_lines():
    assert reader.as_lines([{"a": "é\n"}, None, 2.5], SOURCE).decode() == '{"a":"é\\n"}\nnull\n2.5\n'

    with pytest.raises(reader.InvalidSource, match=f"item 1 of topics in {WHERE} takes 300002 bytes as JSON; an execution takes 260096"):
        reader.as_lines([1, "x" * 300_000], SOURCE)


class S3:
    def __init__(self, status=200):
        self.status, self.objects = status, {}

    def head_object(self, Bucket, Key):
        if self.status != 200:
            raise ClientError({"Error": {"Code": str(self.status)}, "ResponseMetadata": {"HTTPStatusCode": self.status}}, "HeadObject")

    def put_object(self, Bucket, Key, Body):
        self.objects[Bucket, Key] = Body


@pytest.mark.parametrize(
    ("status", "why"), [(404, "there is no object s3://rows/a.csv"), (403, "there is no object s3://rows/a.csv, or it may not be read")]
)
def test_an_object_that_is_not_there_is_refused(status, why):
    with pytest.raises(reader.InvalidSource) as refused:
        reader.check_object(S3(status), "rows", "a.csv")

    assert str(refused.value) == why


def test_an_object_that_cannot_be_asked_for_just_now_is_a_fault():
    with pytest.raises(ClientError, match="503"):
        reader.check_object(S3(503), "rows", "a.csv")


LIST = {"SOURCE_TABLE": "subjects", "SOURCE_KEY": '{"term": {"N": "2027"}}', "SOURCE_ATTRIBUTE": "topics"}


@pytest.fixture
def handle(monkeypatch):
    """`handle(environment, clients)` is what the function answers."""

    def handle(environment, **clients):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        for name, client in clients.items():
            monkeypatch.setattr(reader, name, client)
        return reader.handler({"run": "run-1"}, None)

    return handle


def test_a_list_for_an_inline_map_is_handed_over(handle):
    assert handle(LIST | {"MAX_ITEMS": "9"}, dynamodb=DynamoDb({"topics": {"L": [{"S": "a"}]}})) == {"items": ["a"]}


def test_a_list_for_a_distributed_map_is_put_beside_its_results(handle):
    s3 = S3()

    found = handle(
        LIST | {"RESULTS_BUCKET": "rows", "RESULTS_PREFIX": "results"},
        s3=s3,
        dynamodb=DynamoDb({"topics": {"L": [{"S": "a"}, {"N": "1"}]}}),
    )

    assert found == {"bucket": "rows", "key": "results/run-1/items.jsonl"}
    assert s3.objects == {("rows", "results/run-1/items.jsonl"): b'"a"\n1\n'}


def test_a_data_set_stays_where_it_is(handle):
    assert handle({"SOURCE_BUCKET": "rows", "SOURCE_OBJECT": "a.csv"}, s3=S3()) == {"bucket": "rows", "key": "a.csv"}


def test_a_refusal_is_data(handle):
    assert handle(LIST | {"MAX_ITEMS": "9"}, dynamodb=DynamoDb()) == {
        "refused": {"type": "InvalidSource", "message": f"{WHERE} does not exist"}
    }
