"""The plan of a run is its seed's, and no run leaves a kind of fault out."""

from collections import Counter

import pytest
from rich.console import Console

from tests.faults import plan as planning
from tests.faults.__main__ import RULES, planned_figures
from tests.faults.faulty_emulator import MOST_IN_A_ROW
from tests.faults.plan import plan
from tests.faults.request import OUTCOMES, THROTTLED, Ask, Request


def printed(seed: int) -> str:
    console = Console(width=100)
    with console.capture() as capture:
        console.print(planned_figures(plan(seed, 240), seed))
    return capture.get()


def test_a_seed_gives_the_same_plan_whenever_it_is_asked():
    assert plan(7, 100) == plan(7, 100)
    assert printed(7) == printed(7)


def test_another_seed_gives_another_plan():
    assert plan(7, 100) != plan(8, 100)
    assert printed(7).splitlines()[1:] != printed(8).splitlines()[1:]


def test_a_longer_run_begins_as_the_shorter_one():
    assert plan(7, 200).requests[:90] == plan(7, 100).requests[:90]


@pytest.mark.parametrize("seed", [1, 2])
def test_every_carrier_policy_behaviour_and_fault_has_its_turn(seed):
    planned = plan(seed, 240)

    assert len(planned.all_requests) == 240
    assert len({request.id for request in planned.all_requests}) == 240
    behaviours = Counter(ask.behaviour for request in planned.requests for ask in request.asks)
    assert set(behaviours) == set(OUTCOMES)
    faults = {(point, kind) for request in planned.requests for point, kinds in request.faults.items() for kind in kinds}
    assert {kind for point, kind in faults if point == "gather"} == set(planning.WRITE_FAULTS)
    assert {kind for point, kind in faults if point == "record"} == set(planning.STORE_FAULTS)
    assert {point for point, _ in faults} == {
        "create", "publish", "published", "gather", "announce", "open", "record", "record late", "close"}
    assert {window.kind for window in planned.windows} == {"outage", "throttle"}
    assert planned.before_restart


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("carrier", planning.CARRIERS)
def test_each_rule_is_the_only_one_for_some_requests_of_each_carrier(seed, carrier):
    decided = Counter(rule for request in plan(seed, 240).requests if request.variant == carrier and len(request.rules()) == 1
                      for rule in request.rules())

    assert set(decided) == set(RULES)
    assert any(request.required for request in plan(seed, 240).requests if request.variant == carrier)


def test_only_what_goes_through_queues_has_its_messages_tampered_with():
    for request in plan(1, 240).requests:
        if request.variant != "sns":
            assert not set(request.faults) & {"create", "publish", "published", "gather", "announce"}
            assert all(ask.delays == (0,) and ask.behaviour not in planning.MESSAGING for ask in request.asks)


def test_a_workflow_has_more_retries_than_faults():
    for request in plan(1, 240).requests:
        assert request.variant == "sns" or all(len(kinds) <= MOST_IN_A_ROW for kinds in request.faults.values())


QUOTES = (Ask("avis", "quote"), Ask("alamo", "bargain"))
HELD = Ask("budget", "held")


@pytest.mark.parametrize(("request_", "rules"), [
    (Request("r", "map", QUOTES), {"ALL"}),
    (Request("r", "map", (*QUOTES, HELD)), {"DEADLINE"}),
    (Request("r", "map", (*QUOTES, HELD), quorum=2), {"QUORUM"}),
    (Request("r", "map", (*QUOTES, HELD), quorum=3), {"DEADLINE"}),
    (Request("r", "map", QUOTES, quorum=1), {"QUORUM", "ALL"}),
    (Request("r", "map", (*QUOTES, HELD), wants_bargain=True), {"CONDITION"}),
    (Request("r", "map", (QUOTES[0], HELD), wants_bargain=True), {"DEADLINE"}),
    (Request("r", "map", (*QUOTES, HELD), quorum=1, required=("avis",)), {"QUORUM"}),
    (Request("r", "map", (*QUOTES, Ask("hertz", "throw"), HELD), quorum=1, required=("hertz",)), {"DEADLINE"}),
    (Request("r", "map", (QUOTES[0], Ask(THROTTLED, "quote"), HELD), quorum=2), {"QUORUM", "DEADLINE"}),
    (Request("r", "map", (QUOTES[0], Ask("hertz", "crash"))), {"ALL"}),
    (Request("r", "sns", (QUOTES[0], Ask("hertz", "crash"))), {"DEADLINE"}),
    (Request("r", "sns", QUOTES, faults={"gather": ("lose",)}), {"ALL", "DEADLINE"}),
    (Request("r", "sns", (Ask("avis", "quote", (0, 8)),)), {"ALL", "DEADLINE"}),
])
def test_what_a_plan_decides_about_the_end(request_, rules):
    assert request_.rules() == rules
