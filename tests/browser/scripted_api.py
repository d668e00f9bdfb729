"""The API over HTTP without AWS: the real handler, routes and contract, over carriers that follow a script.

What a test wants to see (a hundred answers, a late one, a throttled call) then happens at the time it says.
"""

import threading
import time
import urllib.parse
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from handlers import api, clock, contract, history, openapi, selection
from handlers.callers import Ownership
from handlers.completion import Policy
from handlers.history import Place
from handlers.routes import BOARD, ROUTES, Operations
from handlers.selection import Selection
from tests import memory_index

Says = tuple[float, Mapping[str, Any]]
"""After how many seconds, and what: the answer as a responder's adapter makes it."""

SAMPLE = {"description": "A large car for 30 days", "data": {"car_type": "L", "days_rental": 30}}
PREFIX = "/_aws/execute-api/abc123/$default"
"""Where the emulator serves an API; on AWS there is none."""


def quoted(amount: str, **details: Any) -> dict[str, Any]:
    return {"status": "QUOTED", "amount": amount, "currency": "USD", "details": details}


def declined(reason: str) -> dict[str, Any]:
    return {"status": "DECLINED", "error": {"type": "Declined", "message": reason}}


def failed(kind: str, message: str) -> dict[str, Any]:
    return {"status": "FAILED", "error": {"type": kind, "message": message}}


@dataclass
class Script:
    """What the responders say; one that is missing says nothing. refusals: statuses that the next calls of the API get instead of
    an answer; 0 breaks the connection. history_refusal: what every call for the last requests gets, which has no other refusals. age:
    how many seconds old every request is, for a test that goes from moment to moment at its own pace; None leaves it to the clock."""

    names: Sequence[str]
    says: Mapping[str, Says]
    deadline_seconds: float = 20
    quorum: int | None = None
    spared: Sequence[str] = ()
    token: str | None = None
    refusals: list[int] = field(default_factory=list)
    history_refusal: int | None = None
    age: float | None = None
    asked: dict[str, tuple[float, dict[str, Any], str]] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)

    def start(self, variant: str, request: dict[str, Any]) -> None:
        self.asked.setdefault(request["requestId"], (time.time(), request, variant))

    def entries(self, index: str, value: str, behind: Place, size: int) -> list[Place]:
        return memory_index.entries(self._records(), index, value, behind, size)

    def read_all(self, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        return memory_index.read_all(self._records(), ids)

    def _records(self) -> dict[str, dict[str, Any]]:
        return {request_id: record for request_id in self.asked if (record := self.read(request_id))}

    def read(self, request_id: str) -> dict[str, Any] | None:
        if request_id not in self.asked:
            return None
        began, request, variant = self.asked[request_id]
        names = request.get("recipients", self.names)
        age = time.time() - began if self.age is None else self.age
        deadline = request.get("completion", {}).get("deadlineSeconds", self.deadline_seconds)
        said = {name: self._answer(began, name) for name in names if name in self.says and self.says[name][0] <= age}
        quotes = sorted(self.says[name][0] for name, answer in said.items() if answer["status"] == "QUOTED")
        enough = quotes[self.quorum - 1] if self.quorum and len(quotes) >= self.quorum else None
        on_time = {name: answer for name, answer in said.items() if self.says[name][0] <= (deadline if enough is None else enough)}
        created = clock.later("1970-01-01T00:00:00Z", began)
        record = {
            "requestId": request_id,
            "variant": variant,
            "status": "OPEN",
            "recipients": list(names),
            "answers": on_time,
            "request": {key: value for key, value in request.items() if key != "requestId"},
            "createdAt": created,
            "listed": created[: history.DAY_CHARACTERS],
            "deadlineAt": clock.later(created, deadline),
            "late": {name: answer for name, answer in said.items() if name not in on_time},
        }
        if enough is not None:
            ended, completed_by = enough, "QUORUM"
            record["spared"] = {name: clock.later(created, ended) for name in self.spared}
        elif len(on_time) == len(names):
            ended, completed_by = max(self.says[name][0] for name in names), "ALL"
        elif age > deadline:
            ended, completed_by = deadline, "DEADLINE"
        else:
            return record
        answers = on_time if enough is not None else {**{name: contract.silent(name) for name in names}, **on_time}
        top = selection.top([answers[name] for name in names if name in answers], Selection("lowest", 3))
        return {
            **record,
            "answers": answers,
            "completedBy": completed_by,
            "completedAt": clock.later(created, ended),
            "status": contract.status_of([answer["status"] for answer in answers.values()], completed_by),
            "top": top,
        }

    def _answer(self, began: float, name: str) -> contract.Json:
        after, said = self.says[name]
        kept = contract.normalise_answer(name, dict(said), currency="USD", details_limit=contract.details_limit(len(self.names)))
        return {**kept, "latencyMs": round(after * 1000), "respondedAt": clock.later("1970-01-01T00:00:00Z", began + after)}


class _Carrier:
    def __init__(self, variant: str, script: Script) -> None:
        self.variant, self.script = variant, script

    def start(self, request: contract.Json) -> None:
        self.script.start(self.variant, request)


@contextmanager
def serve(script: Script, monkeypatch: pytest.MonkeyPatch, prefix: str = PREFIX) -> Generator[str]:
    """The API's address, without a slash at its end."""
    variants = ("map", "parallel", "sns")
    operations = Operations(
        {variant: _Carrier(variant, script) for variant in variants},
        script,
        known=script.names,
        policy=Policy(300),
        selection=Selection("lowest", 3),
        retention_seconds=30 * 86_400,
        document=openapi.document(variants, "JWT" if script.token else "NONE", {**SAMPLE, "recipients": list(script.names)}),
    )
    monkeypatch.setattr(api, "operations", lambda: operations)
    monkeypatch.setattr(api, "ownership", Ownership)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(script, prefix))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}{prefix}"
    finally:
        server.shutdown()
        server.server_close()


def _handler(script: Script, prefix: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._reply(self._answer("GET"))

        def do_POST(self) -> None:
            self._reply(self._answer("POST"))

        def _answer(self, method: str) -> dict[str, Any] | None:
            path = self.path.removeprefix(prefix) or "/"
            script.paths.append(f"{method} {self.path}")
            body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
            if body:
                script.bodies.append(body)
            if path != "/":
                if script.token and self.headers.get("authorization") != f"Bearer {script.token}":
                    return {"statusCode": 401, "headers": {}, "body": '{"message":"Unauthorized"}'}
                is_history = path.startswith("/requests?")
                if script.history_refusal if is_history else script.refusals:
                    status = script.history_refusal if is_history else script.refusals.pop(0)
                    return {"statusCode": status, "headers": {}, "body": '{"message":"not now"}'} if status else None
            route, parameters = _match(method, path)
            if route is None or not self.path.startswith(prefix):
                return {"statusCode": 404, "headers": {}, "body": '{"message":"Not Found"}'}
            return api.handler(
                {
                    "routeKey": route,
                    "rawPath": path.split("?")[0],
                    "requestContext": {"requestId": "r"},
                    "pathParameters": parameters,
                    "queryStringParameters": dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(path).query)),
                    "headers": {name.lower(): value for name, value in self.headers.items()},
                    "body": body,
                },
                None,
            )

        def _reply(self, answer: dict[str, Any] | None) -> None:
            if answer is None:
                # A browser repeats by itself what breaks on a connection that it had used before; here each call has its own.
                return
            body = answer["body"].encode()
            self.send_response(answer["statusCode"])
            for name, value in answer["headers"].items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


def _match(method: str, path: str) -> tuple[str | None, dict[str, str]]:
    for route in (*ROUTES, BOARD):
        wanted, given = route.path.split("/"), path.split("?")[0].split("/")
        if (
            route.method == method
            and len(wanted) == len(given)
            and all(part.startswith("{") or part == other for part, other in zip(wanted, given, strict=True))
        ):
            return route.key, {part[1:-1]: other for part, other in zip(wanted, given, strict=True) if part.startswith("{")}
    return None, {}


Serve = Callable[..., str]
