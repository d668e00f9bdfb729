"""Rides: who is there first is the best, whatever it costs; of those who take as long, the cheaper one. Quotes that do not say how long
they take are out of the question.

Uses the quotes' details: {"pickupMinutes": number}.
"""

from decimal import Decimal
from typing import Any


def rank(quotes: list[dict[str, Any]]) -> list[str]:
    timed = [quote for quote in quotes if isinstance(quote["details"].get("pickupMinutes"), int)]
    return [quote["responder"] for quote in sorted(timed, key=lambda quote: (quote["details"]["pickupMinutes"], Decimal(quote["amount"])))]
