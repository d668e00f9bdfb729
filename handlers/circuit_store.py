"""The circuit breaker of one responder, with its circuit (`handlers.circuit_breaker`) in the table of the records.

Item   {"requestId": "circuit/NAME", "circuit": {"failures", "openedAt", "nextTrialAt"}, "expiresAt"}

A call reads the item once and writes it only if the circuit changes. Each change is conditional on the circuit as it was read, so only
one of many callers makes the trial, and no failure is lost or counted twice. The breaker itself never makes a request fail: if the table
cannot be reached, the responder is asked as if the circuit were closed, and the log says so.
"""

import functools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import boto3
from aws_lambda_powertools.logging import Logger
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from handlers import circuit_breaker, clock, contract
from handlers.attribute_values import encode
from handlers.circuit_breaker import CLOSED, Circuit, Policy

logger = Logger(service="responder")

STORE_SECONDS = 1
"""The time limit for each reply of the table. There is no second try, because the responder's time is running."""

KEPT = timedelta(days=1)
"""How long a circuit is kept after its last change and the pause that followed. Old failures say little about today."""

CHANGES = 20
"""How often a change is tried again after another caller was faster. Once the circuit is open, nothing is counted any more."""


TRIAL_MARGIN_SECONDS = 10
"""Added to the responder's time limit, this is when a trial and its function have certainly ended, by any clock."""


def policy(failures: int, pause_seconds: float, timeout_seconds: float) -> Policy:
    """timeout_seconds: the responder's own time limit."""
    return Policy(failures, pause_seconds, timeout_seconds + TRIAL_MARGIN_SECONDS)


@functools.cache
def store_client() -> Any:
    return boto3.client(
        "dynamodb", config=Config(connect_timeout=STORE_SECONDS, read_timeout=STORE_SECONDS, retries={"total_max_attempts": 1})
    )


class CircuitBreaker:
    def __init__(self, responder: str, policy: Policy, table: str, client: Any) -> None:
        self._responder, self._policy, self._table, self._client = responder, policy, table, client
        self._key = {"requestId": {"S": circuit_breaker.key(responder)}}

    def guard(self, ask: Callable[[], contract.Json]) -> contract.Json:
        """Returns or raises what `ask` does, and notes it in the circuit. An open circuit gives a FAILED answer without asking."""
        try:
            seen, entered = self._enter()
        except (BotoCoreError, ClientError) as error:
            logger.warning("asked without its circuit breaker: the table cannot be reached", extra={"error": str(error)})
            entered = None
        else:
            if entered is None:
                return circuit_breaker.refusal(self._responder, seen)
        try:
            answer = ask()
        except Exception:
            self._note(entered, succeeded=False)
            raise
        self._note(entered, circuit_breaker.success_of(answer))
        return answer

    def _enter(self) -> tuple[Circuit, Circuit | None]:
        """The circuit as last found and as entered. The latter is None if the circuit is open, so that it was not entered."""
        seen = _circuit_of(self._client.get_item(TableName=self._table, Key=self._key, ConsistentRead=True).get("Item"))
        while True:
            now = clock.now()
            entered = circuit_breaker.enter(seen, self._policy, now)
            if entered is None or entered == seen:
                return seen, entered
            kept, done = self._replace(seen, entered, now)
            if done:
                logger.info("its circuit has been open for long enough: tried again", extra={"responder": self._responder})
                return seen, entered
            seen = kept

    def _note(self, entered: Circuit | None, succeeded: bool | None) -> None:
        """entered: None if the table could not be reached. succeeded: None if the call says nothing about the responder."""
        if entered is None or succeeded is None:
            return
        seen = entered
        try:
            for _ in range(CHANGES):
                now = clock.now()
                wanted = circuit_breaker.leave(seen, entered, succeeded, self._policy, now)
                if wanted == seen:
                    return
                kept, done = self._replace(seen, wanted, now)
                if done:
                    self._tell(seen, wanted)
                    return
                seen = kept
            logger.warning("not noted in its circuit: too many others were quicker")
        except (BotoCoreError, ClientError) as error:
            logger.warning("not noted in its circuit: the table cannot be reached", extra={"error": str(error)})

    def _replace(self, seen: Circuit, wanted: Circuit, now: str) -> tuple[Circuit, bool]:
        """The circuit afterwards, and whether it is the result of this change."""
        expires = clock.moment(wanted.next_trial_at or now) + KEPT
        absent = "attribute_not_exists(circuit) OR " if seen == CLOSED else ""
        try:
            self._client.update_item(
                TableName=self._table,
                Key=self._key,
                UpdateExpression="SET circuit = :wanted, expiresAt = :expires",
                ConditionExpression=f"{absent}circuit = :seen",
                ExpressionAttributeValues={
                    ":seen": encode(_plain(seen)),
                    ":wanted": encode(_plain(wanted)),
                    ":expires": encode(int(expires.timestamp())),
                },
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self._client.exceptions.ConditionalCheckFailedException as refusal:
            return _circuit_of(refusal.response.get("Item")), False
        return wanted, True

    def _tell(self, before: Circuit, after: Circuit) -> None:
        if before.opened_at is None and after.opened_at is not None:
            logger.warning("its circuit is open", extra={"responder": self._responder, "circuit": _plain(after)})
        elif before.opened_at is not None and after.opened_at is None:
            logger.info("its circuit is closed again", extra={"responder": self._responder})


def _plain(found: Circuit) -> contract.Json:
    return {"failures": found.failures, "openedAt": found.opened_at, "nextTrialAt": found.next_trial_at}


def _circuit_of(item: dict[str, Any] | None) -> Circuit:
    if item is None:
        return CLOSED
    kept = item["circuit"]["M"]
    return Circuit(int(kept["failures"]["N"]), kept["openedAt"].get("S"), kept["nextTrialAt"].get("S"))
