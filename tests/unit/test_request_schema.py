"""The request's schema and `completion.check_request` say the same of every request, but for what only the stack knows."""

import json
from decimal import Decimal

import jsonschema_rs
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from handlers import completion, contract, json_limits, request
from handlers.completion import Policy
from handlers.contract import AMOUNT, InvalidRequest, RequestTooLarge
from tests.request_strategies import KNOWN, requests

DEADLINE = 60.0
VALIDATOR = jsonschema_rs.Draft202012Validator(request.SCHEMA)


def accepted(body: object) -> bool:
    try:
        completion.check_request(body, KNOWN, Policy(DEADLINE))
    except InvalidRequest:
        return False
    return True


def beyond_the_schema(body: object) -> bool:
    """Whether the request says what only the stack can judge, in places where its shape is right."""
    if not isinstance(body, dict):
        return False
    if _cannot_be_carried(body):
        return True
    given = contract.present(body)
    recipients, completion = given.get("recipients", KNOWN), given.get("completion", {})
    strange = isinstance(recipients, list) and any(isinstance(name, str) and name not in KNOWN for name in recipients)
    asked = len(recipients) if isinstance(recipients, list) else 0
    if not isinstance(completion, dict):
        return strange
    completion = contract.present(completion)
    quorum, deadline = completion.get("quorum", 1), completion.get("deadlineSeconds", 1)
    amount, required = completion.get("amountBelow", 1), completion.get("required", [])
    # JSON Schema knows neither the value of a decimal that is a text, nor its digits.
    odd_amount = (isinstance(amount, str) and AMOUNT.fullmatch(amount) is not None) or _number(amount)
    stranger = isinstance(required, list) and any(
        isinstance(name, str) and name not in (recipients if isinstance(recipients, list) else []) for name in required
    )
    return (
        strange
        or stranger
        or (odd_amount and not (contract.amount_text(amount) and Decimal(contract.amount_text(amount) or 0)))
        or (_number(quorum) and quorum > asked)
        or (_number(deadline) and deadline > DEADLINE)
    )


def _cannot_be_carried(value: object) -> bool:
    """JSON Schema counts neither digits nor levels, and its `data` may have any key."""
    try:
        json_limits.check(value, "the request")
    except json_limits.NotCarried:
        return True
    return False


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


@settings(max_examples=600, deadline=None)
@given(requests)
@example({"data": {}, "requestId": "trip-1\n"})
@example({"data": {}, "completion": {"quorum": 2.0, "deadlineSeconds": 0.5}})
@example({"data": {}, "completion": {"quorum": True}})
@example({"data": {}, "recipients": ["avis", "avis"]})
@example({"data": {}, "recipients": []})
@example({"data": None})
@example([])
def test_schema_and_check_agree(body):
    assume(not beyond_the_schema(body))

    assert VALIDATOR.is_valid(body) == accepted(body), list(map(str, VALIDATOR.iter_errors(body)))


@pytest.mark.parametrize(
    "body",
    [
        {"data": {}, "recipients": ["nobody"]},
        {"data": {}, "recipients": ["avis"], "completion": {"quorum": 2}},
        {"data": {}, "completion": {"deadlineSeconds": 61}},
        {"data": {"text": "x" * contract.MAX_REQUEST_BYTES}},
    ],
)
def test_only_the_stack_knows_its_names_and_limits(body):
    assert VALIDATOR.is_valid(body)
    assert not accepted(body)


def test_the_schema_is_a_schema_and_its_examples_are_requests():
    jsonschema_rs.meta.validate(request.SCHEMA)
    for key, member in request.SCHEMA["properties"].items():
        for shown in member.get("examples", []):
            assert accepted({"data": {}, key: shown})


def test_the_schema_names_the_limits_of_the_contract():
    assert f"{contract.MAX_REQUEST_BYTES:,} bytes" in request.SCHEMA["description"]
    assert f"{json_limits.MAX_DEPTH} levels" in request.SCHEMA["description"]


# Reading text


def read(text: str) -> dict:
    return request.read(text.encode(), KNOWN, Policy(DEADLINE))


def nested(levels: int) -> str:
    """A request so many objects deep, itself included."""
    return '{"data":' + '{"a":' * (levels - 2) + "{}" + "}" * (levels - 1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the body is empty"),
        ("  \n", "the body is empty"),
        ("{", "the body is not JSON: Expecting property name"),
        ("{'data': {}}", "the body is not JSON"),
        ('{"data": {}} {}', "the body is not JSON: Extra data"),
        ('{"data": {"a": NaN}}', "NaN is no JSON number"),
        ('{"data": {"a": -Infinity}}', "-Infinity is no JSON number"),
        ('{"data": {"a": 1e400}}', "a number is out of range"),
        ('{"data": {"a": 12345678901234567.89}}', "more than 15 significant digits"),
        ('{"data": {"a": 0.1000000000000000055511151231257827}}', "more than 15 significant digits"),
        ('{"data": {"a": 1234567890123456}}', "more than 15 significant digits"),
        ('{"data": {"a": 1e-200}}', "a number is out of range"),
        ('{"data": {"a": 1' + "0" * 126 + "}}", "a number is out of range"),
        ('{"data": {"a": ' + "9" * 399 + "}}", "a number is out of range"),
        ('{"data": {}, "data": {"a": 1}}', 'the key "data" more than once'),
        ('{"data": {"": 1}}', "a key is empty"),
        ('{"data": {"a": "\\ud800"}}', "half of a surrogate pair"),
        ('{"data": {"\\udc00": 1}}', "half of a surrogate pair"),
        (nested(json_limits.MAX_DEPTH + 1), "nested too deep"),
        ("[" * 100_000, "nested too deep"),
        ("[]", "the request must be a JSON object, not a list"),
        ("null", "the request must be a JSON object, not nothing"),
        ('{"data": {}, "completion": {"quorum": 1e300}}', "a number is out of range"),
    ],
)
def test_text_that_is_no_request_is_refused_with_the_reason(text, reason):
    with pytest.raises(InvalidRequest) as refused:
        read(text)

    assert reason in str(refused.value)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    "text",
    [
        " " * request.MAX_BODY_BYTES + '{"data": {}}',
        json.dumps({"data": {"text": "x" * contract.MAX_REQUEST_BYTES}}),
        json.dumps({"data": {"text": "é" * (contract.MAX_REQUEST_BYTES // 2)}}),
    ],
)
def test_what_is_too_large_is_told_apart(text):
    with pytest.raises(RequestTooLarge):
        read(text)


def test_the_deepest_and_the_widest_requests_pass():
    assert read(nested(json_limits.MAX_DEPTH))
    assert read('{"data": {"a": [0, -0.0, 9.9e125, 1e-130, "\\u0000", "\\ud83d\\ude00", null, true]}}')


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_body_is_a_request_or_refused(body):
    try:
        request.read(body, KNOWN, Policy(DEADLINE))
    except InvalidRequest as refusal:
        assert str(refusal)


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": 30}, {"a": 30.0}, True),
        ({"a": 0.1}, {"a": Decimal("0.1")}, True),
        ({"a": 0.0}, {"a": -0.0}, True),
        ({"a": 12345678901234567}, {"a": 12345678901234568}, False),
        ({"a": [["LHR", "JFK"]]}, {"a": [["LHR", "JFK"]]}, True),
        ({"a": [["LHR", "JFK"]]}, {"a": ["LHR", "JFK"]}, False),
        ({"a": 1}, {"a": True}, False),
        ({"a": 0}, {"a": False}, False),
        ({"a": 1}, {"a": "1"}, False),
        ({"a": None}, {}, False),
        ({"a": [1, 2]}, {"a": [2, 1]}, False),
        ({"a": {}}, {"a": []}, False),
    ],
)
def test_sameness_is_that_of_the_store(one, other, alike):
    assert request.same(one, other) is alike
