"""The oracle: holds what the stack kept against what the responders' ledger says, and finds what must never happen.

    left open       a request that nothing would have closed any more but an operator's redrive
    asked twice     a responder that answered twice, though nothing happened that makes anybody ask again
    lost            a request that is not closed or was never kept; an answer of the ledger that is nowhere, though no other answer of
                    that responder took its place; poison that vanished
    counted twice   an answer that is in two of answers, late and dead letters
    closed twice    a request that the store closed again, or whose results differ (in the record, from the caller's execution, in an
                    event)
    closed wrongly  a request whose answers do not meet the rule that it says closed it, or that was closed by another rule than its
                    plan allows, though all answered as planned. By the deadline also where they did not, unless the stack was out in
                    its time, or a responder was slow: it answered in the last SLOW_SECONDS, or not at all though it was to. Slow it cannot
                    be where nobody was asked
    invented        an answer that nobody gave
    unannounced     a closed request whose completed event never came

An answer is known by its token. Of a responder that answers several times, one answer is kept; the others are repetitions. An existing
function that was given up has no place for what it has answered or answers afterwards, and neither has an execution that was
stopped, or a responder that was killed before it handed its answer over, or whose reply a workflow did not get, and that was asked again
too late: it was cut off.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from client import invariants
from tests.faults.ledger import Entry
from tests.faults.request import EXISTING, SLOW_SECONDS, Request

Answer = Mapping[str, Any]
Record = Mapping[str, Any]
NEVER = ("left open", "asked twice", "lost", "counted twice", "closed twice", "closed wrongly", "invented", "unannounced")
OUT, SLOW = "by DEADLINE, as the stack was out", "by DEADLINE, as a responder was slow"
"""Why the deadline may close what was planned otherwise."""


@dataclass(frozen=True)
class Evidence:
    """What was found when everything had come to rest.

    records: by request id. results: of the callers' executions, by request id. events: details of the completed events.
    dead: bodies of the dead letters. closes: how often the store agreed to close, by request id. left_open: ids of the requests that were
    open when nothing was under way any more. outages: from when to when (epoch seconds) the stack or a part of it was out.
    killed: (request id, responder) of those that were killed before they handed over what they had answered.
    """

    requests: Sequence[Request]
    ledger: Sequence[Entry]
    records: Mapping[str, Record]
    results: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    events: Sequence[Mapping[str, Any]] = ()
    dead: Sequence[str] = ()
    closes: Mapping[str, int] = field(default_factory=dict)
    left_open: Collection[str] = ()
    outages: Sequence[tuple[float, float]] = ()
    killed: Collection[tuple[str, str]] = ()


@dataclass
class Verdict:
    """counts: the figures, by carrier. findings: one line for each thing that must never happen."""

    counts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    findings: list[str] = field(default_factory=list)

    @property
    def total(self) -> Counter[str]:
        return sum(self.counts.values(), Counter())

    @property
    def is_good(self) -> bool:
        return not self.findings

    def blame(self, what: str, request: Request, where: str) -> None:
        self.counts[request.variant][what] += 1
        self.findings.append(f"{what}: {where}, request {request.id} by {request.variant}")


@dataclass(frozen=True)
class _Trial:
    """One closed request. entries: of its ledger, by responder."""

    verdict: Verdict
    evidence: Evidence
    request: Request
    record: Record
    entries: Mapping[str, Sequence[Entry]]

    @property
    def is_in_an_outage(self) -> bool:
        began, ends = _seconds(self.record["createdAt"]), _seconds(self.record["deadlineAt"])
        return any(since < ends and until > began for since, until in self.evidence.outages)

    def count(self, what: str, times: int = 1) -> None:
        self.verdict.counts[self.request.variant][what] += times

    def blame(self, what: str, where: str) -> None:
        self.verdict.blame(what, self.request, where)


def judge(evidence: Evidence) -> Verdict:
    verdict = Verdict()
    entries: dict[str, dict[str, list[Entry]]] = defaultdict(lambda: defaultdict(list))
    for entry in evidence.ledger:
        entries[entry["requestId"]][entry["responder"]].append(entry)
    for request in evidence.requests:
        verdict.counts[request.variant]["requests"] += 1
        record = evidence.records.get(request.id)
        if request.id in evidence.left_open:
            verdict.blame("left open", request, "its deadline was given up")
        if record is None or record["status"] == "OPEN":
            verdict.blame("lost", request, f"it is {record['status'] if record else 'unknown'}")
            continue
        trial = _Trial(verdict, evidence, request, record, entries[request.id])
        for ask in request.asks:
            _judge_answers(trial, ask.responder)
            _judge_poison(trial, ask.responder)
        _judge_rule(trial)
        _judge_closing(trial)
    return verdict


def _judge_answers(trial: _Trial, responder: str) -> None:
    record, its = trial.record, trial.entries.get(responder, ())
    kept = {place: answer for place in ("answers", "late") if (answer := record.get(place, {}).get(responder)) is not None}
    for place, answer in kept.items():
        if answer["status"] == "QUOTED" and not any(is_kept_as(entry, answer) for entry in its if entry["kind"] == "answered"):
            trial.blame("invented", f"{answer['amount']} of {responder} in {place}")
    found = [(entry, _places(entry, kept, trial.evidence.dead)) for entry in its if entry["kind"] in ("answered", "busy")]
    # Asking to be asked again is an answer only if it was the last time.
    answers = [(entry, places) for entry, places in found if entry["kind"] == "answered" or places]
    trial.count("answers", len(answers))
    asked = [entry for entry in its if entry["kind"] == "answered"]
    if len(asked) > 1 and trial.request.is_untouched and trial.request.behaviour(responder) != "twice" and not trial.is_in_an_outage:
        trial.blame("asked twice", f"{responder} answered {len(asked)} times")
    # One piece of garbage looks like another, so they count as one.
    garbage = [entry for entry, _ in answers if entry.get("outcome") == "GARBAGE"][1:]
    answers = [(entry, places) for entry, places in answers if entry not in garbage]
    trial.count("repetitions", len(garbage))
    everywhere = [place for _, places in answers for place in places]
    for place in everywhere:
        trial.count(f"in {place}")
    if len(everywhere) > 1:
        trial.blame("counted twice", f"{responder} in {', '.join(everywhere)}")
    if everywhere or not answers:
        trial.count("repetitions", sum(not places for _, places in answers))
    elif _is_cut_off(trial, responder, kept):
        trial.count("cut off", len(answers))
    else:
        trial.blame("lost", f"{answers[0][0]['outcome']} {answers[0][0]['token']} of {responder}, {_told(trial, responder)}")


def _is_cut_off(trial: _Trial, responder: str, kept: Mapping[str, Answer]) -> bool:
    """Whether nobody could hear what it said; who would have been asked again for that need not be, once the request has closed."""
    if responder in trial.record.get("spared", {}):
        return True
    request, given_up = trial.request, any(map(_is_given_up, kept.values()))
    loses_replies = responder == EXISTING or "lose" in request.faults.get("workflow asks", ())
    return request.is_stopped or (request.id, responder) in trial.evidence.killed or (loses_replies and given_up)


def _is_given_up(kept: Answer) -> bool:
    """Whether what an existing function says has no place: its time was over, or its replies were lost until nobody asked any more."""
    return kept["status"] == "TIMED_OUT" or "injected" in kept.get("error", {}).get("message", "")


def _told(trial: _Trial, responder: str) -> str:
    """When it was asked and answered, from the deadline on, in seconds, and what its slot has instead."""
    ends = _seconds(trial.record["deadlineAt"])
    its = ", ".join(f"{entry['kind']} {entry['at'] - ends:+.2f}" for entry in trial.entries.get(responder, ()))
    slot = trial.record["answers"].get(responder, {})
    return f"{its}; in its slot {slot.get('status')} {slot.get('error', {}).get('message', '')[:80]}"


def _places(entry: Entry, kept: Mapping[str, Answer], dead: Sequence[str]) -> list[str]:
    return [place for place, answer in kept.items() if is_kept_as(entry, answer)] + (
        ["dead letters"] if any(entry["token"] in body for body in dead) else []
    )


def is_kept_as(entry: Entry, answer: Answer) -> bool:
    """Is this answer of a record the one of that entry of the ledger?"""
    outcome, error = entry.get("outcome", "FAILED"), answer.get("error", {})
    if outcome == "QUOTED":
        return answer.get("amount") == entry["token"]
    if outcome == "GARBAGE":
        return error.get("type") == "InvalidAnswer"
    return answer["status"] == outcome and entry["token"] in error.get("message", "")


def _judge_poison(trial: _Trial, responder: str) -> None:
    for entry in trial.entries.get(responder, ()):
        if entry["kind"] == "poison":
            copies = sum(entry["token"] in body for body in trial.evidence.dead)
            trial.count("poison in dead letters", copies)
            if not copies:
                trial.blame("lost", f"poison {entry['token']} of {responder}")


def _judge_rule(trial: _Trial) -> None:
    rule, decided = trial.record["completedBy"], trial.request.rules()
    trial.count(f"closed by {rule}")
    for violation in invariants.violations(trial.record, math.inf):
        trial.blame(violation.kind, violation.what)
    if rule == "DEADLINE" and rule not in decided and (why := _excuse(trial)):
        trial.count(why)
    elif rule == "DEADLINE" and rule not in decided:
        trial.blame("closed wrongly", f"by DEADLINE rather than {' or '.join(sorted(decided))}, though all were quick")
    elif rule not in decided and _went_as_planned(trial.request, trial.record):
        trial.blame("closed wrongly", f"by {rule} rather than {' or '.join(sorted(decided))}")


def _excuse(trial: _Trial) -> str | None:
    """Why the deadline closed what was planned otherwise, where that is nobody's fault."""
    if trial.is_in_an_outage:
        return OUT
    if not any(trial.entries.values()):
        return None
    ends = _seconds(trial.record["deadlineAt"])
    for ask in trial.request.asks:
        if (
            trial.request.outcome(ask) in ("QUOTED", "DECLINED", "FAILED")
            and ask.behaviour != "crash"
            and not any(
                entry["kind"] in ("answered", "busy") and entry["at"] < ends - SLOW_SECONDS
                for entry in trial.entries.get(ask.responder, ())
            )
        ):
            return SLOW
    return None


def _seconds(written: str) -> float:
    return datetime.fromisoformat(written).timestamp()


def _went_as_planned(request: Request, record: Record) -> bool:
    """Whether each answer that closed the record is what the plan says; a slow machine makes it another one."""
    kept = {name: answer["status"] for name, answer in record["answers"].items()}
    return all(
        kept.get(ask.responder) in ((None, "TIMED_OUT") if (planned := request.outcome(ask)) is None else (None, planned))
        for ask in request.asks
    )


def _judge_closing(trial: _Trial) -> None:
    record, request = trial.record, trial.request
    closes = trial.evidence.closes.get(request.id, 0)
    if closes > 1:
        trial.blame("closed twice", f"{closes} times")
    events = [event for event in trial.evidence.events if event["requestId"] == request.id]
    if not events:
        trial.blame("unannounced", "no event")
    trial.count("events repeated", max(0, len(events) - 1))
    kept = _as_closed(record["completedAt"], [record["answers"][name] for name in record["recipients"] if name in record["answers"]])
    for result in [*trial.evidence.results.get(request.id, ()), *events]:
        if result["status"] != "OPEN" and _as_closed(result["completedAt"], result["answers"]) != kept:
            trial.blame("closed twice", "a result differs from the record")


def _as_closed(completed_at: str, answers: Sequence[Answer]) -> Any:
    """What must be the same wherever it is told."""
    return completed_at, [{key: value for key, value in answer.items() if key != "details"} for answer in answers]
