"""Stack: a deployed stack as a caller sees it."""

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self, cast

from client import outputs as stack_outputs
from client.errors import NoStack, RequestFailed, StillOpen, UnknownRequest, UnknownVariant
from client.shapes import Request, Result, StoredResult
from handlers import contract
from handlers.contract import InvalidRequest
from handlers.selection import Selection

__all__ = ["InvalidRequest", "NoStack", "RequestFailed", "Stack", "StillOpen", "UnknownRequest", "UnknownVariant"]

TIMEOUT_SECONDS = 300.0
"""How long a caller waits, unless it says otherwise."""

CONNECT_SECONDS, READ_SECONDS = 5, 60
ATTEMPTS = 4
"""Of a call to AWS, with botocore's pauses in between. Each call can be repeated: a request has an id, which is asked only once."""

APPEARS_SECONDS = 10.0
"""How long after it was sent a request may take to be stored; an id that is unknown for longer is wrong."""

SHORTEST_PAUSE, LONGEST_PAUSE = 0.02, 1.0
LAG = 0.05
"""Between two looks: news are seen after at most this share of the time that they took, within the two limits (seconds)."""

Ended = Callable[[], Result | None]
"""The result of a request that was sent, or None while it is under way. Raises RequestFailed or InvalidRequest."""


@dataclass(frozen=True)
class Stack:
    """outputs: the stack's; endpoint: the emulator's address, None for AWS with the usual credential chain; session_token: that the
    emulator asks for.

    Every method may raise what botocore raises when AWS cannot be reached or refuses the credentials.
    """

    outputs: Mapping[str, Any]
    endpoint: str | None = None
    session_token: str | None = field(default=None, repr=False)
    _clients: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @classmethod
    def find(cls, stack: str | None = None, outputs_file: Path | None = None) -> Self:
        """The deployed stack of that name; NoStack says what to do where there is none."""
        return cls(*stack_outputs.find(stack, outputs_file))

    @property
    def variants(self) -> list[str]:
        """The deployed variants that take requests."""
        return list(self.entrances)

    @property
    def entrances(self) -> Mapping[str, Mapping[str, Any]]:
        """How a request is handed to each carrier, by its name: {"stateMachineArn", "workflowType", …} or {"functionArn", …}."""
        return self.outputs.get("carriers", {})

    @property
    def sample_request(self) -> Request:
        return json.loads(self.outputs["sampleInput"])

    def request(self, variant: str, request: Request | Mapping[str, Any], timeout: float = TIMEOUT_SECONDS) -> Result:
        """Sends the request and waits for its result. timeout: seconds, then StillOpen. Raises InvalidRequest where the contract
        is broken, UnknownVariant, or RequestFailed."""
        _, ended = self._start(variant, request, timeout)
        for _ in _looks(timeout):
            result = ended()
            if result is not None:
                return result
        raise StillOpen(f"the request is still open after {timeout:g} seconds")

    def send(self, variant: str, request: Request | Mapping[str, Any]) -> str:
        """Sends the request without waiting; returns its id, to be used with `watch`, `wait` and `result`.

        What only the carrier finds wrong with it is not known yet: a workflow then leaves no record.
        """
        request_id, _ = self._start(variant, request, TIMEOUT_SECONDS, waits=False)
        return request_id

    def follow(self, variant: str, request: Request | Mapping[str, Any], timeout: float = TIMEOUT_SECONDS) -> Iterator[StoredResult]:
        """Sends the request; yields its result whenever it has changed, at the last when it has ended. Raises as `request` does."""
        request_id, ended = self._start(variant, request, timeout)
        seen = None
        for _ in _looks(timeout):
            has_ended = ended() is not None
            stored = self.result(request_id)
            if stored is not None and stored != seen:
                seen = stored
                yield stored
            if has_ended:
                return
        raise StillOpen(f"request {request_id} is still open after {timeout:g} seconds")

    def watch(self, request_id: str, timeout: float = TIMEOUT_SECONDS) -> Iterator[StoredResult]:
        """The result whenever it has changed, until it is closed. UnknownRequest when there is none, StillOpen after `timeout` seconds."""
        seen, began = None, time.monotonic()
        for _ in _looks(timeout):
            result = self.result(request_id)
            if result is None and time.monotonic() - began > APPEARS_SECONDS:
                break
            if result is not None and result != seen:
                seen = result
                yield result
                if result["status"] != "OPEN":
                    return
        if seen is None:
            raise UnknownRequest(f"there is no request {request_id}")
        raise StillOpen(f"request {request_id} is still open after {timeout:g} seconds")

    def wait(self, request_id: str, timeout: float = TIMEOUT_SECONDS) -> StoredResult:
        """The result once it is closed. Raises as `watch` does."""
        return list(self.watch(request_id, timeout))[-1]

    def result(self, request_id: str) -> StoredResult | None:
        """The request with its result so far; None where the id is unknown."""
        return cast(StoredResult | None, self._records().result(request_id, self.selection))

    def record(self, request_id: str) -> dict[str, Any] | None:
        """The stored record of a request (`handlers.records` has its shape); None where the id is unknown."""
        return self._records().read(request_id)

    @property
    def selection(self) -> Selection:
        """How the best of the answers so far are chosen. A closed request has the best that it was closed with."""
        return Selection(self.outputs.get("selection", "lowest"), int(self.outputs.get("topK", 1)))

    def client(self, service: str) -> Any:
        """A boto3 client, in the region (and, on the emulator, the account) where the stack is."""
        return self._client(service, READ_SECONDS, ATTEMPTS)

    def workflow_type(self, variant: str) -> str | None:
        """STANDARD or EXPRESS; None for a variant without a workflow."""
        return self._entrance(variant).get("workflowType")

    def _client(self, service: str, read_seconds: float, attempts: int) -> Any:
        key = (service, read_seconds, attempts)
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self._make_client(*key)
            return self._clients[key]

    def _make_client(self, service: str, read_seconds: float, attempts: int) -> Any:
        from botocore.config import Config

        region, account = self._whereabouts()
        local = {
            "endpoint_url": self.endpoint,
            "aws_access_key_id": account,
            "aws_secret_access_key": "local",
            "aws_session_token": self.session_token,
        }
        return self._session.client(
            service,
            region_name=region,
            config=Config(
                inject_host_prefix=self.endpoint is None,
                connect_timeout=CONNECT_SECONDS,
                read_timeout=read_seconds,
                retries={"mode": "standard", "total_max_attempts": attempts},
            ),
            **(local if self.endpoint else {}),
        )

    @cached_property
    def _session(self) -> Any:
        """Reads once what its clients share. It is not made for several threads: whoever uses it holds the lock."""
        import boto3

        return boto3.Session()

    def _whereabouts(self) -> tuple[str | None, str]:
        places = (self.outputs, *self.entrances.values())
        arns = (value for place in places for key, value in place.items() if key.endswith("Arn") and isinstance(value, str))
        parts = next(arns, "arn:aws:::").split(":")
        return parts[3] or None, parts[4] or "000000000000"

    def _records(self) -> Any:
        # Here, because it takes boto3, which `--help` does without.
        from handlers.records import Records

        return Records(self.outputs["quoteTableName"], self.client("dynamodb"))

    def _entrance(self, variant: str) -> Mapping[str, Any]:
        if variant not in self.variants:
            raise UnknownVariant(f"variant {variant} is not deployed; deployed: {', '.join(self.variants) or 'none'}")
        return self.entrances[variant]

    def _start(self, variant: str, request: Request | Mapping[str, Any], timeout: float, waits: bool = True) -> tuple[str, Ended]:
        """Sends the request: its id, and how to learn that it has ended."""
        entrance = self._entrance(variant)
        identified = self.identified(request)
        if "functionArn" in entrance:
            ended = self._ask_requester(entrance["functionArn"], identified)
        elif entrance["workflowType"] == "EXPRESS" and waits:
            ended = self._run_express(variant, entrance["stateMachineArn"], identified, timeout)
        else:
            ended = self._start_execution(variant, entrance["stateMachineArn"], identified)
        return identified["requestId"], ended

    @staticmethod
    def identified(request: Request | Mapping[str, Any]) -> dict[str, Any]:
        """The request with an id: its own, or a new one. Raises InvalidRequest where it is no object, or its id none."""
        if not isinstance(request, Mapping):
            raise InvalidRequest("the request must be a JSON object")
        # With an id of our own a call that is repeated is still one request.
        identified = {"requestId": uuid.uuid4().hex, **contract.present(request)}
        # The id alone is checked here, because it is used here; the carrier checks the rest.
        contract.check_request({"requestId": identified["requestId"], "data": {}}, [])
        return identified

    def _ask_requester(self, function: str, request: dict[str, Any]) -> Ended:
        from handlers.carriers import CarrierError, Requester

        try:
            Requester(self.client("lambda"), function).start(request)
        except CarrierError as error:
            raise RequestFailed(str(error)) from None
        return lambda: self._closed(request["requestId"])

    def _closed(self, request_id: str) -> Result | None:
        """The result of a request that is closed; None while it is not."""
        stored = self.result(request_id)
        if stored is None or stored["status"] == "OPEN":
            return None
        return cast(Result, {key: value for key, value in stored.items() if key not in ("request", "lateAnswers")})

    def _closed_as_sent(self, variant: str, request: Mapping[str, Any]) -> Result | None:
        """The result of a request that is closed; None while it is open, and where its id belongs to another request."""
        from handlers import aggregation
        from handlers.request import same

        record = self.record(request["requestId"])
        wanted = {key: value for key, value in request.items() if key != "requestId" and value is not None}
        if record is None or record["status"] == "OPEN" or record["variant"] != variant or not same(record["request"], wanted):
            return None
        return cast(Result, aggregation.result_of(record, self.selection))

    def _start_execution(self, variant: str, machine: str, request: dict[str, Any]) -> Ended:
        workflows = self.client("stepfunctions")
        # The same name and input again is the same execution, which makes the call safe to repeat.
        execution = workflows.start_execution(
            stateMachineArn=machine, name=f"{request['requestId'][:60]}-{uuid.uuid4().hex[:12]}", input=json.dumps(request)
        )["executionArn"]

        def ended() -> Result | None:
            state = workflows.describe_execution(executionArn=execution)
            return None if state["status"] == "RUNNING" else self._ended(request, state)

        return self._closed_or(ended, variant, request)

    def _run_express(self, variant: str, machine: str, request: dict[str, Any], timeout: float) -> Ended:
        # Nobody can ask how an Express execution is doing, so one call stays open until it ends. It is never repeated, because
        # that would be another execution.
        workflows = self._client("stepfunctions", timeout + CONNECT_SECONDS, 1)
        future: Future[Mapping[str, Any]] = Future()

        def call() -> None:
            try:
                future.set_result(workflows.start_sync_execution(stateMachineArn=machine, input=json.dumps(request)))
            except Exception as error:  # noqa: BLE001 - it is raised again where the result is asked for
                future.set_exception(error)

        # A daemon, so that who is interrupted need not wait for it.
        threading.Thread(target=call, daemon=True).start()
        return self._closed_or(lambda: self._ended(request, future.result()) if future.done() else None, variant, request)

    def _closed_or(self, ended: Ended, variant: str, request: Mapping[str, Any]) -> Ended:
        """A request may close before its execution ends, which waits for whoever was asked; an execution may fail, and close nothing."""
        return lambda: self._closed_as_sent(variant, request) or ended()

    def _ended(self, request: Mapping[str, Any], execution: Mapping[str, Any]) -> Result | None:
        """What the execution came to. One that found its request under way already has ended before it; None while that is open."""
        result = _outcome(execution)
        return self._closed(request["requestId"]) if result["status"] == "OPEN" else result


def _looks(timeout: float) -> Iterator[None]:
    """One turn for each look at what is under way, until `timeout` seconds are over; the last one comes after them."""
    began = time.monotonic()
    while (elapsed := time.monotonic() - began) < timeout:
        yield
        time.sleep(min(max(SHORTEST_PAUSE, LAG * elapsed), LONGEST_PAUSE))
    yield


def _outcome(execution: Mapping[str, Any]) -> Result:
    if execution["status"] == "SUCCEEDED":
        return json.loads(execution["output"])
    reason = execution.get("cause") or execution.get("error") or execution["status"]
    raise (InvalidRequest if execution.get("error") == "InvalidRequest" else RequestFailed)(reason)
