"""Our state machines on moto's Step Functions interpreter, as it is: a second opinion, strict about the grammar, with a whole history.

Its calls of Lambda pass through, by moto's own settings, to the functions of a stack on the emulator. They arrive in the account that
the emulator keeps for keys which name none.
"""

import json
import time
import uuid
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from moto import mock_aws

from local.emulator import Emulator

ACCOUNT = "000000000000"
"""Where the functions have to be."""

PASSING_LAMBDA_THROUGH: Any = {"stepfunctions": {"execute_state_machine": True}, "core": {"passthrough": {"services": ["lambda"]}}}
ENDS_WITHIN_SECONDS = 300
LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Execution:
    """How it ended, and the names of the states that it entered, those of a Map's or a Parallel's inside too."""

    status: str
    output: Any
    error: str | None
    cause: str | None
    entered: list[str]


class Workflows:
    def __init__(self) -> None:
        self._client = boto3.client("stepfunctions", region_name="us-east-1")
        self._role = boto3.client("iam").create_role(RoleName="runs", AssumeRolePolicyDocument="{}")["Role"]["Arn"]

    def create(self, definition: str) -> str:
        """Its ARN."""
        return self._client.create_state_machine(name=uuid.uuid4().hex, definition=definition, roleArn=self._role)["stateMachineArn"]

    def start(self, machine: str, request: Any) -> str:
        # moto gives an execution no name of its own accord.
        return self._client.start_execution(stateMachineArn=machine, name=uuid.uuid4().hex, input=json.dumps(request))["executionArn"]

    def ended(self, execution: str) -> Execution:
        ends = time.monotonic() + ENDS_WITHIN_SECONDS
        while (state := self._client.describe_execution(executionArn=execution))["status"] == "RUNNING":
            assert time.monotonic() < ends, f"{execution} still runs"
            time.sleep(LOOK_SECONDS)
        output = json.loads(state["output"]) if "output" in state else None
        return Execution(state["status"], output, state.get("error"), state.get("cause"), list(self._entered(execution)))

    def _entered(self, execution: str) -> Iterator[str]:
        for page in self._client.get_paginator("get_execution_history").paginate(executionArn=execution):
            for event in page["events"]:
                if "stateEnteredEventDetails" in event:
                    yield event["stateEnteredEventDetails"]["name"]


@contextmanager
def calling(emulator: Emulator) -> Generator[Workflows]:
    """moto's Step Functions, with the functions on that emulator."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        patch.setenv("AWS_ENDPOINT_URL_LAMBDA", emulator.endpoint)
        with mock_aws(config=PASSING_LAMBDA_THROUGH):
            session = boto3.Session()
            # boto3 keeps the endpoints of whoever came first.
            patch.setattr(boto3, "DEFAULT_SESSION", session)
            # moto calls functions with credentials of its own; the emulator's door asks for its token all the same.
            session.events.register(
                "before-sign.lambda.*", lambda request, **_: request.headers.add_header("X-Amz-Security-Token", emulator.session_token)
            )
            yield Workflows()
