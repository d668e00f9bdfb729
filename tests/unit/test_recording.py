"""What the recorder makes of a record that it reads again."""

import pytest

from handlers import contract
from tests.jsonata_engine import KNOWN, evaluate

PLAN = {"requestId": "r1", "recipients": KNOWN, "createdAt": "2026-01-01T00:00:00.000Z", "deadlineAt": "2026-01-01T00:01:00.000Z",
        "request": {"data": {}}, "policy": {"required": [], "quorum": 1}}
LATER = "2026-01-01T01:00:00.000Z"
QUOTE = {"responder": "avis", "status": "QUOTED", "amount": "120", "currency": "USD", "details": {}, "latencyMs": 5,
         "respondedAt": "2026-01-01T00:00:01.000Z"}
OPEN = {**PLAN, "variant": "map", "status": "OPEN", "answers": {"avis": QUOTE}, "late": {}}
CLOSED = {**OPEN, "status": "COMPLETE", "completedBy": "QUORUM", "completedAt": "2026-01-01T00:00:02.000Z", "top": ["avis"],
          "selectionError": None}


def reread(item):
    result = {"Item": contract.attribute_value(item)["M"]} if item else {}
    return evaluate("Reread", states={"input": {"plan": PLAN, "token": "t"}, "result": result,
                                      "context": {"State": {"EnteredTime": "2026-01-01T00:00:01.000Z"}}})


def test_one_that_is_complete_is_to_be_closed_with_what_it_has():
    found = reread(OPEN)

    assert (found["completedBy"], found["seen"], found["answers"]) == ("QUORUM", 1, [QUOTE, None, None])
    assert "request" not in found


def test_one_that_somebody_else_closed_has_its_result():
    assert reread(CLOSED)["result"]["completedBy"] == "QUORUM"


@pytest.mark.parametrize("item", [{**OPEN, "createdAt": LATER}, {**CLOSED, "createdAt": LATER}, None],
                         ids=["opened anew", "opened anew and closed", "gone"])
def test_one_that_is_not_of_this_execution_is_left_alone(item):
    assert reread(item) == {"completedBy": "OPEN"}


def recorded(*answers):
    attributes = contract.attribute_value({"answers": {answer["responder"]: answer for answer in answers}})["M"]
    return evaluate("Recorded", states={"input": {"plan": PLAN}, "result": {"Attributes": attributes},
                                        "context": {"State": {"EnteredTime": "2026-01-01T00:00:01.000Z"}}})


def test_an_answer_that_completes_the_request_raises_the_marker():
    with pytest.raises(Exception, match="IsComplete"):
        recorded(contract.declined("alamo", "sold out"), QUOTE)


def test_an_answer_that_does_not_leaves_it_at_that():
    assert recorded(contract.declined("alamo", "sold out")) is None
