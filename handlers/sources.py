"""Reads the rows of a run from their source: a list in an item of DynamoDB, the items of a query or of a whole table, an object in S3, or
all objects below a prefix.

A source is the component's output `source`, with the changes of a run's input:

    {"source": "dynamodb", "table", "read": "list" | "query" | "scan", "keyName", "keyType": "S" | "N", "keyValue", "attribute",
     "index"?, "sortKey"?: {"name", "value" | "beginsWith"}}
    {"source": "s3", "bucket", "key" | "prefix", "format", "reading": what `handlers.rows` is given, "readable": [s3:// addresses]}

Rows are plain JSON: numbers are those of `exact_json`, binary becomes base64, and a set becomes a list.
"""

import base64
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from botocore.exceptions import ClientError

from handlers import exact_json, rows

Source = Mapping[str, Any]
Say = Callable[[str], None]
"""Receives a sentence about how each object is read."""

TYPES = {
    "S": "a string",
    "N": "a number",
    "M": "a map",
    "BOOL": "a boolean",
    "NULL": "null",
    "SS": "a set",
    "NS": "a set",
    "BS": "a set",
    "B": "binary",
}


class InvalidSource(ValueError):
    """The source cannot be read; the message says why, and what would work."""


def name_of(source: Source) -> str:
    """How messages name the source."""
    if source["source"] == "s3":
        return address(source["bucket"], source.get("key", source.get("prefix", "")))
    if source["read"] == "scan":
        return _table_of(source)
    if source["read"] == "query":
        return f"the items of {_table_of(source)} with {_told_key(source)}"
    return f"{source['attribute']} in {_item_of(source)}"


def address(bucket: str, key: str) -> str:
    return f"s3://{bucket}/{key}"


def rows_of(source: Source, client: Callable[[str], Any], say: Say = lambda sentence: None) -> Iterator[Any]:
    """Yields the rows one by one. client: returns the client of a service. Raises InvalidSource, possibly after some rows."""
    if source["source"] == "s3":
        return _objects(source, client("s3"), say)
    if source["read"] == "list":
        return iter(_list(source, client("dynamodb")))
    return _items(source, client("dynamodb"))


def check_object(source: Source, s3: Any) -> None:
    """Raises InvalidSource if the object of a source that Step Functions reads does not exist."""
    with_reasons(lambda: s3.head_object(Bucket=source["bucket"], Key=source["key"]), name_of(source))


def with_reasons(call: Callable[[], Any], where: str) -> Any:
    """Returns what `call` returns. Raises InvalidSource if S3 reports that the object does not exist or may not be read."""
    try:
        return call()
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status == 404:
            raise InvalidSource(f"there is no object {where}") from None
        if status == 403:
            # To a caller who may not list the bucket, S3 reports a missing object in the same way.
            raise InvalidSource(f"there is no object {where}, or it may not be read") from None
        raise


def _objects(source: Source, s3: Any, say: Say) -> Iterator[Any]:
    for key in [source["key"]] if "key" in source else _keys(source, s3):
        where = address(source["bucket"], key)
        body = with_reasons(lambda key=key: s3.get_object(Bucket=source["bucket"], Key=key)["Body"], where)
        given = {**source["reading"], **({} if source["format"] == "auto" else {"format": source["format"]})}
        try:
            head, chunks = rows.peek(body.iter_chunks(rows.CHUNK_BYTES))
            form = rows.detect(head, where, given)
            say(f"{where}: {form}")
            found = rows.read(chunks, form, where)
            # The fields of CSV are texts, which need no conversion to JSON.
            yield from found if form.format == "csv" else map(exact_json.to_json, found)
        except rows.Wrong as reason:
            raise InvalidSource(str(reason)) from None


def _keys(source: Source, s3: Any) -> Iterator[str]:
    """The rows of all objects below the prefix, in the order of their names. The console's folders (empty objects) are skipped."""
    found = False
    try:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=source["bucket"], Prefix=source["prefix"]):
            for each in page.get("Contents", []):
                if not each["Key"].endswith("/"):
                    found = True
                    yield each["Key"]
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code not in ("AccessDenied", "NoSuchBucket"):
            raise
        raise InvalidSource(f"{name_of(source)} cannot be listed: {code}") from None
    if not found:
        raise InvalidSource(f"there is no object below {name_of(source)}")


def _list(source: Source, dynamodb: Any) -> list[Any]:
    key = key_of(source)
    found = _asked(
        source,
        lambda: dynamodb.get_item(
            TableName=source["table"],
            Key=key,
            ConsistentRead=True,
            ProjectionExpression="#key, #list",
            ExpressionAttributeNames={"#key": source["keyName"], "#list": source["attribute"]},
        ),
    )
    if not found.get("Item"):
        raise InvalidSource(f"{_item_of(source)} does not exist")
    value = found["Item"].get(source["attribute"])
    if value is None:
        raise InvalidSource(f"{_item_of(source)} has no attribute {source['attribute']}")
    ((kind, items),) = value.items()
    if kind != "L":
        raise InvalidSource(f"{source['attribute']} in {_item_of(source)} is {TYPES[kind]}, not a list")
    return [plain(item) for item in items]


def _items(source: Source, dynamodb: Any) -> Iterator[Any]:
    asked = {"TableName": source["table"], **({"IndexName": source["index"]} if "index" in source else {"ConsistentRead": True})}
    if source["read"] == "query":
        asked |= _condition(source)
    pages = dynamodb.get_paginator(source["read"]).paginate(**asked)
    following = iter(pages)
    while (page := _asked(source, lambda: next(following, None))) is not None:
        for item in page["Items"]:
            yield {name: plain(value) for name, value in item.items()}


def _condition(source: Source) -> dict[str, Any]:
    names, values = {"#key": source["keyName"]}, {":key": {source["keyType"]: str(source["keyValue"])}}
    text, sort = "#key = :key", source.get("sortKey")
    if sort:
        names["#sort"] = sort["name"]
        values[":sort"] = _typed(sort["value"]) if "value" in sort else {"S": sort["beginsWith"]}
        text += " AND #sort = :sort" if "value" in sort else " AND begins_with(#sort, :sort)"
    return {"KeyConditionExpression": text, "ExpressionAttributeNames": names, "ExpressionAttributeValues": values}


def _asked(source: Source, call: Callable[[], Any]) -> Any:
    try:
        return call()
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        if code == "ResourceNotFoundException":
            raise InvalidSource(f"table {source['table']} does not exist") from None
        if code == "ValidationException" and source["read"] != "scan":
            kind = TYPES[source["keyType"]]
            alone = " alone" if "sortKey" not in source and source["read"] == "list" else ""
            raise InvalidSource(
                f"the key of {_table_of(source)} is not {source['keyName']} ({kind}){alone}: set keyName, keyValue and sortKey as the "
                f"table has them; DynamoDB says: {message}"
            ) from None
        if code == "ValidationException":
            raise InvalidSource(f"{_table_of(source)} cannot be read: DynamoDB says: {message}") from None
        raise


def key_of(source: Source) -> dict[str, Any]:
    """The key of the item that has the list."""
    sort = source.get("sortKey")
    key = {source["keyName"]: {source["keyType"]: str(source["keyValue"])}}
    return {**key, **({sort["name"]: _typed(sort["value"])} if sort else {})}


def _typed(value: str | int) -> dict[str, str]:
    return {"S" if isinstance(value, str) else "N": str(value)}


def _table_of(source: Source) -> str:
    return f"table {source['table']}" + (f", index {source['index']}" if "index" in source else "")


def _told_key(source: Source) -> str:
    sort = source.get("sortKey")
    told = f"{source['keyName']} = {source['keyValue']}"
    if not sort:
        return told
    return told + (f" and {sort['name']} = {sort['value']}" if "value" in sort else f" and {sort['name']} from {sort['beginsWith']}")


def _item_of(source: Source) -> str:
    return f"the item of {_table_of(source)} with {_told_key(source)}"


def plain(attribute: Mapping[str, Any]) -> Any:
    """A DynamoDB attribute value as JSON."""
    ((kind, value),) = attribute.items()
    return _PLAIN[kind](value)


_PLAIN: dict[str, Callable[[Any], Any]] = {
    "S": lambda value: value,
    "N": lambda value: exact_json.to_json(Decimal(value)),
    "BOOL": lambda value: value,
    "NULL": lambda value: None,
    "L": lambda value: [plain(item) for item in value],
    "M": lambda value: {key: plain(item) for key, item in value.items()},
    "B": lambda value: base64.b64encode(value).decode(),
    "SS": list,
    "NS": lambda value: [exact_json.to_json(Decimal(number)) for number in value],
    "BS": lambda value: [base64.b64encode(item).decode() for item in value],
}
