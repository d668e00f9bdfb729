"""The oracle finds each thing that must never happen, and nothing where nothing did."""

from dataclasses import replace
from typing import Any

import pytest

from tests.faults.oracle import OUT, SLOW, Evidence, judge
from tests.faults.request import EXISTING, Ask, Request

ASKS = (Ask("avis", "quote"), Ask("alamo", "throw"))
REQUEST = Request("r1", "sns", ASKS)
QUOTE = {"responder": "avis", "status": "QUOTED", "amount": "111", "respondedAt": "1"}
FAILURE = {"responder": "alamo", "status": "FAILED", "error": {"type": "RuntimeError", "message": "out of cars 222"}, "respondedAt": "1"}
LEDGER = [
    {"requestId": "r1", "responder": "avis", "kind": "answered", "outcome": "QUOTED", "token": "111", "at": 61},
    {"requestId": "r1", "responder": "alamo", "kind": "answered", "outcome": "FAILED", "token": "222", "at": 61},
]
BUSY = {"requestId": "r1", "responder": "alamo", "kind": "busy", "token": "333", "at": 61}
CREATED, CLOSED, DEADLINE = "1970-01-01T00:01:00.000Z", "1970-01-01T00:01:30.000Z", "1970-01-01T00:01:30.000Z"
RECORD = {
    "requestId": "r1",
    "variant": "sns",
    "status": "PARTIAL",
    "completedBy": "ALL",
    "completedAt": CLOSED,
    "deadlineAt": DEADLINE,
    "createdAt": CREATED,
    "late": {},
    "request": {"data": {}},
    "announcedAt": CLOSED,
    "recipients": ["avis", "alamo"],
    "answers": {"avis": QUOTE, "alamo": FAILURE},
}
RESULT = {"requestId": "r1", "status": "PARTIAL", "completedAt": CLOSED, "answers": [QUOTE, FAILURE]}
GOOD = Evidence([REQUEST], LEDGER, {"r1": RECORD}, {"r1": [RESULT]}, [RESULT], [], {"r1": 1})
SILENT = {"responder": "avis", "status": "TIMED_OUT", "error": {"type": "Deadline", "message": "no answer before the deadline"}}


def record(**changes: Any) -> dict[str, Any]:
    return {"records": {"r1": {**RECORD, **changes}}}


def quorum(late: dict[str, Any], *, quorum: int = 1, ledger: Any = LEDGER) -> dict[str, Any]:
    """The evidence of a workflow's request that one quote closed."""
    only = {**RESULT, "answers": [QUOTE]}
    its = record(answers={"avis": QUOTE}, late=late, completedBy="QUORUM", request={"completion": {"quorum": quorum}})
    return {**its, "results": {"r1": [only]}, "events": [only], "requests": [Request("r1", "map", ASKS, quorum=quorum)], "ledger": ledger}


def closed_by_the_deadline(ledger: list[Any]) -> dict[str, Any]:
    """The evidence of a request that was to close with its answers, which are late."""
    silent = [SILENT, {**SILENT, "responder": "alamo"}]
    return {
        **record(
            answers={"avis": silent[0], "alamo": silent[1]},
            late={"avis": QUOTE, "alamo": FAILURE} if ledger else {},
            completedBy="DEADLINE",
        ),
        "requests": [replace(REQUEST, deadline_seconds=30)],
        "ledger": ledger,
        "results": {},
        "events": [{**RESULT, "answers": silent}],
    }


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"outages": [(80, 82)]}, OUT),
        ({"ledger": [{**LEDGER[0], "at": 85}, LEDGER[1]]}, SLOW),
        (
            {
                "ledger": [LEDGER[0], {"requestId": "r1", "responder": "alamo", "kind": "asked", "at": 61}],
                **record(answers={"avis": SILENT, "alamo": {**SILENT, "responder": "alamo"}}, late={"avis": QUOTE}, completedBy="DEADLINE"),
            },
            SLOW,
        ),
    ],
)
def test_what_the_deadline_closed_against_the_plan_is_excused(changes, why):
    verdict = judge(replace(GOOD, **closed_by_the_deadline([*LEDGER]) | changes))

    assert verdict.findings == []
    assert verdict.total[why] == 1


def test_a_run_in_which_nothing_went_wrong_is_good():
    verdict = judge(GOOD)

    assert verdict.findings == []
    assert {name: verdict.counts["sns"][name] for name in ("requests", "answers", "in answers")} == {
        "requests": 1,
        "answers": 2,
        "in answers": 2,
    }


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"records": {}}, "lost"),
        (record(status="OPEN"), "lost"),
        (record(answers={"avis": SILENT, "alamo": FAILURE}), "lost"),
        (record(answers={"alamo": FAILURE}), "lost"),
        ({"ledger": [*LEDGER, {"requestId": "r1", "responder": "avis", "kind": "poison", "token": "333"}]}, "lost"),
        (quorum({}), "lost"),
        (quorum({"avis": QUOTE, "alamo": FAILURE}), "counted twice"),
        (record(late={"avis": QUOTE}), "counted twice"),
        ({"dead": ['{"answer": {"amount": "111"}}']}, "counted twice"),
        (record(answers={"avis": {**QUOTE, "amount": "999"}, "alamo": FAILURE}), "invented"),
        ({"closes": {"r1": 2}}, "closed twice"),
        ({"results": {"r1": [{**RESULT, "completedAt": "3"}]}}, "closed twice"),
        ({"events": [RESULT, {**RESULT, "answers": [QUOTE]}]}, "closed twice"),
        (record(completedBy="QUORUM"), "closed wrongly"),
        (record(completedBy="CONDITION"), "closed wrongly"),
        (record(completedBy="DEADLINE"), "closed wrongly"),
        (
            {"requests": [replace(REQUEST, asks=(ASKS[0], Ask("alamo", "held")))]}
            | record(completedBy="ALL", answers={"avis": QUOTE, "alamo": {**SILENT, "responder": "alamo"}}),
            "closed wrongly",
        ),
        (quorum({"alamo": FAILURE}, quorum=2), "closed wrongly"),
        ({"events": []}, "unannounced"),
        ({"left_open": ["r1"]}, "left open"),
        ({"ledger": [*LEDGER, {**LEDGER[0], "token": "444"}]}, "asked twice"),
        ({**closed_by_the_deadline([*LEDGER])}, "closed wrongly"),
        ({**closed_by_the_deadline([])}, "closed wrongly"),
    ],
)
def test_what_must_never_happen_is_found(changes, what):
    verdict = judge(replace(GOOD, **changes))

    assert verdict.total[what] >= 1
    assert not verdict.is_good


SHORT = [replace(REQUEST, deadline_seconds=5)]
OVERDUE = {"responder": EXISTING, "status": "TIMED_OUT", "error": {"type": "Timeout", "message": "no answer in 6 s"}, "respondedAt": "1"}
LOST = {
    "responder": EXISTING,
    "status": "FAILED",
    "respondedAt": "1",
    "error": {
        "type": "InternalServerError",
        "message": "An error occurred (InternalServerError) when calling the Invoke operation: injected",
    },
}


def cut_off(slot):
    """An existing function that was given up, whatever it answered."""
    return {
        **record(answers={"avis": QUOTE, EXISTING: slot}, recipients=["avis", EXISTING]),
        "results": {},
        "requests": [replace(REQUEST, asks=(ASKS[0], Ask(EXISTING, "quote")))],
        "events": [{**RESULT, "answers": [QUOTE, slot]}],
        "ledger": [LEDGER[0], {**LEDGER[1], "responder": EXISTING, "outcome": "QUOTED"}],
    }


@pytest.mark.parametrize(
    "changes",
    [
        {
            **record(answers={"avis": SILENT, "alamo": FAILURE}, late={"avis": QUOTE}, completedBy="DEADLINE"),
            "results": {},
            "events": [{**RESULT, "answers": [SILENT, FAILURE]}],
            "requests": SHORT,
        },
        {
            **record(answers={"avis": SILENT, "alamo": FAILURE}, completedBy="DEADLINE"),
            "results": {},
            "events": [{**RESULT, "answers": [SILENT, FAILURE]}],
            "dead": ['{"answer": {"amount": "111"}}'],
            "requests": SHORT,
        },
        {
            **record(answers={"avis": SILENT, "alamo": FAILURE}, completedBy="DEADLINE"),
            "results": {},
            "events": [{**RESULT, "answers": [SILENT, FAILURE]}],
            "killed": [("r1", "avis")],
            "requests": SHORT,
        },
        {
            **record(answers={"avis": SILENT, "alamo": FAILURE}, completedBy="DEADLINE"),
            "results": {},
            "events": [{**RESULT, "answers": [SILENT, FAILURE]}],
            "requests": [Request("r1", "map", ASKS, deadline_seconds=5, faults={"workflow asks": ("lose",)})],
        },
        {"ledger": [*LEDGER, {**LEDGER[0], "token": "444"}], "requests": [replace(REQUEST, faults={"receive": ("again",)})]},
        {"ledger": [*LEDGER, BUSY]},
        {"events": [RESULT, RESULT]},
        quorum({"alamo": FAILURE}),
        quorum({}, ledger=[LEDGER[0], BUSY]),
        cut_off(OVERDUE),
        cut_off(LOST),
        {
            **cut_off(LOST),
            **record(
                answers={"avis": QUOTE},
                late={EXISTING: LOST},
                recipients=["avis", EXISTING],
                completedBy="QUORUM",
                request={"completion": {"quorum": 1}},
            ),
            "requests": [Request("r1", "sns", (ASKS[0], Ask(EXISTING, "quote")), quorum=1)],
            "events": [{**RESULT, "answers": [QUOTE]}],
        },
    ],
    ids=[
        "late",
        "dead",
        "killed",
        "a lost reply",
        "a second answer",
        "asked again",
        "a repeated event",
        "late after a quorum",
        "never asked again",
        "cut off",
        "its replies are lost",
        "its replies are lost, and it is late",
    ],
)
def test_late_answers_dead_letters_repetitions_and_repeated_events_are_no_harm(changes):
    assert judge(replace(GOOD, **changes)).findings == []


def test_asking_to_be_asked_again_is_an_answer_the_last_time():
    failure = {**FAILURE, "error": {"type": "TransientError", "message": "ask again 333"}}
    result = {**RESULT, "answers": [QUOTE, failure]}
    verdict = judge(
        replace(
            GOOD,
            **record(answers={"avis": QUOTE, "alamo": failure}),
            ledger=[LEDGER[0], {**BUSY, "token": "999"}, BUSY],
            results={},
            events=[result],
        )
    )

    assert verdict.findings == []
    assert (verdict.total["answers"], verdict.total["in answers"]) == (2, 2)
