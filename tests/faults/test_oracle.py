"""The oracle finds each thing that must never happen, and nothing where nothing did."""

from dataclasses import replace
from typing import Any

import pytest

from tests.faults.oracle import Evidence, judge
from tests.faults.plan import Ask, Request

REQUEST = Request("r1", "sns", (Ask("avis", "quote"), Ask("alamo", "throw")))
QUOTE = {"responder": "avis", "status": "QUOTED", "amount": "111", "respondedAt": "1"}
FAILURE = {"responder": "alamo", "status": "FAILED", "error": {"type": "RuntimeError", "message": "out of cars 222"}, "respondedAt": "1"}
LEDGER = [
    {"requestId": "r1", "responder": "avis", "kind": "answered", "outcome": "QUOTED", "token": "111"},
    {"requestId": "r1", "responder": "alamo", "kind": "answered", "outcome": "FAILED", "token": "222"},
]
RECORD = {"requestId": "r1", "variant": "sns", "status": "PARTIAL", "completedBy": "ALL", "completedAt": "2", "late": {},
          "recipients": ["avis", "alamo"], "answers": {"avis": QUOTE, "alamo": FAILURE}}
RESULT = {"requestId": "r1", "status": "PARTIAL", "completedAt": "2", "answers": [QUOTE, FAILURE]}
GOOD = Evidence([REQUEST], LEDGER, {"r1": RECORD}, {"r1": [RESULT]}, [RESULT], [], {"r1": 1})


def record(**changes: Any) -> dict[str, Any]:
    return {"records": {"r1": {**RECORD, **changes}}}


def test_a_run_in_which_nothing_went_wrong_is_good():
    verdict = judge(GOOD)

    assert verdict.findings == []
    assert (verdict.counts["requests"], verdict.counts["answers"], verdict.counts["in answers"]) == (1, 2, 2)


SILENT = {"responder": "avis", "status": "TIMED_OUT", "error": {"type": "Deadline", "message": "no answer before the deadline"}}


@pytest.mark.parametrize(("changes", "what"), [
    ({"records": {}}, "lost"),
    (record(status="OPEN"), "lost"),
    (record(answers={"avis": SILENT, "alamo": FAILURE}), "lost"),
    (record(answers={"alamo": FAILURE}), "lost"),
    ({"ledger": [*LEDGER, {"requestId": "r1", "responder": "avis", "kind": "poison", "token": "333"}]}, "lost"),
    (record(late={"avis": QUOTE}), "counted twice"),
    ({"dead": ['{"answer": {"amount": "111"}}']}, "counted twice"),
    (record(answers={"avis": {**QUOTE, "amount": "999"}, "alamo": FAILURE}), "invented"),
    ({"closes": {"r1": 2}}, "closed twice"),
    ({"results": {"r1": [{**RESULT, "completedAt": "3"}]}}, "closed twice"),
    ({"events": [RESULT, {**RESULT, "answers": [QUOTE]}]}, "closed twice"),
    ({"events": []}, "unannounced"),
])
def test_what_must_never_happen_is_found(changes, what):
    verdict = judge(replace(GOOD, **changes))

    assert verdict.counts[what] >= 1
    assert not verdict.is_good


@pytest.mark.parametrize("changes", [
    {**record(answers={"avis": SILENT, "alamo": FAILURE}, late={"avis": QUOTE}), "results": {}, "events": [
        {**RESULT, "answers": [SILENT, FAILURE]}]},
    {**record(answers={"avis": SILENT, "alamo": FAILURE}), "results": {}, "events": [{**RESULT, "answers": [SILENT, FAILURE]}],
     "dead": ['{"answer": {"amount": "111"}}']},
    {"ledger": [*LEDGER, {**LEDGER[0], "token": "444"}]},
    {"events": [RESULT, RESULT]},
], ids=["late", "dead", "a second answer", "a repeated event"])
def test_late_answers_dead_letters_repetitions_and_repeated_events_are_no_harm(changes):
    assert judge(replace(GOOD, **changes)).findings == []
