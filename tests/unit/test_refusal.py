"""A workflow's refusal: what is the request's fault, and what only the engine's."""

import pytest

from tests.jsonata_engine import evaluate


@pytest.mark.parametrize(("cause", "error"), [
    ("InvalidRequest: data must be an object", "InvalidRequest"),
    ("An error occurred while evaluating '...': InvalidRequest: data must be an object", "InvalidRequest"),
    ("D1012: Evaluation timeout after 1000 milliseconds. Check for infinite loop", "States.QueryEvaluationError"),
])
def test_only_a_refusal_is_called_an_invalid_request(cause, error):
    assert evaluate("RefusalError", states={"errorOutput": {"Error": "States.QueryEvaluationError", "Cause": cause}}) == error


def test_a_refusal_that_quotes_the_marker_of_early_completion_is_a_refusal():
    cause = "InvalidRequest: the request has an unknown key EarlyCompletion"

    turned = evaluate("Turn", states={"errorOutput": {"Error": "States.QueryEvaluationError", "Cause": cause},
                                      "input": {"EarlyCompletion": 1, "data": {}}})

    assert turned == {"message": "the request has an unknown key EarlyCompletion", "error": "InvalidRequest"}
