"""Ctrl-C: a command that is interrupted says in one line by which command what it began goes on."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from client import load, run

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def stack(deployed):
    return deployed(
        variants=["sns", "distributed"],
        responders=[{"name": "avis", "module": "tests.responders", "behaviour": "quote"}, {"name": "late", "module": "tests.gate"}],
        distributed={"module": "tests.processes", "waitSeconds": 0},
    )


@pytest.fixture
def outputs(stack, tmp_path) -> Path:
    file = tmp_path / "outputs.json"
    file.write_text(json.dumps(stack.outputs))
    return file


@pytest.fixture
def start(stack, outputs) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """A command of the client, as it is typed."""
    begun: list[subprocess.Popen[str]] = []

    def started(*words: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "client", *words, f"--outputs={outputs}"], cwd=ROOT, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "AWS_ENDPOINT_URL": stack.endpoint, "AWS_SESSION_TOKEN": stack.session_token},
        )  # fmt: skip
        begun.append(process)
        return process

    yield started
    for process in begun:
        process.kill()
        process.communicate()


def interrupted(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Its exit code and all that it says of the interrupt."""
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    return process.returncode, told


@pytest.fixture
def waiting(tmp_path) -> Iterator[dict]:
    """A request that stays open until the test is over."""
    yield {"requestId": uuid.uuid4().hex, "data": {"gate": str(tmp_path / "gate")}, "recipients": ["avis", "late"]}
    (tmp_path / "gate").touch()


def test_watch(stack, start, outputs, waiting):
    stack.send("sns", waiting)
    watching = start("watch", waiting["requestId"], "--json")
    watching.stdout.readline()

    command = f"python -m client watch {waiting['requestId']} --outputs={outputs}"
    assert interrupted(watching) == (130, f"error: interrupted; the request goes on: {command}\n")


def test_request(stack, start, outputs, waiting, tmp_path):
    (tmp_path / "request.json").write_text(json.dumps({key: waiting[key] for key in ("data", "recipients")}))
    asking = start("request", "sns", "--input", str(tmp_path / "request.json"))
    assert "avis" in asking.stdout.readline()

    code, told = interrupted(asking)

    command = re.fullmatch(
        rf"error: interrupted; what was sent goes on: (python -m client watch ([0-9a-f]{{32}}) --outputs={outputs})\n", told
    )
    assert code == 130 and command
    assert stack.result(command[2])["status"] == "OPEN"
    (tmp_path / "gate").touch()
    again = start(*shlex.split(command[1])[3:-1])
    assert f"request {command[2]} is complete" in again.communicate(timeout=60)[0]


def test_run(stack, start, outputs, tmp_path):
    (tmp_path / "items.json").write_text(json.dumps([{"sleep": 60}]))
    load.load(stack, tmp_path / "items.json")
    name = uuid.uuid4().hex
    running = start("run", "--name", name)
    workflows, execution = stack.client("stepfunctions"), run.named(stack, name)
    while execution not in {
        each["executionArn"] for each in workflows.list_executions(stateMachineArn=run.machine_of(stack))["executions"]
    }:
        assert running.poll() is None

    follow, stop = (f"python -m client run {how} {execution} --outputs={outputs}" for how in ("--follow", "--stop"))
    assert interrupted(running) == (130, f"error: interrupted; what was started goes on: {follow}; to stop it: {stop}\n")
    assert start(*shlex.split(stop)[3:-1]).wait(60) == 1
    assert workflows.describe_execution(executionArn=execution)["status"] == "ABORTED"


def test_logs(stack, start, outputs):
    stack.request("sns", {"data": {}, "recipients": ["avis"]})
    following = start("logs", "avis", "--follow")
    following.stdout.readline()

    assert interrupted(following) == (130, f"error: interrupted; to go on: python -m client logs avis --follow --outputs={outputs}\n")
