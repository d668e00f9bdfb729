"""Responders whose code does what the request's data say ("do": {responder: what}), in the ways that JSON, the store or a carrier mind."""

import datetime
import math
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from handlers.quoting import Decline, Quote, QuoteRequest, TransientError

LONG_TEXT = 'über "all" \\ costs\n' * 1_600
"""30,400 characters with accents, quotes, backslashes and line breaks."""


def quote(request: QuoteRequest) -> Any:
    do = request.data.get("do", {}).get(request.responder, "quote")
    if do in ANSWERS:
        return ANSWERS[do]
    if do in DETAILS:
        return Quote(100, details=DETAILS[do]())
    return DEEDS[do](request)


def deep(levels: int) -> dict[str, Any]:
    return {"deeper": deep(levels - 1)} if levels > 1 else {}


Odd: Any = Quote
OddDecline: Any = Decline
"""The same two, for what a type checker would find by itself."""

ANSWERS: dict[str, Any] = {
    "quote": Quote(100),
    "decline": Decline("sold out"),
    "decline None": Decline(None),
    "decline 404": OddDecline(404),
    "decline empty": Decline(""),
    "decline object": OddDecline({"code": [4, "é"]}),
    "decline long": Decline("é" * 1_000),
    "None": None,
    "True": True,
    "int": 5,
    "zero": 0,
    "negative": -1,
    "float": 1.5,
    "text": "99.50",
    "no number": "free",
    "exponent": "1e3",
    "Decimal": Decimal("2970.50"),
    "Decimal exponent": Decimal("1E+3"),
    "Decimal NaN": Decimal("NaN"),
    "16 digits": 1234567890123456,
    "Quote float": Odd(1.5),
    "Quote None": Odd(None),
    "no details": Quote(1, details=None),
    "no currency": Quote(1, currency=None),
    "euros": Quote(1, currency="EUR"),
    "currency 7": Odd(1, currency=7),
    "list of details": Odd(1, details=[1]),
}

DETAILS: dict[str, Callable[[], Any]] = {
    "details Decimal": lambda: {"rate": Decimal("1.5"), "days": Decimal("3"), "exact": Decimal("0.1")},
    "details long Decimal": lambda: {"n": Decimal("12345678901234567.89")},
    "details long int": lambda: {"n": 12345678901234567},
    "details date": lambda: {"on": datetime.date(2026, 1, 1)},
    "details set": lambda: {"doors": {3}},
    "details bytes": lambda: {"b": b"x"},
    "details NaN": lambda: {"x": math.nan},
    "details infinity": lambda: {"x": -math.inf},
    "details large number": lambda: {"x": 1e200},
    "details small number": lambda: {"x": 1e-200},
    "details deep": lambda: deep(40),
    "details 17 levels": lambda: deep(17),
    "details 16 levels": lambda: deep(16),
    "details surrogate": lambda: {"text": "\ud83d"},
    "details surrogate key": lambda: {"\udcff": 1},
    "details empty key": lambda: {"": 1},
    "details number as key": lambda: {7: "seven"},
    "details tuple": lambda: {"both": (1, "é")},
    "details None inside": lambda: {"a": None, "b": [None], "c": {}, "d": [], "e": [[1, [2]]]},
    "details fit": lambda: {"text": "é" + "x" * 23_987},
    "details too large": lambda: {"text": "é" + "x" * 23_988},
    "details emoji": lambda: {"text": "🚗" * 17_000},
}


class Unreadable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def _raise(error: BaseException) -> Callable[[QuoteRequest], Any]:
    def deed(request: QuoteRequest) -> Any:
        raise error

    return deed


def _asked(request: QuoteRequest) -> int:
    """How often, this time included."""
    with (Path(request.data["folder"]) / f"{request.request_id}-{request.responder}").open("a+") as times:
        times.write(".")
        return times.tell()


def _busy(request: QuoteRequest) -> Any:
    raise TransientError(f"busy, asked {_asked(request)} times")


def _busy_once(request: QuoteRequest) -> Quote:
    if (asked := _asked(request)) == 1:
        raise TransientError("busy")
    return Quote(100, details={"asked": asked})


DEEDS: dict[str, Callable[[QuoteRequest], Any]] = {
    "echo": lambda request: Quote(100, details=dict(request.data)),
    "description": lambda request: Quote(100, details={"description": request.description}),
    "raise": _raise(RuntimeError("out of cars")),
    "raise nothing": _raise(RuntimeError()),
    "raise lines": _raise(ValueError("prix élevé\nline two")),
    "raise long": _raise(ValueError(LONG_TEXT)),
    "raise surrogate": _raise(FileNotFoundError("no file \udcff")),
    "exit": _raise(SystemExit(3)),
    "interrupt": _raise(KeyboardInterrupt()),
    "raise unreadable": _raise(Unreadable()),
    "assert": _raise(AssertionError("🚗" * 10_000)),
    "long name": _raise(type("É" * 200, (Exception,), {})("x")),
    "busy": _busy,
    "busy once": _busy_once,
}
