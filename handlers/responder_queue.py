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

HAND_OVER_TRIES = 3
"""Each with the SDK's own, which repeat only what they know for a passing fault."""


class ResponderQueue:
    def __init__(self, responder: str, sqs: Any = None) -> None:
        self._responder = responder
        self._sqs = sqs or boto3.client("sqs")
        self._url = functools.cache(self._url_of)

    def hand_over(self, question: Mapping[str, Any], answer: contract.Json) -> None:
        """Sends an answer to the queue that the question names, if need be in several tries: what is lost here is asked for again, or, of a
        state machine, is seen only when all have answered."""
        body = json.dumps({"requestId": question["requestId"], "answer": answer})
        for tries_left in reversed(range(HAND_OVER_TRIES)):
            try:
                self._sqs.send_message(QueueUrl=question["replyTo"], MessageBody=body)
            except Exception:
                if not tries_left:
                    raise
                logger.exception("not handed over; tried again", extra={"responder": self._responder})
            else:
                return

    def answer_each(self, event: Mapping[str, Any], answer_of: Callable[[contract.Json, int], contract.Json]) -> contract.Json:
        """Answers each question of a batch. answer_of: the Answer with respondedAt, from the question and the number of its deliveries; a
        TransientError asks for another one."""
        again = [record["messageId"] for record in event["Records"] if not self._is_dealt_with(record, answer_of)]
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in again]}

    def _is_dealt_with(self, record: Mapping[str, Any], answer_of: Callable[[contract.Json, int], contract.Json]) -> bool:
        logger.remove_keys(["correlation_id"])
        try:
            question = json.loads(record["body"])
            logger.append_keys(correlation_id=question["requestId"])
            if self._responder not in question["recipients"]:
                # A new filter policy takes SNS up to 15 minutes to follow.
                logger.info("skipped: another was asked", extra={"responder": self._responder})
                return True
            if clock.seconds_until(question["deadlineAt"]) <= 0:
                logger.info("skipped: its deadline has passed", extra={"responder": self._responder})
                return True
            deliveries = int(record["attributes"]["ApproximateReceiveCount"])
            try:
                answer = answer_of(question, deliveries)
            except TransientError as error:
                logger.warning("asked again later", extra={"responder": self._responder, "attempt": deliveries, "error": str(error)})
                self._come_back(record)
                return False
            self.hand_over(question, answer)
        except Exception:
            logger.exception("not answered", extra={"responder": self._responder, "messageId": record["messageId"]})
            self._come_back(record)
            return False
        logger.info("answered", extra={"responder": self._responder, "status": answer["status"], "error": answer.get("error")})
        return True

    def _come_back(self, record: Mapping[str, Any]) -> None:
        """Has the question delivered again sooner than its queue's visibility timeout would, which has to outlast the function."""
        pause = attempt.pause_seconds(int(record["attributes"]["ApproximateReceiveCount"]))
        try:
            self._sqs.change_message_visibility(
                QueueUrl=self._url(record["eventSourceARN"]), ReceiptHandle=record["receiptHandle"], VisibilityTimeout=pause
            )
        except Exception:
            logger.exception("asked again no sooner than its queue would", extra={"messageId": record["messageId"]})

    def _url_of(self, queue_arn: str) -> str:
        return self._sqs.get_queue_url(QueueName=queue_arn.rpartition(":")[2])["QueueUrl"]
