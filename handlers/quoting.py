"""What a responder's own code sees: `quote(request)` takes a QuoteRequest and returns an amount, a Quote or a Decline.

    def quote(request: QuoteRequest) -> Amount | Quote | Decline

It is plain Python with no AWS in it. Raise TransientError to be asked again, as often as the responder's `retries` say; the
last one, and any other exception, becomes a FAILED answer with its type and message.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from handlers import contract

Amount = Decimal | int | str


class TransientError(Exception):
    """A passing fault: the carrier asks again, with back-off, before it is recorded as a failure."""


@dataclass(frozen=True)
class QuoteRequest:
    """One request as a responder sees it.

    data: what the caller wrote, as JSON. responder: this responder's name. settings: its entry in the stack's
    configuration ({"rate": 99, …}). deadline_at: ISO 8601, UTC; nobody reads an answer that comes later.
    """

    request_id: str
    description: str
    data: Mapping[str, Any]
    responder: str
    settings: Mapping[str, Any]
    deadline_at: str | None


@dataclass(frozen=True)
class Quote:
    """An offer. amount: Decimal, int or decimal string, never a float; details: JSON for the caller; Decimals become its numbers."""

    amount: Amount
    currency: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Decline:
    """No offer, and why. A refusal is an answer, not a failure."""

    reason: str


QuoteFunction = Callable[[QuoteRequest], Amount | Quote | Decline]


def ask(quote: QuoteFunction, request: QuoteRequest, currency: str) -> contract.Json:
    """The Answer (without times) of one responder's code. TransientError passes through; every other exception is a
    FAILED answer."""
    try:
        return _answer(quote(request), request.responder, currency)
    except TransientError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it was, a responder's fault is data for the gatherer
        return contract.unsuccessful(request.responder, "FAILED", type(error).__name__, str(error))


def _answer(offer: Amount | Quote | Decline, responder: str, currency: str) -> contract.Json:
    # One answer may not fill what all of them share, however few responders are asked.
    limit = contract.details_limit(1)
    if isinstance(offer, Decline):
        return contract.declined(responder, offer.reason)
    if not isinstance(offer, Quote):
        offer = Quote(offer)
    if isinstance(offer.amount, float):
        return contract.invalid_answer(responder, "amount must be a Decimal, an int or a decimal string, not a float")
    details = json.loads(json.dumps(dict(offer.details), default=_number))
    payload = {"amount": offer.amount, "currency": offer.currency or currency, "details": details}
    return contract.normalise_answer(responder, payload, currency=currency, details_limit=limit)


def _number(value: Any) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
