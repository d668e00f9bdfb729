"""Gathers the answers of a request exactly once, by construction, for every carrier. It contains no AWS: `Store` is all that it needs.

An answer arrives at least once, in any order, and at several aggregators at a time: through the response queue as soon as it is given,
from a state machine once everybody has answered, or both ways. The store keeps the result right. It adds an answer under its
responder's name only if that place is empty and the record is open, and it adds all answers of a batch in one update. A record is closed
only by an update that finds it open and with exactly the answers that the closer saw.

The aggregator that closes a record announces it and then marks it as announced. Until `announceBy`, when the closer's invocation ends,
the other aggregators leave the announcement to it. After that the closer is dead, and the redelivery of its message makes the
announcement. So an event may be repeated after a crash, but it is never lost.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from handlers import clock, completion, contract, selection
from handlers.selection import Ranking, Selection

Record = dict[str, Any]


class Rejected(ValueError):
    """The message can never be gathered; the text says why."""


@dataclass(frozen=True)
class Message:
    """What reached the aggregator: an answer or, where `answer` is None, the deadline that was set when the record was created.

    gave_up: the responder of a state machine stopped at the deadline. Its answer comes with everything else that the machine has.
    """

    message_id: str
    request_id: str
    answer: contract.Json | None = None
    deadline_at: str | None = None
    gave_up: bool = False


@dataclass(frozen=True)
class Rules:
    """What the stack's configuration says about gathering. rank_by_code: ranks quotes by the user's own selection, if there is one."""

    policy: completion.Policy
    selection: Selection
    currency: str
    rank_by_code: Callable[[Sequence[contract.Json]], Ranking] | None = None

    def rank(self, answers: Iterable[contract.Json]) -> Ranking:
        quotes = selection.quotes_of(answers)
        if self.rank_by_code:
            return self.rank_by_code(quotes)
        return Ranking(selection.top(quotes, self.selection))


@dataclass
class Gathered:
    """What became of the messages of one request. record: the record afterwards, or None if there is none."""

    record: Record | None
    rejected: list[tuple[Message, str]] = field(default_factory=list)
    closed: bool = False
    announced: bool = True
    """False if the closer may have died before it announced the record: check again after the record's announceBy."""


class Store(Protocol):
    """The records. Each update returns the updated record and True. If its condition does not hold, it returns the record as it is,
    or None if there is no record, and False."""

    def read(self, request_id: str) -> Record | None: ...

    def add(self, record: Record, answers: Mapping[str, contract.Json]) -> tuple[Record | None, bool]:
        """Adds answers in places that are still empty, if the record is open."""

    def add_late(self, record: Record, answers: Mapping[str, contract.Json]) -> tuple[Record | None, bool]:
        """Adds late answers in places that are still empty."""

    def add_spared(self, record: Record, names: Sequence[str]) -> tuple[Record | None, bool]:
        """Adds the responders that had not begun when the record closed, in places that are still empty."""

    def close(self, record: Record, change: "Closing") -> tuple[Record | None, bool]:
        """Closes the record if it is open and has as many answers as `record`."""

    def claim_announcement(self, record: Record, now: str, until: str) -> bool:
        """Takes over the announcement if it is still due and no living aggregator holds it."""

    def announced(self, record: Record, now: str) -> None: ...


@dataclass(frozen=True)
class Closing:
    """How a record closes. silent: the slots of the responders that never answered."""

    status: str
    completed_by: str
    completed_at: str
    silent: Mapping[str, contract.Json]
    ranking: Ranking
    announce_by: str


def parse(message_id: str, body: str) -> Message:
    """A message of the response queue: a reply, or {"requestId", "deadlineAt"}. Raises Rejected."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise Rejected("the message is not JSON") from None
    if not isinstance(content, dict) or not isinstance(content.get("requestId"), str) or not content["requestId"]:
        raise Rejected("the message has no requestId")
    if isinstance(content.get("answer"), dict):
        return Message(message_id, content["requestId"], answer=content["answer"])
    if isinstance(content.get("deadlineAt"), str):
        return Message(message_id, content["requestId"], deadline_at=content["deadlineAt"])
    raise Rejected("the message has neither an answer nor a deadlineAt")


def replies(contents: Sequence[contract.Json], now: str) -> list[Message]:
    """A state machine's replies as messages. A reply is {"requestId", "answer": Answer}, or {"requestId", "responder",
    "fault": {"Error", "Cause"}} if the responder's function broke, which counts as a failure of that responder, or {"asked": false, …} if
    the question was for others, which yields no message."""
    found = []
    for number, content in enumerate(contents):
        if "fault" in content:
            answer = {**broken(content["responder"], content["fault"]), "respondedAt": now}
            found.append(Message(str(number), content["requestId"], answer=answer))
        elif content.get("asked", True):
            answer = content["answer"]
            found.append(Message(str(number), content["requestId"], answer=answer, gave_up=contract.is_silent(answer)))
    return found


def broken(responder: str, fault: Mapping[str, str]) -> contract.Json:
    """The answer (without times) of a responder whose function ended without giving one. fault: {"Error", "Cause"} as Step Functions
    reports it. If a function failed, the cause holds Lambda's {"errorType", "errorMessage"}."""
    kind, message = fault["Error"], fault.get("Cause", "")
    try:
        reported = json.loads(message)
    except ValueError:
        reported = None
    if isinstance(reported, dict):
        kind, message = str(reported.get("errorType", kind)), str(reported.get("errorMessage", message))
    if kind in ("States.Timeout", "Sandbox.Timedout") or "Task timed out" in message:
        return contract.unsuccessful(responder, "TIMED_OUT", "Timeout", message or "its function took too long")
    return contract.unsuccessful(responder, "FAILED", kind, message)


def checked(record: Record, answer: contract.Json, currency: str) -> contract.Json:
    """The answer as the record keeps it. Raises Rejected if it breaks the contract: our adapters normalise what responders say, so
    such an answer did not come from one of them."""
    name = answer.get("responder")
    if not isinstance(name, str) or name not in record["recipients"]:
        raise Rejected(f"{json.dumps(name, default=str)[:80]} was not asked")
    kept = contract.normalise_answer(name, answer, currency=currency, details_limit=contract.details_limit(len(record["recipients"])))
    if kept["status"] != answer.get("status"):
        raise Rejected(kept["error"]["message"] if "error" in kept else "the answer has no status")
    try:
        responded_at = clock.later(answer["respondedAt"], 0)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise Rejected("respondedAt must be a time in ISO 8601 with its zone") from None
    # The clocks of two machines differ. An answer that seems older than its question took no time.
    latency = max(0, round(1000 * clock.seconds_between(record["createdAt"], responded_at)))
    return {**kept, "latencyMs": latency, "respondedAt": responded_at}


@dataclass
class Sorted:
    """Messages grouped by what to do with them. Messages that change nothing (repetitions, giving up after the close) are in no group."""

    on_time: dict[str, contract.Json] = field(default_factory=dict)
    late: dict[str, contract.Json] = field(default_factory=dict)
    spared: list[str] = field(default_factory=list)
    rejected: list[tuple[Message, str]] = field(default_factory=list)


def sort(record: Record, messages: Iterable[Message], currency: str) -> Sorted:
    """An answer is on time if it was given by the deadline and finds the record open. Otherwise, and if its slot is already
    TIMED_OUT, a quote, a decline or a failure is a late answer. A responder that reports that it gave up says nothing new."""
    news = Sorted()
    is_open = record["status"] == "OPEN"
    for message in messages:
        if message.answer is None:
            continue
        try:
            answer = checked(record, message.answer, currency)
        except Rejected as reason:
            news.rejected.append((message, str(reason)))
            continue
        name = answer["responder"]
        if contract.is_silent(answer):
            continue
        if contract.is_not_begun(answer):
            if not is_open and name not in (*record.get("spared", {}), *news.spared):
                news.spared.append(name)
            continue
        slot = record["answers"].get(name) or news.on_time.get(name)
        if slot is not None and slot["status"] in contract.ANSWERED:
            continue
        if slot is None and is_open and answer["respondedAt"] <= record["deadlineAt"]:
            news.on_time[name] = answer
        elif answer["status"] in contract.ANSWERED and name not in record["late"]:
            news.late.setdefault(name, answer)
    return news


def closing(record: Record, rules: Rules, *, after_deadline: bool, now: str, announce_by: str) -> Closing | None:
    """How to close the record as it stands, or None if it stays open or is closed already."""
    if record["status"] != "OPEN":
        return None
    policy = completion.tighten(rules.policy, record["request"].get("completion", {}))
    recipients = record["recipients"]
    completed_by = completion.completed_by(policy, recipients, record["answers"], after_deadline=after_deadline)
    if completed_by is None:
        return None
    missing = [name for name in recipients if name not in record["answers"]] if completed_by == "DEADLINE" else []
    silent = {name: contract.silent(name) for name in missing}
    answers = {**record["answers"], **silent}
    given = [answers[name] for name in recipients if name in answers]
    # An answer's time comes from another clock, or lies after `now` if another aggregator stored it meanwhile. So does the deadline of
    # a responder that gave up.
    since = record["deadlineAt"] if completed_by == "DEADLINE" else record["createdAt"]
    completed_at = max([now, since, *(answer["respondedAt"] for answer in given if "respondedAt" in answer)])
    return Closing(
        status=contract.status_of([answer["status"] for answer in given], completed_by),
        completed_by=completed_by,
        completed_at=completed_at,
        silent=silent,
        ranking=rules.rank(given),
        announce_by=announce_by,
    )


def result_of(record: Record, how: Selection) -> contract.Json:
    """The Result of a stored record. A closed record has the best quote that it was closed with, an open one the best so far."""
    if record["status"] != "OPEN":
        return contract.result(record, record["top"])
    answers = [record["answers"][name] for name in record["recipients"] if name in record["answers"]]
    return contract.result(record, selection.top(answers, how))


def stored_result(record: Record, how: Selection) -> contract.Json:
    """The Result of a stored record, plus "request" (what was asked) and "lateAnswers" (what came too late to count, in the order of
    the recipients)."""
    late = record.get("late", {})
    return {
        **result_of(record, how),
        "request": record["request"],
        "lateAnswers": [late[name] for name in record["recipients"] if name in late],
    }


def gather(
    store: Store,
    rules: Rules,
    request_id: str,
    messages: Sequence[Message],
    announce: Callable[[contract.Json], None],
    *,
    now: str,
    alive_until: str,
) -> Gathered:
    """Brings the messages of one request into its record; repeating it with the same messages changes nothing.

    announce: sends the completed event of a Result. alive_until: when this invocation will have ended. Exceptions of the store and of
    announce pass through; all of the messages must then be delivered again.
    """
    gathered = _bring_in(store, rules, request_id, messages, now, alive_until)
    record = gathered.record
    if record is None or record["status"] == "OPEN" or "announcedAt" in record:
        return gathered
    if gathered.closed or (record["announceBy"] < now and store.claim_announcement(record, now, alive_until)):
        announce(result_of(record, rules.selection))
        store.announced(record, now)
    else:
        gathered.announced = False
    return gathered


def _bring_in(store: Store, rules: Rules, request_id: str, messages: Sequence[Message], now: str, alive_until: str) -> Gathered:
    record = store.read(request_id)
    # Each turn begins with the record as another aggregator has just left it. The number of answers only grows, and a closed
    # record stays closed, so the turns come to an end.
    while True:
        if record is None:
            # A deadline is sent before its record is created, so a failed start leaves a deadline without a record.
            return Gathered(None, [(message, "there is no such request") for message in messages if message.answer])
        news = sort(record, messages, rules.currency)
        if news.on_time:
            record, done = store.add(record, news.on_time)
            if not done or record is None:
                continue
        after_deadline = now >= record["deadlineAt"] or any(
            message.deadline_at == record["deadlineAt"] or message.gave_up for message in messages
        )
        change = closing(record, rules, after_deadline=after_deadline, now=now, announce_by=alive_until)
        if change is not None:
            record, closed = store.close(record, change)
            if not closed or record is None:
                continue
        if news.late:
            record, done = store.add_late(record, news.late)
            if not done:
                continue
        if news.spared and record is not None:
            record, _ = store.add_spared(record, news.spared)
        return Gathered(record, news.rejected, closed=change is not None)
