"""The scenarios of `examples/`: the same request through every carrier gives the same result but for variant and times."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

EXAMPLES = Path(__file__).parents[2] / "examples"
TIMES = ("createdAt", "completedAt", "latencyMs", "respondedAt", "variant", "requestId")


def without_times(value):
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if key not in TIMES}
    return [without_times(item) for item in value] if isinstance(value, list) else value


def through_each(stack, body):
    """{variant: result}, sent at the same time."""
    with ThreadPoolExecutor() as senders:
        return dict(zip(stack.variants, senders.map(lambda variant: stack.request(variant, body), stack.variants), strict=True))


@pytest.fixture(params=["car_rental", "flight", "ride"], scope="module")
def scenario(request, deployed):
    """The deployed scenario and its request."""
    folder = EXAMPLES / request.param
    [config] = folder.glob("Pulumi.*.yaml")
    values = yaml.safe_load(config.read_text())["config"]
    stack = deployed(**{key.removeprefix("scatter-gather:"): value for key, value in values.items() if key.startswith("scatter-gather:")})
    through_each(stack, {"data": {}})  # what is timed below should not be the emulator's cold starts
    return request.param, stack, json.loads((folder / "input.json").read_text())


def test_the_same_request_gives_the_same_result_through_every_carrier(scenario):
    _, stack, body = scenario

    results = {variant: without_times(result) for variant, result in through_each(stack, body).items()}

    assert set(results) == {"map", "parallel", "sns"}
    assert results["parallel"] == results["map"]
    assert results["sns"] == results["map"]


def test_a_scenario_has_the_result_that_it_tells_of(scenario):
    name, stack, body = scenario

    result = stack.request("map", body)

    if name == "car_rental":
        assert {answer["responder"]: answer["amount"] for answer in result["answers"]} == {"avis": "2970", "alamo": "3600"}
    if name == "flight":
        assert (result["status"], result["received"], result["best"]["currency"]) == ("COMPLETE", 5, "GBP")
    if name == "ride":
        statuses = {answer["status"] for answer in result["answers"]}
        assert result["status"] == "PARTIAL"
        assert statuses == {"QUOTED", "DECLINED", "FAILED", "TIMED_OUT"}
