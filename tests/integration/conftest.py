"""Whole stacks on the emulator: the real program, the embedded engine, the project's own provider."""

import json
import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

# The engine forgets the modules that a program imported, so that the next run takes them as they are then. What was there before the
# program stays: the tests import the project once.
import components  # noqa: F401
from client import Stack
from local.emulator import Emulator
from local.engine import Deployment
from local.plugin import Plugin
from local.program import run_program
from local.state import State

PROJECT = Path(__file__).parents[2]

SERVICES = (
    "apigatewayv2",
    "cloudwatch",
    "cloudwatchevents",
    "cloudwatchlogs",
    "dynamodb",
    "iam",
    "lambda",
    "s3",
    "sfn",
    "sns",
    "sqs",
    "sts",
)

Deploy = Callable[..., Stack]


def deploy(emulator: Emulator, account: str, config: Mapping[str, Any], stack: str = "test", state: State | None = None) -> Stack:
    """Runs the program with this configuration (plain values) against the emulator; AssertionError lists what failed.

    state: what an earlier run left, brought up to date in place.
    """
    state = State() if state is None else state
    deployment = engine(emulator, account, stack, state)
    texts = {f"scatter-gather:{key}": value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    run_program(PROJECT, deployment, texts, [], lambda *_: None)
    _finish(deployment)
    return Stack(state.outputs(), emulator.endpoint, emulator.session_token)


def destroy(emulator: Emulator, account: str, state: State, stack: str = "test") -> None:
    """Deletes all that `deploy` made."""
    _finish(engine(emulator, account, stack, state))


def engine(emulator: Emulator, account: str, stack: str, state: State) -> Deployment:
    """What brings this state up to date, or away."""
    from local.provider import AwsProvider

    plugin = Plugin("aws", AwsProvider())
    plugin.configure(
        {
            "region": "us-east-1",
            "accessKey": account,
            "secretKey": "test",
            "token": str(emulator.session_token),
            "endpoints": json.dumps([dict.fromkeys(SERVICES, emulator.endpoint)]),
        }
    )
    return Deployment(project="scatter-gather", stack=stack, state=state, plugins={"aws": plugin}, folder=PROJECT, save=lambda _: None)


def _finish(deployment: Deployment) -> None:
    deployment.finish()
    assert not deployment.failures, [str(failure) for failure in deployment.failures]


@pytest.fixture(scope="module")
def module_account() -> str:
    """An account that the tests of one module share, with what they deployed."""
    return f"9{random.randrange(10**11):011d}"


@pytest.fixture(scope="module")
def deployed(emulator: Emulator, module_account: str) -> Iterator[Deploy]:
    """`deployed(variants=["map"])` is a stack of the module's account; the same configuration again is the same stack."""
    stacks: dict[str, Stack] = {}

    def stack(**config: Any) -> Stack:
        key = json.dumps(config, sort_keys=True)
        if key not in stacks:
            stacks[key] = deploy(emulator, module_account, config, f"test-{len(stacks)}")
        return stacks[key]

    yield stack


@pytest.fixture
def module_clients(emulator: Emulator, module_account: str) -> Callable[[str], Any]:
    """`module_clients("s3")` is a boto3 client of the account that the stacks of this module are in."""
    return lambda service: boto3.client(
        service,
        endpoint_url=emulator.endpoint,
        region_name="us-east-1",
        aws_access_key_id=module_account,
        aws_secret_access_key="test",
        aws_session_token=emulator.session_token,
        config=Config(s3={"addressing_style": "path"}),
    )
