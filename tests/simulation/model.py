"""What a request may look like after any sequence of open, answer, deadline, redrive and crash.

It knows the records, the events, the dead letters, and what the responders and the callers say; nothing of how the handlers work.
"""

import json
from datetime import datetime
from decimal import Decimal

from handlers import clock
from handlers.attribute_values import decode_item
from tests.simulation.history import ID, Evidence
from tests.simulation.world import EPOCH

AT_REST_SECONDS = 150
"""Within which a request is closed after its deadline and the last fault: the longest pause of a message is 120 s."""
FROZEN = (
    "status",
    "completedBy",
    "completedAt",
    "top",
    "selectionError",
    "reasons",
    "answers",
    "recipients",
    "request",
    "createdAt",
    "deadlineAt",
)


def violations(its: Evidence) -> list[str]:
    """One line for each rule that is broken: its name, then what was found."""
    found, world = [], its.world
    is_calm, is_exact = world.is_calm, world.mood.skew_seconds == 0
    states = [(at, decode_item(new)) for at, key, _, new in world.changes if key == ID]
    versions = [(at, old, new) for (at, new), old in zip(states, [None, *(state for _, state in states)], strict=False)]
    for at, old, new in versions:
        if old and old["status"] != "OPEN" and any(old[key] != new[key] for key in FROZEN):
            found.append(f"changed after it was closed: at {at:.3f}")
        if old and (old["request"], old["variant"]) != (new["request"], new["variant"]):
            found.append(f"another request in its place: at {at:.3f}")
        if old and old["status"] == "OPEN" and any(new["answers"].get(name) != answer for name, answer in old["answers"].items()):
            found.append(f"an answer replaced: at {at:.3f}")
        if old and any(new["late"].get(name) != answer for name, answer in old["late"].items()):
            found.append(f"a late answer replaced: at {at:.3f}")
    _, _, record = versions[-1] if versions else (0, None, None)
    if record is None:
        return [
            f"told of a request that is not there: {what}" for *_, how, what, _ in its.told if how == "returned" and "error" not in what
        ]
    closed_at = next((at for at, _, new in versions if new["status"] != "OPEN"), None)
    if closed_at is None:
        return [*found, "left open"]
    last = max([its.plan.deadline_seconds, *(at for at, *_ in world.faults), *(at for at, *_ in its.asked)])
    if closed_at > last + AT_REST_SECONDS + 2 * world.mood.skew_seconds:
        found.append(f"closed {closed_at - last:.0f} s after the deadline and the last fault")
    found += _of_answers(its, record) + _of_the_silent(its, record) + _of_the_result(record) + _of_the_events(its, record, closed_at)
    # The last message of a request may be given up, after many faults, once there is nothing left for it to do.
    if any("deadlineAt" in body for body in its.dead) and not record.get("announcedAt"):
        found.append("a deadline given up")
    if is_exact:
        broken = {name for _, name, _, kind in world.faults if kind != "timed out"}
        found += [
            f"failed, without a fault of its own: {name} {how}"
            for _, name, op, how in world.schedule
            if not op and how.startswith(("raised", "crashed")) and name not in broken and "busy" not in how and "repeat it" not in how
        ]
    if is_exact and record["completedBy"] == "DEADLINE" and record["completedAt"] < record["deadlineAt"]:
        found.append("closed by a deadline that had not come")
    if is_calm and is_exact and record["completedAt"] > _later(record["deadlineAt"], 3.5):
        found.append("closed late, without a fault")
    if its.plan.carrier == "map":
        if len({name for _, name in its.asked}) > 1:
            found.append("asked by two executions")
    elif len(its.asked) > 1 and is_exact and not _failed(its, "requester"):
        found.append("published twice, without a fault")
    for at, name, how, what, asked in its.told:
        # A state machine asks after its opener has returned; where that takes until the deadline, it asks nobody (docs/guarantees.md).
        if how == "returned" and what.get("status") == "OPEN" and not asked and (its.plan.carrier == "sns" or _opener_is_well(its)):
            found.append(f"accepted, asked nobody: {name} at {at:.3f}")
        if how == "returned" and what.get("error", {}).get("type") not in (None, "InvalidRequest"):
            found.append(f"refused with {what['error']}")
    return found


def _of_answers(its: Evidence, record) -> list[str]:
    found = []
    for name, given in its.given.items():
        tokens = {token for _, answer in given if (token := _token(answer))}
        places = [place for place in ("answers", "late") if _token(record[place].get(name, {})) in tokens]
        dead = sum(any(token in body for body in its.dead) for token in tokens)
        kept = [_token(record[place][name]) for place in places]
        if tokens and not places and not dead and not _has_another(record, name):
            found.append(f"lost: what {name} answered")
        if dead:
            found.append(f"among the dead letters, though its request is there: what {name} answered")
        if len(kept) != len(set(kept)):
            found.append(f"counted twice: what {name} answered")
        if "answers" in places and record["answers"][name]["respondedAt"] > record["deadlineAt"]:
            found.append(f"counted, though it came after the deadline: {name}")
        punctual = [at for at, answer in given if answer["respondedAt"] <= record["deadlineAt"] and _token(answer)]
        if (
            its.world.is_calm
            and its.world.mood.skew_seconds == 0
            and record["completedBy"] in ("ALL", "DEADLINE")
            and punctual
            and min(punctual) < _seconds(record["deadlineAt"]) - 1
            and _token(record["answers"].get(name, {})) not in tokens
        ):
            found.append(f"punctual, without a fault, and not counted: {name}")
    return found


def _has_another(record, name: str) -> bool:
    """Whether another answer of that responder has its place: it was asked again, or its function broke after it had answered; or it was
    not asked again, as the request had closed."""
    has = record["answers"].get(name, {}).get("status") in ("QUOTED", "DECLINED", "FAILED")
    return has or name in record["late"] or name in record["spared"]


def _of_the_silent(its: Evidence, record) -> list[str]:
    """Where nothing went wrong, whoever had the time for an answer is heard."""
    is_stopped = any(caller.stopped_at is not None for caller in its.plan.callers)
    if not its.world.is_calm or its.world.mood.skew_seconds or is_stopped or not its.asked:
        return []
    left = _seconds(record["deadlineAt"]) - min(at for at, _ in its.asked) - 1
    return [
        f"silent, though nothing went wrong: {name}"
        for name, habit in its.plan.habits.items()
        if habit.kind != "busy" and habit.seconds < left and name in record["answers"] and "respondedAt" not in record["answers"][name]
    ]


def _of_the_result(record) -> list[str]:
    answers, asked = record["answers"], record["recipients"]
    quotes = {name: Decimal(answers[name]["amount"]) for name in asked if answers.get(name, {}).get("status") == "QUOTED"}
    rule, wanted = record["completedBy"], record["request"]["completion"]
    met = {
        "ALL": all(name in answers for name in asked),
        "DEADLINE": all(name in answers for name in asked),
        "QUORUM": len(quotes) >= wanted.get("quorum", 99),
        "CONDITION": any(price < wanted.get("amountBelow", 0) for price in quotes.values()),
    }
    found = [] if met[rule] else [f"closed by {rule}, which its answers do not meet"]
    if record["top"] != sorted(quotes, key=quotes.__getitem__)[:3]:
        found.append(f"the best are {record['top']}, of {quotes}")
    whole = rule in ("QUORUM", "CONDITION") or all(answers.get(name, {}).get("status") in ("QUOTED", "DECLINED") for name in asked)
    if record["status"] != ("COMPLETE" if whole else "PARTIAL" if quotes else "FAILED"):
        found.append(f"its status is {record['status']}")
    return found


def _of_the_events(its: Evidence, record, closed_at: float) -> list[str]:
    if not its.world.events:
        return ["closed, and no event"]
    found, faults = [], [(name, kind) for _, name, _, kind in its.world.faults]
    if its.world.mood.skew_seconds == 0:
        announcers = {name for _, name, _ in its.world.events}
        if len(its.world.events) > 1 + sum(name in announcers for name, _ in faults):
            found.append(f"{len(its.world.events)} events, and too few aggregators failed")
        if its.world.events[0][0] > closed_at + 2 and all(kind == "reply lost" for name, kind in faults if name.startswith("aggregator")):
            found.append("the event came late, though nobody crashed")
    expected = [record["answers"][name] for name in record["recipients"] if name in record["answers"]]
    for event in (json.loads(detail) for *_, detail in its.world.events):
        if (
            event["answers"] != expected
            or event["expected"] != len(record["recipients"])
            or any(event[key] != record[key] for key in ("top", "status", "completedBy", "completedAt"))
        ):
            found.append("an event that differs from the record")
    return found


def _opener_is_well(its: Evidence) -> bool:
    return not its.asked and not _failed(its, "requester") and not any(caller.stopped_at is not None for caller in its.plan.callers)


def _failed(its: Evidence, function: str) -> bool:
    return any(name.startswith(function) for _, name, _, _ in its.world.faults)


def _token(answer) -> str | None:
    """What makes an answer known; None for one that says that it gave up."""
    if answer.get("status") == "QUOTED":
        return answer["amount"]
    message = answer.get("error", {}).get("message", "")
    return message if message.startswith("token") else None


def _seconds(written: str) -> float:
    return (datetime.fromisoformat(written) - EPOCH).total_seconds()


def _later(written: str, seconds: float) -> str:
    return clock.later(written, seconds)
