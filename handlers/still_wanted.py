"""Tells a responder, before it begins, whether the request still waits for an answer: a request that closed early needs none.

Work that has begun is never stopped. If the table cannot be reached the answer is yes, and it may be yes for a moment after the close.
"""

from collections.abc import Callable, Mapping
from typing import Any

from aws_lambda_powertools.logging import Logger
from botocore.exceptions import BotoCoreError, ClientError

from handlers import clock

logger = Logger(service="responder")

ATTRIBUTES = ("requestId", "status")
"""The only attribute of a record that it may read; its role's condition names the same."""


class StillWanted:
    """client: makes the table's client on first use. Most requests wait for everybody, and a responder that only answers such requests
    starts sooner without a client."""

    def __init__(self, table: str, client: Callable[[], Any]) -> None:
        self._table, self._client = table, client

    def __call__(self, question: Mapping[str, Any]) -> bool:
        if clock.seconds_until(question["deadlineAt"]) <= 0:
            return False
        if not question.get("closesEarly"):
            return True
        try:
            found = (
                self._client()
                .get_item(
                    TableName=self._table,
                    Key={"requestId": {"S": question["requestId"]}},
                    ProjectionExpression="requestId, #status",
                    ExpressionAttributeNames={"#status": "status"},
                )
                .get("Item")
            )
        except (BotoCoreError, ClientError) as error:
            logger.warning("begun without knowing whether it is wanted: the table cannot be reached", extra={"error": str(error)})
            return True
        return found is None or found["status"]["S"] == "OPEN"
