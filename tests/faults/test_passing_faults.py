"""A passing fault: what it keeps from being done is done as soon as it has passed, within the deadline, and is never given up before."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from components import definition
from handlers import clock
from handlers.records import Records
from local.emulator import Emulator
from tests.faults.plan import LONGEST_OUTAGE_SECONDS
from tests.in_process import Context, Killed, kill, loaded, make_queue, make_table, taken

LATEST_SECONDS = 30
"""A message that is due comes by then, whatever else the machine does."""

NEVER_SECONDS = 600
"""A visibility timeout that no test outlasts."""


def received(sqs: Any, url: str) -> dict[str, Any]:
    """The event of a function that a queue hands its next message to."""
    ends = time.monotonic() + LATEST_SECONDS
    while not (messages := sqs.receive_message(QueueUrl=url, AttributeNames=["ApproximateReceiveCount"]).get("Messages")):
        assert time.monotonic() < ends, "it does not come again"
        time.sleep(0.05)
    [message] = messages
    return {
        "Records": [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message["Attributes"],
                "eventSourceARN": f"arn:aws:sqs:us-east-1:000000000000:{url.rpartition('/')[2]}",
            }
        ]
    }


def slow_queue(sqs: Any, name: str) -> str:
    url, _ = make_queue(sqs, name)
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": str(NEVER_SECONDS)})
    return url


def test_an_answer_that_could_not_be_sent_is_given_again_before_the_queue_would_ask_again(
    emulator: Emulator, account: str, clients: Callable[[str], Any]
):
    sqs = clients("sqs")
    asked = slow_queue(sqs, "asked")
    sqs.send_message(
        QueueUrl=asked,
        MessageBody=json.dumps(
            {
                "requestId": "r1",
                "description": "",
                "data": {},
                "recipients": ["avis"],
                "deadlineAt": clock.later(clock.now(), 60),
                "replyTo": asked.replace("asked", "gone"),
            }
        ),
    )
    environment = {
        "RESPONDER": "avis",
        "QUOTE_MODULE": "tests.responders",
        "SETTINGS": '{"behaviour": "quote"}',
        "CURRENCY": "USD",
        "TIMEOUT_SECONDS": "10",
        "RETRIES": "2",
    }

    with loaded("handlers.responder", environment, emulator, account) as module:
        event = received(sqs, asked)
        failures = module.handler(event, Context())["batchItemFailures"]

    assert failures == [{"itemIdentifier": event["Records"][0]["messageId"]}]
    assert received(sqs, asked)["Records"][0]["messageId"] == event["Records"][0]["messageId"]


@pytest.fixture
def requester(emulator: Emulator, account: str, clients: Callable[[str], Any]) -> Iterator[Any]:
    """The requester of sns, and what it published."""
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


def test_a_repetition_asks_in_the_place_of_a_requester_that_died_after_it_kept_the_record(requester, monkeypatch):
    module, published = requester
    body = {"requestId": "r1", "data": {}}
    with monkeypatch.context() as patch:
        patch.setattr(module.sns, "publish", kill)
        with pytest.raises(Killed):
            module.handler(body, Context())
    first: dict[str, Any] = module.records.read("r1")

    result = module.handler(body, Context())

    assert result["status"] == "OPEN"
    assert result["createdAt"] > first["createdAt"], "it has its whole time"
    assert len(published()) == 1
    assert "publishedAt" in module.records.read("r1")


def test_a_repetition_waits_for_a_requester_that_is_about_to_ask(requester, monkeypatch):
    module, published = requester
    monkeypatch.setattr(module, "PUBLISH_SECONDS", NEVER_SECONDS)
    body = {"requestId": "r1", "data": {}}
    with monkeypatch.context() as patch:
        patch.setattr(module.sns, "publish", kill)
        with pytest.raises(Killed):
            module.handler(body, Context())
    first: dict[str, Any] = module.records.read("r1")
    # Nobody has died: the first one publishes while the second one waits.
    monkeypatch.setattr(time, "sleep", lambda _: module._publish(first))

    result = module.handler(body, Context())

    assert result["createdAt"] == first["createdAt"]
    assert len(published()) == 1


def test_a_record_with_late_answers_does_not_give_way(clients):
    dynamodb = clients("dynamodb")
    store, now = Records(make_table(dynamodb), dynamodb), clock.now()
    record = {
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
        "publishBy": now,
    }
    store.create(record, now)
    store.add_late(record, {"avis": {"responder": "avis", "status": "DECLINED", "respondedAt": now}})

    kept, is_new = store.create(record, clock.later(now, 1))

    assert (list(kept["late"]), is_new) == (["avis"], False)


@pytest.mark.parametrize("carrier", ["map", "parallel"])
def test_a_workflow_keeps_its_answers_through_an_outage(carrier):
    """Nobody else has them, unless they may close the request early."""
    gather = definition.load(f"{carrier}_scatter_gather.asl.json")["States"]["Gather"]
    [retrier] = gather["Retry"]

    pauses = [
        min(retrier["IntervalSeconds"] * retrier["BackoffRate"] ** number, retrier["MaxDelaySeconds"])
        for number in range(retrier["MaxAttempts"])
    ]

    # Full jitter takes half of each pause, on average.
    assert sum(pauses) / 2 > 2 * LONGEST_OUTAGE_SECONDS
