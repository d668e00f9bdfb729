"""The JSON that every carrier can carry and the store can keep. Pure.

A number that would not come back as it was written is refused, never rounded. Whatever reads JSON on the way (Step Functions, a browser)
may use doubles, and a double keeps 15 significant digits (DBL_DIG of IEEE 754).
"""

import json
from decimal import Decimal
from typing import Any

MAX_DEPTH = 16
"""DynamoDB's limit is 32 levels of nesting. Half of that leaves room for the record around a request or an answer."""

MAX_NUMBER, MIN_NUMBER = Decimal("1e126"), Decimal("1e-130")
"""DynamoDB's limits: it keeps 0 and magnitudes between these two, of either sign."""

SMALLEST_DOUBLE, LARGEST_DOUBLE = float(MIN_NUMBER), float(MAX_NUMBER)

MAX_DIGITS = 15
PLAIN_INTEGERS = 10**MAX_DIGITS

OUT_OF_RANGE = f"a number is out of range: 0, or from {MIN_NUMBER:g} up to {MAX_NUMBER:g}, of either sign, is allowed"
TOO_MANY_DIGITS = f"a number has more than {MAX_DIGITS} significant digits, which not every carrier keeps: send it as a string"


class NotCarried(ValueError):
    """A value cannot be carried or stored; the message says which, and what is allowed."""


def check(value: Any, what: str, levels: int = MAX_DEPTH) -> None:
    """Raises NotCarried. what: how its message names the whole value."""
    if isinstance(value, str):
        _check_text(value)
    elif value is None or isinstance(value, bool):
        return
    elif isinstance(value, (int, float, Decimal)):
        check_number(value)
    elif isinstance(value, (dict, list)):
        if levels == 0:
            raise NotCarried(too_deep(what))
        if isinstance(value, dict):
            _check_keys(value)
        for item in value.values() if isinstance(value, dict) else value:
            check(item, what, levels - 1)
    else:
        raise NotCarried(f"{type(value).__name__} is not JSON")


def check_number(number: float | Decimal) -> None:
    """Raises NotCarried for a number that a carrier would change or the store would refuse."""
    if isinstance(number, int) and abs(number) < PLAIN_INTEGERS:
        return
    if isinstance(number, float) and (is_in_range(number) or number == 0) and float(f"{number:.{MAX_DIGITS}g}") == number:
        return
    exact = Decimal(str(number))
    if not exact.is_finite() or (exact and not MIN_NUMBER <= abs(exact) < MAX_NUMBER):
        raise NotCarried(OUT_OF_RANGE)
    digits = exact.as_tuple().digits
    if len(digits) > MAX_DIGITS and len("".join(map(str, digits)).strip("0")) > MAX_DIGITS:
        raise NotCarried(TOO_MANY_DIGITS)


def too_deep(what: str) -> str:
    return f"{what} is nested too deep: at most {MAX_DEPTH} levels are allowed"


def is_in_range(number: float) -> bool:
    return SMALLEST_DOUBLE <= abs(number) < LARGEST_DOUBLE


def plain(value: Any) -> Any:
    """`value` as `json.loads` would return it: tuples become lists, Decimals become ints or floats. Raises NotCarried for anything that
    is not JSON, and for a Decimal that would not come back as it was written."""
    return json.loads(json.dumps(value, default=_plain_number))


def byte_size(value: Any) -> int:
    """The number of bytes of `value` as JSON in UTF-8."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str).encode(errors="surrogatepass"))


def cut(text: str, max_bytes: int) -> str:
    """The beginning of a text, at most so many bytes in UTF-8. Unpaired surrogates, which no store keeps, become "?"."""
    return text[:max_bytes].encode(errors="replace")[:max_bytes].decode(errors="ignore")


def _plain_number(value: Any) -> float:
    if not isinstance(value, Decimal):
        raise NotCarried(f"{type(value).__name__} is not JSON")
    check_number(value)
    return int(value) if value == value.to_integral_value() else float(value)


def _check_keys(value: dict[Any, Any]) -> None:
    for key in value:
        if not isinstance(key, str):
            raise NotCarried(f"the key {key!r} is not a string")
        if not key:
            raise NotCarried("a key is empty; each must have at least one character")
        _check_text(key)


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise NotCarried(f"{json.dumps(text[:40])} has half of a surrogate pair, which is no character") from None
