"""One attempt at having a responder's answer: within its time limit and the request's deadline, and so often.

A passing fault (TransientError) is raised, for the carrier to try again, until the responder's retries are used up or the deadline
leaves no time for another attempt; then it is a FAILED answer. The carrier counts the attempts from 1, and counts those too that never
reached the responder, because its function was throttled or broke.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from handlers import clock, contract
from handlers.quoting import TransientError

Work = Callable[[], contract.Json]
Guard = Callable[[Work], contract.Json]
Turn = Callable[[str], contract.Json | None]
"""Waits until it is this call's turn, at the latest until a deadline; the Answer where that does not come."""
Wanted = Callable[[Mapping[str, Any]], bool]
"""Whether a question still waits for an answer."""

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1, 5
"""Before the second attempt and before any later one; each pause is twice the one before. The state machines' Retry says the same."""

BACKSTOP_SECONDS = 2
"""Between a responder's own time limit, which ends in an answer, and its function's, which ends in a crash."""


@dataclass(frozen=True)
class Limits:
    """retries: how often the responder is asked again after a passing fault."""

    responder: str
    timeout_seconds: float
    retries: int


def unguarded(work: Work) -> contract.Json:
    return work()


def at_once(until: str) -> None:
    return None


def always(question: Mapping[str, Any]) -> bool:
    return True


def pause_seconds(attempt: int) -> int:
    """How long the carrier waits, at the most, after this attempt."""
    return min(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1), LONGEST_PAUSE_SECONDS)


def answer(
    question: Mapping[str, Any],
    attempt: int,
    limits: Limits,
    work: Work,
    guard: Guard = unguarded,
    turn: Turn = at_once,
    wanted: Wanted = always,
) -> contract.Json:
    """The Answer, with respondedAt. Raises TransientError where the carrier is to try again.

    question: see `opening.question`; work: makes the Answer without times; guard: calls what it is given, or answers in its place.
    turn: what the attempt waits for; that is none of the responder's own time. wanted: asked before anything begins.
    """
    until, began = question["deadlineAt"], time.monotonic()

    def in_turn() -> contract.Json:
        nonlocal began
        instead = turn(until)
        if instead is None and turn is not at_once and not wanted(question):
            instead = contract.not_begun(limits.responder)
        began = time.monotonic()
        return instead or _in_time(until, limits, work)

    if clock.seconds_until(until) <= 0:
        return {**contract.silent(limits.responder), "respondedAt": clock.now()}
    if not wanted(question):
        return {**contract.not_begun(limits.responder), "respondedAt": clock.now()}
    try:
        given = guard(in_turn)
    except TransientError as fault:
        if attempt <= limits.retries and pause_seconds(attempt) < clock.seconds_until(until):
            if fault.after > min(limits.timeout_seconds + began - time.monotonic(), clock.seconds_until(until)):
                return {**_impatient(limits, fault), "respondedAt": clock.now()}
            # Here, because the pauses of a state machine know nothing of it.
            time.sleep(fault.after)
            # Lambda tells Step Functions the name of the class, and that of a subclass is in no retrier.
            raise TransientError(str(fault)) from fault
        given = contract.unsuccessful(limits.responder, "FAILED", type(fault).__name__, str(fault))
    return {**given, "respondedAt": clock.now()}


def _impatient(limits: Limits, fault: TransientError) -> contract.Json:
    return contract.unsuccessful(
        limits.responder,
        "FAILED",
        type(fault).__name__,
        f"it asks to be left alone for {fault.after:g} seconds, "
        f"which is longer than its time limit of {limits.timeout_seconds:g} or the deadline leaves: {fault}",
    )


def _in_time(until: str, limits: Limits, work: Work) -> contract.Json:
    # A timer of no time would never go off.
    seconds = max(min(limits.timeout_seconds, clock.seconds_until(until)), 0.001)
    try:
        return clock.within(seconds, work)
    except clock.OutOfTime:
        if seconds < limits.timeout_seconds:
            return contract.silent(limits.responder)
        return contract.overdue(limits.responder, limits.timeout_seconds)
