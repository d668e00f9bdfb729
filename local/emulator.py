"""Starts, finds and stops MiniStack, the AWS emulator, as a process of its own on 127.0.0.1.

The emulator's folder (the project's `.local/`, or a test's own) holds

    emulator.json   {"pid", "port", "instance", "sessionToken"}: written once, by whoever starts it
    emulator.lock   locked by the emulator process itself for as long as it lives
    emulator.log    what it printed
    tmp/            its temporary files

None but the user can read them. The session token is what a request must have to get in (`local.emulator_door`).

The lock is what tells a living emulator from a stale record: it disappears with the process, however that ends, and
a process that was given the same pid later doesn't hold it.
"""

import fcntl
import http.client
import ipaddress
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any, Self

from local.errors import LocalError
from local.files import private_folder, replace_text

ACCOUNT = "000000000000"
NOWHERE = "http://127.0.0.1:0"
"""The address of no emulator, where none is needed: nothing can listen there."""

START_SECONDS = 30.0
STOP_SECONDS = 15.0
POLL_SECONDS = 0.05
LOG_TAIL_LINES = 5
RECORD = "emulator.json"
SCRIPT = Path(__file__).with_name("emulator_process.py")


class EmulatorError(LocalError):
    """The emulator can't be started, reached or stopped; the message is for the user."""


def account_of(access_key: str) -> str:
    """The account that an emulator takes the key for."""
    return access_key if re.fullmatch(r"\d{12}", access_key) else ACCOUNT


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
    session_token: str | None = field(default=None, repr=False)
    """What every request must have; None for an emulator of the user's that asks for none."""

    started: bool = False
    """True when this call started it, False when it was found running."""

    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False, compare=False)

    @property
    def headers(self) -> dict[str, str]:
        """For requests that no AWS tool makes, as to its health."""
        return {} if self.session_token is None else {"X-Amz-Security-Token": self.session_token}

    @property
    def environment(self) -> dict[str, str]:
        """What AWS's tools and SDKs read, to reach it with credentials that it takes.

        The access key is the account: the one that is set already, or else ACCOUNT. Where the user gave the address, the credentials are
        the user's too.
        """
        environment = {"AWS_ENDPOINT_URL": self.endpoint}
        if self.session_token is not None:
            environment["AWS_SESSION_TOKEN"] = self.session_token
        if self.folder is not None:
            environment["AWS_ACCESS_KEY_ID"] = account_of(os.environ.get("AWS_ACCESS_KEY_ID", ""))
            environment["AWS_SECRET_ACCESS_KEY"] = "test"
        return environment

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
        (self.folder / RECORD).unlink(missing_ok=True)

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
    state_folder: Path | None = None,
    wait_scale: float | None = None,
    script: Sequence[str | Path] = (SCRIPT,),
) -> Emulator:
    """Starts an emulator in `folder`, or returns the one that runs there already.

    port: any free one when not given, or 0.
    auth: enforce the policies of Lambda roles.
    state_folder: load the state from there, and save it there on `stop`.
    wait_scale: factor on the Wait and Retry delays of state machines; 0 doesn't wait at all.
    script: what runs as the emulator, with its arguments.
    """
    private_folder(folder)
    with open(folder / "emulator.lock", "a", opener=_private) as lock:
        if not _try_lock(lock):
            return _await_start_by_another(folder)
        record: dict[str, Any] = {
            "port": _choose_port(port or 0), "instance": uuid.uuid4().hex,
            "sessionToken": secrets.token_urlsafe(32),
        }  # fmt: skip
        process = _launch(folder, lock, record, auth, state_folder, wait_scale, script)
    record["pid"] = process.pid
    (folder / RECORD).unlink(missing_ok=True)  # one that is left over may be readable by others
    replace_text(folder / RECORD, json.dumps(record), mode=0o600)
    emulator = _from_record(folder, record)
    emulator.started = True
    emulator._process = process
    try:
        _await_health(emulator, process)
    except BaseException:
        process.kill()
        process.wait()
        (folder / RECORD).unlink(missing_ok=True)
        raise
    return emulator


def find(folder: Path) -> Emulator | None:
    """The emulator that was started in `folder`, or None when there is none or it is dead or doesn't answer."""
    if not _is_locked(folder):
        return None
    try:
        record = json.loads((folder / RECORD).read_text())
    except FileNotFoundError:
        return None
    emulator = _from_record(folder, record)
    return emulator if _health(emulator) == HTTPStatus.OK else None


def at(endpoint: str, folder: Path) -> Emulator:
    """The emulator at an address that the user gave, which must be on this machine and answer: the one of `folder`, where that is its
    address, else one of the user's, to which the user's own AWS_SESSION_TOKEN is sent."""
    require_loopback(endpoint)
    own = find(folder)
    if own is not None and own.endpoint == endpoint.rstrip("/"):
        return own
    theirs = Emulator(endpoint.rstrip("/"), session_token=os.environ.get("AWS_SESSION_TOKEN"))
    status = _health(theirs)
    if status == HTTPStatus.FORBIDDEN:
        raise EmulatorError(f"the emulator at {endpoint} takes requests with the session token of its start only: set AWS_SESSION_TOKEN")
    if status != HTTPStatus.OK:
        raise EmulatorError(f"no emulator answers at {endpoint} (asked for {theirs.endpoint}/_ministack/health)")
    return theirs


def _health(emulator: Emulator, timeout: float = 2.0) -> int | None:
    """The status that it answers with; None where nobody does."""
    address = urllib.parse.urlsplit(emulator.endpoint)
    host, port = address.hostname or "", address.port
    connection = http.client.HTTPConnection(host, port or 80, timeout=timeout)
    try:
        connection.request("GET", "/_ministack/health", headers=emulator.headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def require_loopback(endpoint: str) -> None:
    """Raises EmulatorError unless `endpoint` is an address of this machine: nothing here may reach real AWS."""
    try:
        address = urllib.parse.urlsplit(endpoint)
        host, _ = address.hostname or "", address.port
    except ValueError as error:
        raise EmulatorError(f"endpoint {endpoint!r} is not an address: {error}") from error
    if address.scheme != "http" or not host:
        raise EmulatorError(f"endpoint {endpoint!r} must look like http://127.0.0.1:4566")
    if not is_loopback(host):
        raise EmulatorError(f"endpoint {endpoint!r} must be on this machine (127.0.0.1 or localhost)")


def is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _launch(
    folder: Path,
    lock: IO[str],
    record: Mapping[str, Any],
    auth: bool,
    state_folder: Path | None,
    wait_scale: float | None,
    script: Sequence[str | Path],
) -> subprocess.Popen[bytes]:
    # Real credentials and profiles must not reach the functions that run in the emulator.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    temporary = folder / "tmp"
    private_folder(temporary)
    environment |= {"AWS_SESSION_TOKEN": record["sessionToken"]}
    environment |= {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(record["port"]), "TMPDIR": str(temporary.resolve())}
    environment |= {"S3_DATA_DIR": str(temporary.resolve() / "s3"), "PYTHONUNBUFFERED": "1"}
    environment |= {"IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0"}  # these listeners would bind every interface
    if auth:
        environment["AUTH"] = "true"
    if state_folder is not None:
        private_folder(state_folder)
        environment |= {"PERSIST_STATE": "1", "STATE_DIR": str(state_folder.resolve())}
    if wait_scale is not None:
        environment["SFN_WAIT_SCALE"] = str(wait_scale)
    with open(folder / "emulator.log", "wb", opener=_private) as log:
        return subprocess.Popen(
            # -P: what lies beside the script is not for the emulator to import.
            [sys.executable, "-P", *map(str, script)],
            env=environment,
            cwd=temporary,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=[lock.fileno()],
            umask=0o077,
            start_new_session=True,  # Ctrl-C in the terminal is for the command, not for the emulator
        )


def _await_health(emulator: Emulator, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while _health(emulator) != HTTPStatus.OK:
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


def _choose_port(wanted: int) -> int:
    """The port, or any free one for 0."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            raise EmulatorError(f"port {wanted} is in use") from None
        return probe.getsockname()[1]


def _private(path: str, flags: int) -> int:
    """Opens a file that only the user can read, also one that was left behind for all to read."""
    descriptor = os.open(path, flags, 0o600)
    os.fchmod(descriptor, 0o600)
    return descriptor


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


def holder(folder: Path) -> int | None:
    """The pid of the emulator that lives in the folder, though it may not answer."""
    return json.loads((folder / RECORD).read_text())["pid"] if _is_locked(folder) else None


def _from_record(folder: Path, record: dict[str, Any]) -> Emulator:
    return Emulator(f"http://127.0.0.1:{record['port']}", record["pid"], record["instance"], folder, record.get("sessionToken"))


def _log_tail(folder: Path | None) -> str:
    """The last lines of the log, as one."""
    assert folder is not None
    lines = (folder / "emulator.log").read_text(errors="replace").strip().splitlines()
    return " | ".join(line.strip() for line in lines[-LOG_TAIL_LINES:]) or "its log is empty"
