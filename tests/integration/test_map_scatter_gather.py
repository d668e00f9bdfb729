"""MapScatterGather and ParallelScatterGather on the emulator: the same request, the same result, whatever happens to the responders."""

import json
import re
import tempfile
import time
import uuid

import pytest

from client import RequestFailed
from handlers.contract import InvalidRequest
from tests.results import result_of, said

MODULE = "tests.responders"
LOOK_SECONDS = 0.02
VARIANTS = ["map", "parallel"]
SCATTER = {"map": "Ask each responder", "parallel": "Ask the responders"}


def responder(name, behaviour="quote", **settings):
    return {"name": name, "module": MODULE, "behaviour": behaviour, **settings}


MIXED = [
    responder("avis", amount=120),
    responder("alamo", amount=99),
    responder("hertz", "throw"),
    responder("sixt", "decline"),
    responder("budget", "sleep", seconds=30, timeoutSeconds=1),
    responder("thrifty", amount=99),
]


NO_API = {"enabled": False}


@pytest.fixture(scope="module")
def mixed(deployed):
    return deployed(variants=VARIANTS, responders=MIXED, api=NO_API)


@pytest.fixture(scope="module")
def existing(mixed):
    """The ARN of a function that was there before the stack: avis of another stack, who quotes 120."""
    functions = mixed.client("lambda").list_functions()["Functions"]
    return next(function["FunctionArn"] for function in functions if "avis" in function["FunctionName"])


@pytest.fixture(params=VARIANTS)
def variant(request):
    return request.param


def test_failures_are_answers_in_their_slot_and_the_quotes_survive(mixed, variant):
    result = mixed.request(variant, {"data": {}})

    assert {answer["responder"]: answer["status"] for answer in result["answers"]} == {
        "avis": "QUOTED",
        "alamo": "QUOTED",
        "hertz": "FAILED",
        "sixt": "DECLINED",
        "budget": "TIMED_OUT",
        "thrifty": "QUOTED",
    }
    assert [answer["responder"] for answer in result["answers"]] == [entry["name"] for entry in MIXED]
    error = result["answers"][2]["error"]
    assert said(error) == ("RuntimeError", "out of cars")
    assert re.fullmatch(r"tests/responders\.py:\d+", error["at"])
    assert (result["status"], result["completedBy"]) == ("PARTIAL", "ALL")
    assert {key: result[key] for key in ("expected", "received", "declined", "failed", "late")} == {
        "expected": 6,
        "received": 5,
        "declined": 1,
        "failed": 1,
        "late": 0,
    }


def test_nobody_is_asked_any_more_after_the_deadline(mixed, variant):
    result = mixed.request(variant, {"data": {}, "recipients": ["avis", "hertz"], "completion": {"deadlineSeconds": 0.001}})

    assert [(answer["status"], answer["error"]["type"]) for answer in result["answers"]] == [("TIMED_OUT", "Deadline")] * 2
    assert (result["status"], result["completedBy"]) == ("FAILED", "DEADLINE")


def test_the_lowest_wins_and_the_first_recipient_wins_the_tie(mixed, variant):
    assert mixed.request(variant, {"data": {}, "recipients": ["thrifty", "avis", "alamo"]})["best"]["responder"] == "thrifty"
    assert mixed.request(variant, {"data": {}, "recipients": ["avis", "alamo", "thrifty"]})["best"]["responder"] == "alamo"


def test_only_the_recipients_are_asked_and_answer_in_their_order(mixed, variant):
    result = mixed.request(variant, {"data": {}, "recipients": ["sixt", "avis"]})

    assert [answer["responder"] for answer in result["answers"]] == ["sixt", "avis"]
    assert (result["status"], result["expected"]) == ("COMPLETE", 2)


def test_the_output_of_the_execution_is_the_stored_result(mixed, variant):
    result = mixed.request(variant, {"requestId": (request_id := uuid.uuid4().hex), "description": "Zürich", "data": {"n": [1, None]}})

    stored = mixed.result(request_id)
    assert json.loads(json.dumps(stored["request"], default=int)) == {"description": "Zürich", "data": {"n": [1, None]}}
    assert result_of(stored) == result


def test_when_nobody_quotes_the_request_fails_with_every_reason(mixed, variant):
    result = mixed.request(variant, {"data": {}, "recipients": ["hertz", "budget"]})

    assert (result["status"], result["best"]) == ("FAILED", None)
    assert [answer["error"]["type"] for answer in result["answers"]] == ["RuntimeError", "Timeout"]


@pytest.mark.parametrize(
    ("request_body", "reason"),
    [
        ({}, "data must be an object"),
        ([], "the request must be a JSON object"),
        ({"data": {}, "recipients": ["zipcar"]}, 'unknown recipient "zipcar"; known responders: avis, alamo, hertz, sixt, budget, thrifty'),
        ({"data": {}, "recipients": ["avis", "avis"]}, "named more than once; known responders: avis"),
        ({"data": {}, "recipients": []}, "recipients must not be empty; known responders: avis"),
        ({"data": {}, "recipients": [7]}, "recipients must be names, not a number; known responders: avis"),
        ({"data": {}, "recipients": [{"arn": "x"}]}, "recipients must be names, not an object; known responders: avis"),
        ({"data": {"x": "x" * 70_000}}, "the request takes 70017 bytes as JSON; at most 65536 are allowed"),
    ],
)
def test_a_broken_request_is_refused_before_anything_is_scattered(mixed, variant, request_body, reason):
    machine = mixed.outputs[f"{variant}StateMachineArn"]
    workflows = mixed.client("stepfunctions")

    execution = workflows.start_execution(stateMachineArn=machine, input=json.dumps(request_body))["executionArn"]
    while (state := workflows.describe_execution(executionArn=execution))["status"] == "RUNNING":
        time.sleep(LOOK_SECONDS)

    assert (state["status"], state["error"]) == ("FAILED", "InvalidRequest")
    assert reason in state["cause"]
    entered = [event for event in workflows.get_execution_history(executionArn=execution)["events"] if "Entered" in event["type"]]
    assert [event["stateEnteredEventDetails"]["name"] for event in entered] == ["Open request", "Is it new?", "Reject"]


def test_the_same_request_id_asks_nobody_twice(mixed, variant):
    body = {"requestId": uuid.uuid4().hex, "data": {"days": 3}, "recipients": ["avis"]}

    first, second = mixed.request(variant, body), mixed.request(variant, body)

    assert second == first


def test_a_request_id_of_another_request_is_refused(mixed, variant):
    request_id = uuid.uuid4().hex
    mixed.request(variant, {"requestId": request_id, "data": {"days": 3}, "recipients": ["avis"]})

    with pytest.raises(InvalidRequest, match=f"requestId {request_id} was already used for another request"):
        mixed.request(variant, {"requestId": request_id, "data": {"days": 4}, "recipients": ["avis"]})


def test_an_execution_that_was_stopped_leaves_a_request_that_its_deadline_closes(mixed, variant):
    body = {"requestId": uuid.uuid4().hex, "data": {}, "recipients": ["avis", "budget"], "completion": {"deadlineSeconds": 1}}
    workflows = mixed.client("stepfunctions")
    execution = workflows.start_execution(stateMachineArn=mixed.outputs[f"{variant}StateMachineArn"], input=json.dumps(body))[
        "executionArn"
    ]
    while mixed.record(body["requestId"]) is None:
        time.sleep(LOOK_SECONDS)

    workflows.stop_execution(executionArn=execution)

    result = mixed.wait(body["requestId"], timeout=60)
    assert (result["completedBy"], mixed.request(variant, body)["completedAt"]) == ("DEADLINE", result["completedAt"])


def test_a_request_costs_four_transitions_and_one_for_each_responder(mixed, variant):
    """The emulator's history has no iterations, but says what was entered outside them; inside, only Ask is entered."""
    workflows = mixed.client("stepfunctions")
    machine = mixed.outputs[f"{variant}StateMachineArn"]
    execution = workflows.start_execution(stateMachineArn=machine, input=json.dumps({"data": {}, "recipients": ["avis", "alamo"]}))[
        "executionArn"
    ]
    while workflows.describe_execution(executionArn=execution)["status"] == "RUNNING":
        time.sleep(LOOK_SECONDS)

    entered = [event for event in workflows.get_execution_history(executionArn=execution)["events"] if "Entered" in event["type"]]

    assert [event["stateEnteredEventDetails"]["name"] for event in entered] == ["Open request", "Is it new?", SCATTER[variant], "Gather"]
    definition = json.loads(workflows.describe_state_machine(stateMachineArn=machine)["definition"])
    scatter = definition["States"][SCATTER[variant]]
    for asking in [scatter["ItemProcessor"]] if variant == "map" else scatter["Branches"]:
        assert asking["States"][asking["StartAt"]]["End"] is True


def test_a_transient_error_is_retried(deployed, variant, tmp_path):
    stack = deployed(variants=VARIANTS, responders=[responder("flaky", "flaky"), responder("crash", "crash")], api=NO_API)

    result = stack.request(variant, {"data": {"folder": str(tmp_path)}, "recipients": ["flaky"]})

    assert result["status"] == "COMPLETE"


def test_a_function_that_dies_is_a_failure_in_its_slot(deployed, variant):
    stack = deployed(variants=VARIANTS, responders=[responder("flaky", "flaky"), responder("crash", "crash")], api=NO_API)

    result = stack.request(variant, {"data": {}, "recipients": ["crash"]})

    assert result["answers"][0]["error"]["type"] == "Runtime.ExitError"


def test_answers_larger_than_a_state_may_carry_lose_no_quote(deployed, variant):
    stack = deployed(
        variants=VARIANTS, responders=[responder(f"big-{number}", bytes=100_000, amount=number) for number in range(1, 6)], api=NO_API
    )

    result = stack.request(variant, {"data": {}})

    assert [answer["amount"] for answer in result["answers"]] == ["1", "2", "3", "4", "5"]
    assert all("at most" in answer["details"]["omitted"] for answer in result["answers"])
    assert len(json.dumps(result)) < 262_144


def test_an_existing_function_is_a_responder_too(deployed, existing, variant):
    stack = deployed(variants=VARIANTS, responders=[{"name": "existing", "functionArn": existing}], api=NO_API)

    result = stack.request(variant, {"data": {}})

    assert (result["best"]["responder"], result["best"]["amount"]) == ("existing", "120")


@pytest.fixture(scope="module")
def overlapping(deployed):
    """Six responders that wait for each other and say how many were asked at the same moment; asked once, so that all are warm."""
    stack = deployed(variants=["map"], maxConcurrency=0, responders=[responder(f"r{number}", "overlap") for number in range(6)], api=NO_API)
    with tempfile.TemporaryDirectory() as folder:
        stack.request("map", {"data": {"folder": folder, "until": 1}})
    functions = stack.client("lambda").list_functions()["Functions"]
    return {
        f"r{number}": next(function["FunctionArn"] for function in functions if f"-r{number}-" in function["FunctionName"])
        for number in range(6)
    }


@pytest.mark.parametrize(("cap", "most"), [(1, 1), (3, 3), (40, 6)])
def test_max_concurrency_truly_caps(deployed, overlapping, cap, most, tmp_path):
    stack = deployed(
        variants=["map"],
        maxConcurrency=cap,
        api=NO_API,
        responders=[{"name": name, "functionArn": arn} for name, arn in overlapping.items()],
    )

    result = stack.request("map", {"data": {"folder": str(tmp_path), "until": most}})

    assert max(int(answer["details"]["together"]) for answer in result["answers"]) == most


@pytest.mark.parametrize("count", [1, 5, 40])
def test_any_number_of_responders(deployed, existing, variant, count):
    names = [f"r{number}" for number in range(40)]
    stack = deployed(variants=VARIANTS, api=NO_API, responders=[{"name": name, "functionArn": existing} for name in names])

    result = stack.request(variant, {"data": {}, "recipients": names[:count]})

    assert (result["status"], result["received"], result["best"]["responder"]) == ("COMPLETE", count, "r0")


def test_an_express_workflow_answers_the_same(deployed, variant):
    stack = deployed(variants=VARIANTS, workflowType="EXPRESS", responders=MIXED[:2], api=NO_API)

    result = stack.request(variant, {"data": {}})

    assert (result["status"], result["best"]["responder"]) == ("COMPLETE", "alamo")
    assert result == result_of(stack.result(result["requestId"]))


def test_an_express_workflow_refuses_a_broken_request(deployed, variant):
    stack = deployed(variants=VARIANTS, workflowType="EXPRESS", responders=MIXED[:2], api=NO_API)

    with pytest.raises(InvalidRequest, match='unknown recipient "zipcar"'):
        stack.request(variant, {"data": {}, "recipients": ["zipcar"]})


def test_a_variant_that_is_not_deployed_is_named(mixed):
    with pytest.raises(RequestFailed, match="variant fax is not deployed; deployed: map, parallel"):
        mixed.request("fax", {"data": {}})
