"""Whether a request still waits for an answer, which a responder asks before it begins: one that closed early needs none.

What has begun is never stopped. Where the table cannot be reached the answer is yes, and so it may be for a moment after the close.
"""

from collections.abc import Callable, Mapping
from typing import Any

from aws_lambda_powertools.logging import Logger
from botocore.exceptions import BotoCoreError, ClientError

from handlers import clock

logger = Logger(service="responder")

ATTRIBUTES = ("requestId", "status")
"""All that it may read of a record, as its condition names it too."""


class StillWanted:
    """client: makes the table's, when it is first asked. Most requests wait for everybody, and whoever answers only those starts sooner
    without one."""

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
