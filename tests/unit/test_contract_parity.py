"""The state machines' JSONata and the functions' Python say the same about the same input."""

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers import clock, completion, contract, selection
from handlers.completion import Policy
from handlers.selection import Selection
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
            "quorum": st.one_of(st.integers(-1, 6), JSON_VALUES), "deadlineSeconds": st.one_of(st.integers(-1, 70), JSON_VALUES),
            "amountBelow": st.one_of(st.integers(-1, 120), st.decimals(0, 120, places=1).map(str), JSON_VALUES),
            "required": st.one_of(st.lists(st.sampled_from([*KNOWN, "zipcar"]), max_size=3), JSON_VALUES)}), JSON_VALUES),
        "surprise": JSON_VALUES,
    })
STACKS = st.sampled_from([
    {"deadlineSeconds": 60},
    {"deadlineSeconds": 30.5, "quorum": 2, "weights": {"avis": 3}},
    {"deadlineSeconds": 60, "amountBelow": "99.5", "required": ["alamo"]},
])


@settings(max_examples=200, deadline=None)
@given(REQUESTS, STACKS, st.sampled_from(["STANDARD", "EXPRESS"]))
def test_both_accept_the_same_requests_under_the_same_policy(request_body, stack, workflow_type):
    policy = completion.policy_of(stack)
    try:
        completion.check_request(request_body, KNOWN, policy, can_close_early=workflow_type == "STANDARD")
        accepted = True
    except contract.InvalidRequest:
        accepted = False

    try:
        plan = evaluate("Plan", completion=stack, workflow_type=workflow_type, states={"input": request_body, "context": CONTEXT})
    except Exception as refusal:  # noqa: BLE001 - the engine raises its own kinds
        assert "InvalidRequest: " in str(refusal)
        plan = None

    assert (plan is not None) == accepted
    if plan:
        asked = contract.recipients_of(request_body, KNOWN)
        tightened = completion.tighten(policy, request_body.get("completion", {}))
        assert plan["recipients"] == asked
        assert plan["deadlineAt"] == clock.later(CONTEXT["Execution"]["StartTime"], tightened.deadline_seconds)
        assert ("policy" in plan) == tightened.closes_early(asked)
        if "policy" in plan:
            assert plan["policy"].get("quorum") == tightened.quorum
            assert plan["policy"].get("amountBelow") == (None if tightened.amount_below is None else float(tightened.amount_below))
            assert set(plan["policy"]["required"]) == tightened.required


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

    answer = evaluate("Answer", states={
        "input": {"responder": "avis", "plan": {"recipients": KNOWN}}, "result": {"Payload": payload}, "context": CONTEXT})

    assert {key: answer[key] for key in ("responder", "status")} == {key: expected[key] for key in ("responder", "status")}
    assert answer.get("amount") == expected.get("amount")
    assert json.dumps(answer.get("details"), sort_keys=True) == json.dumps(expected.get("details"), sort_keys=True)
    if expected["status"] == "DECLINED":
        assert answer["error"]["message"] == expected["error"]["message"]


def test_both_cut_what_a_responder_says_of_its_error():
    payload = {"status": "FAILED", "error": {"type": "T" * 200_000, "message": "m" * 200_000}}
    expected = contract.normalise_answer("avis", payload, currency="USD", details_limit=1000)

    answer = evaluate("Answer", states={
        "input": {"responder": "avis", "plan": {"recipients": KNOWN}}, "result": {"Payload": payload}, "context": CONTEXT})

    assert answer["error"] == expected["error"] == {"type": "T" * 100, "message": "m" * 500}


@pytest.mark.parametrize(("number", "is_kept"), [
    (1e125, True), (1e126, False), (1e300, False), (1e-130, True), (1e-131, False), (-2e200, False)])
def test_both_leave_out_what_the_store_would_refuse(number, is_kept):
    payload = {"amount": "1", "details": {"x": [number]}}
    expected = contract.normalise_answer("avis", payload, currency="USD", details_limit=1000)

    answer = evaluate("Answer", states={
        "input": {"responder": "avis", "plan": {"recipients": KNOWN}}, "result": {"Payload": payload}, "context": CONTEXT})

    assert [("omitted" not in both["details"]) for both in (answer, expected)] == [is_kept] * 2
    assert answer["amount"] == "1"


AMOUNTS = st.decimals(min_value=0, max_value=10**6, places=2).map(str)
ANSWERS = st.tuples(*[
    st.one_of(
        st.tuples(AMOUNTS, st.integers(0, 9)).map(lambda quote, name=name: {
            "responder": name, "status": "QUOTED", "amount": quote[0], "currency": "USD", "details": {},
            "respondedAt": f"2026-01-01T00:00:0{quote[1]}.000Z"}),
        st.sampled_from([contract.declined(name, "no"), contract.invalid_answer(name, "x"), contract.silent(name)]))
    for name in KNOWN])


@pytest.mark.parametrize("how", selection.RANKINGS)
@settings(max_examples=75, deadline=None)
@given(answers=ANSWERS)
def test_both_come_to_the_same_result(how, answers):
    plan = {"requestId": "r1", "recipients": KNOWN, "createdAt": "2026-01-01T00:00:00.000Z", "deadlineAt": "2026-01-01T00:01:00.000Z"}
    record = {**plan, "variant": "map", "completedBy": "ALL", "completedAt": CONTEXT["State"]["EnteredTime"],
              "answers": {answer["responder"]: answer for answer in answers}}
    expected = contract.result(record, selection.top(answers, Selection(how, 2)))

    result = evaluate("CloseOutput", selection=how, states={"input": {**plan, "answers": list(answers)}, "context": CONTEXT})

    best = result.pop("best")
    assert (best if isinstance(best, dict) else None) == expected.pop("best")
    assert result == expected


@settings(max_examples=200, deadline=None)
@given(answers=ANSWERS, given_by=st.sets(st.sampled_from(KNOWN)), quorum=st.none() | st.integers(1, 3),
       below=st.none() | st.integers(1, 1000), required=st.lists(st.sampled_from(KNOWN), unique=True), after_deadline=st.booleans())
def test_both_close_a_request_by_the_same_rule(answers, given_by, quorum, below, required, after_deadline):
    so_far = {answer["responder"]: answer for answer in answers if answer["responder"] in given_by}
    weights = {"alamo": 2}
    policy = Policy(60, quorum, None if below is None else Decimal(below), frozenset(required), weights)
    plan = {"recipients": KNOWN, "deadlineAt": "2026-01-01T00:01:00.000Z", "policy": {
        "required": required, **({} if quorum is None else {"quorum": quorum}), **({} if below is None else {"amountBelow": below})}}
    now = "2026-01-01T00:01:00.000Z" if after_deadline else "2026-01-01T00:00:59.999Z"

    verdict = evaluate("(${CompletedBy} $completedBy($states.input.plan, $states.input.answers, $states.context.State.EnteredTime))",
                       completion={"deadlineSeconds": 60, "weights": weights},
                       states={"input": {"plan": plan, "answers": so_far}, "context": {"State": {"EnteredTime": now}}})

    assert (None if verdict == "OPEN" else verdict) == completion.completed_by(policy, KNOWN, so_far, after_deadline=after_deadline)
