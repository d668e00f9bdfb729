"""Fixtures shared by the tests. Those that need the emulator start it when they are first asked for, so unit tests never do."""

from __future__ import annotations

import functools
import itertools
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.loaders import JSONFileLoader
from hypothesis import HealthCheck, settings

from local import emulator as emulator_control
from local.emulator import Emulator

_account_numbers = itertools.count(1)

# What nohup or a shell's & starts ignores these signals, and so does all that it starts: no test could interrupt a command.
for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)

# How long an example takes says something of the machine, not of the code.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(scope="session", autouse=True)
def _programs_compiled_anew() -> Iterator[None]:
    """Python takes a module for unchanged whose size and second of time are, and tests write programs faster than that."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "dont_write_bytecode", True)
        patch.setenv("PYTHONDONTWRITEBYTECODE", "1")
        yield


@pytest.fixture(scope="session", autouse=True)
def _models_read_once() -> Iterator[None]:
    """A program reads the services' models once, for its one session; the tests have a session each."""
    files = JSONFileLoader()
    read = functools.cache(files.load_file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", lambda _, path: read(path))
        yield


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """One MiniStack per pytest worker process."""
    with emulator_control.start(tmp_path_factory.mktemp("emulator"), port=0) as running:
        yield running


@pytest.fixture
def account() -> str:
    """A 12-digit access key that no other test uses: the emulator takes it as the account, so each test has its own."""
    return f"{os.getpid() % 10**6:06d}{next(_account_numbers):06d}"


@pytest.fixture
def region() -> str:
    return "us-east-1"


@pytest.fixture
def clients(emulator: Emulator, account: str, region: str) -> Callable[..., Any]:
    """`clients("sqs")` is a boto3 client of this test's account on the emulator."""
    import boto3
    from botocore.config import Config

    session = boto3.Session(
        aws_access_key_id=account, aws_secret_access_key="test", aws_session_token=emulator.session_token, region_name=region
    )
    config = Config(inject_host_prefix=False, retries={"max_attempts": 1})

    @functools.cache
    def client(service: str) -> Any:
        return session.client(service, endpoint_url=emulator.endpoint, config=config)

    return client
