"""A responder behind a queue: what is answered, what comes back, what is skipped."""

import json

import pytest

from handlers import clock
from handlers.quoting import TransientError
from handlers.responder_queue import ResponderQueue

ARN = "arn:aws:sqs:us-east-1:000000000000:ask-avis"


class Queues:
    """Stands in for the SQS client."""

    def __init__(self):
        self.sent, self.pauses, self.broken, self.refused = [], {}, False, 0

    def send_message(self, *, QueueUrl, MessageBody):
        if self.broken or self.refused:
            self.refused -= 1
            raise ConnectionError("no network")
        self.sent.append((QueueUrl, json.loads(MessageBody)))

    def get_queue_url(self, *, QueueName):
        return {"QueueUrl": f"https://sqs/{QueueName}"}

    def change_message_visibility(self, *, QueueUrl, ReceiptHandle, VisibilityTimeout):
        self.pauses[QueueUrl, ReceiptHandle] = VisibilityTimeout


@pytest.fixture
def queues():
    return Queues()


def record(number=1, deliveries=1, seconds=60.0, recipients=("avis",), **changes):
    body = {
        "requestId": f"r{number}",
        "description": "",
        "data": {},
        "deadlineAt": clock.later(clock.now(), seconds),
        "recipients": recipients,
        "replyTo": "https://sqs/responses",
    }
    return {
        "messageId": f"m{number}",
        "receiptHandle": f"h{number}",
        "eventSourceARN": ARN,
        "body": json.dumps(body),
        "attributes": {"ApproximateReceiveCount": str(deliveries)},
        **changes,
    }


def quoted(question, attempts):
    return {"responder": "avis", "status": "QUOTED", "amount": "1", "respondedAt": clock.now()}


def busy(question, attempts):
    raise TransientError("busy")


def reply(queues, *records, answer_of=quoted):
    again = ResponderQueue("avis", queues).answer_each({"Records": list(records)}, answer_of)["batchItemFailures"]
    return [failure["itemIdentifier"] for failure in again]


def test_each_message_is_answered_to_the_queue_that_it_names(queues):
    assert reply(queues, record(1), record(2)) == []
    assert [(url, sent["requestId"], sent["answer"]["amount"]) for url, sent in queues.sent] == [
        ("https://sqs/responses", "r1", "1"),
        ("https://sqs/responses", "r2", "1"),
    ]


def test_what_cannot_be_read_or_sent_comes_back_and_the_rest_is_answered(queues):
    assert reply(queues, record(1, body="not JSON"), record(2, body='{"requestId": "r2"}'), record(3)) == ["m1", "m2"]
    assert [sent["requestId"] for _, sent in queues.sent] == ["r3"]

    queues.broken = True
    assert reply(queues, record(4)) == ["m4"]


def test_an_answer_is_handed_over_in_several_tries_and_asked_for_once(queues):
    asked, queues.refused = [], 2

    assert reply(queues, record(1), answer_of=lambda *question: asked.append(question) or quoted(*question)) == []
    assert (len(asked), [sent["requestId"] for _, sent in queues.sent]) == (1, ["r1"])


def test_work_whose_deadline_has_passed_is_skipped(queues):
    asked = []

    assert reply(queues, record(1, seconds=-0.1), answer_of=lambda *asking: asked.append(asking)) == []
    assert (asked, queues.sent) == ([], [])


@pytest.mark.parametrize(("recipients", "answers"), [(["avis", "alamo"], 1), (["alamo"], 0)])
def test_a_message_for_others_that_the_filter_let_through_is_skipped(queues, recipients, answers):
    assert reply(queues, record(recipients=recipients)) == []
    assert len(queues.sent) == answers


@pytest.mark.parametrize(("deliveries", "pause"), [(1, 1), (2, 2), (3, 4), (4, 5)])
def test_a_passing_fault_comes_back_after_a_pause_that_grows(queues, deliveries, pause):
    assert reply(queues, record(1, deliveries), answer_of=busy) == ["m1"]
    assert queues.pauses == {("https://sqs/ask-avis", "h1"): pause}
    assert queues.sent == []


def test_the_responder_learns_how_often_the_message_was_delivered(queues):
    asked = []

    reply(queues, record(1, 3), answer_of=lambda question, attempts: asked.append(attempts) or quoted(question, attempts))

    assert asked == [3]
