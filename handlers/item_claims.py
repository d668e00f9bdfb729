"""Records which items of which run are done. This makes a processor idempotent per (run, item).

An item is claimed before it is processed and completed afterwards, each in one conditional write:

    not there           claim it: it is ours until the lease ends
    DONE                its outcome is the answer; nothing is processed
    CLAIMED, by us      the client repeated a write whose reply was lost: it is ours
    CLAIMED, leased     another call works on it, or did and broke: ItemInProgress is raised, and we are asked again
    CLAIMED, lease over that call can't be running any more: its claim passes to us

A lease ends LEASE_MARGIN_SECONDS after the function call that took it. So it never passes on while the work is going on, as long as the
clocks of two functions differ by no more than that margin. If a call breaks between its work and its completion, the item is processed
again: no item is lost, and no completed item runs twice.

Record: {"id": "run#index", "state": CLAIMED | DONE, "owner", "leaseEnds": ms, "outcome": JSON, "expiresAt": s}
"""

import json
import time
from typing import Any

from botocore.exceptions import ClientError

from handlers.processing import ItemInProgress, Outcome

LEASE_MARGIN_SECONDS = 2
"""How far the clocks of two functions may differ. Lambda's differ by milliseconds."""


class ItemClaims:
    """table: the name of the DynamoDB table. retention_seconds: how long records are kept."""

    def __init__(self, client: Any, table: str, retention_seconds: int) -> None:
        self._client = client
        self._table = table
        self._retention_seconds = retention_seconds

    def claim(self, key: str, owner: str, lease_ends: int) -> Outcome | None:
        """None if the item is ours to process, or its outcome if it is done. lease_ends: when this call will have ended, by its own
        clock, in ms since 1970. Raises ItemInProgress."""
        now = int(time.time() * 1000)
        lease_ends += 1000 * LEASE_MARGIN_SECONDS
        try:
            self._client.put_item(
                TableName=self._table,
                Item={
                    "id": {"S": key},
                    "state": {"S": "CLAIMED"},
                    "owner": {"S": owner},
                    "leaseEnds": {"N": str(lease_ends)},
                    "expiresAt": {"N": str(now // 1000 + self._retention_seconds)},
                },
                ConditionExpression="attribute_not_exists(id) OR (#state = :claimed AND leaseEnds < :now)",
                ExpressionAttributeNames={"#state": "state"},
                ExpressionAttributeValues={":claimed": {"S": "CLAIMED"}, ":now": {"N": str(now)}},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if not _is_condition(error):
                raise
            record: dict[str, Any] = error.response["Item"]
            if record["state"]["S"] == "DONE":
                return json.loads(record["outcome"]["S"])
            if (record["owner"]["S"], record["leaseEnds"]["N"]) == (owner, str(lease_ends)):
                return None
            raise ItemInProgress(f"{key} is claimed until {record['leaseEnds']['N']}") from None
        return None

    def complete(self, key: str, owner: str, outcome: Outcome) -> None:
        """Raises the condition's ClientError if the claim has passed to another call."""
        self._client.update_item(
            TableName=self._table,
            Key={"id": {"S": key}},
            UpdateExpression="SET #state = :done, outcome = :outcome",
            # The state does not matter: the client repeats a write whose reply was lost.
            ConditionExpression="#owner = :owner",
            ExpressionAttributeNames={"#state": "state", "#owner": "owner"},
            ExpressionAttributeValues={
                ":done": {"S": "DONE"},
                ":owner": {"S": owner},
                ":outcome": {"S": json.dumps(outcome, separators=(",", ":"))},
            },
        )

    def release(self, key: str, owner: str) -> None:
        """Gives the claim back: the item was not done, and the next caller may try it at once."""
        try:
            self._client.delete_item(
                TableName=self._table,
                Key={"id": {"S": key}},
                ConditionExpression="#owner = :owner AND #state = :claimed",
                ExpressionAttributeNames={"#state": "state", "#owner": "owner"},
                ExpressionAttributeValues={":owner": {"S": owner}, ":claimed": {"S": "CLAIMED"}},
            )
        except ClientError as error:
            if not _is_condition(error):
                raise


def _is_condition(error: ClientError) -> bool:
    return error.response["Error"]["Code"] == "ConditionalCheckFailedException"
