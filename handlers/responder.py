"""Lambda adapter of one responder: its code, its name and its settings come from the environment.

Event     {"requestId", "description", "data", "deadlineAt"?} as every carrier sends it, or SQS messages with it
          (`handlers.replying`)
Returns   an Answer of `handlers.contract`, with respondedAt

Environment: RESPONDER (its name), QUOTE_MODULE (a module with `quote`), SETTINGS (JSON), CURRENCY, TIMEOUT_SECONDS.
"""

import importlib
import json
import os
from typing import Any

from aws_lambda_powertools.logging import Logger

from handlers import clock, contract
from handlers.quoting import QuoteFunction, QuoteRequest, ask

logger = Logger(service="responder")
RESPONDER = os.environ["RESPONDER"]
CURRENCY = os.environ["CURRENCY"]
TIMEOUT_SECONDS = float(os.environ["TIMEOUT_SECONDS"])
SETTINGS = json.loads(os.environ["SETTINGS"])
quote: QuoteFunction = importlib.import_module(os.environ["QUOTE_MODULE"]).quote


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    if "Records" in event:
        # Only here, because it takes an AWS client, which a direct answer does without.
        from handlers import replying

        return replying.reply_to_each(event, RESPONDER, respond)
    logger.append_keys(correlation_id=event["requestId"])
    answer = respond(event)
    logger.info("answered", extra={"responder": RESPONDER, "status": answer["status"], "error": answer.get("error")})
    return answer


def respond(event: dict[str, Any]) -> dict[str, Any]:
    """The answer to one request, within the responder's own time limit and the request's deadline."""
    request = QuoteRequest(
        request_id=event["requestId"], description=event.get("description", ""), data=event["data"],
        responder=RESPONDER, settings=SETTINGS, deadline_at=event.get("deadlineAt"))
    left = TIMEOUT_SECONDS if request.deadline_at is None else clock.seconds_until(request.deadline_at)
    seconds = min(TIMEOUT_SECONDS, left)
    try:
        answer = clock.within(seconds, lambda: ask(quote, request, CURRENCY)) if seconds > 0 else contract.silent(RESPONDER)
    except clock.OutOfTime:
        answer = contract.silent(RESPONDER) if seconds < TIMEOUT_SECONDS else contract.overdue(RESPONDER, TIMEOUT_SECONDS)
    return {**answer, "respondedAt": clock.now()}
