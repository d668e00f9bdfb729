"""A cap on the calls of one responder, whoever carries them: each call takes its place in a row of moments in the table of the records.

Item   {"requestId": "cap/NAME", "nextAt": the next free moment, in milliseconds since 1970, "expiresAt"}

The moments are a little further apart than the cap asks for: SLACK is how much of a second a call may be held up without being one too
many in a second of the partner's. Who has overslept half of that gives its moment up and takes another. There are no bursts. Where the
table cannot be reached nobody is asked, and the carrier tries again: what goes beyond a partner's cap is not ours to decide.
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
    """longest_wait_seconds: what the function has beside its responder's own time limit."""

    def __init__(self, responder: str, per_second: float, longest_wait_seconds: float, table: str, client: Any) -> None:
        self._responder, self._per_second, self._longest_wait = responder, per_second, longest_wait_seconds
        self._interval, self._table, self._client = interval_ms(per_second), table, client

    def wait(self, until: str) -> contract.Json | None:
        """None when it is this call's turn, after a pause if need be; the Answer in its place where that does not come in time. until:
        the deadline. Raises TransientError where nobody knows."""
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
        """The moment of this call, None where the next free one is after `latest`. All in milliseconds since 1970."""
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
        """nextAt as it is then, and whether that is this change."""
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
