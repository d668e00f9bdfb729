"""A caller's body as a request: JSON that every carrier can carry, in the shape that `request.schema.json` describes.

Pure. The schema is for callers, the OpenAPI document and the tests; `completion.check_request` decides, as it knows the stack's own
limits and says what is allowed. `tests/unit/test_request_schema.py` holds the two to the same verdict.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from handlers import completion, contract
from handlers.contract import InvalidRequest, Json

SCHEMA: Json = json.loads(Path(__file__).with_suffix(".schema.json").read_text())

MAX_DEPTH = 16
"""JSONata in Step Functions nests about 100 evaluations, and each level of a request takes four of them on its way to the store. The
store itself would nest 32 levels (DynamoDB's limit)."""

MAX_NUMBER, MIN_NUMBER = 1e126, 1e-130
"""Between these two, or 0, is what the store keeps as a number (DynamoDB)."""

MAX_BODY_BYTES = 4 * contract.MAX_REQUEST_BYTES
"""However much white space it has, a longer body is not even read."""

SIGNIFICANT_DIGITS = 15
"""What JSONata keeps of a number, and so what two requests can differ in."""


def read(body: bytes, known: Sequence[str], stack: completion.Policy, *, can_close_early: bool = True) -> Json:
    """The request that the body holds. Raises InvalidRequest, or RequestTooLarge, with the reason."""
    if len(body) > MAX_BODY_BYTES:
        raise contract.RequestTooLarge(f"the body takes {len(body)} bytes; at most {contract.MAX_REQUEST_BYTES} of JSON are allowed")
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise InvalidRequest("the body is not UTF-8 text") from None
    return completion.check_request(parse(text), known, stack, can_close_early=can_close_early)


def parse(text: str) -> Any:
    """JSON, strictly: no NaN, no key twice, and nothing that the store would refuse after the request was accepted."""
    if not text.strip():
        raise InvalidRequest("the body is empty; it must be a request as JSON")
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
        _check(value, MAX_DEPTH)
    except json.JSONDecodeError as error:
        raise InvalidRequest(f"the body is not JSON: {error}") from None
    except RecursionError:
        raise InvalidRequest(_TOO_DEEP) from None
    except InvalidRequest:
        raise
    except ValueError:
        # Python itself reads no integer of more than 4,300 digits.
        raise InvalidRequest(_OUT_OF_RANGE) from None
    return value


def same(one: Any, other: Any) -> bool:
    """Are they the same JSON, as far as the store can tell? The order of keys says nothing, and 30 is 30.0."""
    return _normal(one) == _normal(other)


_TOO_DEEP = f"the request is nested too deep: at most {MAX_DEPTH} levels are allowed"
_OUT_OF_RANGE = f"a number is out of range: 0, or from {MIN_NUMBER:g} up to {MAX_NUMBER:g}, of either sign, is allowed"


def _object(pairs: list[tuple[str, Any]]) -> Json:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise InvalidRequest(f"an object has the key {json.dumps(repeated)} more than once")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidRequest(f"the body is not JSON: {name} is no JSON number")


def _check(value: Any, levels: int) -> None:
    if isinstance(value, (dict, list)) and levels == 0:
        raise InvalidRequest(_TOO_DEEP)
    if isinstance(value, dict):
        for key, item in value.items():
            if not key:
                raise InvalidRequest("a key is empty; each must have at least one character")
            _check(key, levels)
            _check(item, levels - 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, levels - 1)
    elif isinstance(value, str):
        _check_text(value)
    elif isinstance(value, (int, float)) and value and not MIN_NUMBER <= abs(value) < MAX_NUMBER:
        raise InvalidRequest(_OUT_OF_RANGE)


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidRequest(f"{json.dumps(text[:40])} has half of a surrogate pair, which is no character") from None


def _normal(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _normal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_normal(item) for item in value]
    if value is None or isinstance(value, (str, bool)):
        return (type(value).__name__, value)
    return ("number", float(f"{value:.{SIGNIFICANT_DIGITS}g}"))
