"""The request, the answer and the result: what is let in, and what comes out."""

from decimal import Decimal

import pytest

from handlers import completion, contract
from handlers.completion import Policy

KNOWN = ["avis", "alamo", "hertz"]


def check(body):
    return completion.check_request(body, KNOWN, Policy(60))


def normalise(payload, limit=1000):
    return contract.normalise_answer("avis", payload, currency="USD", details_limit=limit)


@pytest.mark.parametrize(
    "body",
    [
        {"data": {}},
        {"data": {"days_rental": 30}, "requestId": "a-B_9", "description": "Flight LHR - JFK"},
        {"data": {}, "recipients": ["hertz", "avis"], "completion": {"quorum": 2, "deadlineSeconds": 0.5}},
        {"data": {}, "completion": {"quorum": 3, "deadlineSeconds": 60}},
    ],
)
def test_a_request_that_keeps_the_contract_is_accepted(body):
    assert check(body) == body


def test_a_field_that_is_null_is_a_field_that_is_absent():
    nulls = {"requestId": None, "description": None, "recipients": None, "completion": {"quorum": None, "required": None}}

    assert check({"data": {"kept": None}, **nulls}) == {"data": {"kept": None}, "completion": {}}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ([], "must be a JSON object, not a list"),
        (None, "must be a JSON object, not nothing"),
        ({}, "data must be an object"),
        ({"data": 1}, "data must be an object, not a number"),
        ({"data": {}, "recipient": "avis"}, 'unknown key "recipient"; allowed: requestId, description'),
        ({"data": {}, "requestId": "a b"}, 'requestId must be 1 to 64 letters, digits, _ or -, not "a b"'),
        ({"data": {}, "requestId": "x" * 65}, "requestId must be"),
        ({"data": {}, "requestId": 7}, "requestId must be"),
        ({"data": {}, "description": 7}, "description must be a string"),
        ({"data": {}, "recipients": "avis"}, "must be a list of names, not a string; known responders: avis, alamo, hertz"),
        ({"data": None}, "data must be an object, not nothing"),
        ({"data": {"a": 12345678901234567.89}}, "more than 15 significant digits, which not every carrier keeps: send it as a string"),
        ({"data": {"a": 1234567890123456}}, "more than 15 significant digits"),
        ({"data": {"a": {"": 1}}}, "a key is empty"),
        ({"data": {"a": "é" * 40_000}}, "the request takes 80017 bytes as JSON; at most 65536 are allowed"),
        ({"data": {}, "recipients": []}, "must not be empty; known responders: avis, alamo, hertz"),
        ({"data": {}, "recipients": [1]}, "must be names, not a number"),
        ({"data": {}, "recipients": [{"arn": "x"}]}, "must be names, not an object"),
        ({"data": {}, "recipients": ["zipcar"]}, 'unknown recipient "zipcar"; known responders: avis, alamo, hertz'),
        ({"data": {}, "recipients": ["avis", "avis"]}, '"avis" is named more than once'),
        ({"data": {}, "completion": 3}, "completion must be an object"),
        (
            {"data": {}, "completion": {"k": 3}},
            'completion has an unknown key "k"; allowed: quorum, deadlineSeconds, amountBelow, required',
        ),
        ({"data": {}, "completion": {"quorum": 4}}, "quorum must be a whole number from 1 to 3, not 4"),
        ({"data": {}, "recipients": ["avis"], "completion": {"quorum": 2}}, "quorum must be a whole number from 1 to 1, not 2"),
        ({"data": {}, "completion": {"quorum": 1.5}}, "quorum must be a whole number"),
        ({"data": {}, "completion": {"quorum": True}}, "quorum must be a whole number"),
        ({"data": {}, "completion": {"deadlineSeconds": 61}}, "deadlineSeconds must be above 0 and at most 60, not 61"),
        ({"data": {}, "completion": {"deadlineSeconds": 0}}, "deadlineSeconds must be above 0"),
        ({"data": {"x": "x" * 70_000}}, "at most 65536 are allowed"),
    ],
)
def test_a_request_that_breaks_the_contract_is_refused_with_the_reason(body, reason):
    with pytest.raises(contract.InvalidRequest) as refusal:
        check(body)

    assert reason in str(refusal.value)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (Decimal("2970"), "2970"),
        (Decimal("99.50"), "99.50"),
        (0, "0"),
        (120, "120"),
        (99.5, "99.5"),
        ("105.50", "105.50"),
        (Decimal("1E+3"), "1000"),
        ("999999999999999", "999999999999999"),
    ],
)
def test_an_amount_becomes_plain_digits(amount, text):
    assert contract.amount_text(amount) == text


@pytest.mark.parametrize(
    "amount",
    [
        -1,
        "-1",
        Decimal("-0.01"),
        "1e3",
        "",
        " 1",
        "01",
        "1.",
        ".5",
        True,
        None,
        [],
        Decimal("NaN"),
        float("inf"),
        "1234567890123456",
    ],
)
def test_what_is_no_amount_is_not_taken_for_one(amount):
    assert contract.amount_text(amount) is None


def test_a_quote_is_normalised():
    answer = normalise({"amount": 2970, "details": {"days": 30}})

    assert answer == {"responder": "avis", "status": "QUOTED", "amount": "2970", "currency": "USD", "details": {"days": 30}}


@pytest.mark.parametrize(("reason", "message"), [("sold out", "sold out"), (404, "404"), ({"code": 1}, '{"code": 1}')])
def test_a_decline_is_an_answer_with_its_reason(reason, message):
    answer = normalise({"declined": reason})

    assert answer == {"responder": "avis", "status": "DECLINED", "error": {"type": "Declined", "message": message}}


@pytest.mark.parametrize("null", ["currency", "details", "declined", "status", "error"])
def test_a_field_of_an_answer_that_is_null_is_absent(null):
    assert normalise({"amount": 100, null: None}) == {
        "responder": "avis",
        "status": "QUOTED",
        "amount": "100",
        "currency": "USD",
        "details": {},
    }


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ("99", "must be a JSON object, not a string"),
        ({}, "amount must be a decimal of 0 or more"),
        ({"amount": -1}, "amount must be a decimal of 0 or more"),
        ({"amount": "99", "currency": "EUR"}, "currency must be USD"),
        ({"amount": "99", "details": []}, "details must be an object"),
        ({"amount": "99", "status": "DONE"}, "status must be QUOTED, DECLINED, FAILED or TIMED_OUT"),
    ],
)
def test_a_broken_answer_is_a_failure_in_its_slot(payload, reason):
    answer = normalise(payload)

    assert answer["status"] == "FAILED"
    assert answer["error"]["type"] == "InvalidAnswer"
    assert reason in answer["error"]["message"]


def test_details_that_do_not_fit_are_left_out_and_the_quote_survives():
    answer = normalise({"amount": "99", "details": {"blob": "x" * 2000}})

    assert answer["amount"] == "99"
    assert "2011 bytes; at most 1000" in answer["details"]["omitted"]


def test_the_size_of_details_is_that_of_their_utf_8():
    assert normalise({"amount": "99", "details": {"a": "é" + "x" * 900}})["details"]["a"].startswith("é")
    assert "4008 bytes" in normalise({"amount": "99", "details": {"a": "😀" * 1000}})["details"]["omitted"]


def test_an_error_is_cut_in_the_middle_of_no_character():
    answer = contract.unsuccessful("avis", "FAILED", "E" * 200, "prix élevé\n" * 5000)

    assert len(answer["error"]["type"]) == 100
    assert 490 < len(answer["error"]["message"].encode()) <= 500
    assert answer["error"]["message"].startswith("prix élevé\nprix élevé")


def record(*answers, completed_by="ALL", **extra):
    return {
        "requestId": "r1",
        "variant": "map",
        "recipients": KNOWN,
        "answers": {answer["responder"]: answer for answer in answers},
        "completedBy": completed_by,
        "createdAt": "2026-01-01T00:00:00.000Z",
        "completedAt": "2026-01-01T00:00:01.000Z",
        **extra,
    }


def quoted(name, amount="100"):
    return {"responder": name, "status": "QUOTED", "amount": amount, "currency": "USD", "details": {}}


@pytest.mark.parametrize(
    ("answers", "completed_by", "status"),
    [
        ([quoted("avis"), quoted("alamo"), contract.declined("hertz", "no")], "ALL", "COMPLETE"),
        ([contract.declined(name, "no") for name in KNOWN], "ALL", "COMPLETE"),
        ([quoted("avis"), contract.silent("alamo"), contract.silent("hertz")], "DEADLINE", "PARTIAL"),
        ([quoted("avis"), contract.silent("alamo"), contract.silent("hertz")], "QUORUM", "COMPLETE"),
        ([contract.invalid_answer(name, "x") for name in KNOWN], "ALL", "FAILED"),
        ([quoted("avis"), contract.invalid_answer("alamo", "x")], "CONDITION", "COMPLETE"),
        ([quoted("avis")], None, "OPEN"),
    ],
)
def test_the_status_says_how_the_request_ended(answers, completed_by, status):
    assert contract.result(record(*answers, completed_by=completed_by), [])["status"] == status


def test_the_result_counts_and_keeps_the_order_of_the_recipients():
    answers = [contract.silent("hertz"), contract.declined("alamo", "no"), quoted("avis")]

    result = contract.result(record(*answers, completed_by="DEADLINE", late={"hertz": quoted("hertz")}), ["avis"])

    assert [answer["responder"] for answer in result["answers"]] == KNOWN
    assert {key: result[key] for key in ("expected", "received", "declined", "failed", "late")} == {
        "expected": 3,
        "received": 2,
        "declined": 1,
        "failed": 0,
        "late": 1,
    }
    assert (result["best"], result["top"]) == (quoted("avis"), ["avis"])


def test_a_selection_that_failed_is_told():
    error = {"type": "KeyError", "message": "seats"}

    result = contract.result(record(quoted("avis"), selectionError=error), [])

    assert (result["best"], result["top"], result["selectionError"]) == (None, [], error)
