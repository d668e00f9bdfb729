"""What a partner gets and what it replies, mapped by expressions of the configuration."""

import json

import pytest

from handlers.mapping import PartnerMapping
from handlers.quoting import TransientError

QUESTION = {"requestId": "r1", "description": "a car", "data": {"days_rental": 7}, "deadlineAt": "2027-01-01T00:00:00.000Z", "attempt": 1}
ANSWER = {"amount": "offer.total", "currency": "offer.currency", "details": "{car: offer.car}", "decline": "refusal"}
REPLY = {"offer": {"total": 210.5, "currency": "USD", "car": "Yaris"}, "refusal": None}
QUOTED = {"responder": "acme", "status": "QUOTED", "amount": "210.5", "currency": "USD", "details": {"car": "Yaris"}}
OURS = {"amount": "12.5", "details": {"car": "Yaris"}}


def answered(reply, answer=None):
    return PartnerMapping(answer=answer).answer("acme", reply, "USD", 1_000)


def test_a_partner_gets_what_its_expression_makes_of_the_question():
    assert PartnerMapping("{days: data.days_rental, id: requestId}").request(QUESTION) == {"days": 7, "id": "r1"}


def test_without_an_expression_it_gets_the_question():
    assert PartnerMapping().request(QUESTION) == QUESTION


def test_the_parts_of_an_answer_are_found_in_the_reply():
    assert answered(REPLY, ANSWER) == QUOTED


@pytest.mark.parametrize(
    "reply",
    [
        OURS,
        json.dumps(OURS),
        {"statusCode": 200, "body": json.dumps(OURS)},
        {"statusCode": 201, "body": OURS, "headers": {"x": "y"}},
        {"statusCode": 200, "body": "eyJhbW91bnQiOiAiMTIuNSIsICJkZXRhaWxzIjogeyJjYXIiOiAiWWFyaXMifX0=", "isBase64Encoded": True},
    ],
)
def test_a_reply_is_read_as_what_it_holds(reply):
    assert answered(reply) == {"responder": "acme", "status": "QUOTED", "amount": "12.5", "currency": "USD", "details": {"car": "Yaris"}}


def test_what_a_wrapped_reply_holds_is_mapped_too():
    assert answered({"statusCode": 200, "body": json.dumps(REPLY)}, ANSWER) == QUOTED


@pytest.mark.parametrize(("refusal", "reason"), [("sold out", "sold out"), (True, "no reason given"), ({"code": 4}, '{"code": 4}')])
def test_what_decline_finds_is_the_reason(refusal, reason):
    answer = answered({**REPLY, "refusal": refusal}, ANSWER)

    assert (answer["status"], answer["error"]["message"]) == ("DECLINED", reason)


@pytest.mark.parametrize("refusal", [None, False, ""])
def test_a_decline_that_says_nothing_is_none(refusal):
    assert answered({**REPLY, "refusal": refusal}, ANSWER) == QUOTED


@pytest.mark.parametrize(
    ("reply", "answer", "kind", "message"),
    [
        ({"price": 3}, {"amount": "offer.total"}, "InvalidAnswer", "answer.amount (offer.total) finds nothing in the reply"),
        ({"price": 3}, {"amount": "price", "currency": "unit"}, "InvalidAnswer", "answer.currency (unit) finds nothing in the reply"),
        ({"price": "3"}, {"amount": "sum(price)"}, "InvalidAnswer", "answer.amount (sum(price)) cannot be evaluated: In function sum()"),
        ({"price": 3, "unit": "EUR"}, {"amount": "price", "currency": "unit"}, "InvalidAnswer", "currency must be USD"),
        ({"price": 3}, {"amount": "price", "details": "price"}, "InvalidAnswer", "details must be an object, not a number"),
        ({"statusCode": 404, "body": "no such car"}, None, "Http404", "it replied 404 Not Found: no such car"),
        ({"statusCode": 302}, None, "Http302", "it replied 302 Found: null"),
        (
            {"statusCode": 200, "body": "%", "isBase64Encoded": True},
            None,
            "InvalidAnswer",
            "the answer must be a JSON object, not a string",
        ),
        ("free", None, "InvalidAnswer", "the answer must be a JSON object, not a string"),
        ("[" * 100_000, None, "InvalidAnswer", "the answer must be a JSON object, not a string"),
    ],
)
def test_what_cannot_be_read_is_a_failure_that_says_why(reply, answer, kind, message):
    found = answered(reply, answer)

    assert (found["status"], found["error"]["type"]) == ("FAILED", kind)
    assert found["error"]["message"].startswith(message)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_status_that_may_pass_is_asked_again(status):
    with pytest.raises(TransientError, match=f"it replied {status}"):
        answered({"statusCode": status, "body": "busy"})
