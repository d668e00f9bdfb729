"""What a carrier of one's own runs: it opens a request, asks each responder itself, and gives what they say to the aggregator.

Event     a request of `handlers.contract`
Returns   its Result, or {"error"} for a request that is rejected
"""

import json
import os

import boto3

from handlers import clock, contract, environment, opening
from handlers.deadline_queue import DeadlineQueue
from handlers.records import Records

RULES = environment.opening_rules()
FUNCTIONS = json.loads(os.environ["FUNCTIONS"])
records, deadlines, functions = Records.of_the_stack(), DeadlineQueue(), boto3.client("lambda")


def handler(event, context):
    try:
        opened = opening.open_request(
            records,
            deadlines.set_deadline,
            RULES,
            event,
            variant="direct",
            own_id=context.aws_request_id,
            opened_by=context.aws_request_id,
            now=clock.now(),
            gathered_at_the_end=True,
        )
    except contract.InvalidRequest as reason:
        return {"error": {"type": "InvalidRequest", "message": str(reason)}}
    record = opened.record
    question = {"question": opening.question(record), "retryCount": 0}
    replies = [call(FUNCTIONS[name], question) for name in record["recipients"]] if opened.is_new else []
    return call(os.environ["AGGREGATOR_ARN"], {"requestId": record["requestId"], "replies": replies})


def call(function_arn, payload):
    return json.loads(functions.invoke(FunctionName=function_arn, Payload=json.dumps(payload))["Payload"].read())
