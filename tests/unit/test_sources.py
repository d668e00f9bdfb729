"""The sources of a run: plain items with exact numbers, and one clear sentence for what is no source."""

import io
import json
from decimal import Decimal

import pytest
from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import ClientError
from botocore.response import StreamingBody

from handlers import exact_json, sources

LIST = {
    "source": "dynamodb",
    "table": "subjects",
    "read": "list",
    "keyName": "term",
    "keyType": "N",
    "keyValue": "2027",
    "attribute": "topics",
}
WHERE = "the item of table subjects with term = 2027"
QUERY = {**LIST, "read": "query"}


def refusal(code, message="", status=400):
    return ClientError({"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Read")


class DynamoDb:
    """One item, or the pages of a query or a scan; or a refusal. asked: what was asked of it."""

    def __init__(self, attributes=None, refusal=None, pages=()):
        self.attributes, self.refusal, self.pages, self.asked = attributes, refusal, pages, []

    def get_item(self, **asked):
        self.asked.append(asked)
        if self.refusal:
            raise self.refusal
        return {} if self.attributes is None else {"Item": {"term": {"N": "2027"}, **self.attributes}}

    def get_paginator(self, operation):
        self.operation = operation
        return self

    def paginate(self, **asked):
        self.asked.append(asked)
        for page in self.pages:
            yield {"Items": page}
        if self.refusal:
            raise self.refusal


def read(source, client, say=lambda sentence: None):
    return list(sources.rows_of(source, lambda service: client, say))


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
    plain = sources.plain(TypeSerializer().serialize(value))

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
    assert sources.plain(attribute) == plain


@pytest.mark.parametrize(
    ("dynamodb", "why"),
    [
        (DynamoDb(), f"{WHERE} does not exist"),
        (DynamoDb({}), f"{WHERE} has no attribute topics"),
        (DynamoDb({"topics": {"S": "Economics"}}), f"topics in {WHERE} is a string, not a list"),
        (DynamoDb({"topics": {"NS": ["1"]}}), f"topics in {WHERE} is a set, not a list"),
        (DynamoDb(refusal=refusal("ResourceNotFoundException")), "table subjects does not exist"),
        (
            DynamoDb(refusal=refusal("ValidationException", "The provided key element does not match the schema")),
            "the key of table subjects is not term (a number) alone: set keyName, keyValue and sortKey as the table has them; DynamoDB "
            "says: The provided key element does not match the schema",
        ),
    ],
)
def test_what_is_no_list_is_refused_with_the_reason(dynamodb, why):
    with pytest.raises(sources.InvalidSource) as refused:
        read(LIST, dynamodb)

    assert str(refused.value) == why


@pytest.mark.parametrize(
    "source", [LIST, QUERY, {"source": "dynamodb", "table": "subjects", "read": "scan"}], ids=["list", "query", "scan"]
)
@pytest.mark.parametrize("code", ["ProvisionedThroughputExceededException", "AccessDeniedException", "InternalServerError"])
def test_a_fault_that_may_pass_is_raised(source, code):
    with pytest.raises(ClientError, match=code):
        read(source, DynamoDb(refusal=refusal(code)))


def test_an_item_of_a_table_with_a_sort_key_is_found_by_both():
    dynamodb = DynamoDb({"topics": {"L": [{"N": "1"}]}})

    assert read({**LIST, "sortKey": {"name": "part", "value": "a"}}, dynamodb) == [1]
    assert dynamodb.asked[0]["Key"] == {"term": {"N": "2027"}, "part": {"S": "a"}}


def test_a_query_has_the_items_of_all_its_pages():
    dynamodb = DynamoDb(pages=[[{"term": {"N": "2027"}, "part": {"S": "a"}}], [], [{"term": {"N": "2027"}, "n": {"N": "2.50"}}]])

    assert read(QUERY, dynamodb) == [{"term": 2027, "part": "a"}, {"term": 2027, "n": 2.5}]
    assert dynamodb.operation == "query"
    assert dynamodb.asked == [
        {
            "TableName": "subjects",
            "ConsistentRead": True,
            "KeyConditionExpression": "#key = :key",
            "ExpressionAttributeNames": {"#key": "term"},
            "ExpressionAttributeValues": {":key": {"N": "2027"}},
        }
    ]


@pytest.mark.parametrize(
    ("sort", "condition", "value"),
    [
        ({"name": "part", "value": 7}, "#key = :key AND #sort = :sort", {"N": "7"}),
        ({"name": "part", "beginsWith": "2027-"}, "#key = :key AND begins_with(#sort, :sort)", {"S": "2027-"}),
    ],
)
def test_a_query_may_narrow_its_sort_key(sort, condition, value):
    dynamodb = DynamoDb()

    assert read({**QUERY, "sortKey": sort}, dynamodb) == []
    assert dynamodb.asked[0]["KeyConditionExpression"] == condition
    assert dynamodb.asked[0]["ExpressionAttributeValues"][":sort"] == value


def test_an_index_is_read_as_it_is_which_is_never_consistently():
    dynamodb = DynamoDb()

    read({**QUERY, "index": "by-term"}, dynamodb)

    assert dynamodb.asked[0]["IndexName"] == "by-term"
    assert "ConsistentRead" not in dynamodb.asked[0]


def test_a_scan_has_all_items_of_the_table():
    dynamodb = DynamoDb(pages=[[{"id": {"S": "a"}}], [{"id": {"S": "b"}}]])

    assert read({"source": "dynamodb", "table": "subjects", "read": "scan"}, dynamodb) == [{"id": "a"}, {"id": "b"}]
    assert dynamodb.operation == "scan"


class S3:
    """Objects by their key. status: of each answer, where it is not to be 200."""

    def __init__(self, objects, status=200):
        self.objects, self.status = objects, status

    def get_object(self, Bucket, Key):
        if self.status != 200 or Key not in self.objects:
            raise refusal("NoSuchKey", status=self.status if self.status != 200 else 404)
        body = self.objects[Key]
        return {"Body": StreamingBody(io.BytesIO(body), len(body))}

    head_object = get_object

    def get_paginator(self, operation):
        assert operation == "list_objects_v2"
        return self

    def paginate(self, Bucket, Prefix):
        if self.status != 200:
            raise refusal("AccessDenied", status=self.status)
        yield {"Contents": [{"Key": key} for key in sorted(self.objects) if key.startswith(Prefix)]}


OBJECT = {"source": "s3", "bucket": "rows", "key": "a.csv", "format": "auto", "reading": {}, "readable": ["s3://rows/a.csv"]}
BELOW = {"source": "s3", "bucket": "rows", "prefix": "in/", "format": "auto", "reading": {}, "readable": ["s3://rows/in/"]}


def test_an_object_is_read_as_it_is_found_and_that_is_said():
    said = []

    assert read(OBJECT, S3({"a.csv": b"id;n\n1;2,5\n"}), said.append) == [{"id": "1", "n": "2,5"}]
    assert len(said) == 1 and said[0].startswith("s3://rows/a.csv: CSV")


def test_what_is_configured_is_not_guessed():
    given = {**OBJECT, "format": "csv", "reading": {"delimiter": "|"}}

    assert read(given, S3({"a.csv": b"id|n;m\n1|2;3\n"})) == [{"id": "1", "n;m": "2;3"}]


def test_all_objects_below_a_prefix_are_read_in_the_order_of_their_names():
    objects = {"in/": b"", "in/b.jsonl": b'{"n": 2}\n', "in/a.csv": b"n\n1\n", "out/c.csv": b"n\n3\n"}

    assert read(BELOW, S3(objects)) == [{"n": "1"}, {"n": 2}]


def test_a_number_of_any_length_is_exact():
    assert read({**OBJECT, "key": "a.json"}, S3({"a.json": b"[12345678901234567890.5]"})) == [{"$decimal": "12345678901234567890.5"}]


@pytest.mark.parametrize(
    ("source", "s3", "why"),
    [
        (OBJECT, S3({}), "there is no object s3://rows/a.csv"),
        (OBJECT, S3({}, status=403), "there is no object s3://rows/a.csv, or it may not be read"),
        (BELOW, S3({"in/": b""}), "there is no object below s3://rows/in/"),
        (BELOW, S3({}, status=403), "s3://rows/in/ cannot be listed: AccessDenied"),
    ],
)
def test_an_object_that_is_not_there_is_refused(source, s3, why):
    with pytest.raises(sources.InvalidSource) as refused:
        read(source, s3)

    assert str(refused.value) == why


def test_what_is_wrong_in_an_object_is_said_with_its_address():
    with pytest.raises(sources.InvalidSource, match=r"s3://rows/a\.json.*line 1"):
        read({**OBJECT, "key": "a.json"}, S3({"a.json": b'[{"a": 1}, {]'}))


def test_an_object_that_cannot_be_asked_for_just_now_is_a_fault():
    with pytest.raises(ClientError, match="NoSuchKey"):
        read(OBJECT, S3({}, status=503))


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (LIST, "topics in the item of table subjects with term = 2027"),
        ({**LIST, "sortKey": {"name": "part", "value": 1}}, "topics in the item of table subjects with term = 2027 and part = 1"),
        (
            {**QUERY, "index": "by-term", "sortKey": {"name": "part", "beginsWith": "a"}},
            "the items of table subjects, index by-term with term = 2027 and part from a",
        ),
        ({"source": "dynamodb", "table": "subjects", "read": "scan"}, "table subjects"),
        (OBJECT, "s3://rows/a.csv"),
        (BELOW, "s3://rows/in/"),
    ],
)
def test_a_source_has_a_name_for_messages(source, name):
    assert sources.name_of(source) == name
