"""The circuit as a state machine: any sequence of calls, one after the other or at the same time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers import circuit_breaker, clock, contract
from handlers.circuit_breaker import CLOSED, Circuit, Policy

START = "2027-01-01T00:00:00.000Z"
POLICIES = st.builds(Policy, failures=st.integers(1, 4), pause_seconds=st.just(10), trial_seconds=st.just(5))


@given(POLICIES, st.lists(st.tuples(st.integers(0, 8), st.booleans()), max_size=40))
def test_calls_one_after_the_other_open_it_after_so_many_failures_in_a_row_and_close_it_by_one_trial(policy, calls):
    now, found, failures, open_until = START, CLOSED, 0, None
    for seconds, succeeded in calls:
        now = clock.later(now, seconds)
        entered = circuit_breaker.enter(found, policy, now)
        assert (entered is None) == (open_until is not None and now < open_until)
        if entered is None:
            continue
        assert (entered != found) == (open_until is not None), "only a trial changes it"

        found = circuit_breaker.leave(entered, entered, succeeded, policy, now)

        failures = 0 if succeeded else failures + 1
        fell = not succeeded and (open_until is not None or failures >= policy.failures)
        open_until = clock.later(now, policy.pause_seconds) if fell else None
        assert (found.opened_at is not None, found.next_trial_at) == (fell, open_until)


@given(POLICIES, st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9), st.booleans()), max_size=60))
def test_calls_at_the_same_time_never_make_two_trials_and_only_a_trial_closes_it(policy, steps):
    """Each step begins a call, or ends one of those that run."""
    now, found, running = START, CLOSED, []
    for seconds, which, succeeded in steps:
        now = clock.later(now, seconds)
        if which >= len(running):
            entered = circuit_breaker.enter(found, policy, now)
            if entered is not None and found.opened_at is not None:
                assert now >= (found.next_trial_at or "")
                assert not [trial for trial in running if trial.opened_at and now < trial.next_trial_at], "a trial that may still run"
            if entered is not None:
                found = entered
                running.append(entered)
            continue
        entered, before = running.pop(which), found
        found = circuit_breaker.leave(before, entered, succeeded, policy, now)
        if before.opened_at is not None and found != before:
            assert entered == before, "only the trial of this moment"
            assert found == CLOSED if succeeded else found.next_trial_at == clock.later(now, policy.pause_seconds)


def test_a_success_of_a_call_that_began_before_it_opened_does_not_close_it():
    policy = Policy(failures=1, pause_seconds=10, trial_seconds=5)
    opened = circuit_breaker.leave(CLOSED, CLOSED, False, policy, START)

    assert circuit_breaker.leave(opened, CLOSED, True, policy, START) == opened


def test_it_says_since_when_it_is_open_through_trials_that_fail():
    policy = Policy(failures=1, pause_seconds=10, trial_seconds=5)
    opened = circuit_breaker.leave(CLOSED, CLOSED, False, policy, START)
    trial = circuit_breaker.enter(opened, policy, clock.later(START, 10))
    assert trial is not None

    again = circuit_breaker.leave(trial, trial, False, policy, clock.later(START, 12))

    assert again == Circuit(2, START, clock.later(START, 22))
    assert circuit_breaker.refusal("avis", again) == contract.unsuccessful(
        "avis", "FAILED", "CircuitOpen", "not asked: its circuit is open since 2027-01-01T00:00:00.000Z, until 2027-01-01T00:00:22.000Z"
    )


@pytest.mark.parametrize(
    ("answer", "success"),
    [
        ({"responder": "avis", "status": "QUOTED", "amount": "1"}, True),
        (contract.declined("avis", "sold out"), True),
        (contract.unsuccessful("avis", "FAILED", "RuntimeError", "x"), False),
        (contract.invalid_answer("avis", "amount"), False),
        (contract.overdue("avis", 5), False),
        (contract.silent("avis"), None),
    ],
)
def test_which_answers_count(answer, success):
    assert circuit_breaker.success_of(answer) is success
