"""Lambda adapter of the aggregator: gathers answers and deadlines into the records (`handlers.aggregation`).

Event     SQS messages of the response queue: {"requestId", "answer": Answer} from responders, {"requestId", "deadlineAt"} from requesters;
          or, from a state machine whose responders have all answered, {"requestId", "replies": see `aggregation.replies`}
Returns   to SQS {"batchItemFailures": [{"itemIdentifier"}]}, which lists all messages of the requests that could not be gathered; to a
          state machine the Result of its request
Sends     to the event bus an event for each closed request: source scatter-gather, detail type "Request Completed", detail as in
          `openapi.completed_event`; to the dead-letter queue whatever can never be gathered, with the reason as an attribute

Environment: EVENT_BUS_NAME, DEAD_LETTER_QUEUE_URL; SELECTOR_ARN where the selection is the user's own; see `handlers.environment`.
"""

import functools
import json
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import boto3
from aws_lambda_powertools.logging import Logger

from handlers import aggregation, clock, contract, environment
from handlers.aggregation import Gathered, Message, Rejected, Rules
from handlers.records import Records
from handlers.selection import Ranking

EVENT_SOURCE = "scatter-gather"
DETAIL_TYPE = "Request Completed"
SCHEMA_VERSION = 1
"""The version of the event's detail, see `handlers.openapi.completed_event`."""

MAX_EVENT_BYTES = 250_000
"""EventBridge accepts 256 KB for an entry, including its source and type."""

LONGEST_PAUSE_SECONDS = 120
"""The longest pause before a message is redelivered after a passing fault. The first pause is 1 second, and each one is twice as long as
the one before. With the queue's number of deliveries, this outlasts an outage of ten minutes."""

SPARE_SECONDS = 1
"""An invocation begins another request only if it has this much time left."""

logger = Logger(service="aggregator")
EVENT_BUS_NAME = os.environ["EVENT_BUS_NAME"]
DEAD_LETTER_QUEUE_URL = os.environ["DEAD_LETTER_QUEUE_URL"]
RESPONSE_QUEUE_URL = os.environ["RESPONSE_QUEUE_URL"]
store = Records.of_the_stack()
events = boto3.client("events")


@functools.cache
def functions() -> Any:
    return boto3.client("lambda")


@functools.cache
def queues() -> Any:
    """Made on first use: most batches have nothing to put off or reject, and a function starts sooner without a client."""
    return boto3.client("sqs")


def rank_by_code(quotes: Sequence[contract.Json]) -> Ranking:
    """The user's own code runs in a function of its own, so its faults and its run time stay its own too."""
    called = functions().invoke(FunctionName=os.environ["SELECTOR_ARN"], Payload=json.dumps({"quotes": quotes}))
    returned = json.loads(called["Payload"].read())
    if "FunctionError" in called:
        logger.error("the selection crashed", extra={"reason": returned})
        return Ranking(error=contract.error_of(str(returned.get("errorType", "Lambda.Unknown")), str(returned.get("errorMessage", ""))))
    return Ranking(error=returned["error"]) if "error" in returned else Ranking(returned["top"], reasons=returned.get("reasons"))


RULES = Rules(environment.policy(), environment.selection(), os.environ["CURRENCY"], rank_by_code if "SELECTOR_ARN" in os.environ else None)


class EventNotSent(Exception):
    """EventBridge accepted the call but rejected the event."""


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    logger.remove_keys(["correlation_id"])
    alive_until = clock.later(clock.now(), context.get_remaining_time_in_millis() / 1000)
    if "Records" in event:
        return gather_messages(event["Records"], alive_until)
    return gather_replies(event["requestId"], event["replies"], alive_until)


def gather_replies(request_id: str, replies: Sequence[contract.Json], alive_until: str) -> contract.Json:
    """The Result of a request, after gathering everything that its state machine has."""
    logger.append_keys(correlation_id=request_id)
    messages = aggregation.replies(replies, clock.now())
    gathered = _gather(request_id, messages, alive_until)
    for message, reason in gathered.rejected:
        _reject(message.message_id, json.dumps({"requestId": request_id, "answer": message.answer}), reason)
    if gathered.record is None:
        raise LookupError(f"there is no request {request_id}")
    return aggregation.result_of(gathered.record, RULES.selection)


def gather_messages(records: Sequence[Mapping[str, Any]], alive_until: str) -> dict[str, Any]:
    """Gathers each request's messages together. A request that fails does not keep the others from being gathered."""
    by_request: dict[str, list[Message]] = {}
    received = {record["messageId"]: record for record in records}
    again: list[str] = []
    for message_id, record in received.items():
        try:
            message = aggregation.parse(message_id, record["body"])
        except Rejected as reason:
            if not _is_rejected(message_id, record["body"], str(reason)):
                again.append(message_id)
        else:
            by_request.setdefault(message.request_id, []).append(message)
    for request_id, messages in by_request.items():
        again += _gather_or_give_back(request_id, messages, received, alive_until)
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in again]}


def _gather_or_give_back(
    request_id: str, messages: list[Message], received: Mapping[str, Mapping[str, Any]], alive_until: str
) -> list[str]:
    """Returns the ids of the messages that must be delivered again."""
    logger.append_keys(correlation_id=request_id)
    ids = [message.message_id for message in messages]
    if clock.seconds_until(alive_until) < SPARE_SECONDS:
        logger.warning("not begun: no time is left", extra={"messages": len(messages)})
        return _come_back(ids, received, 0)
    try:
        gathered = _gather(request_id, messages, alive_until)
        again = [
            message.message_id
            for message, reason in gathered.rejected
            if not _is_rejected(message.message_id, received[message.message_id]["body"], reason)
        ]
    except Exception:
        logger.exception("not gathered; to be delivered again", extra={"messages": len(messages)})
        return _come_back(ids, received)
    if not gathered.announced and gathered.record is not None:
        # The closer promised to announce the record but may have died first. Every request's last message is its deadline.
        deadlines = [message.message_id for message in messages if message.deadline_at]
        again += _come_back(deadlines, received, math.ceil(max(clock.seconds_until(gathered.record["announceBy"]), 0)) + 1)
    return again


def _gather(request_id: str, messages: Sequence[Message], alive_until: str) -> Gathered:
    gathered = aggregation.gather(store, RULES, request_id, messages, announce, now=clock.now(), alive_until=alive_until)
    logger.info("gathered", extra={"messages": len(messages), "closed": gathered.closed, "rejected": len(gathered.rejected)})
    return gathered


def announce(result: contract.Json) -> None:
    """Sends the completed event. If its answers do not fit, it says how many are left out; the record has them."""
    detail = {"schemaVersion": SCHEMA_VERSION, **result}
    if contract.byte_size(detail) > MAX_EVENT_BYTES:
        detail |= {"answers": [], "answersOmitted": len(result["answers"])}
    response = events.put_events(
        Entries=[
            {
                "EventBusName": EVENT_BUS_NAME,
                "Source": EVENT_SOURCE,
                "DetailType": DETAIL_TYPE,
                "Detail": json.dumps(detail, ensure_ascii=False),
            }
        ]
    )
    if response["FailedEntryCount"]:
        raise EventNotSent(json.dumps(response["Entries"]))


def _come_back(ids: list[str], received: Mapping[str, Mapping[str, Any]], after_seconds: int | None = None) -> list[str]:
    """Returns the ids. Their messages are redelivered after so many seconds, or after a pause that grows with the number of
    deliveries. They do not wait for the queue's visibility timeout, which must be longer than this function may run."""
    for message_id in ids:
        record = received[message_id]
        pause = min(2 ** (int(record["attributes"]["ApproximateReceiveCount"]) - 1), LONGEST_PAUSE_SECONDS)
        try:
            queues().change_message_visibility(
                QueueUrl=RESPONSE_QUEUE_URL,
                ReceiptHandle=record["receiptHandle"],
                VisibilityTimeout=pause if after_seconds is None else after_seconds,
            )
        except Exception:
            logger.exception("delivered again no sooner than its queue would", extra={"messageId": message_id})
    return ids


def _is_rejected(message_id: str, body: str, reason: str) -> bool:
    """Whether the message is now in the dead-letter queue. If not, it must be delivered again."""
    try:
        _reject(message_id, body, reason)
    except Exception:
        logger.exception("not rejected; to be delivered again", extra={"messageId": message_id})
        return False
    return True


def _reject(message_id: str, body: str, reason: str) -> None:
    """Sends a message straight to the dead-letter queue, because redelivery would not help."""
    logger.warning("rejected", extra={"messageId": message_id, "reason": reason})
    queues().send_message(
        QueueUrl=DEAD_LETTER_QUEUE_URL, MessageBody=body, MessageAttributes={"reason": {"DataType": "String", "StringValue": reason}}
    )
