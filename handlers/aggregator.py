"""Lambda adapter of the aggregator: the response queue's messages, gathered into the records (`handlers.aggregation`).

Event     SQS messages: {"requestId", "answer": Answer} from responders, {"requestId", "deadlineAt"} from the requester
Returns   {"batchItemFailures": [{"itemIdentifier"}]}: all messages of the requests that could not be dealt with
Sends     an event for each closed request to the bus: source scatter-gather, detail type "Request Completed", detail its Result;
          a message that can never be gathered to the dead-letter queue, with the reason as an attribute

Environment: TABLE_NAME, EVENT_BUS_NAME, DEAD_LETTER_QUEUE_URL, COMPLETION (JSON), SELECTION, TOP_K, CURRENCY; SELECTOR_ARN where
the selection is the user's own.
"""

import functools
import json
import os
from collections.abc import Sequence
from typing import Any

import boto3
from aws_lambda_powertools.logging import Logger

from handlers import aggregation, clock, completion, contract
from handlers.aggregation import Message, Rejected, Rules
from handlers.records import Records
from handlers.selection import Ranking, Selection

EVENT_SOURCE = "scatter-gather"
DETAIL_TYPE = "Request Completed"
MAX_EVENT_BYTES = 250_000
"""EventBridge takes 256 KB for an entry with its source and type."""

logger = Logger(service="aggregator")
EVENT_BUS_NAME = os.environ["EVENT_BUS_NAME"]
DEAD_LETTER_QUEUE_URL = os.environ["DEAD_LETTER_QUEUE_URL"]
store = Records(os.environ["TABLE_NAME"])
sqs = boto3.client("sqs")
events = boto3.client("events")


@functools.cache
def functions() -> Any:
    return boto3.client("lambda")


def rank_by_code(quotes: Sequence[contract.Json]) -> Ranking:
    """The user's own code runs in a function of its own, so that what it breaks or takes is its own too."""
    called = functions().invoke(FunctionName=os.environ["SELECTOR_ARN"], Payload=json.dumps({"quotes": quotes}))
    returned = json.loads(called["Payload"].read())
    if "FunctionError" in called:
        logger.error("the selection crashed", extra={"reason": returned})
        return Ranking(error={"type": str(returned.get("errorType", "Lambda.Unknown")), "message": str(returned.get("errorMessage", ""))})
    return Ranking(error=returned["error"]) if "error" in returned else Ranking(returned["top"])


RULES = Rules(
    completion.policy_of(json.loads(os.environ["COMPLETION"])), Selection(os.environ["SELECTION"], int(os.environ["TOP_K"])),
    os.environ["CURRENCY"], rank_by_code if "SELECTOR_ARN" in os.environ else None)


class EventNotSent(Exception):
    """EventBridge accepted the call, but not the event."""


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    logger.remove_keys(["correlation_id"])
    alive_until = clock.later(clock.now(), context.get_remaining_time_in_millis() / 1000)
    bodies = {record["messageId"]: record["body"] for record in event["Records"]}
    by_request: dict[str, list[Message]] = {}
    again: list[str] = []
    for message_id, body in bodies.items():
        try:
            message = aggregation.parse(message_id, body)
        except Rejected as reason:
            again += _reject(message_id, body, str(reason))
        else:
            by_request.setdefault(message.request_id, []).append(message)
    for request_id, messages in by_request.items():
        again += _gather(request_id, messages, bodies, alive_until)
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in again]}


def _gather(request_id: str, messages: list[Message], bodies: dict[str, str], alive_until: str) -> list[str]:
    """The ids of the messages to be delivered again. A request that fails keeps none of the others from being gathered."""
    logger.append_keys(correlation_id=request_id)
    try:
        gathered = aggregation.gather(store, RULES, request_id, messages, announce, now=clock.now(), alive_until=alive_until)
    except Exception:
        logger.exception("not gathered; to be delivered again", extra={"messages": len(messages)})
        return [message.message_id for message in messages]
    logger.info("gathered", extra={"messages": len(messages), "closed": gathered.closed, "rejected": len(gathered.rejected)})
    again = []
    for message, reason in gathered.rejected:
        again += _reject(message.message_id, bodies[message.message_id], reason)
    return again


def announce(result: contract.Json) -> None:
    """Sends the completed event. Its answers are left out where they do not fit; the record has them."""
    detail = result if contract.byte_size(result) <= MAX_EVENT_BYTES else {**result, "answers": []}
    response = events.put_events(Entries=[{
        "EventBusName": EVENT_BUS_NAME, "Source": EVENT_SOURCE, "DetailType": DETAIL_TYPE,
        "Detail": json.dumps(detail, ensure_ascii=False)}])
    if response["FailedEntryCount"]:
        raise EventNotSent(json.dumps(response["Entries"]))


def _reject(message_id: str, body: str, reason: str) -> list[str]:
    """Sends a message straight to the dead-letter queue: delivering it again would not make it any better. Returns its id when
    not even that is possible."""
    logger.warning("rejected", extra={"messageId": message_id, "reason": reason})
    try:
        sqs.send_message(
            QueueUrl=DEAD_LETTER_QUEUE_URL, MessageBody=body,
            MessageAttributes={"reason": {"DataType": "String", "StringValue": reason}})
    except Exception:
        logger.exception("not rejected; to be delivered again", extra={"messageId": message_id})
        return [message_id]
    return []
