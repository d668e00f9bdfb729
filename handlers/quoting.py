"""The interface for a responder's own code: `quote(request)` takes a QuoteRequest and returns an amount, a Quote or a Decline.

    def quote(request: QuoteRequest) -> Amount | Quote | Decline

It is plain Python with no AWS in it. Raise TransientError to be asked again, as often as the responder's `retries` allow. The last
TransientError, and any other exception, becomes a FAILED answer with its type, its message and the line that raised it; the log
has the traceback.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from handlers import clock, contract
from handlers.raised import line_of, message_of, untold

Amount = Decimal | int | str


class TransientError(Exception):
    """A passing fault: the carrier asks again, with back-off, before it records a failure. after: the least number of seconds to wait."""

    after: float = 0

    def __init__(self, *said: object, after: float = 0) -> None:
        super().__init__(*said)
        self.after = after


@dataclass(frozen=True)
class QuoteRequest:
    """One request as a responder sees it.

    data: what the caller wrote, as JSON. responder: this responder's name. settings: its `settings` in the stack's
    configuration ({"rate": 99, …}). deadline_at: ISO 8601, UTC; a later answer does not count. secrets: the values of its `secrets`
    by name, each read on first use.
    """

    request_id: str
    description: str
    data: Mapping[str, Any]
    responder: str
    settings: Mapping[str, Any]
    deadline_at: str | None
    secrets: Mapping[str, str] = field(default_factory=dict)
    wanted: Callable[[], bool] = field(default=lambda: True, repr=False, compare=False)

    def still_wanted(self) -> bool:
        """False once the request has closed, early or by its deadline. Code that works in steps can check it before each step. Each call
        reads the table."""
        return self.wanted()


@dataclass(frozen=True)
class Quote:
    """An offer. amount: Decimal, int or decimal string, never a float. details: JSON for the caller, whose numbers have up to 15
    significant digits; Decimals become numbers."""

    amount: Amount
    currency: str | None = None
    details: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Decline:
    """No offer, and why. A decline is an answer, not a failure."""

    reason: str | None = None


QuoteFunction = Callable[[QuoteRequest], Amount | Quote | Decline]


def ask(
    load: Callable[[], QuoteFunction],
    request: QuoteRequest,
    currency: str,
    details_limit: int,
    tell: Callable[[BaseException], None] = untold,
) -> contract.Json:
    """The Answer (without times) of one responder's code. load: imports the code. TransientError passes through; any other exception,
    even during the import, gives a FAILED answer. details_limit: bytes. tell: receives the exception."""
    try:
        return _answer(load()(request), request.responder, currency, details_limit)
    except (TransientError, clock.OutOfTime):
        raise
    except BaseException as error:  # noqa: BLE001 - even a SystemExit is the answer of this responder, and no end of its function
        tell(error)
        return contract.unsuccessful(request.responder, "FAILED", type(error).__name__, message_of(error), line_of(error))


def _answer(offer: Amount | Quote | Decline, responder: str, currency: str, details_limit: int) -> contract.Json:
    if isinstance(offer, Decline):
        return contract.declined(responder, offer.reason)
    if not isinstance(offer, Quote):
        offer = Quote(offer)
    if isinstance(offer.amount, float):
        return contract.invalid_answer(responder, "amount must be a Decimal, an int or a decimal string, not a float")
    details = offer.details
    payload = {"amount": offer.amount, "currency": offer.currency, "details": dict(details) if isinstance(details, Mapping) else details}
    return contract.normalise_answer(responder, payload, currency=currency, details_limit=details_limit)
