"""JSON whose numbers stay exact on their way through Step Functions, which may read them as doubles.

A double keeps 15 significant digits (DBL_DIG of IEEE 754). A number of up to 15 digits is an ordinary JSON number. A longer number travels
as {"$decimal": "its digits"} and arrives in Python as the int or Decimal that it was.
"""

import json
import math
import re
from decimal import Decimal
from typing import Any

EXACT_DIGITS = 15
MARKER = "$decimal"
LARGEST_SAFE_INT = 10**EXACT_DIGITS - 1
NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d{1,4})?", re.ASCII)
MARKED = re.compile(rf'{{"{re.escape(MARKER)}":"(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d{{1,4}})?)"}}', re.ASCII)


def to_json(value: Any) -> Any:
    """Makes `value` fit for `json.dumps`: takes JSON's own types, Decimal and tuples. TypeError for anything else, ValueError for
    a number that is not finite."""
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, int):
        return value if abs(value) <= LARGEST_SAFE_INT else {MARKER: str(value)}
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} is not JSON")
        return value
    if isinstance(value, Decimal):
        return _number(value)
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"the key {key!r} is not a string")
        return {key: to_json(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(inner) for inner in value]
    raise TypeError(f"{type(value).__name__} is not JSON")


def from_json(value: Any) -> Any:
    """Restores what `json.loads` returned: every {"$decimal": …} becomes its int or Decimal. If it does not hold a number, it is an
    ordinary object."""
    if isinstance(value, list):
        return [from_json(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {MARKER} and isinstance(value[MARKER], str) and NUMBER.fullmatch(value[MARKER]):
        number = Decimal(value[MARKER])
        return int(number) if _is_whole(number) else number
    return {key: from_json(inner) for key, inner in value.items()}


def text_of(value: Any) -> str:
    """The output of `to_json` as JSON on one line, with all digits of its numbers. Quotation marks in texts are escaped, so no text looks
    like a marked number."""
    return MARKED.sub(r"\1", json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def _number(value: Decimal) -> Any:
    if not value.is_finite():
        raise ValueError(f"{value} is not JSON")
    if len(value.as_tuple().digits) <= EXACT_DIGITS and Decimal(repr(float(value))) == value:
        return int(value) if _is_whole(value) and abs(value) <= LARGEST_SAFE_INT else float(value)
    return {MARKER: str(value)}


def _is_whole(value: Decimal) -> bool:
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and 0 <= exponent <= EXACT_DIGITS * 2
