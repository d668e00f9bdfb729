"""An existing function behind a responder: whatever it returns, raises or breaks is its answer."""

import io
import json
import time

import pytest
from botocore.exceptions import ClientError

from handlers import clock
from handlers.quoting import TransientError
from local.emulator import Emulator
from tests.in_process import loaded

NOBODY = Emulator("http://127.0.0.1:9")
"""Nothing listens there."""


@pytest.fixture
def responder(request):
    """Its time limit, where a test does not give one, is one that no machine takes."""
    environment = {
        "RESPONDER": "acme",
        "FUNCTION_ARN": "arn:aws:lambda:us-east-1:000000000000:function:prices",
        "CURRENCY": "USD",
        "TIMEOUT_SECONDS": getattr(request, "param", "20"),
        "RETRIES": "2",
    }
    with loaded("handlers.responder", environment, NOBODY, "000000000000") as module:
        yield module


QUESTION = {"requestId": "r1", "description": "", "data": {}, "recipients": ["acme"]}


def asked(responder, monkeypatch, returns, **response):
    """The answer where the function returns this JSON, raises it, or sleeps."""

    class Functions:
        def invoke(self, *, FunctionName, Payload):
            if isinstance(returns, Exception):
                raise returns
            if returns == "sleep":
                time.sleep(60)
            return {"Payload": io.BytesIO(json.dumps(returns).encode()), **response}

    monkeypatch.setattr(responder.source, "_functions", Functions())
    answer = responder.respond({**QUESTION, "deadlineAt": clock.later(clock.now(), 60)}, 1)
    assert answer.pop("respondedAt")
    return answer


def refusal(code, status):
    return ClientError({"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Invoke")


@pytest.mark.parametrize(
    ("returns", "failed", "status", "kind"),
    [
        ({"amount": 3}, False, "QUOTED", None),
        ({"amount": 100, "currency": None, "details": None}, False, "QUOTED", None),
        ({"declined": "sold out"}, False, "DECLINED", "Declined"),
        (None, False, "FAILED", "InvalidAnswer"),
        ({"errorType": "KeyError", "errorMessage": "'x'"}, True, "FAILED", "KeyError"),
        ({"errorType": None, "errorMessage": None}, True, "FAILED", "Lambda.Unknown"),
        ({"errorMessage": "2027-01-01 Task timed out after 3.00 seconds"}, True, "TIMED_OUT", "Timeout"),
        ({"errorType": "Sandbox.Timedout", "errorMessage": "RequestId: 1"}, True, "TIMED_OUT", "Timeout"),
        ("crash", True, "FAILED", "Lambda.Unknown"),
        (refusal("AccessDeniedException", 403), False, "FAILED", "Lambda.AccessDeniedException"),
    ],
)
def test_whatever_the_function_does_is_an_answer(responder, monkeypatch, returns, failed, status, kind):
    answer = asked(responder, monkeypatch, returns, **({"FunctionError": "Unhandled"} if failed else {}))

    assert (answer["responder"], answer["status"], answer.get("error", {}).get("type")) == ("acme", status, kind)


def test_the_text_of_an_error_arrives_as_it_was_written(responder, monkeypatch):
    answer = asked(responder, monkeypatch, {"errorType": "ValueError", "errorMessage": "prix élevé\nline two"}, FunctionError="Unhandled")

    assert answer["error"] == {"type": "ValueError", "message": "prix élevé\nline two"}


@pytest.mark.parametrize("responder", ["0.3"], indirect=True)
def test_nobody_waits_beyond_the_time_limit(responder, monkeypatch):
    answer = asked(responder, monkeypatch, "sleep")

    assert (answer["status"], answer["error"]["message"]) == ("TIMED_OUT", "no answer within 0.3 seconds")


@pytest.mark.parametrize(
    ("returns", "failed"),
    [
        ({"errorType": "TransientError", "errorMessage": "busy"}, True),
        (refusal("TooManyRequestsException", 429), False),
        (refusal("ServiceException", 500), False),
    ],
)
def test_a_passing_fault_is_left_to_the_carrier(responder, monkeypatch, returns, failed):
    with pytest.raises(TransientError):
        asked(responder, monkeypatch, returns, **({"FunctionError": "Unhandled"} if failed else {}))


def test_it_gets_and_replies_words_of_its_own(monkeypatch):
    sent = []
    mapping = {"request": "{days: data.days_rental}", "answer": {"amount": "total"}}
    environment = {
        "RESPONDER": "acme",
        "FUNCTION_ARN": "arn:aws:lambda:us-east-1:000000000000:function:prices",
        "CURRENCY": "USD",
        "TIMEOUT_SECONDS": "20",
        "RETRIES": "2",
        "MAPPING": json.dumps(mapping),
    }

    class Functions:
        def invoke(self, *, FunctionName, Payload):
            sent.append(json.loads(Payload))
            return {"Payload": io.BytesIO(b'"{\\"total\\": 560}"')}

    with loaded("handlers.responder", environment, NOBODY, "000000000000") as module:
        monkeypatch.setattr(module.source, "_functions", Functions())
        answer = module.respond({**QUESTION, "data": {"days_rental": 7}, "deadlineAt": clock.later(clock.now(), 60)}, 1)

    assert (sent, answer["amount"]) == ([{"days": 7}], "560")
