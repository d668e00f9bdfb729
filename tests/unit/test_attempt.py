"""One call of a responder: which attempt is the last one, and whom the deadline spares."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import definition
from components.settings import MAX_RETRIES
from handlers import attempt, clock, contract
from handlers.quoting import TransientError

PAST = "2020-01-01T00:00:00.000Z"


def limits(retries=2):
    return attempt.Limits("avis", timeout_seconds=60, retries=retries)


def question(seconds=60.0):
    return {"requestId": "r1", "deadlineAt": clock.later(clock.now(), seconds)}


def busy():
    raise TransientError("busy")


@given(st.integers(0, 5), st.integers(1, 9))
def test_a_passing_fault_is_raised_as_often_as_there_are_retries_and_then_an_answer(retries, attempts):
    if attempts <= retries:
        with pytest.raises(TransientError, match="busy"):
            attempt.answer(question(), attempts, limits(retries), busy)
        return

    answer = attempt.answer(question(), attempts, limits(retries), busy)

    assert answer.pop("respondedAt")
    assert answer == contract.unsuccessful("avis", "FAILED", "TransientError", "busy")


@pytest.mark.parametrize(("attempts", "pause"), [(1, 1), (2, 2), (3, 4), (4, 5)])
def test_a_passing_fault_is_the_answer_where_the_deadline_comes_before_the_next_attempt(attempts, pause):
    answer = attempt.answer(question(seconds=pause - 0.1), attempts, limits(retries=5), busy)

    assert answer["error"] == {"type": "TransientError", "message": "busy"}
    with pytest.raises(TransientError):
        attempt.answer(question(seconds=pause + 5), attempts, limits(retries=5), busy)


def test_a_passing_fault_of_a_class_of_ones_own_has_the_name_that_is_asked_again():
    class Busy(TransientError):
        pass

    def work():
        raise Busy("in use")

    with pytest.raises(TransientError, match="in use") as raised:
        attempt.answer(question(), 1, limits(), work)
    assert type(raised.value).__name__ == "TransientError"


def test_what_guards_the_work_may_answer_in_its_place():
    refusal = contract.unsuccessful("avis", "FAILED", "CircuitOpen", "not asked")

    answer = attempt.answer(question(), 1, limits(), busy, lambda work: refusal)

    assert answer["error"]["type"] == "CircuitOpen"


def test_past_the_deadline_neither_the_work_nor_its_guard_begins():
    begun = []

    def guard(work):
        begun.append(work)
        return work()

    answer = attempt.answer({"requestId": "r1", "deadlineAt": PAST}, 1, limits(), busy, guard)

    assert (answer["error"]["type"], begun) == ("Deadline", [])


def test_the_state_machines_pause_as_long_as_a_responder_expects():
    for file in ("map_scatter_gather.asl.json", "parallel_scatter_gather.asl.json"):
        [retry] = re.findall(r'"ErrorEquals": \["TransientError"[^]]*\],\s*([^}]*)}', (definition.FOLDER / file).read_text())
        assert json.loads("{" + retry + "}") == {
            "IntervalSeconds": attempt.FIRST_PAUSE_SECONDS,
            "BackoffRate": 2,
            "MaxAttempts": MAX_RETRIES,
            "MaxDelaySeconds": attempt.LONGEST_PAUSE_SECONDS,
            "JitterStrategy": "FULL",
        }
