"""A cap on the calls of one responder, for all carriers: each call reserves the next free moment, kept in the table of the records.

Item   {"requestId": "cap/NAME", "nextAt": the next free moment, in milliseconds since 1970, "expiresAt"}

The moments are a little further apart than the cap demands. SLACK is the part of a second by which a call may be late without exceeding
the cap in the partner's second. A call that wakes up later than half of that gives its moment up and reserves another. There are no
bursts. If the table cannot be reached, nobody is asked and the carrier tries again, because exceeding a partner's cap is not our decision.
"""

import math
import time
from datetime import timedelta
from typing import Any

from aws_lambda_powertools.logging import Logger
from botocore.exceptions import BotoCoreError, ClientError

from handlers import clock, contract
from handlers.quoting import TransientError

logger = Logger(service="responder")

SLACK = 0.2
KEPT = timedelta(days=1)


def key(responder: str) -> str:
    return f"cap/{responder}"


def interval_ms(per_second: float) -> int:
    return math.ceil(1000 * (1 + SLACK) / per_second)


class RateCap:
    """longest_wait_seconds: the time that the function has in addition to its responder's time limit."""

    def __init__(self, responder: str, per_second: float, longest_wait_seconds: float, table: str, client: Any) -> None:
        self._responder, self._per_second, self._longest_wait = responder, per_second, longest_wait_seconds
        self._interval, self._table, self._client = interval_ms(per_second), table, client

    def wait(self, until: str) -> contract.Json | None:
        """Waits for this call's turn and returns None, or returns an Answer if the turn does not come in time. until: the deadline.
        Raises TransientError if the table cannot tell."""
        latest = int(1000 * (time.time() + min(clock.seconds_until(until), self._longest_wait)))
        while True:
            try:
                place = self.place(round(1000 * time.time()), latest)
            except (BotoCoreError, ClientError) as error:
                raise TransientError(f"not asked: its cap is in the table, which cannot be reached: {error}") from None
            if place is None:
                return contract.unsuccessful(
                    self._responder,
                    "TIMED_OUT",
                    "Capped",
                    f"not asked: its cap of {self._per_second:g} requests per second left no place before the deadline",
                )
            time.sleep(max(place / 1000 - time.time(), 0))
            if time.time() - place / 1000 <= SLACK / 2:
                return None
            logger.info("its turn came too late: it takes another", extra={"responder": self._responder})

    def place(self, now: int, latest: int) -> int | None:
        """The moment reserved for this call, or None if the next free one is after `latest`. All times are milliseconds since 1970."""
        while True:
            _, taken = self._take("attribute_not_exists(nextAt) OR nextAt <= :now", ":after", {":now": now, ":after": now + self._interval})
            if taken:
                return now
            free, taken = self._take(
                "nextAt > :now AND nextAt <= :latest", "nextAt + :interval", {":now": now, ":latest": latest, ":interval": self._interval}
            )
            if taken:
                return free - self._interval
            if free > latest:
                return None

    def _take(self, condition: str, following: str, values: dict[str, int]) -> tuple[int, bool]:
        """The value of nextAt afterwards, and whether this change set it."""
        expires = int(time.time() + KEPT.total_seconds())
        try:
            kept = self._client.update_item(
                TableName=self._table,
                Key={"requestId": {"S": key(self._responder)}},
                UpdateExpression=f"SET nextAt = {following}, expiresAt = :expires",
                ConditionExpression=condition,
                ExpressionAttributeValues={name: {"N": str(value)} for name, value in {**values, ":expires": expires}.items()},
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self._client.exceptions.ConditionalCheckFailedException as refusal:
            return int(refusal.response.get("Item", {}).get("nextAt", {"N": "0"})["N"]), False
        return int(kept["Attributes"]["nextAt"]["N"]), True
