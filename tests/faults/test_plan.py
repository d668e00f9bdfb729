"""The plan of a run is its seed's, and no run leaves a kind of fault out."""

from collections import Counter

import pytest
from rich.console import Console

from components import definition
from tests.faults import plan as planning
from tests.faults.__main__ import RULES, planned_figures
from tests.faults.plan import plan
from tests.faults.request import EXISTING, OUTCOMES, THROTTLED, Ask, Request


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
    faults = {(request.variant, point, kind) for request in planned.requests for point, kinds in request.faults.items() for kind in kinds}
    for carrier in planning.CARRIERS:
        assert {kind for variant, point, kind in faults if (variant, point) == (carrier, "gather")} - {"none"} == set(planning.CALL_FAULTS)
        assert (carrier, "create", "kill-after") in faults
        assert (carrier, "announce", "kill-before") in faults
        assert (carrier, "receive", "again") in faults
    assert ("sns", "publish", "kill-before") in faults
    assert {point for _, point, _ in faults} == {
        "deadline",
        "create",
        "publish",
        "published",
        "answer",
        "invoke",
        "gather",
        "announce",
        "receive",
        "workflow opens",
        "workflow asks",
        "workflow gathers",
    }
    assert any(ask.responder == EXISTING for request in planned.requests for ask in request.asks)
    assert any(request.is_stopped for request in planned.requests)
    assert any(request.is_repeated_when_closed for request in planned.requests)
    assert {window.kind for window in planned.windows} == {"outage", "throttle"}
    assert planned.before_restart


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("carrier", planning.CARRIERS)
def test_each_rule_is_the_only_one_for_some_requests_of_each_carrier(seed, carrier):
    decided = Counter(
        rule for request in plan(seed, 240).requests if request.variant == carrier and len(request.rules()) == 1 for rule in request.rules()
    )

    assert set(decided) == set(RULES)
    assert any(request.required for request in plan(seed, 240).requests if request.variant == carrier)


def retries(machine: str, state: str) -> int:
    """How often the machine repeats a call whose function broke."""
    definition_ = definition.load(f"{machine}_scatter_gather.asl.json")
    [retrier] = [each for each in definition_["States"][state]["Retry"] if "States.TaskFailed" in each["ErrorEquals"]]
    return retrier["MaxAttempts"]


@pytest.mark.parametrize("carrier", ["map", "parallel"])
def test_a_workflow_has_no_fewer_retries_than_faults(carrier):
    for request in plan(1, 240).requests:
        if request.variant == carrier:
            gathering = sum(len(request.faults.get(point, ())) for point in ("gather", "announce", "workflow gathers"))
            opening = sum(len(request.faults.get(point, ())) for point in ("deadline", "create", "workflow opens"))
            assert gathering <= retries(carrier, "Gather")
            assert opening <= retries(carrier, "Open request")


def test_only_what_a_caller_does_may_kill_a_responder():
    for request in plan(1, 240).requests:
        assert request.variant == "sns" or not set(request.faults.get("answer", ())) & {"kill-before", "kill-after"}


QUOTES = (Ask("avis", "quote"), Ask("alamo", "bargain"))
HELD = Ask("budget", "held")


@pytest.mark.parametrize(
    ("request_", "rules"),
    [
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
        (Request("r", "sns", QUOTES, faults={"gather": ("lose",)}), {"ALL"}),
        (Request("r", "sns", QUOTES, faults={"gather": ("kill-after",)}), {"ALL", "DEADLINE"}),
        (Request("r", "sns", QUOTES, faults={"gather": ("kill-after",)}, deadline_seconds=30), {"ALL"}),
        (
            Request("r", "map", (*QUOTES, HELD), quorum=2, faults={"gather": ("kill-after", "kill-before")}, deadline_seconds=30),
            {"QUORUM", "DEADLINE"},
        ),
        (Request("r", "sns", QUOTES, faults={"create": ("kill-after",), "announce": ("kill-before",), "receive": ("again",)}), {"ALL"}),
        (Request("r", "sns", (Ask("avis", "quote", (0, 12)),)), {"ALL", "DEADLINE"}),
        (Request("r", "map", (*QUOTES, HELD), is_stopped=True), {"DEADLINE"}),
    ],
)
def test_what_a_plan_decides_about_the_end(request_, rules):
    assert request_.rules() == rules
