"""What happens when something dies at a given moment, window by window: the rows of docs/guarantees.md."""

import pytest

from handlers.attribute_values import decode_item
from tests.simulation import model
from tests.simulation.build import Build
from tests.simulation.history import CALM, ID, Caller, History, Plan, simple
from tests.simulation.world import Mood, World


@pytest.fixture(scope="module")
def build():
    return Build()


@pytest.fixture
def happens(build):
    """`happens(plan, faults)` is the evidence of a history in which nothing else goes wrong; whatever it is, it keeps the rules."""

    def run(its, faults, mood=CALM):
        evidence = History(build, its, World(0, mood, planned=faults)).run()
        assert model.violations(evidence) == []
        return evidence

    return run


def record(evidence):
    return decode_item(evidence.world.requests.items[ID])


def told(evidence):
    return [what["status"] if how == "returned" else how for _, _, how, what, _ in evidence.told]


def test_a_requester_that_dies_before_it_publishes_is_stood_in_for_by_a_repetition(happens):
    evidence = happens(simple("sns", "sync"), {("requester.caller0.1", "publish"): "crash before"})

    assert [name for _, name in evidence.asked] == ["requester.caller0.2"]
    assert told(evidence) == ["crashed", "OPEN"]
    assert record(evidence)["completedBy"] == "ALL"


def test_a_requester_that_dies_after_it_published_is_asked_again_only_where_nobody_has_answered_yet(happens):
    died = {("requester.caller0.1", "publish"): "crash after"}

    assert len(happens(simple("sns", "sync"), died).asked) == 1
    assert len(happens(simple("sns", "sync", seconds=8), died).asked) == 2


def test_a_publish_whose_reply_is_lost_is_repeated_by_the_sdk_and_counted_once(happens):
    evidence = happens(simple("sns", "sync"), {("requester.caller0.1", "publish"): "reply lost"})

    assert len(evidence.asked) == 2
    assert len(record(evidence)["answers"]) == 2


def test_an_asynchronous_caller_whose_requester_died_gets_a_closed_request_at_its_retry_after_the_deadline(happens):
    evidence = happens(simple("sns", "async"), {("requester.caller0.1", "publish"): "crash before"})

    assert evidence.asked == []
    assert told(evidence) == ["crashed", "FAILED"]
    assert [answer["status"] for answer in record(evidence)["answers"].values()] == ["TIMED_OUT", "TIMED_OUT"]


def test_a_requester_that_dies_before_it_keeps_the_record_has_done_nothing(happens):
    evidence = happens(simple("sns", "sync"), {("requester.caller0.1", "put_item"): "crash before"})

    assert [name for _, name in evidence.asked] == ["requester.caller0.2"]
    assert record(evidence)["completedBy"] == "ALL"


@pytest.mark.parametrize("kind", ["reply lost", "all replies lost", "crash after"])
def test_a_workflow_whose_requester_kept_the_record_goes_on_when_it_is_called_again(happens, kind):
    evidence = happens(simple("map", "execution"), {("requester.caller0.1", "put_item"): kind})

    assert [name for _, name in evidence.asked] == ["caller0"]
    assert record(evidence)["completedBy"] == "ALL"


@pytest.mark.parametrize("kind", ["crash before", "crash after"])
def test_a_closer_that_dies_as_it_announces_is_stood_in_for(happens, kind):
    evidence = happens(simple("sns", "sync", 5, seconds=8), {("aggregator.1", "put_events"): kind})

    assert len(evidence.world.events) == (1 if kind == "crash before" else 2)


def test_an_event_is_not_lost_when_the_closing_message_comes_twice_and_the_closer_dies(happens):
    evidence = happens(simple("sns", "sync", 5, seconds=8), {("aggregator.1", "put_events"): "crash before"}, Mood(duplicate_rate=1.0))

    assert len(evidence.world.events) == 1


@pytest.mark.parametrize("kind", ["reply lost", "all replies lost", "crash after", "crash before"])
def test_a_close_whose_reply_is_lost_closes_once(happens, kind):
    evidence = happens(simple("sns", "sync", 5, seconds=8), {("aggregator.1", "update_item"): kind})

    states = [decode_item(new)["status"] for *_, new in evidence.world.changes]
    assert [status for status, before in zip(states[1:], states, strict=False) if status != before] == ["FAILED"]


def test_a_deadline_whose_message_fails_five_times_still_closes(happens):
    faults = {(f"aggregator.{number}", "get_item"): "crash before" for number in range(1, 6)}

    evidence = happens(simple("sns", "sync", 5, seconds=8), faults)

    assert evidence.dead == []
    assert record(evidence)["completedBy"] == "DEADLINE"


def test_a_punctual_answer_whose_aggregator_raises_once_is_counted_before_the_deadline(happens):
    evidence = happens(simple("sns", "sync", 5), {("aggregator.1", "update_item"): "refused"})

    assert record(evidence)["completedBy"] == "ALL"


def test_a_punctual_answer_whose_aggregator_is_killed_is_late_where_the_deadline_is_nearer_than_the_queues_patience(happens):
    evidence = happens(simple("sns", "sync", 5), {("aggregator.1", "update_item"): "crash before"})

    kept = record(evidence)
    assert kept["completedBy"] == "DEADLINE"
    assert {*kept["answers"]} == {"avis", "budget"}
    assert len(kept["late"]) + sum(answer["status"] == "QUOTED" for answer in kept["answers"].values()) == 2


def test_two_callers_with_one_id_and_another_request_are_told_apart(happens):
    plan = simple("sns", "sync")
    other = Caller(1.0, "sync", {**plan.callers[0].body, "data": {"days": 4}})

    evidence = happens(Plan(plan.carrier, plan.deadline_seconds, plan.completion, plan.habits, (*plan.callers, other), CALM), {})

    assert evidence.told[-1][3]["error"]["message"] == "requestId r1 was already used for another request"
    assert len(evidence.asked) == 1


@pytest.mark.parametrize("skew", [2, 600])
def test_clocks_that_are_off_lose_nothing(build, skew):
    """What is punctual is judged by the clock of whoever answered, so it may be judged wrongly; nothing is lost, and it closes."""
    for seed in range(200):
        evidence = History(build, simple("sns", "sync"), World(seed, Mood(skew_seconds=skew))).run()

        assert model.violations(evidence) == []
