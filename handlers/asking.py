"""One call of a responder: within its time limit and the request's deadline, and so often.

A passing fault (TransientError) is raised, for the carrier to ask again, until the responder's retries are used up; then it is a
FAILED answer. `attempt`, which the carrier counts from 1, includes those that never reached the responder, because its function
was throttled or broke.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from handlers import clock, contract
from handlers.quoting import TransientError

Work = Callable[[], contract.Json]
Guard = Callable[[Work], contract.Json]


@dataclass(frozen=True)
class Limits:
    """retries: how often the responder is asked again after a passing fault."""

    responder: str
    timeout_seconds: float
    retries: int


def unguarded(work: Work) -> contract.Json:
    return work()


def answer(request: Mapping[str, Any], limits: Limits, work: Work, guard: Guard = unguarded) -> contract.Json:
    """The Answer, with respondedAt. Raises TransientError where the carrier is to ask again.

    request: {"deadlineAt"?, "attempt"?, …}; work: makes the Answer without times; guard: calls what it is given, or answers in
    its place.
    """
    if _seconds_left(request, limits) <= 0:
        return {**contract.silent(limits.responder), "respondedAt": clock.now()}
    try:
        given = guard(lambda: _in_time(request, limits, work))
    except TransientError as fault:
        if request.get("attempt", 1) <= limits.retries:
            # Lambda tells Step Functions the name of the class, and that of a subclass is in no retrier.
            raise TransientError(str(fault)) from fault
        given = contract.unsuccessful(limits.responder, "FAILED", type(fault).__name__, str(fault))
    return {**given, "respondedAt": clock.now()}


def _seconds_left(request: Mapping[str, Any], limits: Limits) -> float:
    until = request.get("deadlineAt")
    return limits.timeout_seconds if until is None else min(limits.timeout_seconds, clock.seconds_until(until))


def _in_time(request: Mapping[str, Any], limits: Limits, work: Work) -> contract.Json:
    # An alarm in no time would never ring.
    seconds = max(_seconds_left(request, limits), 0.001)
    try:
        return clock.within(seconds, work)
    except clock.OutOfTime:
        if seconds < limits.timeout_seconds:
            return contract.silent(limits.responder)
        return contract.overdue(limits.responder, limits.timeout_seconds)
