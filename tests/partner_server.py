"""A partner on 127.0.0.1 that sends whatever bytes a test tells it to, and keeps what it was sent."""

import gzip
import json
import socket
import ssl
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

Step = bytes | float
"""What is sent, or so many seconds of silence."""


@dataclass
class PartnerServer:
    """replies: by path, without its query. Each connection has one; a path that is not there is hung up on."""

    replies: Mapping[str, Sequence[Step]]
    port: int = 0
    asked: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def serve(self, connection: socket.socket) -> None:
        with connection:
            sent = _read(connection)
            self.asked.append(sent)
            target = sent.split(b" ")[1].decode() if sent.count(b" ") > 1 else ""
            for step in self.replies.get(unquote(target.partition("?")[0]), []):
                if isinstance(step, float):
                    time.sleep(step)
                else:
                    connection.sendall(step)


@contextmanager
def serving(replies: Mapping[str, Sequence[Step]], tls: ssl.SSLContext | None = None) -> Generator[PartnerServer]:
    listening = socket.create_server(("127.0.0.1", 0), backlog=64)
    server = PartnerServer(replies, listening.getsockname()[1])

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=attend, args=(connection,), daemon=True).start()

    def attend(connection: socket.socket) -> None:
        try:
            server.serve(tls.wrap_socket(connection, server_side=True) if tls else connection)
        except OSError:
            connection.close()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield server
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()


def reply(body: Any, status: str = "200 OK", headers: Mapping[str, str] | None = None, *, length: int | None = None) -> list[bytes]:
    """A whole one. body: bytes, or JSON; length: another than it has."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"content-type": "application/json", "content-length": str(len(content) if length is None else length), **(headers or {})}
    head = f"HTTP/1.1 {status}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in sent.items()) + "\r\n"
    return [head.encode() + content]


def zipped(content: bytes) -> list[bytes]:
    return reply(gzip.compress(content), headers={"content-encoding": "gzip"})


def _read(connection: socket.socket) -> bytes:
    """A request with its body."""
    sent = b""
    while b"\r\n\r\n" not in sent:
        more = connection.recv(65_536)
        if not more:
            return sent
        sent += more
    head, _, body = sent.partition(b"\r\n\r\n")
    length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length and (more := connection.recv(65_536)):
        body += more
    return head + b"\r\n\r\n" + body
