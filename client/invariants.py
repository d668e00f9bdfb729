"""What is true of every stored request, whatever happened to it. Written without the code that keeps it, which it is to judge. Pure.

left open        its deadline passed GRACE_SECONDS ago, and nothing closed it
closed wrongly   its answers do not meet the rule that it says closed it, or it says it closed before its last answer or its deadline
counted twice    a responder's answer is among the answers and among the late ones, though it was given in time
invented         an answer of somebody who was not asked
lost             the slot of a recipient is empty, though it closed with all answers or at its deadline
unannounced      it is closed, its closer's time is over, and nobody has announced it
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

GRACE_SECONDS = 60
"""For a deadline's message to be delivered again after a fault."""

GAVE_UP = "TIMED_OUT"


@dataclass(frozen=True)
class Violation:
    kind: str
    what: str


def violations(record: Mapping[str, Any], now: float, stack: Mapping[str, Any] | None = None) -> Iterator[Violation]:
    """Of one record, as `handlers.records` reads it. now: epoch seconds. stack: the `completion` of its configuration."""
    if record["status"] == "OPEN":
        if now > _seconds(record["deadlineAt"]) + GRACE_SECONDS:
            yield Violation("left open", f"its deadline was {record['deadlineAt']}")
    else:
        yield from _of_the_closing(record, now, stack or {})
    for place in ("answers", "late", "spared"):
        for name in record.get(place, ()):
            if name not in record["recipients"]:
                yield Violation("invented", f"{name}, who was not asked, is among the {place}")
    for name in record["late"]:
        kept = record["answers"].get(name)
        if kept is not None and kept["status"] != GAVE_UP:
            yield Violation("counted twice", f"{name} is among the answers as {kept['status']}, and late")


def _of_the_closing(record: Mapping[str, Any], now: float, stack: Mapping[str, Any]) -> Iterator[Violation]:
    rule, answers = record["completedBy"], record["answers"]
    if not is_met(rule, record, stack):
        yield Violation("closed wrongly", f"by {rule}, which its answers do not meet")
    missing = [name for name in record["recipients"] if name not in answers]
    if missing and rule in ("ALL", "DEADLINE"):
        yield Violation("lost", f"the slot of {', '.join(missing)}")
    last = max((answer["respondedAt"] for answer in answers.values() if "respondedAt" in answer), default=record["createdAt"])
    if record["completedAt"] < last:
        yield Violation("closed wrongly", f"at {record['completedAt']}, before its last answer at {last}")
    if "announcedAt" not in record and now > _seconds(record["announceBy"]) + GRACE_SECONDS:
        yield Violation("unannounced", f"it should have been by {record['announceBy']}")


def is_met(rule: str, record: Mapping[str, Any], stack: Mapping[str, Any]) -> bool:
    """Whether a closed record meets the rule, as the request and the stack together have it: the weaker of their limits is enough."""
    answers, policies = record["answers"], (record["request"].get("completion", {}), stack)
    statuses = [answers[name]["status"] if name in answers else None for name in record["recipients"]]
    if rule == "ALL":
        return None not in statuses
    if rule == "DEADLINE":
        return record["completedAt"] >= record["deadlineAt"] and None not in statuses and GAVE_UP in statuses
    required = {name for policy in policies for name in policy.get("required") or ()}
    if any(answers.get(name, {}).get("status") not in ("QUOTED", "DECLINED") for name in required):
        return False
    quotes = {name: answer for name, answer in answers.items() if answer["status"] == "QUOTED"}
    if rule == "CONDITION":
        limits = [Decimal(str(policy["amountBelow"])) for policy in policies if policy.get("amountBelow") is not None]
        return any(Decimal(quote["amount"]) < limit for quote in quotes.values() for limit in limits)
    weight = sum((stack.get("weights") or {}).get(name, 1) for name in quotes)
    return rule == "QUORUM" and any(weight >= int(policy["quorum"]) for policy in policies if policy.get("quorum") is not None)


def _seconds(written: str) -> float:
    return datetime.fromisoformat(written).timestamp()
