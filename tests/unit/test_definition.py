"""The ASL files: the file is the machine. Every token bound, none unused, and nothing in a state but calls, maps, retries and catches."""

import json
import re
from collections.abc import Callable, Mapping

import pytest

from components import definition, map_scatter_gather, parallel_scatter_gather
from components.request_workflow import Tokens, workflow_seconds
from tests import asl

LAMBDA = "arn:aws:lambda:us-east-1:000000000000:function"
TOKENS = {"Partition": "aws", "TimeoutSeconds": 120, "RequesterArn": f"{LAMBDA}:requester", "AggregatorArn": f"{LAMBDA}:aggregator"}
SAMPLES = {**TOKENS, "FunctionArns": {"acme": f"{LAMBDA}:acme"}, "MaxConcurrency": 10, "Responder": "acme", "FunctionArn": f"{LAMBDA}:acme"}
FILES = {"map": "map_scatter_gather.asl.json", "parallel": "parallel_scatter_gather.asl.json"}

Render = Callable[[Tokens, Mapping[str, str]], str]
RENDERED: dict[str, Render] = {
    "map": lambda tokens, functions: map_scatter_gather._definition(tokens, functions, 10),
    "parallel": parallel_scatter_gather._definition,
}


def functions(count: int) -> dict[str, str]:
    return {f"r{number}": f"{LAMBDA}:r{number}" for number in range(count)}


@pytest.fixture(params=FILES)
def variant(request):
    return request.param


def test_a_source_file_with_sample_values_for_its_tokens_is_sound(variant):
    assert asl.problems(definition.bind(definition.load(FILES[variant]), SAMPLES, set())) == []


@pytest.mark.parametrize("count", [1, 40, 100])
def test_no_token_is_left_over_and_aws_would_take_it(variant, count):
    text = RENDERED[variant](TOKENS, functions(count))

    assert not re.search(r"\$\{", text)
    assert asl.problems(text) == []


def test_a_source_file_holds_no_expression_of_a_language_of_its_own(variant):
    source = (definition.FOLDER / FILES[variant]).read_text()

    assert not [mark for mark in ("{%", "%}", "JSONata", "States.Format", "States.Json") if mark in source]


def test_the_states_of_the_map_machine_are_those_of_its_file():
    source, rendered = definition.load(FILES["map"]), json.loads(RENDERED["map"](TOKENS, functions(3)))

    assert rendered == definition.bind(source, {**SAMPLES, "FunctionArns": functions(3)}, set())
    assert (
        [name for name, _ in asl.states(rendered)]
        == [name for name, _ in asl.states(source)]
        == ["Open request", "Is it new?", "Ask each responder", "Ask", "Keep failure", "Gather", "Reject"]
    )


def test_the_states_of_the_parallel_machine_are_those_of_its_file_with_its_one_branch_for_each_responder():
    source, rendered = definition.load(FILES["parallel"]), json.loads(RENDERED["parallel"](TOKENS, functions(3)))
    [template] = source["States"]["Ask the responders"]["Branches"]

    branches = rendered["States"]["Ask the responders"].pop("Branches")
    source["States"]["Ask the responders"].pop("Branches")

    assert rendered == definition.bind(source, TOKENS, set())
    assert list(rendered["States"]) == ["Open request", "Is it new?", "Ask the responders", "Gather", "Reject"]
    assert branches == [
        definition.bind(template, {**TOKENS, "Responder": name, "FunctionArn": arn}, set()) for name, arn in functions(3).items()
    ]
    assert [list(branch["States"]) for branch in branches] == [[f"Ask r{number}", f"Keep failure of r{number}"] for number in range(3)]


def test_a_branch_of_the_parallel_machine_asks_as_the_map_machine_does():
    """But for what the machine tells of the item: the two files differ in how they scatter alone."""
    one = definition.load(FILES["map"])["States"]["Ask each responder"]["ItemProcessor"]["States"]["Ask"]
    [branch] = definition.load(FILES["parallel"])["States"]["Ask the responders"]["Branches"]
    other = branch["States"]["Ask ${Responder}"]

    def kept(state):
        return {key: state[key] for key in ("Resource", "OutputPath", "TimeoutSecondsPath", "Retry", "End")}

    assert kept(one) == kept(other)
    assert one["Parameters"]["Payload"] == other["Parameters"]["Payload"]


@pytest.mark.parametrize(
    ("workflow_type", "deadline", "seconds"),
    [("STANDARD", 60, 120), ("STANDARD", 0.5, 61), ("STANDARD", 900, 960), ("EXPRESS", 1, 300), ("EXPRESS", 290, 300)],
)
def test_a_workflow_has_time_to_gather_after_the_deadline_and_an_express_one_what_there_is(workflow_type, deadline, seconds):
    assert workflow_seconds(workflow_type, deadline) == seconds


def test_a_token_without_a_value_is_named():
    with pytest.raises(definition.DefinitionError, match=r"token \$\{TimeoutSeconds\} has no value"):
        definition.render("map_scatter_gather.asl.json", {})


def test_a_value_without_a_token_is_named(monkeypatch, tmp_path):
    (tmp_path / "tiny.asl.json").write_text('{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}')
    monkeypatch.setattr(definition, "FOLDER", tmp_path)

    with pytest.raises(definition.DefinitionError, match=r"tiny\.asl\.json has no token Surplus"):
        definition.render("tiny.asl.json", {"Surplus": 1})


def test_a_whole_token_keeps_its_type_and_an_inner_one_becomes_text():
    bound = definition.bind({"A": "${Number}", "B": "x ${Number} ${List}"}, {"Number": 3, "List": ["a"]}, set())

    assert bound == {"A": 3, "B": 'x 3 ["a"]'}
