"""A fault-injecting proxy on 127.0.0.1 between the functions and the emulator: it fails, loses, repeats and delays their calls.

It knows nothing of the handlers but the calls that they make. What happens to a call depends on the request that it is made for
and on the point where it is made, as the plan says:

    deadline              a requester's delayed message             create       its record
    publish               its message to the topic                  published    its note that this was sent
    answer                a responder's message to the response queue
    invoke                a responder's call of an existing function
    gather                the aggregator's reads and writes         announce     its event

Faults of a call: refuse (500, nothing done), deny (400, which the SDK does not repeat), lose (done, but answered with 500), cut
(done, and the connection closed), kill-before and kill-after (the process that called is killed by its pid, before or after it was
done), none (this one goes through, the next may not).
"""

import http.client
import json
import os
import signal
import threading
import time
import urllib.parse
from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.faults.request import Request

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}
WRITES = ("PutItem", "UpdateItem")
INVOCATIONS = "/invocations"
READ_SECONDS = 60


OWN_MESSAGE = "fromQuote"
"""The attribute of a message that the responder's own code sends: it has said in the ledger that it answers, and nothing repeats it."""


class Call:
    """One call to AWS. target: "DynamoDB.UpdateItem"; body: its JSON, or its form's fields."""

    def __init__(self, path: str, headers: Any, raw: bytes) -> None:
        service, _, operation = (headers.get("X-Amz-Target") or "").partition(".")
        self.is_form = not operation and not path.endswith(INVOCATIONS)
        if self.is_form:
            self.body: dict[str, Any] = dict(urllib.parse.parse_qsl(raw.decode(errors="replace"), keep_blank_values=True))
            operation = self.body.get("Action", "")
        else:
            self.body = json.loads(raw)
            operation = operation or "Invoke"
        self.operation = operation
        self.is_store = service.startswith("DynamoDB")
        self.point, self.request_id, self.responder = point_of(operation, self.body)
        self.is_responders_own = OWN_MESSAGE in (self.body.get("MessageAttributes") or {})


def point_of(operation: str, body: dict[str, Any]) -> tuple[str | None, str, str]:
    """The point, the request's id and (of an answer) the responder; the point is None for what is left alone."""
    if operation == "PutItem":
        return "create", body["Item"]["requestId"]["S"], ""
    if operation == "GetItem" and "ProjectionExpression" in body:
        # A responder's look whether it is still wanted is no part of what brings a request to its end.
        return None, "", ""
    if operation in ("GetItem", "UpdateItem"):
        is_requesters = "publish" in body.get("UpdateExpression", "")
        return "published" if is_requesters else "gather", body["Key"]["requestId"]["S"], ""
    if operation == "PutEvents":
        return "announce", json.loads(body["Entries"][0]["Detail"])["requestId"], ""
    if operation == "Publish":
        return "publish", json.loads(body["Message"])["requestId"], ""
    if operation == "SendMessage":
        message = _json_object(body["MessageBody"])
        if "answer" in message:
            return "answer", message["requestId"], message["answer"]["responder"]
        if "deadlineAt" in message:
            return "deadline", message["requestId"], ""
    if operation == "Invoke":
        return "invoke", body["requestId"], ""
    return None, "", ""


class Proxy:
    """injected: faults by kind, as they happened, by request. closes: how often the store agreed to close each request. killed: (request
    id, responder) of those that died before they handed an answer over."""

    def __init__(self, upstream: str, requests: Iterable[Request]) -> None:
        self.upstream = urllib.parse.urlsplit(upstream).netloc
        self.injected: dict[str, Counter[str]] = defaultdict(Counter)
        self.closes: Counter[str] = Counter()
        self.killed: set[tuple[str, str]] = set()
        self._faults: dict[tuple[str, str], deque[str]] = defaultdict(deque)
        self._delays: dict[tuple[str, str], tuple[int, ...]] = {}
        self._copies: dict[str, int] = {}
        self._outage_until = 0.0
        self._is_calm = False
        self._lock = threading.Lock()
        for request in requests:
            self._copies[request.id] = request.copies
            for point, kinds in request.faults.items():
                self._faults[request.id, point] = deque(kinds)
            for ask in request.asks:
                self._delays[request.id, ask.responder] = ask.delays
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": self}))
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def refuse_writes(self, seconds: float) -> None:
        self._outage_until = time.monotonic() + seconds

    def calm(self) -> None:
        """From now on every call goes through as it is."""
        self._is_calm = True

    def fault_for(self, call: Call) -> str | None:
        with self._lock:
            if self._is_calm or call.point is None or call.is_responders_own:
                return None
            if call.is_store and call.operation in WRITES and time.monotonic() < self._outage_until:
                self.injected[call.request_id]["outage"] += 1
                return "deny"
            waiting = self._faults[call.request_id, call.point]
            if not waiting:
                return None
            fault = waiting.popleft()
            if fault == "none":
                return None
            self.injected[call.request_id][f"{call.point} {fault}"] += 1
            return fault

    def missed(self, call: Call, fault: str) -> None:
        """Who was to be killed had given the call up already."""
        with self._lock:
            self.injected[call.request_id][f"{call.point} {fault}"] -= 1

    def copies_of(self, call: Call, raw: bytes) -> list[bytes]:
        """The bodies to send in place of the call's own: for a message that is repeated several, each with its own delay."""
        if self._is_calm:
            return [raw]
        if call.point == "publish":
            return [raw] * self._copied(call, self._copies.get(call.request_id, 1))
        if call.point != "answer":
            return [raw]
        delays = self._delays.get((call.request_id, call.responder), (0,))
        self._copied(call, len(delays))
        with self._lock:
            self.injected[call.request_id]["message delayed"] += sum(delay > 0 for delay in delays)
        return [json.dumps({**call.body, "DelaySeconds": delay}).encode() for delay in delays]

    def _copied(self, call: Call, copies: int) -> int:
        with self._lock:
            self.injected[call.request_id]["message repeated"] += copies - 1
        return copies

    def done(self, call: Call, status: int) -> None:
        if call.operation == "UpdateItem" and status == 200 and "completedBy" in call.body["UpdateExpression"]:
            with self._lock:
                self.closes[call.request_id] += 1


class _Handler(BaseHTTPRequestHandler):
    proxy: Proxy
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:
            self.close_connection = True  # the caller was killed, as the plan wanted, or has given up

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        raw = self.rfile.read(length)
        if len(raw) < length:
            raise ConnectionError("the caller was killed while it spoke")
        call = Call(self.path, self.headers, raw)
        fault = self.proxy.fault_for(call)
        if fault in ("refuse", "deny"):
            self._fail(call, 500 if fault == "refuse" else 400)
            return
        if fault == "kill-before":
            self._kill(call, fault)
            return
        replies = [self._forward(body) for body in self.proxy.copies_of(call, raw)]
        status, headers, body = replies[0]
        self.proxy.done(call, status)
        if fault == "lose":
            self._fail(call, 500)
        elif fault == "cut":
            self.close_connection = True
        elif fault == "kill-after":
            self._kill(call, fault)
        else:
            self._reply(status, headers, body)

    def log_message(self, format: str, *args: Any) -> None:
        """The figures are enough."""

    def _forward(self, raw: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(self.proxy.upstream, timeout=READ_SECONDS)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
            connection.request("POST", self.path, raw, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        except OSError:
            # The emulator is being restarted; the SDK will try again.
            return 503, [], b""
        finally:
            connection.close()

    def _fail(self, call: Call, status: int) -> None:
        kind = "InternalServerError" if status == 500 else "AccessDeniedException"
        if call.is_form:
            body = f"<ErrorResponse><Error><Code>{kind}</Code><Message>injected</Message></Error></ErrorResponse>"
        else:
            body = json.dumps({"__type": kind, "message": "injected"})
        self._reply(status, [("Content-Type", "text/xml" if call.is_form else "application/x-amz-json-1.0")], body.encode())

    def _reply(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _kill(self, call: Call, fault: str) -> None:
        self.close_connection = True
        try:
            os.kill(pid_behind(self.client_address[1], self.connection.getsockname()[1]), signal.SIGKILL)
        except (LookupError, ProcessLookupError):
            self.proxy.missed(call, fault)
        else:
            if (call.point, fault) == ("answer", "kill-before"):
                self.proxy.killed.add((call.request_id, call.responder))


def pid_behind(port: int, to: int) -> int:
    """The process that has a connection from this port of 127.0.0.1 to that one (Linux). LookupError where there is none: who gave
    its connection up leaves its port to the next, which may be anybody's."""
    ends = [f"0100007F:{each:04X}" for each in (port, to)]
    lines = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    inode = next((fields[9] for fields in lines if fields[1:3] == ends), None)
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(link.readlink() == Path(f"socket:[{inode}]") for link in (process / "fd").iterdir()):
                return int(process.name)
        except OSError:
            continue  # it has ended, or belongs to somebody else
    raise LookupError(f"nobody is connected from port {port} to port {to}")


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
