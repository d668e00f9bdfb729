"""The emulator's function workers as forks of a process that has imported what most of them need, rather than as interpreters of their
own: a cold start is what takes most of the time of a short life.

Run as a script, it is that process: `forked_workers.py DESCRIPTOR`, the end of a socket from which it takes
{"script", "folder", "environment"} with the three standard streams, and to which it writes the worker's pid.
"""

import functools
import gc
import importlib
import importlib.util
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import weakref
from typing import Any

MODULES = ("boto3", "botocore.httpsession", "aws_lambda_powertools.logging", "decimal", "uuid")
SERVICES = ("dynamodb", "sqs", "sns", "events", "lambda")
MOST_BYTES = 200_000


class Server:
    """The process that forks."""

    def __init__(self) -> None:
        self._connection, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = threading.Lock()
        with other:
            subprocess.Popen([sys.executable, "-P", __file__, str(other.fileno())], pass_fds=[other.fileno()])

    def fork(self, command: dict[str, Any], streams: list[int]) -> int:
        with self._lock:
            socket.send_fds(self._connection, [json.dumps(command).encode()], streams)
            return int(self._connection.recv(16))


class Worker:
    """What the emulator uses of a `subprocess.Popen`."""

    def __init__(self, server: Server, script: str, folder: str, environment: dict[str, str]) -> None:
        (stdin, to_stdin), (from_stdout, stdout), (from_stderr, stderr) = os.pipe(), os.pipe(), os.pipe()
        self.pid = server.fork({"script": script, "folder": folder, "environment": environment}, [stdin, stdout, stderr])
        for its in (stdin, stdout, stderr):
            os.close(its)
        self._process = os.pidfd_open(self.pid)
        self._close = weakref.finalize(self, os.close, self._process)
        self.stdin, self.stdout, self.stderr = os.fdopen(to_stdin, "w", 1), os.fdopen(from_stdout), os.fdopen(from_stderr)
        self.returncode: int | None = None

    def poll(self) -> int | None:
        return self._ended_within(0)

    def wait(self, timeout: float | None = None) -> int:
        returncode = self._ended_within(timeout)
        if returncode is None:
            raise subprocess.TimeoutExpired("worker", timeout or 0)
        return returncode

    def _ended_within(self, seconds: float | None) -> int | None:
        if self.returncode is None:
            # Not select.select, which takes no descriptor above 1023.
            waiting = select.poll()
            waiting.register(self._process, select.POLLIN)
            if waiting.poll(None if seconds is None else 1000 * seconds):
                self.returncode = 1  # nobody but its parent knows more
                self._close()
        return self.returncode

    def terminate(self) -> None:
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def _send(self, number: int) -> None:
        if self.returncode is not None:
            return
        try:
            signal.pidfd_send_signal(self._process, number)
        except ProcessLookupError:
            return


class Subprocess:
    """The module `subprocess` for the emulator's runtime, with workers of Python that are forked."""

    def __init__(self) -> None:
        self._server = Server()

    def __getattr__(self, name: str) -> Any:
        return getattr(subprocess, name)

    def Popen(self, arguments: list[str], **options: Any) -> Any:
        if arguments[0] != sys.executable:
            return subprocess.Popen(arguments, **options)
        return Worker(self._server, arguments[1], options["cwd"], options["env"])


def serve(connection: socket.socket) -> None:
    for module in MODULES:
        if importlib.util.find_spec(module.partition(".")[0]):
            importlib.import_module(module)
    _read_models()
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        message, streams, _, _ = socket.recv_fds(connection, MOST_BYTES, 3)
        if not message:
            return
        worker = os.fork()
        if not worker:
            connection.close()
            _work(json.loads(message), streams)
        for stream in streams:
            os.close(stream)
        connection.send(str(worker).encode())


def _read_models() -> None:
    """What every client reads first, once for all of them."""
    import boto3
    from botocore.loaders import JSONFileLoader

    files = JSONFileLoader()
    read = functools.cache(files.load_file)
    JSONFileLoader.load_file = lambda _, path: read(path)  # ty: ignore[invalid-assignment]
    session = boto3.Session(aws_access_key_id="none", aws_secret_access_key="none", region_name="us-east-1")
    for service in SERVICES:
        session.client(service)


def _work(command: dict[str, Any], streams: list[int]) -> None:
    status = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.chdir(command["folder"])
        os.environ.clear()
        os.environ.update(command["environment"])
        runpy.run_path(command["script"], run_name="__main__")
        status = 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
