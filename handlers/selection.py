"""Which of the quotes is the best. Pure; ties go to the responder that comes first in the recipient list."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

Answer = dict[str, Any]


def lowest(quotes: list[Answer]) -> Answer:
    return min(quotes, key=_amount)


def highest(quotes: list[Answer]) -> Answer:
    return max(quotes, key=_amount)


def first(quotes: list[Answer]) -> Answer:
    return min(quotes, key=lambda quote: quote["respondedAt"])


SELECTIONS: dict[str, Callable[[list[Answer]], Answer]] = {"lowest": lowest, "highest": highest, "first": first}


def best(answers: Iterable[Answer], selection: str) -> Answer | None:
    """The best QUOTED answer, or None where nobody quoted. answers: in the order of the recipients."""
    quotes = [answer for answer in answers if answer["status"] == "QUOTED"]
    return SELECTIONS[selection](quotes) if quotes else None


def _amount(quote: Answer) -> Decimal:
    return Decimal(quote["amount"])
