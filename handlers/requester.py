"""Starts a scatter-gather by SNS: keeps the record of the request, then publishes it, once, to those that it asks.

Event     a request of `handlers.contract`
Returns   its Result so far: OPEN when it has just been published; what the same request has come to when its id is used again;
          {"error": {"type": "InvalidRequest", "message"}} for a request that is refused. A refusal is returned, not raised: an
          asynchronous invocation that fails is repeated, and this one would fail again
Sends     {"requestId", "deadlineAt"} to the response queue, to be delivered at the deadline; it comes first, so that whatever has
          a record will be closed. Then, to the topic, what every carrier sends to a responder, {"requestId", "description",
          "data", "deadlineAt"}, with the message attributes recipients (for the filter policies) and replyTo (the queue's URL)

A request without an id of its own gets the invocation's, which stays the same when Lambda repeats the invocation.

Environment: TABLE_NAME, TOPIC_ARN, RESPONSE_QUEUE_URL, RESPONDERS (names, separated by commas), COMPLETION (JSON), SELECTION,
TOP_K, RESULT_RETENTION_SECONDS.
"""

import json
import math
import os
from typing import Any

import boto3
from aws_lambda_powertools.logging import Logger
from botocore.exceptions import BotoCoreError, ClientError

from handlers import aggregation, clock, completion, contract
from handlers.aggregation import Record
from handlers.records import Records
from handlers.request import same
from handlers.selection import Selection

logger = Logger(service="requester")
TOPIC_ARN = os.environ["TOPIC_ARN"]
RESPONSE_QUEUE_URL = os.environ["RESPONSE_QUEUE_URL"]
RESPONDERS = os.environ["RESPONDERS"].split(",")
POLICY = completion.policy_of(json.loads(os.environ["COMPLETION"]))
SELECTION = Selection(os.environ["SELECTION"], int(os.environ["TOP_K"]))
RESULT_RETENTION_SECONDS = int(os.environ["RESULT_RETENTION_SECONDS"])
records = Records(os.environ["TABLE_NAME"])
sns = boto3.client("sns")
sqs = boto3.client("sqs")


def handler(event: Any, context: Any) -> contract.Json:
    try:
        return scatter(event, context.aws_request_id, context.get_remaining_time_in_millis() / 1000)
    except contract.InvalidRequest as refusal:
        logger.info("refused", extra={"reason": str(refusal)})
        return {"error": {"type": "InvalidRequest", "message": str(refusal)}}


def scatter(body: Any, own_id: str, seconds_left: float) -> contract.Json:
    """The Result of a request, published unless its id is known already. own_id: its id when it brings none. seconds_left: until
    this invocation ends; from then on another may publish what this one did not. Raises InvalidRequest."""
    request = completion.check_request(body, RESPONDERS, POLICY)
    now = clock.now()
    record = record_of(request, request.get("requestId", own_id), now, clock.later(now, seconds_left))
    logger.append_keys(correlation_id=record["requestId"])
    _send_deadline(record)
    kept, is_new = _create(record, now)
    if is_new:
        if clock.now() >= record["deadlineAt"]:
            # The first one may have come before there was a record to close.
            _send_deadline(record)
        _publish(record)
        logger.info("published", extra={"recipients": record["recipients"]})
    elif kept["variant"] != record["variant"] or not same(kept["request"], record["request"]):
        raise contract.InvalidRequest(f"requestId {record['requestId']} was already used for another request")
    return aggregation.result_of(kept, SELECTION)


def record_of(request: contract.Json, request_id: str, now: str, publish_by: str) -> Record:
    deadline = completion.tighten(POLICY, request.get("completion", {})).deadline_seconds
    return {
        "requestId": request_id,
        "variant": aggregation.VARIANT,
        "status": "OPEN",
        "request": {key: value for key, value in request.items() if key != "requestId"},
        "recipients": contract.recipients_of(request, RESPONDERS),
        "answers": {},
        "late": {},
        "createdAt": now,
        "deadlineAt": clock.later(now, deadline),
        "expiresAt": int(clock.moment(now).timestamp()) + RESULT_RETENTION_SECONDS,
        "publishBy": publish_by,
    }


def _create(record: Record, now: str) -> tuple[Record, bool]:
    try:
        return records.create(record, now)
    except ClientError as error:
        # JSON knows numbers and depths that DynamoDB does not.
        if error.response["Error"]["Code"] == "ValidationException":
            raise contract.InvalidRequest(f"the request cannot be stored: {error.response['Error']['Message']}") from error
        raise


def _send_deadline(record: Record) -> None:
    delay = math.ceil(max(clock.seconds_until(record["deadlineAt"]), 0))
    sqs.send_message(
        QueueUrl=RESPONSE_QUEUE_URL, DelaySeconds=delay,
        MessageBody=json.dumps({"requestId": record["requestId"], "deadlineAt": record["deadlineAt"]}))


def _publish(record: Record) -> None:
    try:
        sns.publish(
            TopicArn=TOPIC_ARN,
            Message=json.dumps({
                "requestId": record["requestId"],
                "description": record["request"].get("description", ""),
                "data": record["request"]["data"],
                "deadlineAt": record["deadlineAt"],
            }),
            MessageAttributes={
                "recipients": {"DataType": "String.Array", "StringValue": json.dumps(record["recipients"])},
                "replyTo": {"DataType": "String", "StringValue": RESPONSE_QUEUE_URL},
            })
    except (BotoCoreError, ClientError):
        records.not_published(record, clock.now())
        raise
    records.published(record, clock.now())
