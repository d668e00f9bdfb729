"""A responder's two queues: the one that questions may come by, and the one that takes its answers as they are given.

Event    {"Records": [SQS message]}: the body is a question (`opening.question`)
Returns  {"batchItemFailures": [{"itemIdentifier"}]}: the messages to be delivered again
Sends    {"requestId", "answer": Answer without latencyMs} to the question's replyTo
"""

import functools
import json
from collections.abc import Callable, Mapping
from typing import Any

import boto3
from aws_lambda_powertools.logging import Logger

from handlers import attempt, clock, contract
from handlers.quoting import TransientError

logger = Logger(service="responder")

sqs = boto3.client("sqs")


def hand_over(question: Mapping[str, Any], answer: contract.Json) -> None:
    """Sends an answer to the queue that the question names."""
    sqs.send_message(
        QueueUrl=question["replyTo"], MessageBody=json.dumps({"requestId": question["requestId"], "answer": answer}))


def answer_each(event: dict[str, Any], responder: str, answer_of: Callable[[dict[str, Any], int], contract.Json]) -> dict[str, Any]:
    """Answers each question of a batch. answer_of: the Answer with respondedAt, from the question and the number of its deliveries; a
    TransientError asks for another one."""
    again = [record["messageId"] for record in event["Records"] if not _is_dealt_with(record, responder, answer_of)]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in again]}


def _is_dealt_with(record: dict[str, Any], responder: str, answer_of: Callable[[dict[str, Any], int], contract.Json]) -> bool:
    logger.remove_keys(["correlation_id"])
    try:
        question = json.loads(record["body"])
        logger.append_keys(correlation_id=question["requestId"])
        if responder not in question["recipients"]:
            # A new filter policy takes SNS up to 15 minutes to follow.
            logger.info("skipped: another was asked", extra={"responder": responder})
            return True
        if clock.seconds_until(question["deadlineAt"]) <= 0:
            logger.info("skipped: its deadline has passed", extra={"responder": responder})
            return True
        deliveries = int(record["attributes"]["ApproximateReceiveCount"])
        try:
            answer = answer_of(question, deliveries)
        except TransientError as error:
            logger.warning("asked again later", extra={"responder": responder, "attempt": deliveries, "error": str(error)})
            come_back(record, attempt.pause_seconds(deliveries))
            return False
        hand_over(question, answer)
    except Exception:
        logger.exception("not answered", extra={"responder": responder, "messageId": record["messageId"]})
        come_back(record, attempt.pause_seconds(int(record["attributes"]["ApproximateReceiveCount"])))
        return False
    logger.info("answered", extra={"responder": responder, "status": answer["status"], "error": answer.get("error")})
    return True


def come_back(record: Mapping[str, Any], after_seconds: int) -> None:
    """Has a message delivered again sooner than its queue's visibility timeout would, which has to outlast the function."""
    sqs.change_message_visibility(
        QueueUrl=_queue_url(record["eventSourceARN"]), ReceiptHandle=record["receiptHandle"], VisibilityTimeout=after_seconds)


@functools.cache
def _queue_url(queue_arn: str) -> str:
    return sqs.get_queue_url(QueueName=queue_arn.rpartition(":")[2])["QueueUrl"]
