"""Which of the quotes are the best. Pure; ties go to the responder that comes first in the recipient list."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

Answer = dict[str, Any]


def lowest(quotes: Sequence[Answer]) -> list[Answer]:
    return sorted(quotes, key=_amount)


def highest(quotes: Sequence[Answer]) -> list[Answer]:
    return sorted(quotes, key=lambda quote: -_amount(quote))


def first(quotes: Sequence[Answer]) -> list[Answer]:
    return sorted(quotes, key=lambda quote: quote["respondedAt"])


def median(quotes: Sequence[Answer]) -> list[Answer]:
    """The quote in the middle by amount (of two, the lower), then its neighbours on either side, the lower one first."""
    by_amount = lowest(quotes)
    middle = (len(by_amount) - 1) // 2
    return [by_amount[place] for place in sorted(range(len(by_amount)), key=lambda place: abs(place - middle))]


RANKINGS: dict[str, Callable[[Sequence[Answer]], list[Answer]]] = {"lowest": lowest, "highest": highest, "first": first, "median": median}


@dataclass(frozen=True)
class Selection:
    """by: one of RANKINGS, or the dotted name of the user's own module (see `handlers.selector`). top_k: how many of the best are named."""

    by: str
    top_k: int

    @property
    def is_code(self) -> bool:
        return "." in self.by


@dataclass(frozen=True)
class Ranking:
    """top: responders, best first. reasons: by responder, if the user's own code gave any. error: {"type", "message"} if that code failed;
    then there is no best quote."""

    top: Sequence[str] = ()
    error: dict[str, str] | None = None
    reasons: dict[str, str] | None = None


def quotes_of(answers: Iterable[Answer]) -> list[Answer]:
    return [answer for answer in answers if answer["status"] == "QUOTED"]


def top(answers: Iterable[Answer], selection: Selection) -> list[str]:
    """The responders of the best QUOTED answers, best first. answers: in the order of the recipients. The user's own code is called
    only once, when the request closes; until then there is no best quote."""
    if selection.is_code:
        return []
    return [quote["responder"] for quote in RANKINGS[selection.by](quotes_of(answers))[: selection.top_k]]


def _amount(quote: Answer) -> Decimal:
    return Decimal(quote["amount"])
