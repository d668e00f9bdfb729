"""The requester's handler on the emulator: one record and one publication for each request, whatever goes wrong in between."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import pytest
from botocore.exceptions import ClientError

from handlers import clock
from local.emulator import Emulator
from tests.in_process import Context, Killed, after_the_invocation, kill, loaded, make_queue, make_table, taken

LATEST_SECONDS = 30
"""A message that is due comes by then, whatever else the machine does."""


class Bench:
    """The requester, a topic whose messages arrive in a queue, and the response queue."""

    def __init__(self, module: ModuleType, sqs: Any, asked: str, responses: str) -> None:
        self.module, self.sqs, self.asked, self.responses = module, sqs, asked, responses

    def request(self, body: Any, context: Context | None = None) -> dict[str, Any]:
        return self.module.handler(body, context or Context())

    def published(self) -> list[dict[str, Any]]:
        return taken(self.sqs, self.asked)


@pytest.fixture
def bench(emulator: Emulator, account: str, clients: Any) -> Iterator[Bench]:
    sqs, sns = clients("sqs"), clients("sns")
    asked, asked_arn = make_queue(sqs, "asked")
    responses, _ = make_queue(sqs, "responses")
    topic = sns.create_topic(Name="topic")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Attributes={"RawMessageDelivery": "true"}, Endpoint=asked_arn)
    environment = {
        "TABLE_NAME": make_table(clients("dynamodb")),
        "TOPIC_ARN": topic,
        "RESPONSE_QUEUE_URL": responses,
        "RESPONDERS": "avis,alamo,hertz",
        "COMPLETION": '{"deadlineSeconds": 60, "quorum": 2}',
        "SELECTION": "lowest",
        "TOP_K": "3",
        "RESULT_RETENTION_SECONDS": "86400",
    }
    with loaded("handlers.sns_requester", environment, emulator, account) as module:
        yield Bench(module, sqs, asked, responses)


def test_a_request_is_kept_and_then_published_to_its_recipients(bench):
    context = Context()
    result = bench.request(
        {"description": "Zürich", "data": {"days": 3.5}, "recipients": ["hertz", "avis"], "completion": {"deadlineSeconds": 20}}, context
    )

    assert {key: result[key] for key in ("requestId", "variant", "status", "expected", "received", "best", "answers")} == {
        "requestId": context.aws_request_id,
        "variant": "sns",
        "status": "OPEN",
        "expected": 2,
        "received": 0,
        "best": None,
        "answers": [],
    }
    record = bench.module.records.read(context.aws_request_id)
    assert record["recipients"] == ["hertz", "avis"]
    assert record["request"]["data"] == {"days": 3.5}
    assert clock.seconds_between(record["createdAt"], record["deadlineAt"]) == 20
    assert "publishBy" not in record
    (message,) = bench.published()
    assert json.loads(message["Body"]) == {
        "requestId": context.aws_request_id,
        "description": "Zürich",
        "data": {"days": 3.5},
        "deadlineAt": record["deadlineAt"],
        "recipients": ["hertz", "avis"],
        "replyTo": bench.responses,
    }
    assert json.loads(message["MessageAttributes"]["recipients"]["StringValue"]) == ["hertz", "avis"]


def test_the_deadline_comes_to_the_response_queue_when_it_is_due(bench):
    bench.request({"requestId": "r1", "data": {}, "completion": {"deadlineSeconds": 1.5}})
    record = bench.module.records.read("r1")

    while not (messages := taken(bench.sqs, bench.responses)):
        assert clock.seconds_until(record["deadlineAt"]) > -LATEST_SECONDS
        time.sleep(0.05)

    assert clock.seconds_until(record["deadlineAt"]) <= 0
    [message] = messages
    assert json.loads(message["Body"]) == {"requestId": "r1", "deadlineAt": record["deadlineAt"]}


def test_a_deadline_that_came_before_there_was_a_record_to_close_comes_again(bench, monkeypatch):
    create = bench.module.records.create

    def late(record, now):
        assert taken(bench.sqs, bench.responses)
        return create(record, now)

    monkeypatch.setattr(bench.module.records, "create", late)
    bench.request({"requestId": "r1", "data": {}, "completion": {"deadlineSeconds": 0.0001}})

    [message] = taken(bench.sqs, bench.responses)
    assert json.loads(message["Body"])["requestId"] == "r1"


def test_the_same_request_again_is_the_same_one_and_another_with_its_id_is_refused(bench):
    body = {"requestId": "r1", "data": {"days": 3, "of": [1, 2.5, None, True, ""]}}

    first = bench.request(body)
    assert bench.request({"data": {"of": [1, 2.5, None, True, ""], "days": 3.0}, "requestId": "r1"}) == first
    assert bench.request({**body, "data": {"days": 4}}) == {
        "error": {"type": "InvalidRequest", "message": "requestId r1 was already used for another request"}
    }

    assert len(bench.published()) == 1


def test_of_many_at_once_with_one_id_one_is_published(bench):
    with ThreadPoolExecutor(8) as callers:
        results = list(callers.map(lambda _: bench.request({"requestId": "r1", "data": {}}), range(8)))

    assert len({json.dumps(result) for result in results}) == 1
    assert len(bench.published()) == 1


@pytest.mark.parametrize("after_publish", [False, True])
def test_what_was_not_published_for_certain_is_published_by_a_repetition_that_waits_for_it(bench, monkeypatch, after_publish):
    body = {"requestId": "r1", "data": {}}
    killed = (bench.module.records, "published") if after_publish else (bench.module.sns, "publish")
    with monkeypatch.context() as patch:
        patch.setattr(*killed, kill)
        with pytest.raises(Killed):
            bench.request(body)
    first = bench.module.records.read("r1")

    assert bench.request(body)["createdAt"] > first["createdAt"], "a new attempt has its whole time"
    assert bench.request(body)["status"] == "OPEN"
    assert len(bench.published()) == 1 + after_publish, "nobody knows whether the first one had published it"


def test_an_invocation_that_lambda_repeats_publishes_at_once_what_it_has_not_published(bench, monkeypatch):
    body, context = {"data": {}}, Context()
    with monkeypatch.context() as patch:
        patch.setattr(bench.module.sns, "publish", kill)
        with pytest.raises(Killed):
            bench.request(body, context)

    bench.request(body, context)
    bench.request(body, context)

    assert len(bench.published()) == 1


def test_a_request_that_somebody_has_answered_was_published(bench, monkeypatch):
    body = {"requestId": "r1", "data": {}}
    with monkeypatch.context() as patch:
        patch.setattr(bench.module.records, "published", kill)
        with pytest.raises(Killed):
            bench.request(body)
    record = bench.module.records.read("r1")
    bench.module.records.add(record, {"avis": {"responder": "avis", "status": "DECLINED", "respondedAt": clock.now()}})
    after_the_invocation(monkeypatch)

    assert bench.request(body)["declined"] == 1
    assert len(bench.published()) == 1


def test_when_publishing_fails_the_repetition_need_not_wait(bench, monkeypatch):
    context = Context()

    def refuse(**_):
        raise ClientError({"Error": {"Code": "Throttling", "Message": "later"}}, "Publish")

    with monkeypatch.context() as patch:
        patch.setattr(bench.module.sns, "publish", refuse)
        with pytest.raises(ClientError):
            bench.request({"data": {}}, context)
    time.sleep(0.01)

    bench.request({"data": {}}, context)

    assert len(bench.published()) == 1


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ([], "must be a JSON object"),
        ({"data": {}, "recipients": ["zipcar"]}, 'unknown recipient "zipcar"; known responders: avis, alamo'),
        ({"data": {}, "completion": {"quorum": 3}}, "completion.quorum must be at most 2, as the stack has it, not 3"),
        ({"data": {}, "completion": {"deadlineSeconds": 61}}, "at most 60"),
    ],
)
def test_a_broken_request_is_refused_before_anything_is_kept_or_sent(bench, body, reason):
    context = Context()

    answered = bench.request(body, context)

    assert answered["error"]["type"] == "InvalidRequest"
    assert reason in answered["error"]["message"]
    assert bench.module.records.read(context.aws_request_id) is None
    assert bench.published() == taken(bench.sqs, bench.responses) == []
