"""A write that was done although its reply was lost: the SDK repeats it, and finds its own work in the way."""

import json
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from handlers import clock
from handlers.aggregation import Closing
from handlers.contract import InvalidRequest
from handlers.records import Records
from handlers.selection import Ranking
from local.emulator import Emulator
from tests.in_process import Context, loaded, make_queue, make_table, taken
from tests.integration.conftest import deploy


def repeats(write: Callable[..., Any]) -> Callable[..., Any]:
    """As the SDK does after a lost reply: the first time it was done, but only the answer to the second is known."""

    def twice(**request: Any) -> Any:
        write(**request)
        return write(**request)

    return twice


@pytest.fixture
def store(clients: Any) -> Records:
    dynamodb = clients("dynamodb")
    return Records(make_table(dynamodb), dynamodb)


@pytest.fixture
def record() -> dict[str, Any]:
    now = clock.now()
    return {
        "requestId": "r1",
        "variant": "sns",
        "status": "OPEN",
        "request": {"data": {}},
        "recipients": ["avis"],
        "answers": {},
        "late": {},
        "createdAt": now,
        "deadlineAt": clock.later(now, 60),
        "expiresAt": 2_000_000_000,
        "publishBy": clock.later(now, 10),
    }


def closing() -> Closing:
    now = clock.now()
    return Closing(status="FAILED", completed_by="DEADLINE", completed_at=now, silent={}, ranking=Ranking(), announce_by=now)


def test_whoever_closed_knows_it_even_when_the_reply_was_lost(store, record, monkeypatch):
    store.create(record, clock.now())
    with monkeypatch.context() as patch:
        patch.setattr(store.client, "update_item", repeats(store.client.update_item))
        closed, is_ours = store.close(record, closing())

    assert (closed["status"], is_ours) == ("FAILED", True)
    assert store.close(record, closing()) == (closed, False), "somebody else's"


def test_whoever_took_the_announcement_over_knows_it(store, record, monkeypatch):
    store.create(record, clock.now())
    closed, _ = store.close(record, closing())
    now = clock.later(clock.now(), 1)
    with monkeypatch.context() as patch:
        patch.setattr(store.client, "update_item", repeats(store.client.update_item))
        assert store.claim_announcement(closed, now, clock.later(now, 1))

    assert not store.claim_announcement(closed, now, clock.later(now, 1)), "somebody else's"


def test_whoever_made_the_record_knows_it(store, record, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(store.client, "put_item", repeats(store.client.put_item))
        _, is_new = store.create(record, clock.now())

    assert is_new
    assert store.create(record, record["createdAt"])[1] is False, "another invocation at the same moment"


@pytest.fixture
def requester(emulator: Emulator, account: str, clients: Any) -> Iterator[tuple[ModuleType, Callable[[], list[Any]]]]:
    """The requester, and what it published."""
    sqs, sns = clients("sqs"), clients("sns")
    asked, asked_arn = make_queue(sqs, "asked")
    responses, _ = make_queue(sqs, "responses")
    topic = sns.create_topic(Name="topic")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=asked_arn)
    environment = {
        "TABLE_NAME": make_table(clients("dynamodb")),
        "TOPIC_ARN": topic,
        "RESPONSE_QUEUE_URL": responses,
        "RESPONDERS": "avis",
        "COMPLETION": json.dumps({"deadlineSeconds": 60}),
        "SELECTION": "lowest",
        "TOP_K": "3",
        "RESULT_RETENTION_SECONDS": "86400",
    }
    with loaded("handlers.sns_requester", environment, emulator, account) as module:
        yield module, lambda: taken(sqs, asked)


def test_a_request_is_published_though_the_reply_to_its_record_was_lost(requester, monkeypatch):
    module, published = requester
    monkeypatch.setattr(module.records.client, "put_item", repeats(module.records.client.put_item))

    result = module.handler({"requestId": "r1", "data": {}}, Context())

    assert result["status"] == "OPEN"
    assert len(published()) == 1


WORKFLOWS = {
    "variants": ["map", "parallel"],
    "api": {"enabled": False},
    "responders": [{"name": "avis", "module": "tests.responders", "behaviour": "quote"}],
}


@pytest.mark.parametrize("variant", ["map", "parallel"])
def test_a_workflow_that_opened_the_record_goes_on_though_the_reply_was_lost(emulator, account, variant):
    stack = deploy(emulator, account, WORKFLOWS)
    workflows, arn = stack.client("stepfunctions"), stack.outputs[f"{variant}StateMachineArn"]
    machine = json.loads(workflows.describe_state_machine(stateMachineArn=arn)["definition"])
    opening = machine["States"]["Open request"]
    lost = {key: value for key, value in opening.items() if key != "OutputPath"} | {"ResultPath": None, "Next": "Open request"}
    machine["States"]["Lost"] = lost
    workflows.update_state_machine(stateMachineArn=arn, definition=json.dumps({**machine, "StartAt": "Lost"}))

    result = stack.request(variant, {"data": {}}, timeout=30)

    assert (result["status"], result["received"]) == ("COMPLETE", 1)
    with pytest.raises(InvalidRequest, match="was already used for another request"):
        stack.request(variant, {"requestId": result["requestId"], "data": {"another": True}})
