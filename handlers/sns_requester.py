"""Lambda adapter of the carrier sns: opens a request and publishes it once to its recipients.

Event     a request of `handlers.contract`
Returns   its Result so far, which is OPEN if the request has just been published, or whatever it has become if its id was used before;
          {"error": {"type": "InvalidRequest", "message"}} for a rejected request. The error is returned, not raised, because Lambda
          repeats an asynchronous invocation that fails, and this one would fail again
Sends     `opening.question` to the topic, with the message attribute recipients, which the queues' filters match

A request without an id of its own gets the invocation's, which stays the same when Lambda repeats the invocation.

Environment: TOPIC_ARN, and see `handlers.environment`.
"""

import json
import os
from typing import Any

import boto3
from aws_lambda_powertools.logging import Logger
from botocore.exceptions import BotoCoreError, ClientError

from handlers import aggregation, clock, contract, environment, opening
from handlers.aggregation import Record
from handlers.deadline_queue import DeadlineQueue
from handlers.records import Records

VARIANT = "sns"

PUBLISH_SECONDS = 3
"""How long the opener has to publish a request after its record is stored. A repetition waits so long, and then has as long itself
before this function's time is over."""

logger = Logger(service="requester")
TOPIC_ARN = os.environ["TOPIC_ARN"]
RULES = environment.opening_rules()
SELECTION = environment.selection()
records = Records.of_the_stack()
deadlines = DeadlineQueue()
sns = boto3.client("sns")


def handler(event: Any, context: Any) -> contract.Json:
    logger.remove_keys(["correlation_id"])
    try:
        return scatter(event, context.aws_request_id)
    except contract.InvalidRequest as reason:
        logger.info("rejected", extra={"reason": str(reason)})
        return {"error": {"type": "InvalidRequest", "message": str(reason)}}


class NotPublished(Exception):
    """Storing the record took too long: another invocation may be publishing the request by now."""


def scatter(body: Any, own_id: str) -> contract.Json:
    """The Result of a request, which is published unless its id is known. own_id: the id if the request has none. Raises InvalidRequest."""
    opened = opening.open_request(
        records,
        deadlines.set_deadline,
        RULES,
        body,
        variant=VARIANT,
        own_id=own_id,
        opened_by=own_id,
        now=clock.now(),
        gathered_at_the_end=False,
        publish_seconds=PUBLISH_SECONDS,
    )
    logger.append_keys(correlation_id=opened.record["requestId"])
    if opened.is_new:
        _publish(opened.record)
    logger.info("published" if opened.is_new else "repeated", extra={"recipients": opened.record["recipients"]})
    return aggregation.result_of(opened.record, SELECTION)


def _publish(record: Record) -> None:
    """Raises NotPublished, or the error of SNS."""
    if clock.now() > record["publishBy"]:
        raise NotPublished(f"request {record['requestId']}: repeat it")
    try:
        sns.publish(
            TopicArn=TOPIC_ARN,
            Message=json.dumps(opening.question(record, deadlines.url, early=opening.closes_early(RULES.policy, record))),
            MessageAttributes={"recipients": {"DataType": "String.Array", "StringValue": json.dumps(record["recipients"])}},
        )
    except (BotoCoreError, ClientError):
        records.not_published(record, clock.now())
        raise
    records.published(record, clock.now())
