"""An existing function of the account, which knows nothing of this project: it takes what it is sent and returns JSON."""

from typing import Any

from handlers.quoting import Decline, QuoteRequest
from tests.faults import responders
from tests.faults.request import EXISTING


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    offer = responders.quote(
        QuoteRequest(
            request_id=event["requestId"],
            description=event["description"],
            data=event["data"],
            responder=EXISTING,
            settings={},
            deadline_at=event["deadlineAt"],
        )
    )
    return {"declined": offer.reason} if isinstance(offer, Decline) else {"amount": offer.amount, "details": offer.details}
