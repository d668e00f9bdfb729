"""Starts, finds and stops MiniStack, the AWS emulator, as a process of its own on 127.0.0.1.

The emulator's folder (the project's `.local/`, or a test's own) holds

    emulator.json   {"pid", "port", "instance"}: written once, by whoever starts it
    emulator.lock   locked by the emulator process itself for as long as it lives
    emulator.log    what it printed
    tmp/            its temporary files

The lock is what tells a living emulator from a stale record: it disappears with the process, however that ends, and
a process that was given the same pid later doesn't hold it.
"""

from __future__ import annotations

import fcntl
import http.client
import ipaddress
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.parse
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Self

from local.errors import LocalError
from local.files import replace_text

DEFAULT_PORT = 4566
START_SECONDS = 30.0
STOP_SECONDS = 15.0
POLL_SECONDS = 0.05
LOG_TAIL_LINES = 5
SCRIPT = Path(__file__).with_name("emulator_process.py")


class EmulatorError(LocalError):
    """The emulator can't be started, reached or stopped; the message is for the user."""


@dataclass
class Emulator:
    """A reachable emulator.

    `instance` names one life of one emulator process: what was created in another life is gone, unless its state was
    persisted. It is None for an address that the user gave, whose life we can't observe.
    """

    endpoint: str
    pid: int | None = None
    instance: str | None = None
    folder: Path | None = None
    started: bool = False
    """True when this call started it, False when it was found running."""

    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False, compare=False)

    @property
    def certificate(self) -> Path:
        """Its own, self-signed one, for clients of an emulator with TLS (AWS_CA_BUNDLE)."""
        if self.folder is None:
            raise EmulatorError(f"the emulator at {self.endpoint} wasn't started here: its certificate isn't known")
        return self.folder / "tmp" / "ministack-tls" / "server.crt"

    def stop(self) -> None:
        """Ends the process by its pid: SIGTERM, so that it can save its state, then SIGKILL when it won't go."""
        if self.pid is None or self.folder is None:
            raise EmulatorError(f"the emulator at {self.endpoint} wasn't started here, so it isn't stopped here")
        for signal_ in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.kill(self.pid, signal_)
            except ProcessLookupError:
                break
            if self._has_ended(time.monotonic() + STOP_SECONDS):
                break
        else:
            raise EmulatorError(f"the emulator (pid {self.pid}) doesn't end; its log is {self.folder}/emulator.log")
        _record_path(self.folder).unlink(missing_ok=True)

    def _has_ended(self, deadline: float) -> bool:
        assert self.folder is not None
        while time.monotonic() < deadline:
            if self._process is not None:
                self._process.poll()  # a child of ours stays a zombie until it is waited for
            if not _is_locked(self.folder):
                return True
            time.sleep(POLL_SECONDS)
        return False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start(
    folder: Path,
    *,
    port: int | None = None,
    auth: bool = False,
    tls: bool = False,
    state_folder: Path | None = None,
    wait_scale: float | None = None,
    script: Sequence[str | Path] = (SCRIPT,),
) -> Emulator:
    """Starts an emulator in `folder`, or returns the one that runs there already.

    port: 4566 when free, else any free one, when not given; 0 asks for any free one.
    auth: enforce the policies of Lambda roles.
    tls: serve https, as policies that demand it (aws:SecureTransport) need it; `certificate` is what clients have to trust.
    state_folder: load the state from there, and save it there on `stop`.
    wait_scale: factor on the Wait and Retry delays of state machines; 0 doesn't wait at all.
    script: what runs as the emulator, with its arguments.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = (folder / "emulator.lock").open("a")
    with lock:
        if not _try_lock(lock):
            return _await_start_by_another(folder)
        record: dict[str, Any] = {"port": _choose_port(port), "instance": uuid.uuid4().hex, "scheme": "https" if tls else "http"}
        process = _launch(folder, lock, record["port"], auth, tls, state_folder, wait_scale, script)
    record["pid"] = process.pid
    replace_text(_record_path(folder), json.dumps(record))
    emulator = _from_record(folder, record)
    emulator.started = True
    emulator._process = process
    try:
        _await_health(emulator, process)
    except BaseException:
        process.kill()
        process.wait()
        _record_path(folder).unlink(missing_ok=True)
        raise
    return emulator


def find(folder: Path) -> Emulator | None:
    """The emulator that was started in `folder`, or None when there is none or it is dead or doesn't answer."""
    if not _is_locked(folder):
        return None
    record = _read_record(folder)
    if record is None:
        return None
    emulator = _from_record(folder, record)
    return emulator if is_healthy(emulator.endpoint) else None


def at(endpoint: str) -> Emulator:
    """The emulator at an address that the user gave, which must be on this machine and answer."""
    require_loopback(endpoint)
    if not is_healthy(endpoint):
        raise EmulatorError(f"no emulator answers at {endpoint} (asked for {endpoint.rstrip('/')}/_ministack/health)")
    return Emulator(endpoint.rstrip("/"))


def is_healthy(endpoint: str, timeout: float = 2.0) -> bool:
    address = urllib.parse.urlsplit(endpoint)
    host, port = address.hostname or "", address.port
    if address.scheme == "https":
        # Whether it lives is all that is asked of it here; nothing is sent that would need its certificate checked.
        trusting = ssl._create_unverified_context()
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(host, port, timeout=timeout, context=trusting)
    else:
        connection = http.client.HTTPConnection(host, port or 80, timeout=timeout)
    try:
        connection.request("GET", "/_ministack/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def require_loopback(endpoint: str) -> None:
    """Raises EmulatorError unless `endpoint` is an address of this machine: nothing here may reach real AWS."""
    try:
        address = urllib.parse.urlsplit(endpoint)
        host, _ = address.hostname or "", address.port
    except ValueError as error:
        raise EmulatorError(f"endpoint {endpoint!r} is not an address: {error}") from error
    if address.scheme not in ("http", "https") or not host:
        raise EmulatorError(f"endpoint {endpoint!r} must look like http://127.0.0.1:{DEFAULT_PORT}")
    if host == "localhost":
        return
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise EmulatorError(f"endpoint {endpoint!r} must be on this machine (127.0.0.1 or localhost)")


def _launch(
    folder: Path, lock: IO[str], port: int, auth: bool, tls: bool, state_folder: Path | None, wait_scale: float | None,
    script: Sequence[str | Path],
) -> subprocess.Popen[bytes]:
    # Real credentials and profiles must not reach the functions that run in the emulator.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    environment |= {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "TMPDIR": str(temporary.resolve())}
    environment |= {"S3_DATA_DIR": str(temporary.resolve() / "s3"), "PYTHONUNBUFFERED": "1"}
    environment |= {"IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0"}  # these listeners would bind every interface
    if auth:
        environment["AUTH"] = "true"
    if tls:
        environment["USE_SSL"] = "1"
    if state_folder is not None:
        state_folder.mkdir(parents=True, exist_ok=True)
        environment |= {"PERSIST_STATE": "1", "STATE_DIR": str(state_folder.resolve())}
    if wait_scale is not None:
        environment["SFN_WAIT_SCALE"] = str(wait_scale)
    with (folder / "emulator.log").open("wb") as log:
        return subprocess.Popen(
            # -P: what lies beside the script is not for the emulator to import.
            [sys.executable, "-P", *map(str, script)],
            env=environment,
            cwd=temporary,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=[lock.fileno()],
            start_new_session=True,  # Ctrl-C in the terminal is for the command, not for the emulator
        )


def _await_health(emulator: Emulator, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not is_healthy(emulator.endpoint):
        if process.poll() is not None:
            raise EmulatorError(f"the emulator ended with code {process.returncode}: {_log_tail(emulator.folder)}")
        if time.monotonic() > deadline:
            raise EmulatorError(f"no emulator at {emulator.endpoint} in {START_SECONDS:.0f} s: "
                                f"{_log_tail(emulator.folder)}")  # fmt: skip
        time.sleep(POLL_SECONDS)


def _await_start_by_another(folder: Path) -> Emulator:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        emulator = find(folder)
        if emulator is not None:
            return emulator
        time.sleep(POLL_SECONDS)
    raise EmulatorError(f"the emulator runs but doesn't answer: {_log_tail(folder)}")


def _choose_port(wanted: int | None) -> int:
    for port in [DEFAULT_PORT, 0] if wanted is None else [wanted]:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return probe.getsockname()[1]
    raise EmulatorError(f"port {wanted} is in use")


def _try_lock(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_locked(folder: Path) -> bool:
    try:
        with (folder / "emulator.lock").open() as lock:
            return not _try_lock(lock)
    except FileNotFoundError:
        return False


def _record_path(folder: Path) -> Path:
    return folder / "emulator.json"


def _read_record(folder: Path) -> dict[str, Any] | None:
    try:
        return json.loads(_record_path(folder).read_text())
    except FileNotFoundError:
        return None


def _from_record(folder: Path, record: dict[str, Any]) -> Emulator:
    scheme = record.get("scheme", "http")
    return Emulator(f"{scheme}://127.0.0.1:{record['port']}", record["pid"], record["instance"], folder)


def _log_tail(folder: Path | None) -> str:
    """The last lines of the log, as one."""
    assert folder is not None
    lines = (folder / "emulator.log").read_text(errors="replace").strip().splitlines()
    return " | ".join(line.strip() for line in lines[-LOG_TAIL_LINES:]) or "its log is empty"
