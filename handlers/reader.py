"""Lambda adapter that begins a run: reads the source, checks it, and says where the Map finds its items.

A list in DynamoDB becomes plain JSON (numbers as `exact_json` has them, binary as base64, a set as a list): by value for an inline Map,
as JSON Lines in S3 for a distributed one. A data set in S3 stays where it is.

Event     {"run"}, the execution's name
Returns   {"items": [JSON]} | {"bucket", "key"} | {"refused": {"type": "InvalidSource", "message"}}

Environment: of a list SOURCE_TABLE, SOURCE_KEY ({name: attribute value}, as JSON) and SOURCE_ATTRIBUTE, then MAX_ITEMS for an inline Map,
or RESULTS_BUCKET and RESULTS_PREFIX; of a data set SOURCE_BUCKET and SOURCE_OBJECT.
"""

import base64
import json
import os
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import boto3
from aws_lambda_powertools.logging import Logger
from botocore.exceptions import ClientError

from handlers import exact_json
from handlers.processing import STATE_BYTES

logger = Logger(service="reader")
dynamodb: Any = boto3.client("dynamodb") if "SOURCE_TABLE" in os.environ else None
s3: Any = boto3.client("s3") if {"SOURCE_BUCKET", "RESULTS_BUCKET"} & os.environ.keys() else None

LIST_BYTES = STATE_BYTES - 2_048
"""For what the answer of a function, or the input of an execution, has beside its items."""

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
    """The source is not one; the message says why, and what would do."""


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    logger.append_keys(correlation_id=event["run"])
    try:
        found = _read(event["run"])
    except InvalidSource as reason:
        logger.warning("refused", extra={"reason": str(reason)})
        return {"refused": {"type": "InvalidSource", "message": str(reason)}}
    logger.info("read", extra={"items": len(found["items"])} if "items" in found else found)
    return found


def _read(run: str) -> dict[str, Any]:
    environment = os.environ
    if "SOURCE_BUCKET" in environment:
        return check_object(s3, environment["SOURCE_BUCKET"], environment["SOURCE_OBJECT"])
    source = ListSource(environment["SOURCE_TABLE"], json.loads(environment["SOURCE_KEY"]), environment["SOURCE_ATTRIBUTE"])
    items = read_list(dynamodb, source)
    if "MAX_ITEMS" in environment:
        return {"items": fitting_inline(items, source, int(environment["MAX_ITEMS"]))}
    key = f"{environment['RESULTS_PREFIX']}/{run}/items.jsonl"
    s3.put_object(Bucket=environment["RESULTS_BUCKET"], Key=key, Body=as_lines(items, source))
    return {"bucket": environment["RESULTS_BUCKET"], "key": key}


class ListSource:
    """Which attribute of which item holds the list. key: {name: attribute value}, such as {"id": {"S": "list"}}."""

    def __init__(self, table: str, key: Mapping[str, Mapping[str, str]], attribute: str) -> None:
        self.table = table
        self.key = key
        self.attribute = attribute
        ((self.key_name, typed),) = key.items()
        ((self.key_type, self.key_value),) = typed.items()

    def __str__(self) -> str:
        return f"the item of table {self.table} with {self.key_name} = {self.key_value}"


def read_list(dynamodb: Any, source: ListSource) -> list[Any]:
    """Its items as plain JSON. Raises InvalidSource."""
    try:
        found = dynamodb.get_item(
            TableName=source.table,
            Key=source.key,
            ConsistentRead=True,
            ProjectionExpression="#key, #list",
            ExpressionAttributeNames={"#key": source.key_name, "#list": source.attribute},
        )
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        if code == "ResourceNotFoundException":
            raise InvalidSource(f"table {source.table} does not exist") from None
        if code == "ValidationException":
            raise InvalidSource(
                f"the key of table {source.table} is not {source.key_name} ({TYPES[source.key_type]}) alone: DynamoDB says: {message}"
            ) from None
        raise
    if not found.get("Item"):
        raise InvalidSource(f"{source} does not exist")
    value = found["Item"].get(source.attribute)
    if value is None:
        raise InvalidSource(f"{source} has no attribute {source.attribute}")
    ((kind, items),) = value.items()
    if kind != "L":
        raise InvalidSource(f"{source.attribute} in {source} is {TYPES[kind]}, not a list")
    return [plain(item) for item in items]


def fitting_inline(items: list[Any], source: ListSource, most: int) -> list[Any]:
    """The items, where an inline Map can take them. Raises InvalidSource."""
    if len(items) > most:
        raise InvalidSource(f"{source.attribute} in {source} has {len(items)} items; an inline Map takes {most}: use mode DISTRIBUTED")
    size = _bytes(items)
    if size > LIST_BYTES:
        raise InvalidSource(
            f"{source.attribute} in {source} takes {size} bytes as JSON; an inline Map takes {LIST_BYTES}: use mode DISTRIBUTED"
        )
    return items


def as_lines(items: list[Any], source: ListSource) -> bytes:
    """JSON Lines. Raises InvalidSource for an item that no execution could take as its input."""
    for index, item in enumerate(items):
        size = _bytes(item)
        if size > LIST_BYTES:
            raise InvalidSource(
                f"item {index} of {source.attribute} in {source} takes {size} bytes as JSON; an execution takes {LIST_BYTES}"
            )
    return b"".join(_json(item) + b"\n" for item in items)


def check_object(s3: Any, bucket: str, key: str) -> dict[str, str]:
    """Raises InvalidSource where it is not there."""
    try:
        s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status == 404:
            raise InvalidSource(f"there is no object s3://{bucket}/{key}") from None
        if status == 403:
            # S3's answer for an object that is not there, too, to those who may not list the bucket.
            raise InvalidSource(f"there is no object s3://{bucket}/{key}, or it may not be read") from None
        raise
    return {"bucket": bucket, "key": key}


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


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _bytes(value: Any) -> int:
    return len(_json(value))
