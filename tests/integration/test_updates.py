"""An update of the real stack does what the configuration asks for, and nothing else."""

import pytest

from client.invariants import violations
from local.state import State
from tests.integration.conftest import deploy

CONFIG = {"variants": ["map", "sns"], "responderCount": 1, "api": {"enabled": False}}


def known(state: State) -> dict[str, tuple[str, object, object]]:
    """{URN: type, id and inputs} of what a provider made."""
    return {resource.urn: (resource.type, resource.id, resource.inputs) for resource in state.resources if resource.custom}


def test_the_same_configuration_again_changes_nothing_and_a_concurrency_just_the_maps(emulator, account):
    state = State()
    stack = deploy(emulator, account, CONFIG, state=state)
    stored = stack.request("map", stack.sample_request)["requestId"]
    first = known(state)

    deploy(emulator, account, CONFIG, state=state)
    assert known(state) == first

    stack = deploy(emulator, account, {**CONFIG, "maxConcurrency": 3}, state=state)
    second = known(state)
    assert first.keys() == second.keys()
    assert {second[urn][0] for urn in second if second[urn] != first[urn]} == {"aws:sfn/stateMachine:StateMachine"}
    assert all(second[urn][1] == first[urn][1] for urn in first)
    found = stack.result(stored)
    assert found is not None
    assert found["status"] == "COMPLETE"


def test_a_responder_more_is_made_and_nobody_elses_is_touched(emulator, account):
    state = State()
    deploy(emulator, account, CONFIG, state=state)
    first = known(state)

    deploy(emulator, account, {**CONFIG, "responderCount": 2}, state=state)

    second = known(state)
    added = {urn.rpartition("::")[2] for urn in second.keys() - first.keys()}
    assert added
    assert all("alamo" in name for name in added)
    assert first.keys() <= second.keys()
    assert all(second[urn][1] == first[urn][1] for urn in first)
    assert not [urn for urn in first if "::responder-" in urn and second[urn] != first[urn]]


QUICK = {"name": "quick", "module": "tests.responders", "behaviour": "quote"}
SLOW = {"name": "slow", "module": "tests.responders", "behaviour": "sleep", "seconds": 1.5, "retries": 0}
LIVE = {"variants": ["map", "sns"], "responders": [QUICK, SLOW], "api": {"enabled": False}, "alarms": {"enabled": False}}


@pytest.mark.parametrize(
    "update",
    [
        {"responders": [QUICK]},
        {"responders": [QUICK, {**SLOW, "name": "slower"}]},
        {"responders": [QUICK, SLOW, {**QUICK, "name": "another"}]},
        {"workflowType": "EXPRESS"},
        {"variants": ["sns"]},
        {"variants": ["map"]},
    ],
    ids=["a responder removed", "renamed", "added", "STANDARD to EXPRESS", "map taken out", "sns taken out"],
)
def test_a_request_that_is_under_way_closes_with_what_was_answered_whatever_is_updated(emulator, account, update):
    """By its deadline at the latest; who answered before the update has its quote in it."""
    state = State()
    before = deploy(emulator, account, LIVE, state=state)
    under_way = [before.send(carrier, {"data": {}, "completion": {"deadlineSeconds": 4, "quorum": 2}}) for carrier in before.variants]
    for request_id in under_way:
        next(result for result in before.watch(request_id) if result["answers"])

    after = deploy(emulator, account, {**LIVE, **update}, state=state)

    for request_id in under_way:
        closed = after.wait(request_id, 20)
        by_name = {answer["responder"]: answer["status"] for answer in closed["answers"]}
        assert by_name["quick"] == "QUOTED"
        assert by_name["slow"] in ("QUOTED", "FAILED", "TIMED_OUT")
        assert list(violations(after.record(request_id) or {}, 0)) == []
    for carrier in after.variants:
        assert after.request(carrier, {"data": {}, "recipients": ["quick"]}, 20)["status"] == "COMPLETE"
