"""Lambda adapter of the requester: opens a request for a state machine and says whom to ask.

Event     {"variant", "execution": {"id", "name"}, "request": a request of `handlers.contract`, "functions"?: {responder: ARN}}
Returns   {"outcome": "OPENED", "requestId", "question": see `opening.question`, "timeoutSeconds", "replies": [],
           "asks": [{"responder", "functionArn"}]} with functions, in the order of the recipients;
          {"outcome": "REPEATED", "requestId", "replies": []} if nobody must be asked, because the request is under way or closed;
          {"outcome": "REJECTED", "error": {"type": "InvalidRequest", "message"}}: returned, not raised, as a retry would fail again

A request without an id is named after its execution. timeoutSeconds: the longest time that a responder's function can take.

Environment: see `handlers.environment`.
"""

import hashlib
import math
from typing import Any

from aws_lambda_powertools.logging import Logger

from handlers import clock, contract, environment, opening
from handlers.attempt import BACKSTOP_SECONDS
from handlers.deadline_queue import DeadlineQueue
from handlers.records import Records

logger = Logger(service="requester")
RULES = environment.opening_rules()
records = Records.of_the_stack()
deadlines = DeadlineQueue()


def handler(event: dict[str, Any], context: Any) -> contract.Json:
    logger.remove_keys(["correlation_id"])
    execution = event["execution"]
    try:
        opened = opening.open_request(
            records,
            deadlines.set_deadline,
            RULES,
            event["request"],
            variant=event["variant"],
            own_id=own_id(execution["name"]),
            opened_by=execution["id"],
            now=clock.now(),
            gathered_at_the_end=True,
        )
    except contract.InvalidRequest as reason:
        logger.info("rejected", extra={"reason": str(reason), "execution": execution["id"]})
        return {"outcome": "REJECTED", "error": {"type": "InvalidRequest", "message": str(reason)}}
    record = opened.record
    logger.info(
        "opened" if opened.is_new else "repeated",
        extra={"correlation_id": record["requestId"], "variant": record["variant"], "execution": execution["id"]},
    )
    if not opened.is_new:
        return {"outcome": "REPEATED", "requestId": record["requestId"], "replies": []}
    return plan(record, event.get("functions"))


def plan(record: opening.Record, functions: contract.Json | None) -> contract.Json:
    asks = {} if functions is None else {"asks": [{"responder": name, "functionArn": functions[name]} for name in record["recipients"]]}
    early = opening.closes_early(RULES.policy, record)
    return {
        "outcome": "OPENED",
        "requestId": record["requestId"],
        "question": opening.question(record, deadlines.url if early else None, early=early),
        "timeoutSeconds": math.ceil(max(clock.seconds_until(record["deadlineAt"]), 0)) + BACKSTOP_SECONDS,
        "replies": [],
        **asks,
    }


def own_id(execution_name: str) -> str:
    """The execution's name if it is a valid request id, or else a digest of it."""
    if contract.REQUEST_ID.fullmatch(execution_name):
        return execution_name
    return hashlib.sha256(execution_name.encode()).hexdigest()
