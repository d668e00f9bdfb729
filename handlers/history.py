"""The last requests, newest first, read through an index of the table: all requests by the day they were made, or those of one owner. Pure.

Nothing is scanned: a page reads only the entries and records that it looks at.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol

from handlers import aggregation, contract
from handlers.selection import Selection

INDEXES = DAY, OWNER = "listed", "owner"
"""The indexes. Each is named after its key attribute."""

READ_AT_ONCE = 10
"""How many records, of up to 400 KB each, a function keeps in memory at once."""

LOOKED_AT = 200
"""How many records a page looks at when it filters for a rare status; the next page goes on from there."""

DAYS_AT_ONCE = 31
"""How many days a page goes back; the next page goes on from there."""

DAY_CHARACTERS = 10
"""The length of the date in an ISO 8601 time."""

PLACE = re.compile(r"(?P<at>(?P<day>\d{4}-\d\d-\d\d)T\d\d:\d\d:\d\d\.\d{3}Z)(_(?P<id>[A-Za-z0-9_-]{1,64}))?", re.ASCII)


@dataclass(frozen=True)
class Place:
    """A place in an index, newest first: behind everything made at `at` or later, or, with an id, right behind that request's entry."""

    at: str
    request_id: str | None = None

    def __str__(self) -> str:
        return self.at if self.request_id is None else f"{self.at}_{self.request_id}"


def place(written: str) -> Place:
    """Parses what `str` made of a place. Raises ValueError for anything else."""
    found = PLACE.fullmatch(written)
    if not found:
        raise ValueError("no place")
    date.fromisoformat(found["day"])
    return Place(found["at"], found["id"])


class Index(Protocol):
    def entries(self, index: str, value: str, behind: Place, size: int) -> list[Place]:
        """The next entries with this value, newest first; fewer than `size` if no more follow."""

    def read_all(self, ids: Sequence[str]) -> dict[str, aggregation.Record]:
        """Records by id, without those that no longer exist."""


def newest(index: Index, owner: str | None, behind: Place, since: str, size: int) -> Iterator[Place]:
    """The entries behind that place of what was made at `since` or later. owner: as records have it; None for everybody's. size: how many
    are read at a time."""
    if owner is not None:
        yield from _of(index, OWNER, owner, behind, since, size)
        return
    day, first = date.fromisoformat(behind.at[:DAY_CHARACTERS]), date.fromisoformat(since[:DAY_CHARACTERS])
    while day >= first:
        yield from _of(index, DAY, day.isoformat(), behind, since, size)
        behind = Place(_midnight(day))
        day -= timedelta(days=1)


def page(index: Index, how: Selection, *, owner: str | None, behind: Place, since: str, limit: int, status: str | None) -> contract.Json:
    """{"requests": [see `summary`], "next": the place of the following page, or null if that would be empty}. since: nothing older is
    kept. A page that has a next one may still have fewer than `limit` requests."""
    oldest = since
    if owner is None:
        day = date.fromisoformat(behind.at[:DAY_CHARACTERS])
        oldest = max(since, _midnight(day - timedelta(days=min(DAYS_AT_ONCE, day.toordinal() - 1))))
    entries = newest(index, owner, behind, oldest, limit + 1)
    found: list[contract.Json] = []
    looked_at = 0
    while some := list(itertools.islice(entries, READ_AT_ONCE)):
        records = index.read_all([entry.request_id for entry in some if entry.request_id])
        for number, entry in enumerate(some):
            record = records.get(entry.request_id or "")
            if record and status in (None, record["status"]):
                found.append(summary(record, how, own_ids=owner is not None))
            if len(found) == limit:
                more = number + 1 < len(some) or next(entries, None) is not None or oldest > since
                return {"requests": found, "next": str(entry) if more else None}
        looked_at += len(some)
        if looked_at >= LOOKED_AT:
            return {"requests": found, "next": str(some[-1])}
    return {"requests": found, "next": oldest if oldest > since else None}


def summary(record: aggregation.Record, how: Selection, *, own_ids: bool) -> contract.Json:
    """The part of a Result that a long list has room for. own_ids: whether requestId is the owner's id or the record's."""
    result = aggregation.result_of(record, how)
    best = result["best"]
    return {
        **{key: result[key] for key in ("variant", "status", "completedBy", "expected", "received", "late", "createdAt", "completedAt")},
        "requestId": record.get("knownAs", record["requestId"]) if own_ids else record["requestId"],
        "best": {key: best[key] for key in ("responder", "amount", "currency")} if best else None,
    }


def _of(index: Index, name: str, value: str, behind: Place, since: str, size: int) -> Iterator[Place]:
    while some := index.entries(name, value, behind, size):
        yield from itertools.takewhile(lambda entry: entry.at >= since, some)
        if len(some) < size or some[-1].at < since:
            return
        behind = some[-1]


def _midnight(day: date) -> str:
    return f"{day.isoformat()}T00:00:00.000Z"
