"""Sets a request's deadline by sending a delayed message to the response queue. The aggregator then closes the request if it is open."""

import json
import os
from typing import Any

import boto3

from handlers.aggregation import Record

MAX_DELAY_SECONDS = 900
"""SQS delays a message by at most 15 minutes (its limit)."""


class DeadlineQueue:
    def __init__(self, client: Any = None) -> None:
        self.url = os.environ["RESPONSE_QUEUE_URL"]
        self._sqs = client or boto3.client("sqs")

    def set_deadline(self, record: Record, seconds: int) -> None:
        self._sqs.send_message(
            QueueUrl=self.url,
            DelaySeconds=min(seconds, MAX_DELAY_SECONDS),
            MessageBody=json.dumps({"requestId": record["requestId"], "deadlineAt": record["deadlineAt"]}),
        )
