"""One attempt to get a responder's answer, within its time limit, its retries and the request's deadline.

A passing fault (TransientError) is raised, so that the carrier tries again, until the responder's retries are used up or the deadline
leaves no time for another attempt. Then it becomes a FAILED answer. The carrier counts the attempts from 1, including those that never
reached the responder because its function was throttled or broke.
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
"""Waits for this call's turn, until a deadline at the latest. Returns an Answer if the turn does not come."""
Wanted = Callable[[Mapping[str, Any]], bool]
"""Tells whether a question still waits for an answer."""

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1, 5
"""The pause before the second attempt, and the longest one. Each pause is twice the one before, as in the state machines' Retry."""

BACKSTOP_SECONDS = 2
"""How much longer than a responder's time limit, which ends in an answer, its function's is, which ends in a crash."""


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
    """The longest time that the carrier waits after this attempt."""
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
    """The Answer, with respondedAt. Raises TransientError if the carrier should try again.

    question: see `opening.question`. work: makes the Answer, without times. guard: calls the work or answers in its place.
    turn: what the attempt waits for; this wait does not count as the responder's time. wanted: called before anything begins.
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
            # The wait is here because a state machine's pauses know nothing of Retry-After.
            time.sleep(fault.after)
            # Lambda reports the name of the class to Step Functions, and no retrier lists the name of a subclass.
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
    # A timer of zero seconds would never go off.
    seconds = max(min(limits.timeout_seconds, clock.seconds_until(until)), 0.001)
    try:
        return clock.within(seconds, work)
    except clock.OutOfTime:
        if seconds < limits.timeout_seconds:
            return contract.silent(limits.responder)
        return contract.overdue(limits.responder, limits.timeout_seconds)
