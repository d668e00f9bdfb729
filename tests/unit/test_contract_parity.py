"""The state machines' JSONata and the functions' Python say the same about the same input."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers import contract, selection
from tests.jsonata_engine import KNOWN, evaluate

CONTEXT = {"Execution": {"Name": "run-1", "StartTime": "2026-01-01T00:00:00.000Z"},
           "State": {"EnteredTime": "2026-01-01T00:00:01.000Z"}}

JSON_VALUES = st.recursive(
    st.booleans() | st.integers(-10**9, 10**9) | st.text(max_size=8), lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(min_size=1, max_size=4), inner, max_size=3), max_leaves=6)

REQUESTS = st.fixed_dictionaries(
    {"data": st.one_of(st.dictionaries(st.text(min_size=1, max_size=4), JSON_VALUES, max_size=3), JSON_VALUES)},
    optional={
        "requestId": st.one_of(st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True), JSON_VALUES),
        "description": st.one_of(st.text(max_size=20), JSON_VALUES),
        "recipients": st.one_of(st.lists(st.sampled_from([*KNOWN, "zipcar"]), max_size=4), JSON_VALUES),
        "completion": st.one_of(st.fixed_dictionaries({}, optional={
            "quorum": st.one_of(st.integers(-1, 5), JSON_VALUES), "deadlineSeconds": st.one_of(st.integers(-1, 70), JSON_VALUES)}),
            JSON_VALUES),
        "surprise": JSON_VALUES,
    })


@settings(max_examples=150, deadline=None)
@given(REQUESTS)
def test_both_accept_the_same_requests(request_body):
    try:
        contract.check_request(request_body, KNOWN, 60)
        accepted = True
    except contract.InvalidRequest:
        accepted = False

    try:
        plan = evaluate("Plan", input=request_body, context=CONTEXT)
    except Exception as refusal:  # noqa: BLE001 - the engine raises its own kinds
        assert "InvalidRequest: " in str(refusal)
        plan = None

    assert (plan is not None) == accepted
    if plan:
        assert plan["recipients"] == contract.recipients_of(request_body, KNOWN)


PAYLOADS = st.one_of(
    JSON_VALUES,
    st.fixed_dictionaries({}, optional={
        "amount": st.one_of(st.integers(-5, 10**7), st.decimals(-5, 10**6, places=2).map(str), JSON_VALUES),
        "currency": st.sampled_from(["USD", "EUR"]),
        "details": st.one_of(st.dictionaries(st.text(min_size=1, max_size=4), JSON_VALUES, max_size=3), JSON_VALUES),
        "status": st.sampled_from(["QUOTED", "DECLINED", "FAILED", "TIMED_OUT", "DONE"]),
        "error": st.fixed_dictionaries({}, optional={"type": st.text(max_size=5), "message": st.text(max_size=5)}),
        "declined": st.one_of(st.text(max_size=8), JSON_VALUES),
    }))


@settings(max_examples=150, deadline=None)
@given(PAYLOADS)
def test_both_read_the_same_answer(payload):
    limit = contract.details_limit(len(KNOWN))
    expected = contract.normalise_answer("avis", payload, currency="USD", details_limit=limit)

    answer = evaluate("Answer", input={"responder": "avis", "plan": {"recipients": KNOWN}},
                      result={"Payload": payload}, context=CONTEXT)

    assert {key: answer[key] for key in ("responder", "status")} == {key: expected[key] for key in ("responder", "status")}
    assert answer.get("amount") == expected.get("amount")
    assert json.dumps(answer.get("details"), sort_keys=True) == json.dumps(expected.get("details"), sort_keys=True)
    if expected["status"] == "DECLINED":
        assert answer["error"]["message"] == expected["error"]["message"]


AMOUNTS = st.decimals(min_value=0, max_value=10**6, places=2).map(str)
ANSWERS = st.tuples(*[
    st.one_of(
        st.tuples(AMOUNTS, st.integers(0, 9)).map(lambda quote, name=name: {
            "responder": name, "status": "QUOTED", "amount": quote[0], "currency": "USD", "details": {},
            "respondedAt": f"2026-01-01T00:00:0{quote[1]}.000Z"}),
        st.sampled_from([contract.declined(name, "no"), contract.invalid_answer(name, "x"), contract.silent(name)]))
    for name in KNOWN])


@pytest.mark.parametrize("how", selection.SELECTIONS)
@settings(max_examples=100, deadline=None)
@given(answers=ANSWERS)
def test_both_come_to_the_same_result(how, answers):
    plan = {"requestId": "r1", "recipients": KNOWN, "createdAt": "2026-01-01T00:00:00.000Z", "deadlineAt": "2026-01-01T00:01:00.000Z"}
    record = {**plan, "variant": "map", "completedBy": "ALL", "completedAt": CONTEXT["State"]["EnteredTime"],
              "answers": {answer["responder"]: answer for answer in answers}}
    expected = contract.result(record, selection.best(answers, how))

    result = evaluate("CloseOutput", selection=how, input={**plan, "answers": list(answers)}, context=CONTEXT)

    best = result.pop("best")
    assert (best if isinstance(best, dict) else None) == expected.pop("best")
    assert result == expected
