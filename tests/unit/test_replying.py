"""A responder behind a queue: what is answered, what comes back, what is skipped."""

import io
import json
import time

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from handlers import clock, replying
from handlers.quoting import TransientError
from local.emulator import Emulator
from tests.in_process import loaded

ARN = "arn:aws:sqs:us-east-1:000000000000:ask-avis"


class Queues:
    """Stands in for the SQS client."""

    def __init__(self):
        self.sent, self.pauses, self.broken = [], {}, False

    def send_message(self, *, QueueUrl, MessageBody):
        if self.broken:
            raise ConnectionError("no network")
        self.sent.append((QueueUrl, json.loads(MessageBody)))

    def get_queue_url(self, *, QueueName):
        return {"QueueUrl": f"https://sqs/{QueueName}"}

    def change_message_visibility(self, *, QueueUrl, ReceiptHandle, VisibilityTimeout):
        self.pauses[QueueUrl, ReceiptHandle] = VisibilityTimeout


@pytest.fixture
def queues(monkeypatch):
    standing_in = Queues()
    monkeypatch.setattr(replying, "sqs", lambda: standing_in)
    replying._queue_url.cache_clear()
    return standing_in


def record(number=1, deliveries=1, seconds=60.0, **changes):
    body = {"requestId": f"r{number}", "description": "", "data": {}, "deadlineAt": clock.later(clock.now(), seconds)}
    return {"messageId": f"m{number}", "receiptHandle": f"h{number}", "eventSourceARN": ARN, "body": json.dumps(body),
            "attributes": {"ApproximateReceiveCount": str(deliveries)},
            "messageAttributes": {"replyTo": {"stringValue": "https://sqs/responses", "dataType": "String"}}, **changes}


def quoted(request):
    return {"responder": "avis", "status": "QUOTED", "amount": "1", "respondedAt": clock.now()}


def busy(request):
    raise TransientError("busy")


def reply(*records, answer_of=quoted):
    again = replying.reply_to_each({"Records": list(records)}, "avis", answer_of)["batchItemFailures"]
    return [failure["itemIdentifier"] for failure in again]


def test_each_message_is_answered_to_the_queue_that_it_names(queues):
    assert reply(record(1), record(2)) == []
    assert [(url, sent["requestId"], sent["answer"]["amount"]) for url, sent in queues.sent] == [
        ("https://sqs/responses", "r1", "1"), ("https://sqs/responses", "r2", "1")]


def test_what_cannot_be_read_or_sent_comes_back_and_the_rest_is_answered(queues):
    assert reply(record(1, body="not JSON"), record(2, messageAttributes={}), record(3)) == ["m1", "m2"]
    assert [sent["requestId"] for _, sent in queues.sent] == ["r3"]

    queues.broken = True
    assert reply(record(4)) == ["m4"]


def test_work_whose_deadline_has_passed_is_skipped(queues):
    asked = []

    assert reply(record(1, seconds=-0.1), answer_of=asked.append) == []
    assert (asked, queues.sent) == ([], [])


@pytest.mark.parametrize(("recipients", "answers"), [(["avis", "alamo"], 1), (["alamo"], 0)])
def test_a_message_for_others_that_the_filter_let_through_is_skipped(queues, recipients, answers):
    attributes = {**record()["messageAttributes"], "recipients": {"stringValue": json.dumps(recipients), "dataType": "String.Array"}}

    assert reply(record(messageAttributes=attributes)) == []
    assert len(queues.sent) == answers


@pytest.mark.parametrize(("deliveries", "pause"), [(1, 1), (2, 2), (3, 4), (4, 5)])
def test_a_passing_fault_comes_back_after_a_pause_that_grows(queues, deliveries, pause):
    assert reply(record(1, deliveries), answer_of=busy) == ["m1"]
    assert queues.pauses == {("https://sqs/ask-avis", "h1"): pause}
    assert queues.sent == []


def test_the_responder_learns_how_often_the_message_was_delivered(queues):
    asked = []

    reply(record(1, 3), answer_of=lambda request: asked.append(request) or quoted(request))

    assert asked[0]["attempt"] == 3


@given(st.integers(0, 5))
def test_the_last_attempt_is_never_the_last_delivery(retries):
    """A throttled delivery counts, and must not be the one that would have ended in an answer."""
    assert replying.max_receives(retries) >= max(5, retries + 3)


@pytest.fixture
def relay(request):
    """Its time limit, where a test does not give one, is one that no machine takes."""
    environment = {"RESPONDER": "acme", "FUNCTION_ARN": "arn:aws:lambda:us-east-1:000000000000:function:prices",
                   "CURRENCY": "USD", "TIMEOUT_SECONDS": getattr(request, "param", "20"), "RETRIES": "2"}
    with loaded("handlers.relay", environment, Emulator("http://127.0.0.1:9"), "000000000000") as module:
        yield module


def relayed(relay, monkeypatch, payload, **response):
    class Functions:
        def invoke(self, *, FunctionName, Payload):
            if isinstance(payload, Exception):
                raise payload
            if payload == "sleep":
                time.sleep(60)
            return {"Payload": io.BytesIO(json.dumps(payload).encode()), **response}

    monkeypatch.setattr(relay, "functions", Functions())
    answer = relay.respond({"requestId": "r1", "data": {}, "deadlineAt": clock.later(clock.now(), 60)})
    assert answer.pop("respondedAt")
    return answer


def refusal(code, status):
    return ClientError({"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Invoke")


@pytest.mark.parametrize(("payload", "failed", "status", "kind"), [
    ({"amount": 3}, False, "QUOTED", None),
    ({"declined": "sold out"}, False, "DECLINED", "Declined"),
    (None, False, "FAILED", "InvalidAnswer"),
    ({"errorType": "KeyError", "errorMessage": "'x'"}, True, "FAILED", "KeyError"),
    ({"errorMessage": "2027-01-01 Task timed out after 3.00 seconds"}, True, "TIMED_OUT", "Timeout"),
    ({"errorType": "Sandbox.Timedout", "errorMessage": "RequestId: 1"}, True, "TIMED_OUT", "Timeout"),
    ("crash", True, "FAILED", "Lambda.Unknown"),
    (refusal("AccessDeniedException", 403), False, "FAILED", "Lambda.AccessDeniedException"),
])
def test_the_relay_makes_an_answer_of_whatever_the_function_does(relay, monkeypatch, payload, failed, status, kind):
    answer = relayed(relay, monkeypatch, payload, **({"FunctionError": "Unhandled"} if failed else {}))

    assert (answer["responder"], answer["status"], answer.get("error", {}).get("type")) == ("acme", status, kind)


@pytest.mark.parametrize("relay", ["0.3"], indirect=True)
def test_the_relay_does_not_wait_beyond_its_time_limit(relay, monkeypatch):
    answer = relayed(relay, monkeypatch, "sleep")

    assert (answer["status"], answer["error"]["type"]) == ("TIMED_OUT", "Timeout")


@pytest.mark.parametrize(("payload", "failed"), [
    ({"errorType": "TransientError", "errorMessage": "busy"}, True),
    (refusal("TooManyRequestsException", 429), False), (refusal("ServiceException", 500), False),
])
def test_the_relay_asks_again_where_the_state_machines_do(relay, monkeypatch, payload, failed):
    with pytest.raises(TransientError):
        relayed(relay, monkeypatch, payload, **({"FunctionError": "Unhandled"} if failed else {}))
