"""The scenarios of `examples/`: the same request through every carrier gives the same result but for variant and times.

Each scenario's request is sent once through each carrier, one after the other: the carriers share the responders' functions, so
nobody starts cold while a deadline runs, and what is asked in parallel is only what the scenario itself asks.
"""

import json
from pathlib import Path

import pytest
import yaml

from tests.results import without_times

EXAMPLES = Path(__file__).parents[2] / "examples"
WARM_UPS = 5


def warm_up(stack):
    """Asks through every carrier until everybody answers in time. Nobody takes long over a request without places or days."""
    for variant in stack.variants:
        for _ in range(WARM_UPS):
            if all(answer["status"] == "DECLINED" for answer in stack.request(variant, {"data": {}})["answers"]):
                break


@pytest.fixture(params=["car_rental", "flight", "ride"], scope="module")
def results(request, deployed):
    """The results of the scenario's request: {variant: Result}."""
    folder = EXAMPLES / request.param
    [config] = folder.glob("Pulumi.*.yaml")
    values = yaml.safe_load(config.read_text())["config"]
    stack = deployed(**{key.removeprefix("scatter-gather:"): value for key, value in values.items() if key.startswith("scatter-gather:")})
    body = json.loads((folder / "input.json").read_text())
    warm_up(stack)
    return request.param, {variant: stack.request(variant, body) for variant in stack.variants}


def test_the_same_request_gives_the_same_result_through_every_carrier(results):
    _, by_variant = results

    found = {variant: without_times(result) for variant, result in by_variant.items()}

    assert set(found) == {"map", "parallel", "sns"}
    assert found["parallel"] == found["map"]
    assert found["sns"] == found["map"]


def test_a_scenario_has_the_result_that_it_tells_of(results):
    name, by_variant = results

    result = by_variant["map"]

    if name == "car_rental":
        assert {answer["responder"]: answer["amount"] for answer in result["answers"]} == {"avis": "2970", "alamo": "3600"}
    if name == "flight":
        assert (result["status"], result["received"], result["best"]["currency"]) == ("COMPLETE", 5, "GBP")
    if name == "ride":
        statuses = {answer["status"] for answer in result["answers"]}
        assert result["status"] == "PARTIAL"
        assert statuses == {"QUOTED", "DECLINED", "FAILED", "TIMED_OUT"}
