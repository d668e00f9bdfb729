"""Stack and AsyncStack over a fake AWS: what is sent, how long it is waited for, and what ends the waiting."""

import asyncio
import json
import threading
from typing import Any

import pytest

from client import AsyncStack, InvalidRequest, RequestFailed, Stack, StillOpen, UnknownRequest
from client import stack as stack_module
from handlers.attribute_values import encode_item

ARN = "arn:aws:states:eu-west-1:111111111111:stateMachine:map"
RECORD = {
    "requestId": "r1",
    "variant": "map",
    "status": "OPEN",
    "request": {"data": {}},
    "recipients": ["avis"],
    "answers": {},
    "createdAt": "2026-01-01T00:00:00.000Z",
    "deadlineAt": "2026-01-01T00:01:00.000Z",
    "expiresAt": 1,
}
CLOSED = {
    **RECORD,
    "status": "COMPLETE",
    "completedBy": "ALL",
    "completedAt": "2026-01-01T00:00:01.000Z",
    "top": ["avis"],
    "answers": {"avis": {"responder": "avis", "status": "QUOTED", "amount": "1", "currency": "USD", "details": {}}},
}


class FakeAws:
    """Step Functions and DynamoDB at once. executions: what describe_execution says, one after the other; records: what is stored."""

    def __init__(
        self,
        executions: list[dict[str, Any]] | None = None,
        stored: list[dict[str, Any] | None] | None = None,
        workflow_type: str = "STANDARD",
    ) -> None:
        self.started: list[dict[str, Any]] = []
        self._executions, self._stored, self.workflow_type = executions or [], stored or [None], workflow_type

    def start_execution(self, **order: Any) -> dict[str, Any]:
        self.started.append(order)
        return {"executionArn": "arn"}

    def start_sync_execution(self, **order: Any) -> dict[str, Any]:
        self.started.append(order)
        return self._next(self._executions)

    def describe_execution(self, executionArn: str) -> dict[str, Any]:
        return self._next(self._executions)

    def get_item(self, **_: Any) -> dict[str, Any]:
        found = self._next(self._stored)
        return {"Item": encode_item(found)} if found else {}

    @staticmethod
    def _next(states: list[Any]) -> Any:
        return states.pop(0) if len(states) > 1 else states[0]


class StillRunning(FakeAws):
    """Its Express execution ends when the test says so."""

    def __init__(self, *states: Any) -> None:
        super().__init__(*states)
        self.over = threading.Event()

    def start_sync_execution(self, **order: Any) -> dict[str, Any]:
        self.over.wait()
        return SUCCEEDED


RUNNING = {"status": "RUNNING"}
SUCCEEDED = {"status": "SUCCEEDED", "output": json.dumps({"status": "COMPLETE"})}


@pytest.fixture
def stack_of(monkeypatch):
    def make(aws: FakeAws) -> Stack:
        monkeypatch.setattr(Stack, "_make_client", lambda self, *_: aws)
        return Stack(
            {
                "mapStateMachineArn": ARN,
                "carriers": {"map": {"stateMachineArn": ARN, "workflowType": aws.workflow_type}},
                "quoteTableName": "quotes",
                "responderNames": ["avis"],
            }
        )

    return make


def test_a_request_is_sent_with_an_id_so_that_the_call_can_be_repeated(stack_of):
    aws = FakeAws([RUNNING, SUCCEEDED])

    assert stack_of(aws).request("map", {"data": {}}) == {"status": "COMPLETE"}

    [order] = aws.started
    assert order["name"].startswith(json.loads(order["input"])["requestId"])


def test_what_takes_too_long_is_still_open(stack_of):
    with pytest.raises(StillOpen, match=r"still open after 0\.1 seconds"):
        stack_of(FakeAws([RUNNING])).request("map", {"data": {}}, timeout=0.1)
    with pytest.raises(StillOpen):
        list(stack_of(FakeAws([RUNNING], [RECORD])).follow("map", {"data": {}}, timeout=0.1))
    with pytest.raises(StillOpen):
        stack_of(FakeAws(stored=[RECORD])).wait("r1", timeout=0.1)


@pytest.mark.parametrize("workflow_type", ["STANDARD", "EXPRESS"])
def test_a_request_that_closed_early_is_not_waited_for_until_its_last_responder_has_answered(stack_of, workflow_type):
    aws = StillRunning([RUNNING], [None, RECORD, CLOSED], workflow_type)

    try:
        assert stack_of(aws).request("map", {"data": {}}, timeout=10)["completedBy"] == "ALL"
    finally:
        aws.over.set()


@pytest.mark.parametrize("workflow_type", ["STANDARD", "EXPRESS"])
def test_a_request_that_is_under_way_already_is_waited_for(stack_of, workflow_type):
    repeated = {"status": "SUCCEEDED", "output": json.dumps({"status": "OPEN"})}
    aws = FakeAws([repeated], [RECORD, RECORD, CLOSED], workflow_type)

    assert stack_of(aws).request("map", {"requestId": "r1", "data": {}}, timeout=10)["completedBy"] == "ALL"


@pytest.mark.parametrize("other", [{"variant": "parallel"}, {"request": {"data": {"days": 3}}}])
def test_a_closed_request_that_has_the_same_id_is_not_taken_for_this_one(stack_of, other):
    aws = FakeAws([RUNNING, {"status": "FAILED", "error": "InvalidRequest", "cause": "already used"}], [{**CLOSED, **other}])

    with pytest.raises(InvalidRequest, match="already used"):
        stack_of(aws).request("map", {"requestId": "r1", "data": {}})


@pytest.mark.parametrize(
    ("state", "error"),
    [
        ({"status": "FAILED", "error": "InvalidRequest", "cause": "why"}, InvalidRequest),
        ({"status": "FAILED", "error": "States.Runtime", "cause": "why"}, RequestFailed),
        ({"status": "TIMED_OUT", "error": "why"}, RequestFailed),
    ],
)
@pytest.mark.parametrize("workflow_type", ["STANDARD", "EXPRESS"])
def test_an_execution_that_fails_says_why(stack_of, state, error, workflow_type):
    for send in (Stack.request, lambda *order: list(Stack.follow(*order))):
        with pytest.raises(error, match="why"):
            send(stack_of(FakeAws([state], workflow_type=workflow_type)), "map", {"data": {}})


def test_an_express_execution_is_started_once_and_never_again(stack_of, monkeypatch):
    attempts = []
    stack = stack_of(FakeAws([SUCCEEDED], workflow_type="EXPRESS"))
    monkeypatch.setattr(Stack, "_client", lambda self, service, seconds, tries: attempts.append((seconds, tries)) or self._make_client())

    assert stack.request("map", {"data": {}}, timeout=20) == {"status": "COMPLETE"}
    assert (25, 1) in attempts


def test_a_request_whose_id_is_null_has_none_and_gets_one(stack_of):
    aws = FakeAws([SUCCEEDED])

    stack_of(aws).request("map", {"requestId": None, "data": {}})

    assert len(json.loads(aws.started[0]["input"])["requestId"]) == 32


@pytest.mark.parametrize("request_id", ["", "a b", 7, "x" * 65])
def test_an_id_that_breaks_the_contract_is_refused_at_once(stack_of, request_id):
    aws = FakeAws()

    with pytest.raises(InvalidRequest, match="requestId must be"):
        stack_of(aws).send("map", {"requestId": request_id, "data": {}})
    assert not aws.started


def test_following_shows_each_change_and_ends_with_the_execution(stack_of):
    aws = FakeAws([RUNNING, RUNNING, RUNNING, SUCCEEDED], [None, RECORD, RECORD, CLOSED])

    changes = list(stack_of(aws).follow("map", {"data": {}}))

    assert [change["status"] for change in changes] == ["OPEN", "COMPLETE"]
    assert changes[-1]["request"] == {"data": {}}


def test_watching_ends_when_the_request_is_closed(stack_of):
    changes = list(stack_of(FakeAws(stored=[RECORD, RECORD, CLOSED])).watch("r1"))

    assert [change["status"] for change in changes] == ["OPEN", "COMPLETE"]


def test_an_id_that_never_appears_is_unknown(stack_of, monkeypatch):
    monkeypatch.setattr(stack_module, "APPEARS_SECONDS", 0.05)

    with pytest.raises(UnknownRequest, match="there is no request r1"):
        stack_of(FakeAws()).wait("r1")


def test_the_region_and_the_emulators_account_are_the_stacks(monkeypatch):
    made = Stack({"mapStateMachineArn": ARN, "quoteTableName": "quotes"}, "http://127.0.0.1:9", "token").client("dynamodb")

    assert made.meta.region_name == "eu-west-1"
    assert made.meta.endpoint_url == "http://127.0.0.1:9"
    assert made._request_signer._credentials.access_key == "111111111111"
    assert made._request_signer._credentials.token == "token"
    assert made.meta.config.retries["total_max_attempts"] == stack_module.ATTEMPTS


def test_the_asynchronous_stack_does_the_same(stack_of):
    async def use() -> list[Any]:
        stack = AsyncStack(stack_of(FakeAws([SUCCEEDED], [CLOSED])))
        several = await asyncio.gather(*(stack.request("map", {"data": {}}) for _ in range(5)))
        followed = [change["status"] async for change in stack.follow("map", {"data": {}})]
        watched = [change["status"] async for change in stack.watch("r1")]
        stored, record, waited = await stack.result("r1"), await stack.record("r1"), await stack.wait("r1")
        return [len(several), followed, watched, stored == waited, record == CLOSED]

    assert asyncio.run(use()) == [5, ["COMPLETE"], ["COMPLETE"], True, True]


def test_the_asynchronous_stack_raises_the_same(stack_of):
    async def use() -> None:
        stack = AsyncStack(stack_of(FakeAws([RUNNING])))
        with pytest.raises(StillOpen):
            await stack.request("map", {"data": {}}, timeout=0.05)
        with pytest.raises(RequestFailed):
            await stack.send("fax", {"data": {}})

    asyncio.run(use())
