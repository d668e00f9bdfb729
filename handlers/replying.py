"""A responder behind a queue: each message is a request, each answer goes to the queue that the message names.

Event    {"Records": [SQS message]}: the body is a request as every carrier sends it, {"requestId", "description", "data",
         "deadlineAt"}; the message attribute replyTo is the URL of the queue for the answer
Returns  {"batchItemFailures": [{"itemIdentifier"}]}: the messages to be delivered again
Sends    {"requestId", "answer": Answer without latencyMs}
"""

import functools
import json
from collections.abc import Callable
from typing import Any

import boto3
from aws_lambda_powertools.logging import Logger

from handlers import clock, contract
from handlers.quoting import TransientError

logger = Logger(service="responder")

MIN_RECEIVES = 5
"""AWS advises to deliver a message no less often before its queue gives it up: a delivery that is throttled counts as well."""

SPARE_RECEIVES = 2
"""Deliveries beyond a responder's last retry, lest throttling take the one that ends in an answer."""

LONGEST_PAUSE_SECONDS = 5


@functools.cache
def sqs() -> Any:
    return boto3.client("sqs")


def max_receives(retries: int) -> int:
    """How often a responder's queue delivers a message."""
    return max(MIN_RECEIVES, 1 + retries + SPARE_RECEIVES)


def reply_to_each(event: dict[str, Any], responder: str, answer_of: Callable[[dict[str, Any]], contract.Json]) -> dict[str, Any]:
    """Answers each request of a batch. answer_of: its Answer with respondedAt, from the request and its "attempt", which is the
    number of its deliveries; a TransientError asks for another one."""
    again = [record["messageId"] for record in event["Records"] if not _is_dealt_with(record, responder, answer_of)]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in again]}


def _is_dealt_with(record: dict[str, Any], responder: str, answer_of: Callable[[dict[str, Any]], contract.Json]) -> bool:
    logger.remove_keys(["correlation_id"])
    try:
        request = json.loads(record["body"])
        logger.append_keys(correlation_id=request["requestId"])
        recipients = record["messageAttributes"].get("recipients")
        if recipients is not None and responder not in json.loads(recipients["stringValue"]):
            # A new filter policy takes SNS up to 15 minutes to follow.
            logger.info("skipped: another was asked", extra={"responder": responder})
            return True
        if clock.seconds_until(request["deadlineAt"]) <= 0:
            logger.info("skipped: its deadline has passed", extra={"responder": responder})
            return True
        attempt = int(record["attributes"]["ApproximateReceiveCount"])
        try:
            answer = answer_of({**request, "attempt": attempt})
        except TransientError as error:
            logger.warning("asked again later", extra={"responder": responder, "attempt": attempt, "error": str(error)})
            _come_back(record, after_seconds=min(2 ** (attempt - 1), LONGEST_PAUSE_SECONDS))
            return False
        sqs().send_message(
            QueueUrl=record["messageAttributes"]["replyTo"]["stringValue"],
            MessageBody=json.dumps({"requestId": request["requestId"], "answer": answer}))
    except Exception:
        logger.exception("not answered", extra={"responder": responder, "messageId": record["messageId"]})
        return False
    logger.info("answered", extra={"responder": responder, "status": answer["status"], "error": answer.get("error")})
    return True


def _come_back(record: dict[str, Any], after_seconds: int) -> None:
    # Else it would take the queue's visibility timeout, which has to be six times the function's.
    sqs().change_message_visibility(
        QueueUrl=_queue_url(record["eventSourceARN"]), ReceiptHandle=record["receiptHandle"], VisibilityTimeout=after_seconds)


@functools.cache
def _queue_url(queue_arn: str) -> str:
    return sqs().get_queue_url(QueueName=queue_arn.rpartition(":")[2])["QueueUrl"]
