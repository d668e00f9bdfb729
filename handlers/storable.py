"""What every carrier can carry and the store can keep, of all that is JSON."""

import json
from decimal import Decimal
from typing import Any

MAX_DEPTH = 16
"""JSONata in Step Functions nests about 100 evaluations, and each level of a request takes four of them on its way to the store. The
store itself would nest 32 levels (DynamoDB's limit)."""

MAX_NUMBER, MIN_NUMBER = Decimal("1e126"), Decimal("1e-130")
"""Between these two, or 0, is what the store keeps as a number (DynamoDB)."""

MAX_DIGITS = 38
"""Of a number (DynamoDB)."""


OUT_OF_RANGE = f"a number is out of range: 0, or from {MIN_NUMBER:g} up to {MAX_NUMBER:g}, of either sign, is allowed"


class Unstorable(ValueError):
    """The message says what cannot be kept, and what can."""


def check(value: Any, what: str, levels: int = MAX_DEPTH) -> None:
    """Raises Unstorable. what: the name of the whole in its message."""
    if isinstance(value, (dict, list)) and levels == 0:
        raise Unstorable(f"{what} is nested too deep: at most {MAX_DEPTH} levels are allowed")
    if isinstance(value, dict):
        for key, item in value.items():
            if not key:
                raise Unstorable("a key is empty; each must have at least one character")
            check(key, what, levels)
            check(item, what, levels - 1)
    elif isinstance(value, list):
        for item in value:
            check(item, what, levels - 1)
    elif isinstance(value, str):
        _check_text(value)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        _check_number(value)
    elif value is not None and not isinstance(value, bool):
        raise Unstorable(f"{type(value).__name__} is not JSON")


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Unstorable(f"{json.dumps(text[:40])} has half of a surrogate pair, which is no character") from None


def _check_number(number: float) -> None:
    exact = Decimal(str(number))
    if not exact.is_finite() or (exact and not MIN_NUMBER <= abs(exact) < MAX_NUMBER):
        raise Unstorable(OUT_OF_RANGE)
    if len(str(abs(number)).rstrip("0")) > MAX_DIGITS and isinstance(number, int):
        raise Unstorable(f"a number has more than {MAX_DIGITS} digits")
