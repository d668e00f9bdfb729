"""JSON as attribute values of the store, in the state machines' JSONata: it may be nested, and Step Functions limits how deep an
expression may nest (`tests.jsonata_engine`)."""

from jsonata.jexception import JException

from handlers import contract, records
from tests.jsonata_engine import KNOWN, evaluate

CONTEXT = {"Execution": {"Name": "run-1", "Id": "arn:aws:states:us-east-1:123456789012:execution:map:run-1",
                         "StartTime": "2026-01-01T00:00:00.000Z"},
           "State": {"EnteredTime": "2026-01-01T00:00:01.000Z"}}
PLAN = {"requestId": "r1", "recipients": KNOWN, "createdAt": "2026-01-01T00:00:00.000Z", "deadlineAt": "2026-01-01T00:01:00.000Z"}
LEVELS = 16
TOO_DEEP = "D1011"


def nested(levels):
    value = {"text": "x", "list": [1, {"empty": {}}, []]}
    for _ in range(levels):
        value = {"in": value}
    return value


def test_nested_data_opens_a_record():
    data = nested(LEVELS)

    item = evaluate("OpenItem", states={"input": {"data": data}, "context": CONTEXT})

    assert records.decode(item)["request"]["data"] == data


def test_nested_details_become_part_of_the_answer_and_of_the_record():
    details = nested(LEVELS)

    answer = evaluate("Answer", states={
        "input": {"responder": "avis", "plan": PLAN}, "result": {"Payload": {"amount": 1, "details": details}}, "context": CONTEXT})
    values = evaluate("CloseValues", states={"input": {**PLAN, "answers": [answer]}, "context": CONTEXT})

    assert records.plain_value(values[":answers"])["avis"]["details"] == details


def test_details_that_are_nested_too_deep_already_fail_the_answer_and_never_the_close():
    """Where an answer still evaluates, all that comes after it does."""
    deepest = LEVELS
    while _evaluates("Answer", {"responder": "avis", "plan": PLAN}, {"Payload": {"amount": 1, "details": nested(deepest + 1)}}):
        deepest += 1
    answer = {"responder": "avis", "status": "QUOTED", "amount": "1", "currency": "USD", "details": nested(deepest)}
    item = contract.attribute_value({**PLAN, "variant": "map", "status": "OPEN", "answers": {"avis": answer}, "late": {}})["M"]

    assert _evaluates("CloseValues", {**PLAN, "answers": [answer]}, {})
    assert _evaluates("Reread", {"plan": PLAN, "token": "t"}, {"Item": item})


def _evaluates(expression, state_input, result):
    try:
        evaluate(expression, states={"input": state_input, "result": result, "context": CONTEXT})
    except JException as error:
        assert error.error == TOO_DEEP
        return False
    return True
