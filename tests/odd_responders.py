"""Responders whose code goes wrong in the ways that JSON and the store mind."""

import datetime
from decimal import Decimal
from typing import Any

from handlers.quoting import Quote, QuoteRequest


def quote(request: QuoteRequest) -> Quote:
    odd = request.settings["odd"]
    if odd == "raises":
        raise FileNotFoundError("no file \udcff")
    return Quote(100, details=_details(odd))


def _details(odd: str) -> dict[str, Any]:
    deep: dict[str, Any] = {}
    for _ in range(40):
        deep = {"deeper": deep}
    return {"number": {"x": 1e200}, "deep": deep, "date": {"x": datetime.date(2026, 1, 1)}, "decimal": {"rate": Decimal("1.5")}}[odd]
