"""Each kind of violation is found in a stored request, and none in one that is as it should be."""

import pytest

from client.invariants import GRACE_SECONDS, violations

CREATED, ANSWERED, CLOSED, DEADLINE = (f"2026-11-26T12:00:{second:02d}.000Z" for second in (0, 1, 2, 30))
AT_THE_DEADLINE = 1795694430.0
QUOTE = {"responder": "avis", "status": "QUOTED", "amount": "100", "respondedAt": ANSWERED}
DECLINE = {"responder": "alamo", "status": "DECLINED", "respondedAt": ANSWERED}
SILENT = {"responder": "alamo", "status": "TIMED_OUT"}
RECORD = {
    "requestId": "r1",
    "status": "COMPLETE",
    "completedBy": "ALL",
    "recipients": ["avis", "alamo"],
    "request": {"data": {}},
    "answers": {"avis": QUOTE, "alamo": DECLINE},
    "late": {},
    "createdAt": CREATED,
    "completedAt": CLOSED,
    "deadlineAt": DEADLINE,
    "announceBy": CLOSED,
    "announcedAt": CLOSED,
}
OPEN = {**{key: value for key, value in RECORD.items() if key != "completedBy"}, "status": "OPEN", "answers": {}}


def kinds(now=AT_THE_DEADLINE, stack=None, **changes):
    return {violation.kind for violation in violations({**RECORD, **changes}, now, stack)}


def closed_by(rule, answers, **completion):
    return {"completedBy": rule, "answers": answers, "request": {"data": {}, "completion": completion}}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        OPEN,
        closed_by("QUORUM", {"avis": QUOTE}, quorum=1),
        {**closed_by("QUORUM", {"avis": QUOTE}, quorum=1), "late": {"alamo": DECLINE}},
        closed_by("QUORUM", {"avis": QUOTE}, quorum=2) | {"stack": {"weights": {"avis": 2}}},
        closed_by("QUORUM", {"avis": QUOTE}) | {"stack": {"quorum": "1"}},
        closed_by("CONDITION", {"avis": QUOTE}, amountBelow="100.01"),
        {**closed_by("DEADLINE", {"avis": QUOTE, "alamo": SILENT}), "completedAt": DEADLINE, "late": {"alamo": DECLINE}},
    ],
)
def test_nothing_is_found_where_nothing_is_wrong(changes):
    assert kinds(**changes) == set()


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({**OPEN, "now": AT_THE_DEADLINE + GRACE_SECONDS + 1}, "left open"),
        (closed_by("ALL", {"avis": QUOTE}), "lost"),
        ({**closed_by("DEADLINE", {"avis": QUOTE}), "completedAt": DEADLINE}, "lost"),
        (closed_by("DEADLINE", {"avis": QUOTE, "alamo": SILENT}), "closed wrongly"),
        (closed_by("QUORUM", {"avis": QUOTE}, quorum=2), "closed wrongly"),
        (closed_by("QUORUM", {"avis": QUOTE}, quorum=1, required=["alamo"]), "closed wrongly"),
        (closed_by("CONDITION", {"avis": QUOTE}, amountBelow="100"), "closed wrongly"),
        (closed_by("CHANCE", {"avis": QUOTE}, quorum=1), "closed wrongly"),
        ({"completedAt": CREATED}, "closed wrongly"),
        ({"late": {"avis": QUOTE}}, "counted twice"),
        ({"late": {"zipcar": QUOTE}}, "invented"),
        ({"answers": {"avis": QUOTE, "alamo": DECLINE, "zipcar": QUOTE}}, "invented"),
    ],
)
def test_what_is_wrong_is_found(changes, kind):
    assert kind in kinds(**changes)


def test_a_closed_request_that_nobody_announced_is_found_once_its_closer_is_gone():
    silent = {key: value for key, value in RECORD.items() if key != "announcedAt"}

    assert {violation.kind for violation in violations(silent, AT_THE_DEADLINE + GRACE_SECONDS)} == {"unannounced"}
    assert list(violations(silent, AT_THE_DEADLINE - 28)) == []
