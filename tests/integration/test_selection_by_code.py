"""The user's own selection, as each carrier asks it when a request closes, early or not."""

import pytest

VARIANTS = ["map", "parallel", "sns"]


def responder(name, amount):
    return {"name": name, "module": "tests.responders", "behaviour": "quote", "amount": amount}


@pytest.fixture(scope="module")
def stack(deployed):
    return deployed(
        variants=VARIANTS,
        api={"enabled": False},
        alarms={"enabled": False},
        selection="tests.rankings",
        topK=2,
        responders=[responder(*quote) for quote in (("avis", 120), ("hertz", 105), ("sixt", 99), ("alamo", 80), ("unlucky", 13))],
    )


@pytest.mark.parametrize("completion", [{}, {"amountBelow": 100, "required": ["avis", "hertz", "sixt", "alamo"]}], ids=["all", "early"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_users_own_code_says_who_is_the_best(stack, variant, completion):
    result = stack.request(variant, {"data": {}, "recipients": ["avis", "hertz", "sixt", "alamo"], "completion": completion}, timeout=90)

    assert (result["best"]["responder"], result["top"]) == ("sixt", ["sixt", "hertz"])
    assert "selectionError" not in result
    stored = stack.result(result["requestId"])
    assert {key: stored[key] for key in ("best", "top")} == {key: result[key] for key in ("best", "top")}


@pytest.mark.parametrize("variant", VARIANTS)
def test_code_that_fails_leaves_a_result_without_a_best_that_says_why(stack, variant):
    result = stack.request(variant, {"data": {}, "recipients": ["avis", "unlucky"]}, timeout=90)

    assert (result["status"], result["received"], result["best"], result["top"]) == ("COMPLETE", 2, None, [])
    assert result["selectionError"] == {"type": "RuntimeError", "message": "bad luck", "at": "tests/rankings.py:6"}
    assert stack.result(result["requestId"])["selectionError"] == result["selectionError"]
