"""The aggregator's own part: what it gives back to its queue, and what it rejects."""

import datetime
import json
from types import SimpleNamespace

import pytest

from tests.simulation.build import DEAD, Build

CONTEXT = SimpleNamespace(get_remaining_time_in_millis=lambda: 20_000)


class Queues:
    """Takes what is sent, unless it is broken."""

    def __init__(self):
        self.sent, self.is_broken = [], False

    def send_message(self, *, QueueUrl, MessageBody, **_):
        if self.is_broken:
            raise ConnectionError("the queue cannot be reached")
        self.sent.append((QueueUrl, MessageBody))

    def change_message_visibility(self, **_):
        pass


@pytest.fixture
def queues():
    return Queues()


@pytest.fixture
def aggregator(queues):
    build = Build()
    build.modules["clock"].datetime = datetime.datetime
    build.aggregator.queues = lambda: queues
    return build.aggregator


def received(number, body):
    return {"messageId": f"m{number}", "body": body, "receiptHandle": "", "attributes": {"ApproximateReceiveCount": "1"}}


def given_back(aggregator, *bodies):
    records = [received(number, body) for number, body in enumerate(bodies)]
    return [failure["itemIdentifier"] for failure in aggregator.handler({"Records": records}, CONTEXT)["batchItemFailures"]]


def test_a_message_that_nobody_can_read_is_a_dead_letter(aggregator, queues):
    assert given_back(aggregator, "no JSON") == []
    assert queues.sent == [(DEAD, "no JSON")]


def test_a_message_that_cannot_be_rejected_comes_again(aggregator, queues):
    queues.is_broken = True

    assert given_back(aggregator, "no JSON") == ["m0"]


def test_a_request_that_fails_is_given_back_and_the_other_is_not(aggregator, monkeypatch):
    def gather(request_id, messages, alive_until):
        if request_id == "broken":
            raise ConnectionError("the table cannot be reached")
        return SimpleNamespace(rejected=[], announced=True, record=None)

    monkeypatch.setattr(aggregator, "_gather", gather)
    bodies = [json.dumps({"requestId": name, "deadlineAt": "2027-01-01T00:00:00.000Z"}) for name in ("broken", "sound")]

    assert given_back(aggregator, *bodies) == ["m0"]
