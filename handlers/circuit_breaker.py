"""The circuit of one responder, pure: states in, states out, and the time is given.

    closed ── n failures in a row ──▶ open ── after the pause ──▶ one trial ── success ──▶ closed
                                        ▲                             └────── failure ──┐
                                        └───────────────────────────────────────────────┘

A trial that never ends because its function broke gives way to the next one after `trial_seconds`. A call that began before the circuit
opened cannot close it.
"""

from dataclasses import dataclass

from handlers import clock, contract


@dataclass(frozen=True)
class Policy:
    """failures: how many in a row open the circuit. pause_seconds: how long no call passes then. trial_seconds: longer than any trial
    can take."""

    failures: int
    pause_seconds: float
    trial_seconds: float


@dataclass(frozen=True)
class Circuit:
    """failures: the number in a row so far. opened_at, next_trial_at: ISO 8601, UTC; None while the circuit is closed."""

    failures: int = 0
    opened_at: str | None = None
    next_trial_at: str | None = None


CLOSED = Circuit()


def key(responder: str) -> str:
    """The key of the responder's circuit among the records. It cannot collide with a request's id, which has no slash."""
    return f"circuit/{responder}"


def enter(circuit: Circuit, policy: Policy, now: str) -> Circuit | None:
    """The circuit as a caller leaves it when it begins to ask, or None if it must not ask. If the returned circuit differs from
    the given one, it is a trial, which belongs to the one caller that manages to store it."""
    if circuit.next_trial_at is None:
        return circuit
    if now < circuit.next_trial_at:
        return None
    return Circuit(circuit.failures, circuit.opened_at, clock.later(now, policy.trial_seconds))


def leave(circuit: Circuit, entered: Circuit, succeeded: bool, policy: Policy, now: str) -> Circuit:
    """The circuit after a call. circuit: its present state; entered: its state when this call began to ask."""
    if circuit.opened_at is not None and circuit != entered:
        return circuit
    if succeeded:
        return CLOSED
    failures = circuit.failures + 1
    if circuit.opened_at is None and failures < policy.failures:
        return Circuit(failures)
    return Circuit(failures, circuit.opened_at or now, clock.later(now, policy.pause_seconds))


def success_of(answer: contract.Json) -> bool | None:
    """Whether the answer is a success, as a quote and a decline are. None if the request's deadline cut the responder off or it was
    not asked at all: that says nothing about the responder."""
    if answer["status"] == "TIMED_OUT" and answer["error"]["type"] in ("Deadline", "Capped", "NotBegun"):
        return None
    return answer["status"] in ("QUOTED", "DECLINED")


def refusal(responder: str, circuit: Circuit) -> contract.Json:
    """The Answer (without times) of a responder that is not asked because its circuit is open."""
    return contract.unsuccessful(
        responder, "FAILED", "CircuitOpen", f"not asked: its circuit is open since {circuit.opened_at}, until {circuit.next_trial_at}"
    )
