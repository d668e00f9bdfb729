"""Emulator control: start, find, stop, and what stands in the way."""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import pytest

from local import emulator as control
from local.emulator import Emulator, EmulatorError


def sqs(emulator: Emulator):
    return boto3.client(
        "sqs", endpoint_url=emulator.endpoint, region_name="us-east-1", aws_access_key_id="000000000001", aws_secret_access_key="x",
        aws_session_token=emulator.session_token,
    )  # fmt: skip


def queues(emulator: Emulator) -> list[str]:
    return sqs(emulator).list_queues().get("QueueUrls", [])


def settings(emulator: Emulator) -> dict:
    with urllib.request.urlopen(urllib.request.Request(f"{emulator.endpoint}/_ministack/health", headers=emulator.headers)) as response:
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
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(started.endpoint.rpartition(":")[2])))


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


def test_port_and_token_are_of_each_start(tmp_path: Path):
    with control.start(tmp_path / "a") as one, control.start(tmp_path / "b") as other:
        assert one.endpoint != other.endpoint
        assert one.session_token != other.session_token
        assert "4566" not in one.endpoint


def test_none_but_the_user_can_read_what_it_keeps(tmp_path: Path):
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o755)
    for name in ("emulator.json", "emulator.lock", "emulator.log"):
        (folder / name).touch(0o644)

    with control.start(folder, state_folder=tmp_path / "state") as emulator:
        sqs(emulator).create_queue(QueueName="q")

    kept = [folder, *folder.rglob("*"), tmp_path / "state", *(tmp_path / "state").rglob("*")]
    assert {path.name for path in kept} >= {"emulator.lock", "emulator.log", "tmp", "sqs.json"}
    assert {str(path): oct(path.stat().st_mode & 0o777) for path in kept if path.stat().st_mode & 0o077} == {}


def test_its_record_and_folders_are_closed_while_it_runs(emulator: Emulator):
    assert emulator.folder is not None
    record = emulator.folder / "emulator.json"

    assert {path: path.stat().st_mode & 0o777 for path in (record, emulator.folder, emulator.folder / "tmp")} == {
        record: 0o600,
        emulator.folder: 0o700,
        emulator.folder / "tmp": 0o700,
    }


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
def test_an_address_that_is_not_of_this_machine_is_refused(endpoint: str, tmp_path: Path):
    with pytest.raises(EmulatorError, match="endpoint"):
        control.at(endpoint, tmp_path)


def test_an_address_where_nothing_answers_is_named(tmp_path: Path):
    with pytest.raises(EmulatorError, match=r"no emulator answers at http://127\.0\.0\.1:1 "):
        control.at("http://127.0.0.1:1", tmp_path)


@pytest.fixture
def theirs(tmp_path: Path) -> Iterator[str]:
    """The address of a MiniStack that was started by other means."""
    port = control._choose_port(0)
    environment = {**os.environ, "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "TMPDIR": str(tmp_path), "IOT_MTLS_ENABLED": "0",
                   "SFTP_ENABLED": "0"}  # fmt: skip
    process = subprocess.Popen([sys.executable, "-m", "ministack"], env=environment, cwd=tmp_path)
    try:
        while control._health(Emulator(f"http://127.0.0.1:{port}")) != 200:
            assert process.poll() is None
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def test_an_emulator_that_the_user_started_is_used_as_it_is_and_not_stopped(theirs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)

    emulator = control.at(f"{theirs}/", tmp_path)

    assert emulator == Emulator(theirs)
    assert emulator.environment == {"AWS_ENDPOINT_URL": theirs}
    assert queues(emulator) == []
    with pytest.raises(EmulatorError, match="wasn't started here"):
        emulator.stop()


def test_the_address_of_ones_own_emulator_is_that_emulator(emulator: Emulator):
    assert emulator.folder is not None

    assert control.at(f"{emulator.endpoint}/", emulator.folder) == control.find(emulator.folder)


def test_the_address_of_an_emulator_of_another_folder_takes_its_token(emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    with pytest.raises(EmulatorError, match="takes requests with the session token of its start only: set AWS_SESSION_TOKEN"):
        control.at(emulator.endpoint, tmp_path)

    monkeypatch.setenv("AWS_SESSION_TOKEN", emulator.session_token)
    assert queues(control.at(emulator.endpoint, tmp_path)) == []


@pytest.mark.parametrize(("set_already", "account"), [("", "000000000000"), ("AKIDEXAMPLE", "000000000000"), ("123456789012",) * 2])
def test_its_credentials_are_complete_and_of_the_account_that_is_set(emulator, monkeypatch: pytest.MonkeyPatch, set_already, account):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", set_already)
    for name, value in emulator.environment.items():
        monkeypatch.setenv(name, value)

    identity = boto3.Session(region_name="us-east-1").client("sts").get_caller_identity()

    assert identity["Account"] == account


def test_every_life_starts_empty_unless_its_state_is_kept(tmp_path: Path):
    kept = tmp_path / "kept"
    with control.start(tmp_path / "a", port=0, state_folder=kept) as first:
        sqs(first).create_queue(QueueName="q")

    with control.start(tmp_path / "a", port=0) as empty:
        assert queues(empty) == []
    with control.start(tmp_path / "a", port=0, state_folder=kept) as again:
        assert len(queues(again)) == 1


def test_policies_are_enforced_when_asked_for(tmp_path: Path, emulator):
    with control.start(tmp_path, port=0, auth=True) as strict:
        assert settings(strict)["auth"] == "enabled"

    assert settings(emulator)["auth"] == "disabled"


def test_credentials_of_the_user_do_not_reach_the_emulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-the-user")

    with control.start(tmp_path, port=0) as emulator:
        environment = Path(f"/proc/{emulator.pid}/environ")
        if not environment.exists():
            pytest.skip("this system doesn't show the environment of a process")
        assert "of-the-user" not in environment.read_text()


def test_accounts_do_not_see_each_other(clients, emulator):
    clients("sqs").create_queue(QueueName="mine")

    assert queues(emulator) == []


def _listening_addresses(pid: int | None) -> set[str]:
    sockets = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed since it was listed
            sockets.add(str(link.readlink()).removeprefix("socket:[").removesuffix("]"))
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return {row[1].partition(":")[0] for row in rows if row[3] == "0A" and row[9] in sockets}


def test_a_function_whose_code_was_updated_starts_before_it_is_called(clients, account: str, tmp_path: Path):
    def packed(source: str) -> bytes:
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as written:
            written.writestr("made.py", f"{source}\ndef handle(event, context):\n    return {source!r}\n")
        return archive.getvalue()

    functions, started = clients("lambda"), tmp_path / "started"
    role = f"arn:aws:iam::{account}:role/any"
    functions.create_function(FunctionName="f", Runtime="python3.13", Role=role, Handler="made.handle", Code={"ZipFile": packed("")})

    functions.update_function_code(FunctionName="f", ZipFile=packed(f"open({str(started)!r}, 'w').close()"))

    deadline = time.monotonic() + 60
    while not started.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    started.unlink()
    assert "open" in functions.invoke(FunctionName="f")["Payload"].read().decode()
    assert not started.exists()
    functions.update_function_code(FunctionName="f", ZipFile=packed("raise ValueError('at once')"))
    assert "at once" in functions.invoke(FunctionName="f")["Payload"].read().decode()
