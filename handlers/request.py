"""A caller's body as a request: JSON that every carrier can carry, in the shape that `request.schema.json` describes.

Pure. The schema is for callers, the OpenAPI document and the tests. `completion.check_request` decides, because it knows the stack's own
limits and says what is allowed. `tests/unit/test_request_schema.py` checks that the two agree.
"""

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

from handlers import completion, contract, json_limits
from handlers.contract import InvalidRequest, Json

SCHEMA: Json = json.loads(Path(__file__).with_suffix(".schema.json").read_text())

MAX_BODY_BYTES = 4 * contract.MAX_REQUEST_BYTES
"""A longer body is not even parsed, however much of it is white space."""

MAX_NUMBER_CHARS = 400
"""Enough for any allowed number in any usual notation. Python itself refuses integers of more than 4,300 digits."""


def read(body: bytes, known: Sequence[str], stack: completion.Policy) -> Json:
    """The request that the body holds. Raises InvalidRequest, or RequestTooLarge, with the reason."""
    if len(body) > MAX_BODY_BYTES:
        raise contract.RequestTooLarge(f"the body takes {len(body)} bytes; at most {contract.MAX_REQUEST_BYTES} of JSON are allowed")
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise InvalidRequest("the body is not UTF-8 text") from None
    return completion.check_request(parse(text), known, stack)


def parse(text: str) -> Any:
    """Parses JSON strictly: no NaN, no duplicate key, and no number that would not come back as it was written."""
    if not text.strip():
        raise InvalidRequest("the body is empty; it must be a request as JSON")
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant, parse_float=_float, parse_int=_int)
    except json.JSONDecodeError as error:
        raise InvalidRequest(f"the body is not JSON: {error}") from None
    except json_limits.NotCarried as error:
        raise InvalidRequest(str(error)) from None
    except RecursionError:
        raise InvalidRequest(json_limits.too_deep("the request")) from None


def same(one: Any, other: Any) -> bool:
    """Whether both are the same JSON as far as the store can tell: the order of keys does not matter, and 30 equals 30.0."""
    return _normal(one) == _normal(other)


def _object(pairs: list[tuple[str, Any]]) -> Json:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise InvalidRequest(f"an object has the key {json.dumps(contract.repeated(key for key, _ in pairs))} more than once")
    return found


def _float(digits: str) -> float:
    _check_length(digits)
    number = float(digits)
    if len(digits) > json_limits.MAX_DIGITS or not json_limits.is_in_range(number):
        json_limits.check_number(Decimal(digits))
    return number


def _int(digits: str) -> int:
    _check_length(digits)
    return int(digits)


def _check_length(digits: str) -> None:
    if len(digits) > MAX_NUMBER_CHARS:
        raise json_limits.NotCarried(f"a number is written with {len(digits)} characters; at most {MAX_NUMBER_CHARS} are allowed")


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidRequest(f"the body is not JSON: {name} is no JSON number")


def _normal(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _normal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_normal(item) for item in value]
    if value is None or isinstance(value, (str, bool)):
        return (type(value).__name__, value)
    return ("number", Decimal(str(value)))
