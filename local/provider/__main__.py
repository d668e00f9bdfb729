"""`python -m local.provider`: serve the provider over gRPC on this machine. Prints its port, then nothing more."""

from __future__ import annotations

import os
import signal
import stat
import threading
from concurrent import futures

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from local.provider import AwsProvider

STDIN = 0
MAX_MESSAGE_BYTES = 400 * 1024 * 1024


def serve() -> None:
    """Until SIGTERM or Ctrl-C, or until whoever started this is gone."""
    finished = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: finished.set())
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=32),
        options=[("grpc.max_receive_message_length", MAX_MESSAGE_BYTES), ("grpc.max_send_message_length", MAX_MESSAGE_BYTES)],
    )
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(AwsProvider(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    if _stdin_is_a_pipe():
        threading.Thread(target=_wait_for_end_of_input, args=(finished,), daemon=True).start()
    parent = os.getppid()
    while not finished.wait(timeout=1):
        if os.getppid() != parent:
            break
    server.stop(grace=1).wait()


def _stdin_is_a_pipe() -> bool:
    try:
        return stat.S_ISFIFO(os.fstat(STDIN).st_mode)
    except OSError:
        # It may be closed.
        return False


def _wait_for_end_of_input(finished: threading.Event) -> None:
    while os.read(STDIN, 4096):
        pass
    finished.set()


if __name__ == "__main__":
    serve()
