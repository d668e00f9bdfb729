"""Opens a request: checks it, sets its deadline, stores its record, and says whom to ask. It contains no AWS: it needs only `Store` and
`SetDeadline`.

The deadline is set before the record is stored. So every record gets closed, even if nothing else ever happens to it.

The opener of a request leaves its own name in the record (`openedBy`). If it tries again because a reply was lost, it finds its name and
goes on as if it had just opened the request. Anybody else who opens the same request repeats it, and nobody is asked again. Some openers
ask the responders themselves, after the record is stored. A repetition then waits until they have been asked, or asks them if the opener
has died.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from handlers import clock, completion, contract, history, request
from handlers.aggregation import Record

GATHERED_WITHIN_SECONDS = 3
"""How long a request stays open after its deadline if its answers come all at once, with the last one: its responders stop at the
deadline, and their answers must still arrive."""

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.05, 1.0
"""The pauses between two looks at a record whose opener is about to ask. Each pause is twice the one before."""

OWNED = ("owner", "knownAs")
"""The fields that the API adds to a request with an owner, for its record; see `callers`."""

SetDeadline = Callable[[Record, int], None]
"""Has the record closed as it stands after so many seconds, or as soon as it exists."""


@dataclass(frozen=True)
class Rules:
    """What the stack's configuration says about requests. known: the names of its responders, in order."""

    known: Sequence[str]
    policy: completion.Policy
    retention_seconds: int


@dataclass(frozen=True)
class Opened:
    """record: as it is stored. is_new: whether the opener must ask the responders now."""

    record: Record
    is_new: bool


class Store(Protocol):
    def create(self, record: Record, now: str) -> tuple[Record, bool]:
        """Stores the record and returns it and True, or returns the record that has its id already and False."""


def open_request(
    store: Store,
    set_deadline: SetDeadline,
    rules: Rules,
    body: Any,
    *,
    variant: str,
    own_id: str,
    opened_by: str,
    now: str,
    gathered_at_the_end: bool,
    publish_seconds: float | None = None,
) -> Opened:
    """Opens the request in `body` for a carrier. Raises InvalidRequest.

    own_id: the id of a request that brings none. gathered_at_the_end: whether the carrier hands over its answers all at once, unless
    they may close the request early. publish_seconds: how long this opener has to ask the responders, if it does so itself; afterwards
    another opener may.
    """
    body, owned = _apart(body)
    asked = completion.check_request(body, rules.known, rules.policy)
    record = {**_record(asked, rules, now, variant, own_id), **owned, "openedBy": opened_by}
    if publish_seconds:
        record["publishBy"] = clock.later(now, publish_seconds)
    grace = GATHERED_WITHIN_SECONDS if gathered_at_the_end and not closes_early(rules.policy, record) else 0
    set_deadline(record, _seconds(record, grace))
    kept, is_new = _create(store, record, now)
    if is_new:
        if clock.now() >= record["deadlineAt"]:
            # The first deadline message may have arrived before there was a record to close.
            set_deadline(record, _seconds(record, grace))
        return Opened(kept, True)
    if kept["variant"] != variant or not request.same(kept["request"], record["request"]):
        raise contract.InvalidRequest(f"requestId {record['requestId']} was already used for another request")
    if kept.get("openedBy") == opened_by and kept["status"] == "OPEN":
        return Opened(kept, "publishBy" in kept or not publish_seconds)
    if _is_asked(kept):
        return Opened(kept, False)
    return open_request(
        store,
        set_deadline,
        rules,
        body if not owned else {**body, **owned},
        variant=variant,
        own_id=own_id,
        opened_by=opened_by,
        now=clock.now(),
        gathered_at_the_end=gathered_at_the_end,
        publish_seconds=publish_seconds,
    )


def _apart(body: Any) -> tuple[Any, dict[str, str]]:
    """The caller's own request, and the fields OWNED if the API added them. Anything else by these names is an unknown key."""
    owned = {key: body.get(key) for key in OWNED} if isinstance(body, dict) else {}
    if not owned or not all(isinstance(value, str) and contract.REQUEST_ID.fullmatch(value) for value in owned.values()):
        return body, {}
    return {key: value for key, value in body.items() if key not in OWNED}, owned


def _create(store: Store, record: Record, now: str) -> tuple[Record, bool]:
    """Like `Store.create`, but returns another opener's record only once that opener has asked or can no longer be about to ask."""
    pause = FIRST_PAUSE_SECONDS
    while True:
        kept, is_new = store.create(record, now)
        if is_new or kept.get("openedBy") == record["openedBy"] or _is_asked(kept) or clock.now() > kept["publishBy"]:
            return kept, is_new
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def _is_asked(record: Record) -> bool:
    return "publishBy" not in record or record["status"] != "OPEN" or bool(record["answers"] or record["late"])


def closes_early(stack: completion.Policy, record: Record) -> bool:
    return completion.tighten(stack, record["request"].get("completion", {})).closes_early(record["recipients"])


def question(record: Record, reply_to: str | None = None, *, early: bool = False) -> contract.Json:
    """What every carrier sends to a responder: {"requestId", "description", "data", "deadlineAt", "recipients", "replyTo"?,
    "closesEarly"?}.

    reply_to: the URL of the queue that takes the answer as soon as it is given. early: the result of `closes_early`; a responder then
    checks that the request is still open before it begins.
    """
    return {
        "requestId": record["requestId"],
        "description": record["request"].get("description", ""),
        "data": record["request"]["data"],
        "deadlineAt": record["deadlineAt"],
        "recipients": record["recipients"],
        **({"replyTo": reply_to} if reply_to else {}),
        **({"closesEarly": True} if early else {}),
    }


def _record(asked: contract.Json, rules: Rules, now: str, variant: str, own_id: str) -> Record:
    deadline = completion.tighten(rules.policy, asked.get("completion", {})).deadline_seconds
    return {
        "requestId": asked.get("requestId", own_id),
        "variant": variant,
        "status": "OPEN",
        "request": {key: value for key, value in asked.items() if key != "requestId"},
        "recipients": contract.recipients_of(asked, rules.known),
        "answers": {},
        "late": {},
        "spared": {},
        "createdAt": now,
        "listed": now[: history.DAY_CHARACTERS],
        "deadlineAt": clock.later(now, deadline),
        "expiresAt": int(clock.moment(now).timestamp()) + rules.retention_seconds,
    }


def _seconds(record: Record, grace: int) -> int:
    return math.ceil(max(clock.seconds_until(record["deadlineAt"]), 0)) + grace
