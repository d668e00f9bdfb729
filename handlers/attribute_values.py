"""JSON as DynamoDB's attribute values, and back. Pure."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from handlers.contract import Json

WHOLE = re.compile(r"-?[0-9]+")


def encode(value: Any) -> Json:
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, (int, float, Decimal)):
        return {"N": str(value)}
    if isinstance(value, Mapping):
        return {"M": encode_item(value)}
    if isinstance(value, (list, tuple)):
        return {"L": [encode(item) for item in value]}
    return {"NULL": True}


def encode_item(item: Mapping[str, Any]) -> Json:
    return {key: encode(value) for key, value in item.items()}


def decode(attribute: Mapping[str, Any]) -> Any:
    ((kind, value),) = attribute.items()
    if kind == "M":
        return decode_item(value)
    if kind == "L":
        return [decode(item) for item in value]
    if kind == "N":
        return int(value) if WHOLE.fullmatch(value) else float(value)
    return None if kind == "NULL" else value


def decode_item(item: Mapping[str, Any]) -> Json:
    return {key: decode(value) for key, value in item.items()}
