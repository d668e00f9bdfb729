"""Emulator control: start, find, stop, and what stands in the way."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import pytest

from local import emulator as control
from local.emulator import EmulatorError


def sqs(endpoint: str):
    return boto3.client(
        "sqs", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="000000000001", aws_secret_access_key="x"
    )


def queues(endpoint: str) -> list[str]:
    return sqs(endpoint).list_queues().get("QueueUrls", [])


def settings(endpoint: str) -> dict:
    with urllib.request.urlopen(f"{endpoint}/_ministack/health") as response:
        return json.load(response)


def test_it_starts_is_found_and_stops(tmp_path: Path):
    started = control.start(tmp_path, port=0)
    found = control.find(tmp_path)
    again = control.start(tmp_path)
    started.stop()

    assert started.started
    assert started.endpoint.startswith("http://127.0.0.1:")
    assert found == again
    assert found is not None
    assert (found.pid, found.instance, found.started) == (started.pid, started.instance, False)
    assert control.find(tmp_path) is None
    assert not control.is_healthy(started.endpoint)


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="this system doesn't list its sockets")
def test_only_this_machine_can_reach_it(tmp_path: Path):
    with control.start(tmp_path, port=0) as emulator:
        listening = _listening_addresses(emulator.pid)

    assert listening == {"0100007F"}


def test_two_commands_at_once_start_one(tmp_path: Path):
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: control.start(tmp_path, port=0), range(2)))

    assert both[0].pid == both[1].pid
    assert sorted(emulator.started for emulator in both) == [False, True]
    next(emulator for emulator in both if emulator.started).stop()


def test_the_usual_port_is_left_when_something_else_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(control, "DEFAULT_PORT", taken.getsockname()[1])
        with control.start(tmp_path) as emulator:
            assert emulator.endpoint != f"http://127.0.0.1:{taken.getsockname()[1]}"


def test_a_port_that_was_asked_for_and_is_taken_is_an_error(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(EmulatorError, match=f"port {port} is in use"):
            control.start(tmp_path, port=port)


def test_a_dead_emulator_is_recognised_and_replaced(tmp_path: Path):
    killed = control.start(tmp_path, port=0)
    assert killed.pid is not None
    assert killed._process is not None
    killed._process.kill()
    killed._process.wait()

    assert control.find(tmp_path) is None
    with control.start(tmp_path, port=0) as emulator:
        assert emulator.instance != killed.instance


def test_a_record_whose_pid_belongs_to_another_process_is_stale(tmp_path: Path):
    record = {"pid": os.getpid(), "port": 1, "instance": "x"}
    (tmp_path / "emulator.json").write_text(json.dumps(record))
    (tmp_path / "emulator.lock").touch()

    assert control.find(tmp_path) is None


def test_a_failing_start_is_one_line_with_the_tail_of_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho first line\necho the reason it failed\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))

    with pytest.raises(EmulatorError) as failed:
        control.start(tmp_path / "folder", port=0)

    assert str(failed.value) == "the emulator ended with code 3: first line | the reason it failed"
    assert control.find(tmp_path / "folder") is None


@pytest.mark.parametrize("endpoint", ["http://example.com:4566", "http://10.0.0.1:4566", "ftp://127.0.0.1", "4566", "http://[::1"])
def test_an_address_that_is_not_of_this_machine_is_refused(endpoint: str):
    with pytest.raises(EmulatorError, match="endpoint"):
        control.at(endpoint)


def test_an_address_where_nothing_answers_is_named():
    with pytest.raises(EmulatorError, match=r"no emulator answers at http://127\.0\.0\.1:1 "):
        control.at("http://127.0.0.1:1")


def test_an_emulator_that_the_user_started_is_used_but_not_stopped(emulator):
    theirs = control.at(f"{emulator.endpoint}/")

    assert theirs.endpoint == emulator.endpoint
    with pytest.raises(EmulatorError, match="wasn't started here"):
        theirs.stop()


def test_every_life_starts_empty_unless_its_state_is_kept(tmp_path: Path):
    kept = tmp_path / "kept"
    with control.start(tmp_path / "a", port=0, state_folder=kept) as first:
        sqs(first.endpoint).create_queue(QueueName="q")

    with control.start(tmp_path / "a", port=0) as empty:
        assert queues(empty.endpoint) == []
    with control.start(tmp_path / "a", port=0, state_folder=kept) as again:
        assert len(queues(again.endpoint)) == 1


def test_policies_are_enforced_when_asked_for(tmp_path: Path, emulator):
    with control.start(tmp_path, port=0, auth=True) as strict:
        assert settings(strict.endpoint)["auth"] == "enabled"

    assert settings(emulator.endpoint)["auth"] == "disabled"


def test_credentials_of_the_user_do_not_reach_the_emulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-the-user")

    with control.start(tmp_path, port=0) as emulator:
        environment = Path(f"/proc/{emulator.pid}/environ")
        if not environment.exists():
            pytest.skip("this system doesn't show the environment of a process")
        assert "of-the-user" not in environment.read_text()


def test_accounts_do_not_see_each_other(clients, emulator):
    clients("sqs").create_queue(QueueName="mine")

    assert queues(emulator.endpoint) == []


def _listening_addresses(pid: int | None) -> set[str]:
    sockets = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed since it was listed
            sockets.add(str(link.readlink()).removeprefix("socket:[").removesuffix("]"))
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return {row[1].partition(":")[0] for row in rows if row[3] == "0A" and row[9] in sockets}
