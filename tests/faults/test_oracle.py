"""The oracle finds each thing that must never happen, and nothing where nothing did."""

from dataclasses import replace
from typing import Any

import pytest

from tests.faults.oracle import Evidence, judge
from tests.faults.request import Ask, Request

ASKS = (Ask("avis", "quote"), Ask("alamo", "throw"))
REQUEST = Request("r1", "sns", ASKS)
QUOTE = {"responder": "avis", "status": "QUOTED", "amount": "111", "respondedAt": "1"}
FAILURE = {"responder": "alamo", "status": "FAILED", "error": {"type": "RuntimeError", "message": "out of cars 222"}, "respondedAt": "1"}
LEDGER = [
    {"requestId": "r1", "responder": "avis", "kind": "answered", "outcome": "QUOTED", "token": "111"},
    {"requestId": "r1", "responder": "alamo", "kind": "answered", "outcome": "FAILED", "token": "222"},
]
BUSY = {"requestId": "r1", "responder": "alamo", "kind": "busy", "token": "333"}
RECORD = {"requestId": "r1", "variant": "sns", "status": "PARTIAL", "completedBy": "ALL", "completedAt": "2", "deadlineAt": "2", "late": {},
          "recipients": ["avis", "alamo"], "answers": {"avis": QUOTE, "alamo": FAILURE}}
RESULT = {"requestId": "r1", "status": "PARTIAL", "completedAt": "2", "answers": [QUOTE, FAILURE]}
GOOD = Evidence([REQUEST], LEDGER, {"r1": RECORD}, {"r1": [RESULT]}, [RESULT], [], {"r1": 1})
SILENT = {"responder": "avis", "status": "TIMED_OUT", "error": {"type": "Deadline", "message": "no answer before the deadline"}}


def record(**changes: Any) -> dict[str, Any]:
    return {"records": {"r1": {**RECORD, **changes}}}


def quorum(late: dict[str, Any], *, quorum: int = 1, ledger: Any = LEDGER) -> dict[str, Any]:
    """The evidence of a workflow's request that one quote closed."""
    only = {**RESULT, "answers": [QUOTE]}
    return {**record(answers={"avis": QUOTE}, late=late, completedBy="QUORUM"), "results": {"r1": [only]}, "events": [],
            "requests": [Request("r1", "map", ASKS, quorum=quorum)], "ledger": ledger}


def test_a_run_in_which_nothing_went_wrong_is_good():
    verdict = judge(GOOD)

    assert verdict.findings == []
    assert {name: verdict.counts["sns"][name] for name in ("requests", "answers", "in answers")} == {
        "requests": 1, "answers": 2, "in answers": 2}


@pytest.mark.parametrize(("changes", "what"), [
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
    ({"requests": [replace(REQUEST, asks=(ASKS[0], Ask("alamo", "held")))]} | record(
        completedBy="ALL", answers={"avis": QUOTE, "alamo": {**SILENT, "responder": "alamo"}}), "closed wrongly"),
    (quorum({"alamo": FAILURE}, quorum=2), "closed wrongly"),
    ({"events": []}, "unannounced"),
])
def test_what_must_never_happen_is_found(changes, what):
    verdict = judge(replace(GOOD, **changes))

    assert verdict.total[what] >= 1
    assert not verdict.is_good


@pytest.mark.parametrize("changes", [
    {**record(answers={"avis": SILENT, "alamo": FAILURE}, late={"avis": QUOTE}, completedBy="DEADLINE"), "results": {}, "events": [
        {**RESULT, "answers": [SILENT, FAILURE]}]},
    {**record(answers={"avis": SILENT, "alamo": FAILURE}, completedBy="DEADLINE"), "results": {}, "events": [
        {**RESULT, "answers": [SILENT, FAILURE]}], "dead": ['{"answer": {"amount": "111"}}']},
    {"ledger": [*LEDGER, {**LEDGER[0], "token": "444"}]},
    {"ledger": [*LEDGER, BUSY]},
    {"events": [RESULT, RESULT]},
    quorum({"alamo": FAILURE}),
    quorum({}, ledger=[*LEDGER, {"requestId": "r1", "responder": "alamo", "kind": "cut off"}]),
    quorum({}, ledger=[LEDGER[0], BUSY]),
], ids=["late", "dead", "a second answer", "asked again", "a repeated event", "late after a quorum", "cut off", "never asked again"])
def test_late_answers_dead_letters_repetitions_and_repeated_events_are_no_harm(changes):
    assert judge(replace(GOOD, **changes)).findings == []


def test_asking_to_be_asked_again_is_an_answer_the_last_time():
    failure = {**FAILURE, "error": {"type": "TransientError", "message": "ask again 333"}}
    result = {**RESULT, "answers": [QUOTE, failure]}
    verdict = judge(replace(GOOD, **record(answers={"avis": QUOTE, "alamo": failure}), ledger=[LEDGER[0], {**BUSY, "token": "999"}, BUSY],
                            results={}, events=[result]))

    assert verdict.findings == []
    assert (verdict.total["answers"], verdict.total["in answers"]) == (2, 2)
