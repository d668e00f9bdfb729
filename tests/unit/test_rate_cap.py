"""A responder's cap: places in a row, whoever takes them, and what has none before the deadline is not asked."""

import itertools
import json

import pytest
from botocore.exceptions import EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as st

from handlers import attempt, clock, rate_cap
from handlers.quoting import TransientError
from handlers.rate_cap import RateCap, interval_ms
from tests import program
from tests.simulation.memory_table import ConditionalCheckFailed, Table


class Client:
    """A table in memory, as boto3's client has it."""

    class exceptions:
        ConditionalCheckFailedException = ConditionalCheckFailed

    def __init__(self):
        self.table = Table("requestId")

    def update_item(self, **call):
        return self.table.update_item(call)


def cap(client=None, per_second=5.0, longest=60):
    return RateCap("acme", per_second, longest, "quotes", client or Client())


@given(st.integers(1, 100), st.lists(st.integers(0, 3_000), max_size=60))
def test_no_second_has_more_calls_than_the_cap_though_each_may_be_late(per_second, pauses):
    one, other = (cap(client, per_second) for client in [Client()] * 2)
    now = list(itertools.accumulate(pauses, initial=10_000_000))

    places = [each.place(moment, 10**12) for each, moment in zip(itertools.cycle((one, other)), now, strict=False)]

    assert all(place >= moment for place, moment in zip(places, now, strict=True))
    assert all(after - before >= interval_ms(per_second) for before, after in itertools.pairwise(places))
    held_up = 1000 * rate_cap.SLACK
    assert all(after - before >= 1000 + held_up for before, after in zip(places, places[per_second:], strict=False))


@given(st.lists(st.integers(0, 300), max_size=40))
def test_no_moment_that_is_free_is_passed_over(pauses):
    found, free = cap(), 0
    for moment in itertools.accumulate(pauses, initial=10_000_000):
        place = found.place(moment, 10**12)

        assert place == max(moment, free)
        free = place + interval_ms(5)


def test_what_would_wait_beyond_the_deadline_takes_no_place():
    found = cap()
    assert [found.place(0, 500) for _ in range(4)] == [0, 240, 480, None]

    assert found.place(0, 800) == 720


@pytest.fixture
def slept(monkeypatch):
    pauses = []
    monkeypatch.setattr(rate_cap.time, "time", lambda: 1_000.0)
    monkeypatch.setattr(rate_cap.time, "sleep", pauses.append)
    return pauses


def test_a_call_waits_for_its_turn_and_one_that_has_none_is_timed_out_with_that_reason(slept):
    found = cap(longest=0.3)
    until = clock.later(clock.now(), 60)

    assert [found.wait(until) for _ in range(2)] == [None, None]
    assert slept == [0, pytest.approx(0.24)]
    assert found.wait(until) == {
        "responder": "acme",
        "status": "TIMED_OUT",
        "error": {"type": "Capped", "message": "not asked: its cap of 5 requests per second left no place before the deadline"},
    }


def test_who_has_overslept_gives_its_turn_up_and_takes_another(monkeypatch):
    now = [1_000.0]
    late = iter([0.15, 0.0])

    def sleep(seconds):
        now[0] += seconds + next(late)

    monkeypatch.setattr(rate_cap.time, "time", lambda: now[0])
    monkeypatch.setattr(rate_cap.time, "sleep", sleep)
    found = cap()

    assert found.wait(clock.later(clock.now(), 60)) is None
    assert now == [pytest.approx(1_000.24)]


def test_nobody_is_asked_where_nobody_knows_whose_turn_it_is(slept):
    class Unreachable(Client):
        def update_item(self, **call):
            raise EndpointConnectionError(endpoint_url="x")

    with pytest.raises(TransientError, match="not asked: its cap is in the table, which cannot be reached"):
        cap(Unreachable()).wait(clock.later(clock.now(), 60))


def test_the_wait_is_none_of_the_responders_own_time():
    question = {"deadlineAt": clock.later(clock.now(), 60)}

    answer = attempt.answer(question, 1, attempt.Limits("acme", 0.001, 0), lambda: {"status": "QUOTED"}, turn=lambda until: {"status": "X"})

    assert answer["status"] == "X"


def test_its_function_may_change_its_own_place_and_has_the_time_to_wait():
    made = program.run(
        {
            "variants": ["sns"],
            "api": {"enabled": False},
            "completion": {"deadlineSeconds": 40},
            "responders": [
                {"name": "acme", "settings": {"rate": 9}, "requestsPerSecond": 5},
                {"name": "late", "settings": {"rate": 9}, "timeoutSeconds": 60},
            ],
        }
    )

    functions = made.of_type("aws:lambda/function:Function")
    assert (functions["responder-acme"]["timeout"], functions["responder-late"]["timeout"]) == (10 + 2 + 40, 62)
    variables = functions["responder-acme"]["environment"]["variables"]
    assert (json.loads(variables["CAP"]), variables["TABLE_NAME"]) == ({"perSecond": 5, "longestWaitSeconds": 40}, "quotes")
    document = json.loads(made.of_type("aws:iam/rolePolicy:RolePolicy")["responder-acme-runs"]["policy"])
    assert [each for each in document["Statement"] if each["Action"] == ["dynamodb:UpdateItem"]] == [
        {
            "Effect": "Allow",
            "Action": ["dynamodb:UpdateItem"],
            "Resource": "arn:aws:dynamodb:us-east-1:000000000000:quotes",
            "Condition": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["cap/acme"]}},
        }
    ]
    assert made.of_type("aws:sqs/queue:Queue")["sns-ask-acme"]["visibilityTimeoutSeconds"] > 52
