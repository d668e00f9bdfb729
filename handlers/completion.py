"""When a request is complete. Pure: the same answers, in whatever order and however often, give the same verdict.

ALL       every recipient has answered, in whatever way: a quote, a refusal, a failure, or its own time limit
QUORUM    at least `quorum` recipients have quoted
DEADLINE  the time is up

Only quotes count towards a quorum: it says how many offers are enough to choose from. A refusal or a failure is nothing to
choose, and closing on it would keep out the offers that are still to come. A quorum that cannot be reached any more leaves
the request to ALL or to the deadline.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from handlers.contract import InvalidRequest


@dataclass(frozen=True)
class Policy:
    """deadline_seconds: from the creation of the record. quorum: quotes that are enough, or None for all answers."""

    deadline_seconds: float
    quorum: int | None = None


def policy_of(completion: Mapping[str, Any]) -> Policy:
    """The policy of {"deadlineSeconds", "quorum"?}: the stack's configuration."""
    quorum = completion.get("quorum")
    return Policy(float(completion["deadlineSeconds"]), None if quorum is None else int(quorum))


def tighten(stack: Policy, completion: Mapping[str, Any]) -> Policy:
    """The stack's policy, tightened by a request's `completion`: whichever of the two closes earlier, for each condition."""
    quorums = [int(quorum) for quorum in (stack.quorum, completion.get("quorum")) if quorum is not None]
    return Policy(
        deadline_seconds=min(stack.deadline_seconds, float(completion.get("deadlineSeconds", stack.deadline_seconds))),
        quorum=min(quorums, default=None))


def check(stack: Policy, completion: Mapping[str, Any]) -> None:
    """Raises InvalidRequest where a request would loosen what the stack demands (`contract.check_request` has seen to the rest):
    waiting for more quotes than the stack does would be a promise that is not kept."""
    quorum = completion.get("quorum")
    if quorum is not None and stack.quorum is not None and quorum > stack.quorum:
        raise InvalidRequest(f"completion.quorum must be at most {stack.quorum}, as the stack has it, not {quorum}")


def completed_by(policy: Policy, recipients: Sequence[str], answers: Mapping[str, Mapping[str, Any]], *,
                 after_deadline: bool) -> str | None:
    """ALL, QUORUM or DEADLINE, or None while the request is open. answers: by responder.

    When all have answered after the deadline and one of them by giving up, it was the deadline that ended it, as in the
    workflow variants.
    """
    statuses = [answers[name]["status"] for name in recipients if name in answers]
    if len(statuses) == len(recipients):
        return "DEADLINE" if after_deadline and "TIMED_OUT" in statuses else "ALL"
    if policy.quorum is not None and statuses.count("QUOTED") >= policy.quorum:
        return "QUORUM"
    return "DEADLINE" if after_deadline else None
