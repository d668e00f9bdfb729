"""What a responder's own code gets wrong is its own answer, on every carrier alike, and takes nobody else's away."""

import pytest

VARIANTS = ("map", "parallel", "sns")
LEFT_OUT = {"number": "a number is out of range", "deep": "it is nested too deep: at most 16 levels"}
FAILED = {"date": "date is not JSON", "raises": "no file ?"}


@pytest.fixture(scope="module")
def stack(deployed):
    odd = [{"name": name, "module": "tests.odd_responders", "odd": name} for name in (*LEFT_OUT, *FAILED, "decimal")]
    return deployed(variants=VARIANTS, api={"enabled": False}, responders=[{"name": "avis", "rate": 99}, *odd])


@pytest.mark.parametrize("variant", VARIANTS)
def test_an_odd_answer_is_left_out_or_failed_and_the_quotes_survive(stack, variant):
    result = stack.request(variant, {"data": {"days_rental": 1}})

    answers = {answer["responder"]: answer for answer in result["answers"]}
    assert answers["avis"]["amount"] == "99"
    assert answers["decimal"]["details"] == {"rate": 1.5}
    for name, reason in LEFT_OUT.items():
        assert answers[name]["status"] == "QUOTED"
        assert reason in answers[name]["details"]["omitted"]
    for name, reason in FAILED.items():
        assert answers[name]["status"] == "FAILED"
        assert reason in answers[name]["error"]["message"]
    assert (result["status"], result["completedBy"]) == ("PARTIAL", "ALL")
