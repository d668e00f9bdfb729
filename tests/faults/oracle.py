"""The oracle: holds what the stack kept against what the responders' ledger says, and finds what must never happen.

    lost            a request that is not closed or was never kept; an answer of the ledger that is nowhere, though no other answer of
                    that responder took its place; poison that vanished
    counted twice   an answer that is in two of answers, late and dead letters
    closed twice    a request that the store closed again, or whose results differ (in the record, from the caller's execution, in an
                    event)
    invented        an answer that nobody gave
    unannounced     a closed request of SNS whose completed event never came

An answer is known by its token. Of a responder that answers several times, one answer is kept; the others are repetitions.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.faults.ledger import Entry
from tests.faults.plan import Request

Answer = Mapping[str, Any]
NEVER = ("lost", "counted twice", "closed twice", "invented", "unannounced")


@dataclass(frozen=True)
class Evidence:
    """What was found when everything had come to rest.

    records: by request id. results: of the callers' executions, by request id. events: details of the completed events.
    dead: bodies of the dead letters. closes: how often the store agreed to close, by request id.
    """

    requests: Sequence[Request]
    ledger: Sequence[Entry]
    records: Mapping[str, Mapping[str, Any]]
    results: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    events: Sequence[Mapping[str, Any]] = ()
    dead: Sequence[str] = ()
    closes: Mapping[str, int] = field(default_factory=dict)


@dataclass
class Verdict:
    """counts: the figures. findings: one line for each thing that must never happen."""

    counts: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return not self.findings

    def blame(self, what: str, where: str) -> None:
        self.counts[what] += 1
        self.findings.append(f"{what}: {where}")


def judge(evidence: Evidence) -> Verdict:
    verdict = Verdict()
    given: dict[tuple[str, str], list[Entry]] = {}
    for entry in evidence.ledger:
        if entry["kind"] == "answered":
            given.setdefault((entry["requestId"], entry["responder"]), []).append(entry)
    for request in evidence.requests:
        verdict.counts["requests"] += 1
        record = evidence.records.get(request.id)
        if record is None or record["status"] == "OPEN":
            verdict.blame("lost", f"request {request.id} by {request.variant} is {record['status'] if record else 'unknown'}")
            continue
        for ask in request.asks:
            _judge_answers(verdict, evidence, record, ask.responder, given.get((request.id, ask.responder), []))
        _judge_closing(verdict, evidence, request, record)
    for entry in evidence.ledger:
        if entry["kind"] == "poison":
            copies = sum(entry["token"] in body for body in evidence.dead)
            verdict.counts["poison in dead letters"] += copies
            if not copies:
                verdict.blame("lost", f"poison {entry['token']} of {entry['responder']} to {entry['requestId']}")
    return verdict


def _judge_answers(verdict: Verdict, evidence: Evidence, record: Mapping[str, Any], responder: str, entries: list[Entry]) -> None:
    where = f"{responder} to {record['requestId']} by {record['variant']}"
    kept = {place: answer for place in ("answers", "late") if (answer := record.get(place, {}).get(responder)) is not None}
    if responder not in record["answers"] and record["completedBy"] != "QUORUM":
        verdict.blame("lost", f"the slot of {where}")
    for place, answer in kept.items():
        if answer["status"] == "QUOTED" and not any(is_kept_as(entry, answer) for entry in entries):
            verdict.blame("invented", f"{place} of {where}: {answer['amount']}")
    verdict.counts["answers"] += len(entries)
    # For each answer: where it is. One piece of garbage looks like another, so they count as one.
    garbage = [entry for entry in entries if entry["outcome"] == "GARBAGE"]
    entries = [entry for entry in entries if entry not in garbage[1:]]
    verdict.counts["repetitions"] += len(garbage[1:])
    places = [
        (entry, [place for place, answer in kept.items() if is_kept_as(entry, answer)]
         + (["dead letters"] if any(entry["token"] in body for body in evidence.dead) else []))
        for entry in entries]
    found = [place for _, its in places for place in its]
    for place in found:
        verdict.counts[f"in {place}"] += 1
    if len(found) > 1:
        verdict.blame("counted twice", f"{where}: in {', '.join(found)}")
    if entries and not found:
        if _was_cut_off(record, responder, entries):
            verdict.counts["after its time limit"] += len(entries)
        else:
            verdict.blame("lost", f"{entries[0]['outcome']} {entries[0]['token']} of {where}")
    else:
        verdict.counts["repetitions"] += sum(not its for _, its in places)


def _was_cut_off(record: Mapping[str, Any], responder: str, entries: list[Entry]) -> bool:
    """A workflow waits for its responders and knows no late answers: it cuts them off at their time limit, and a function that
    crashes or is refused after it began to answer has failed."""
    return record["variant"] != "sns" and record["answers"][responder]["status"] in ("TIMED_OUT", "FAILED")


def is_kept_as(entry: Entry, answer: Answer) -> bool:
    """Is this answer of a record the one of that entry of the ledger?"""
    if entry["outcome"] == "QUOTED":
        return answer.get("amount") == entry["token"]
    error = answer.get("error", {})
    if entry["outcome"] == "GARBAGE":
        return error.get("type") == "InvalidAnswer"
    return answer["status"] == entry["outcome"] and entry["token"] in error.get("message", "")


def _judge_closing(verdict: Verdict, evidence: Evidence, request: Request, record: Mapping[str, Any]) -> None:
    where = f"request {request.id} by {request.variant}"
    verdict.counts[f"closed {record['status'].lower()}"] += 1
    if evidence.closes.get(request.id, 0) > 1:
        verdict.blame("closed twice", f"{where}: {evidence.closes[request.id]} times")
    events = [event for event in evidence.events if event["requestId"] == request.id]
    if request.variant == "sns" and not events:
        verdict.blame("unannounced", where)
    verdict.counts["events repeated"] += max(0, len(events) - 1)
    kept = _as_closed(record["completedAt"], [record["answers"][name] for name in record["recipients"] if name in record["answers"]])
    for result in [*evidence.results.get(request.id, ()), *events]:
        if result["status"] != "OPEN" and _as_closed(result["completedAt"], result["answers"]) != kept:
            verdict.blame("closed twice", f"{where}: a result differs from the record")


def _as_closed(completed_at: str, answers: Sequence[Answer]) -> Any:
    """What must be the same wherever it is told."""
    return completed_at, [{key: value for key, value in answer.items() if key != "details"} for answer in answers]
