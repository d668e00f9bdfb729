"""Map and Parallel on a second interpreter, moto's, with the same functions: the same outcome, and so many transitions as are paid for."""

import re
from collections import Counter
from typing import Any

import pytest

from tests.integration.conftest import deploy
from tests.moto_workflows import ACCOUNT, Execution, Workflows, calling
from tests.results import without_times

NAMES = ["avis", "alamo", "busy", "flaky", "crash"]


@pytest.fixture(scope="module")
def stack(emulator):
    responders = [
        {"name": name, "timeoutSeconds": 60, **settings}
        for name, settings in {
            "avis": {"module": "tests.responders", "amount": 99, "behaviour": "quote"},
            "alamo": {"module": "tests.responders", "amount": 120, "behaviour": "sleep", "seconds": 0},
            "busy": {"module": "tests.odd_responders", "retries": 1},
            "flaky": {"module": "tests.responders", "behaviour": "flaky"},
            "crash": {"module": "tests.responders", "behaviour": "crash"},
        }.items()
    ]
    return deploy(
        emulator,
        ACCOUNT,
        {
            "variants": ["map", "parallel"],
            "api": {"enabled": False},
            "alarms": {"enabled": False},
            "completion": {"deadlineSeconds": 900},
            "responders": responders,
        },
    )


@pytest.fixture(scope="module")
def moto(emulator):
    with calling(emulator) as workflows:
        yield workflows


@pytest.fixture(params=["map", "parallel"], scope="module")
def variant(request):
    return request.param


@pytest.fixture(scope="module")
def machine(stack, moto: Workflows, variant):
    """The definition as it is deployed."""
    deployed = stack.client("stepfunctions").describe_state_machine(stateMachineArn=stack.outputs[f"{variant}StateMachineArn"])
    return moto.create(deployed["definition"])


@pytest.fixture(scope="module")
def outcomes(stack, moto: Workflows, machine, variant, tmp_path_factory) -> tuple[Execution, Any]:
    """Of a request to all, on moto and on the emulator at the same time."""

    def request() -> dict[str, Any]:
        return {"data": {"folder": str(tmp_path_factory.mktemp("asked")), "do": {"busy": "busy"}}}

    execution = moto.start(machine, request())
    by_emulator = stack.request(variant, request())
    return moto.ended(execution), by_emulator


def paid(execution: Execution) -> Counter[str]:
    """How often each state was entered; a Parallel's by what they do, whoever their responder is."""
    return Counter(re.sub(r"^(Ask|Keep failure of) [a-z]+$", lambda name: name[1].removesuffix(" of"), name) for name in execution.entered)


def test_both_interpreters_come_to_the_same_result(outcomes):
    by_moto, by_emulator = outcomes

    assert by_moto.status == "SUCCEEDED"
    assert without_times(by_moto.output) == without_times(by_emulator)


def test_quotes_survive_what_breaks_beside_them(outcomes):
    result = outcomes[0].output

    assert {answer["responder"]: answer["status"] for answer in result["answers"]} == {
        "avis": "QUOTED",
        "alamo": "QUOTED",
        "busy": "FAILED",
        "flaky": "QUOTED",
        "crash": "FAILED",
    }
    assert (result["status"], result["completedBy"], result["best"]["responder"]) == ("PARTIAL", "ALL", "avis")


def test_a_passing_fault_is_retried_as_often_as_its_responder_says(outcomes):
    """The responder knows from retryCount that its last attempt has come, and answers instead of raising."""
    busy = outcomes[0].output["answers"][2]

    assert busy["error"] == {"type": "TransientError", "message": "busy, asked 2 times"}


def test_a_request_costs_four_transitions_and_one_for_each_responder_and_for_each_whose_function_broke(outcomes, variant):
    scatter = "Ask each responder" if variant == "map" else "Ask the responders"

    assert paid(outcomes[0]) == {"Open request": 1, "Is it new?": 1, scatter: 1, "Ask": 5, "Keep failure": 1, "Gather": 1}


def test_a_request_that_closes_early_costs_no_more(moto: Workflows, machine, variant):
    request = {"data": {"seconds": 3}, "completion": {"quorum": 1}, "recipients": ["avis", "alamo"]}

    ended = moto.ended(moto.start(machine, request))

    assert ended.output["completedBy"] == "QUORUM"
    # A Parallel has a branch for everybody; whoever is not a recipient says so.
    assert len(ended.entered) == (2 if variant == "map" else len(NAMES)) + 4


def test_a_repeated_request_asks_nobody_and_has_the_same_result(moto: Workflows, machine, variant):
    request = {"requestId": f"twice-on-{variant}", "data": {"legs": [["LHR", "JFK"]]}, "recipients": ["avis"]}

    first, second = (moto.ended(moto.start(machine, request)) for _ in range(2))

    assert (first.output["status"], second.output) == ("COMPLETE", first.output)
    assert second.entered == ["Open request", "Is it new?", "Gather"]


def test_a_broken_request_is_rejected_with_the_reason(moto: Workflows, machine):
    ended = moto.ended(moto.start(machine, {"data": {}, "recipients": ['zip"é']}))

    assert (ended.status, ended.error) == ("FAILED", "InvalidRequest")
    assert ended.cause == f'unknown recipient "zip\\"é"; known responders: {", ".join(NAMES)}'
    assert ended.entered == ["Open request", "Is it new?", "Reject"]
