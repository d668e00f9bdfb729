"""Lambda adapter of one responder: its code, its name and its settings come from the environment.

Event     {"requestId", "description", "data", "deadlineAt"?, "attempt"?} as every carrier sends it, or SQS messages with it
          (`handlers.replying`)
Returns   an Answer of `handlers.contract`, with respondedAt

Environment: RESPONDER (its name), QUOTE_MODULE (a module with `quote`), SETTINGS (JSON), CURRENCY, TIMEOUT_SECONDS, RETRIES, and
with a circuit breaker CIRCUIT_BREAKER ({"failures", "pauseSeconds"}) and TABLE_NAME.
"""

import importlib
import json
import os
from typing import Any

from aws_lambda_powertools.logging import Logger

from handlers import asking
from handlers.quoting import QuoteFunction, QuoteRequest, ask

logger = Logger(service="responder")
RESPONDER = os.environ["RESPONDER"]
CURRENCY = os.environ["CURRENCY"]
LIMITS = asking.Limits(RESPONDER, float(os.environ["TIMEOUT_SECONDS"]), int(os.environ["RETRIES"]))
SETTINGS = json.loads(os.environ["SETTINGS"])
quote: QuoteFunction = importlib.import_module(os.environ["QUOTE_MODULE"]).quote


def _guard() -> asking.Guard:
    if "CIRCUIT_BREAKER" not in os.environ:
        return asking.unguarded
    # Only here, because it takes an AWS client.
    from handlers import breaker

    settings = json.loads(os.environ["CIRCUIT_BREAKER"])
    policy = breaker.policy(settings["failures"], settings["pauseSeconds"], LIMITS.timeout_seconds)
    return breaker.Breaker(RESPONDER, policy, os.environ["TABLE_NAME"], breaker.store_client()).guard


guard = _guard()


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
    """The answer to one request, see `asking.answer`."""
    request = QuoteRequest(
        request_id=event["requestId"], description=event.get("description", ""), data=event["data"],
        responder=RESPONDER, settings=SETTINGS, deadline_at=event.get("deadlineAt"))
    return asking.answer(event, LIMITS, lambda: ask(quote, request, CURRENCY), guard)
