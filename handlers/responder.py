"""Lambda adapter of one responder: its code, its name and its settings come from the environment.

Event     {"requestId", "description", "data", "deadlineAt"?} as every carrier sends it
Returns   an Answer of `handlers.contract`, with respondedAt

Environment: RESPONDER (its name), QUOTE_MODULE (a module with `quote`), SETTINGS (JSON), CURRENCY, TIMEOUT_SECONDS.
"""

import importlib
import json
import os
import signal
from datetime import UTC, datetime
from types import FrameType
from typing import Any

from aws_lambda_powertools.logging import Logger

from handlers import contract
from handlers.quoting import QuoteFunction, QuoteRequest, ask

logger = Logger(service="responder")
RESPONDER = os.environ["RESPONDER"]
CURRENCY = os.environ["CURRENCY"]
TIMEOUT_SECONDS = float(os.environ["TIMEOUT_SECONDS"])
SETTINGS = json.loads(os.environ["SETTINGS"])
quote: QuoteFunction = importlib.import_module(os.environ["QUOTE_MODULE"]).quote


class OutOfTime(BaseException):
    """Raised inside the responder's code by the alarm; a BaseException, so that its `except Exception` cannot eat it."""


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    logger.append_keys(correlation_id=event["requestId"])
    answer = respond(event)
    logger.info("answered", extra={"responder": RESPONDER, "status": answer["status"], "error": answer.get("error")})
    return answer


def respond(event: dict[str, Any]) -> dict[str, Any]:
    """The answer to one request, within the responder's own time limit and the request's deadline."""
    request = QuoteRequest(
        request_id=event["requestId"], description=event.get("description", ""), data=event["data"],
        responder=RESPONDER, settings=SETTINGS, deadline_at=event.get("deadlineAt"))
    seconds = min(TIMEOUT_SECONDS, _seconds_left(request.deadline_at))
    if seconds <= 0:
        answer = contract.unsuccessful(RESPONDER, "TIMED_OUT", "Deadline", "the request came after its deadline")
    else:
        answer = _within(seconds, request)
    return {**answer, "respondedAt": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")}


def _within(seconds: float, request: QuoteRequest) -> dict[str, Any]:
    def ring(signum: int, frame: FrameType | None) -> None:
        raise OutOfTime

    previous = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        try:
            return ask(quote, request, CURRENCY)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except OutOfTime:
        return contract.unsuccessful(RESPONDER, "TIMED_OUT", "Timeout", f"no answer within {seconds:.3g} seconds")
    finally:
        signal.signal(signal.SIGALRM, previous)


def _seconds_left(deadline_at: str | None) -> float:
    if deadline_at is None:
        return TIMEOUT_SECONDS
    return (datetime.fromisoformat(deadline_at) - datetime.now(UTC)).total_seconds()
