"""Handlers in the test's own process, against the emulator."""

import importlib
import sys
import uuid
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import boto3
import pytest

from handlers import clock
from local.emulator import Emulator

INVOCATION_SECONDS = 20.0


class Killed(BaseException):
    """The function's process is gone."""


def kill(*_: Any, **__: Any) -> None:
    raise Killed


def after_the_invocation(patch: pytest.MonkeyPatch) -> None:
    """From now on it is later: an invocation that was killed before is known to have ended."""
    now = clock.now
    patch.setattr(clock, "now", lambda: clock.later(now(), INVOCATION_SECONDS + 1))


@dataclass(frozen=True)
class Context:
    """What Lambda says about an invocation. seconds: how much of it is left; afterwards, others know that it has ended."""

    seconds: float = INVOCATION_SECONDS
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def get_remaining_time_in_millis(self) -> int:
        return int(1000 * self.seconds)


@contextmanager
def loaded(name: str, environment: Mapping[str, str], emulator: Emulator, account: str) -> Generator[ModuleType]:
    """The module, imported anew with this environment, as Lambda does for each function."""
    surroundings = {
        **emulator.environment,
        "AWS_ACCESS_KEY_ID": account,
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for key, value in {**environment, **surroundings}.items():
            patch.setenv(key, value)
        # boto3 keeps the credentials of whoever came first.
        patch.setattr(boto3, "DEFAULT_SESSION", None)
        patch.delitem(sys.modules, name, raising=False)
        try:
            yield importlib.import_module(name)
        finally:
            sys.modules.pop(name)


def make_table(dynamodb: Any) -> str:
    dynamodb.create_table(
        TableName="quotes",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "requestId", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "requestId", "AttributeType": "S"}],
    )
    return "quotes"


def make_queue(sqs: Any, name: str) -> tuple[str, str]:
    """Its URL and its ARN."""
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def taken(sqs: Any, queue_url: str) -> list[dict[str, Any]]:
    """The messages that are in a queue at this moment, taken out of it."""
    found: list[dict[str, Any]] = []
    while messages := sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], WaitTimeSeconds=0).get(
        "Messages"
    ):
        for message in messages:
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
        found += messages
    return found
