"""The ASL files: every token bound, none unused, and readable before they are bound."""

import json
import re

import pytest

from components import definition, map_scatter_gather, parallel_scatter_gather
from tests.jsonata_engine import ARGS

RESPONDERS = [{"name": f"r{number}", "functionArn": f"arn:aws:lambda:us-east-1:000000000000:function:r{number}",
               "timeoutSeconds": 10.0} for number in range(40)]
RENDERED = {
    "map": lambda count: map_scatter_gather._definition({**ARGS, "maxConcurrency": 10}, RESPONDERS[:count], "quotes"),
    "parallel": lambda count: parallel_scatter_gather._definition({**ARGS}, RESPONDERS[:count], "quotes"),
}


@pytest.mark.parametrize("variant", RENDERED)
@pytest.mark.parametrize("count", [1, 5, 40])
def test_no_token_is_left_over(variant, count):
    text = RENDERED[variant](count)

    assert not re.search(r"\$\{", text)
    assert json.loads(text)["StartAt"] == "Open"


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


def test_every_shared_expression_is_used():
    files = " ".join(file.read_text() for file in definition.FOLDER.rglob("*") if file.is_file())

    unused = [name for name in definition.expressions() if "${" + name + "}" not in files]

    assert unused == []


def test_each_branch_of_the_parallel_machine_has_states_of_its_own():
    machine = json.loads(RENDERED["parallel"](3))

    names = [name for branch in machine["States"]["Scatter"]["Branches"] for name in branch["States"]]
    assert names == ["Ask r0", "Failed r0", "Ask r1", "Failed r1", "Ask r2", "Failed r2"]
