"""One call of a responder: which attempt is the last one, and whom the deadline spares."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers import asking, contract
from handlers.quoting import TransientError

PAST = "2020-01-01T00:00:00.000Z"


def limits(retries=2):
    return asking.Limits("avis", timeout_seconds=60, retries=retries)


def busy():
    raise TransientError("busy")


@given(st.integers(0, 5), st.integers(1, 9))
def test_a_passing_fault_is_raised_as_often_as_there_are_retries_and_then_an_answer(retries, attempt):
    request = {"requestId": "r1", "attempt": attempt}
    if attempt <= retries:
        with pytest.raises(TransientError, match="busy"):
            asking.answer(request, limits(retries), busy)
        return

    answer = asking.answer(request, limits(retries), busy)

    assert answer.pop("respondedAt")
    assert answer == contract.unsuccessful("avis", "FAILED", "TransientError", "busy")


def test_a_passing_fault_of_a_class_of_ones_own_has_the_name_that_is_asked_again():
    class Busy(TransientError):
        pass

    def work():
        raise Busy("in use")

    with pytest.raises(TransientError, match="in use") as raised:
        asking.answer({"requestId": "r1"}, limits(), work)
    assert type(raised.value).__name__ == "TransientError"


def test_a_caller_that_does_not_count_makes_a_first_attempt():
    with pytest.raises(TransientError):
        asking.answer({"requestId": "r1"}, limits(1), busy)
    assert asking.answer({"requestId": "r1"}, limits(0), busy)["status"] == "FAILED"


def test_what_guards_the_work_may_answer_in_its_place():
    refusal = contract.unsuccessful("avis", "FAILED", "CircuitOpen", "not asked")

    answer = asking.answer({"requestId": "r1"}, limits(), busy, lambda work: refusal)

    assert answer["error"]["type"] == "CircuitOpen"


def test_past_the_deadline_neither_the_work_nor_its_guard_begins():
    begun = []

    def guard(work):
        begun.append(work)
        return work()

    answer = asking.answer({"requestId": "r1", "deadlineAt": PAST}, limits(), busy, guard)

    assert (answer["error"]["type"], begun) == ("Deadline", [])
