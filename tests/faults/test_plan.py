"""The plan of a run is its seed's, and no run leaves a kind of fault out."""

from collections import Counter

from tests.faults import plan as planning
from tests.faults.plan import plan


def test_a_seed_gives_the_same_plan_whenever_it_is_asked():
    assert plan(7, 100) == plan(7, 100)
    assert plan(7, 100) != plan(8, 100)


def test_a_longer_run_begins_as_the_shorter_one():
    assert plan(7, 200).requests[:90] == plan(7, 100).requests[:90]


def test_every_carrier_behaviour_and_fault_has_its_turn():
    planned = plan(1, 240)

    assert len(planned.all_requests) == 240
    assert len({request.id for request in planned.all_requests}) == 240
    assert {request.variant for request in planned.requests} == {"map", "parallel", "sns"}
    behaviours = Counter(ask.behaviour for request in planned.requests for ask in request.asks)
    assert set(behaviours) == {*planning.BEHAVIOURS, *planning.MESSAGING}
    faults = {(point, kind) for request in planned.requests for point, kinds in request.faults.items() for kind in kinds}
    assert {kind for point, kind in faults if point == "gather"} == set(planning.WRITE_FAULTS)
    assert {point for point, _ in faults} == {"create", "publish", "published", "gather", "announce"}
    assert {window.kind for window in planned.windows} == {"outage", "throttle"}
    assert planned.before_restart


def test_only_what_goes_through_queues_has_its_messages_tampered_with():
    for request in plan(1, 240).requests:
        if request.variant != "sns":
            assert not request.faults
            assert all(ask.delays == (0,) and ask.behaviour not in planning.MESSAGING for ask in request.asks)
