"""The history of requests over records in memory: order, pages, what is read, and whose it is."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers import clock, history
from handlers.history import Place
from handlers.selection import Selection
from tests import memory_index

NOW, MONTH_AGO, EVER = "2027-03-10T12:00:00.000Z", "2027-02-08T12:00:00.000Z", "2027-01-01T00:00:00.000Z"
LOWEST = Selection("lowest", 3)


class Index:
    """read: the ids of the records that were read so far."""

    def __init__(self, *records: dict[str, Any]) -> None:
        self.records = {record["requestId"]: record for record in records}
        self.read: list[str] = []
        self.expired: set[str] = set()

    def entries(self, index: str, value: str, behind: Place, size: int) -> list[Place]:
        return memory_index.entries(self.records, index, value, behind, size)

    def read_all(self, ids: Sequence[str]) -> dict[str, Any]:
        self.read += ids
        return memory_index.read_all(self.records, [request_id for request_id in ids if request_id not in self.expired])


def record(request_id: str, ago: float, *, status: str = "OPEN", **more: Any) -> dict[str, Any]:
    """ago: seconds before NOW."""
    created = clock.later(NOW, -ago)
    closed = {} if status == "OPEN" else {"completedBy": "ALL", "completedAt": NOW, "top": ["avis"]}
    answer = {"responder": "avis", "status": "QUOTED", "amount": "9", "currency": "USD", "details": {"long": "x" * 999}}
    return {
        "requestId": request_id,
        "variant": "map",
        "status": status,
        "request": {"data": {}},
        "recipients": ["avis"],
        "answers": {} if status == "OPEN" else {"avis": answer},
        "createdAt": created,
        "listed": created[: history.DAY_CHARACTERS],
        **closed,
        **more,
    }


def page(
    index: Index, before: str | None = None, *, limit: int = 2, since: str = MONTH_AGO, owner: str | None = None, status: str | None = None
) -> tuple[list[str], str | None]:
    behind = Place(NOW) if before is None else history.place(before)
    found = history.page(index, LOWEST, owner=owner, behind=behind, since=since, limit=limit, status=status)
    return [request["requestId"] for request in found["requests"]], found["next"]


def pages(index: Index, **more: Any) -> Iterator[list[str]]:
    before = None
    while True:
        found, before = page(index, before, **more)
        yield found
        if before is None:
            return


def test_a_page_has_the_last_requests_over_midnight_newest_first():
    index = Index(record("old", 90_000), record("new", 10), record("middle", 50_000))

    assert page(index, limit=3) == (["new", "middle", "old"], None)


def test_a_page_reads_no_more_records_than_it_shows():
    index = Index(*(record(f"r{number:02d}", number + 1) for number in range(30)))

    found, following = page(index, limit=10)

    assert (index.read, following) == (found, clock.later(NOW, -10) + "_r09")


@given(st.lists(st.integers(1, 40), max_size=40), st.integers(1, 7))
def test_pages_have_every_request_once_however_many_are_of_one_moment(days, limit):
    index = Index(*(record(f"r{number}", day * 43_200) for number, day in enumerate(days)))

    found = [request_id for each in pages(index, limit=limit, since=EVER) for request_id in each]

    in_order = sorted(index.records.values(), key=lambda one: (one["createdAt"], one["requestId"]), reverse=True)
    assert found == [one["requestId"] for one in in_order]


def test_an_owner_has_its_own_requests_by_its_own_ids():
    index = Index(
        record("a" * 64, 10, owner="alice", knownAs="trip"), record("b" * 64, 20, owner="eve", knownAs="trip"), record("nobodys", 30)
    )

    assert page(index, owner="alice") == (["trip"], None)
    assert index.read == ["a" * 64]
    assert page(index, limit=3) == (["a" * 64, "b" * 64, "nobodys"], None)


def test_a_rare_status_is_found_page_by_page_and_a_page_may_be_empty(monkeypatch):
    monkeypatch.setattr(history, "LOOKED_AT", 20)
    index = Index(record("rare", 1_000, status="COMPLETE"), *(record(f"r{number:02d}", number + 1) for number in range(45)))

    assert list(pages(index, status="COMPLETE")) == [[], [], ["rare"]]


def test_a_page_goes_back_a_month_and_the_next_one_goes_on():
    index = Index(record("new", 10), record("old", 45 * 86_400))

    assert list(pages(index, since=EVER)) == [["new"], ["old"], []]


def test_nothing_is_looked_for_before_what_is_kept():
    index = Index(record("new", 10), record("old", 45 * 86_400))

    assert page(index, since=clock.later(NOW, -40 * 86_400))[1] is not None
    assert list(pages(index, since=clock.later(NOW, -40 * 86_400))) == [["new"], []]


def test_what_expired_since_the_index_was_read_is_left_out():
    index = Index(record("kept", 10), record("gone", 20))
    index.expired.add("gone")

    assert page(index) == (["kept"], None)


def test_a_summary_has_the_best_without_its_details():
    summary = history.summary(record("one", 10, status="COMPLETE"), LOWEST, own_ids=False)

    assert summary == {
        "requestId": "one",
        "variant": "map",
        "status": "COMPLETE",
        "completedBy": "ALL",
        "expected": 1,
        "received": 1,
        "late": 0,
        "best": {"responder": "avis", "amount": "9", "currency": "USD"},
        "createdAt": clock.later(NOW, -10),
        "completedAt": NOW,
    }


@pytest.mark.parametrize(
    "written", ["", "yesterday", "2027-02-30T00:00:00.000Z", "2027-01-01", f"{NOW}_", f"{NOW}_a b", f"{NOW}\n", "²" * 24]
)
def test_what_is_no_place_is_refused(written):
    with pytest.raises(ValueError, match=r"."):
        history.place(written)


@pytest.mark.parametrize("written", [NOW, f"{NOW}_trip_1"])
def test_a_place_is_read_as_it_was_written(written):
    assert str(history.place(written)) == written
