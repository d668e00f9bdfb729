"""The ASL files: every token bound, none unused, and readable before they are bound."""

import json
import re

import pytest

from components import definition, gathering, map_scatter_gather, parallel_scatter_gather
from tests import asl
from tests.jsonata_engine import ARGS

RESPONDERS = [{"name": f"r{number}", "functionArn": f"arn:aws:lambda:us-east-1:000000000000:function:r{number}",
               "timeoutSeconds": 10.0, "retries": 2} for number in range(100)]


def known(count, selector=""):
    return {"responders": RESPONDERS[:count], "table": "quotes", "selector": selector,
            "recorder": "arn:aws:states:us-east-1:000000000000:stateMachine:map-recorder"}


RENDERED = {
    "map": lambda args, known: map_scatter_gather._definition({**args, "maxConcurrency": 10}, known),
    "parallel": parallel_scatter_gather._definition,
    "recorder": lambda args, known: gathering.recording("map", args, 10, known),
}
SELECTOR = "arn:aws:lambda:us-east-1:000000000000:function:selector"
BY_CODE = {"selection": "handlers.rankings.nearest", "selectorArn": SELECTOR}


@pytest.mark.parametrize("variant", RENDERED)
@pytest.mark.parametrize("count", [1, 100])
@pytest.mark.parametrize("changes", [{}, {"workflowType": "EXPRESS"}, BY_CODE], ids=["standard", "express", "by code"])
def test_no_token_is_left_over_and_aws_would_take_it(variant, count, changes):
    text = RENDERED[variant]({**ARGS, **changes}, known(count, changes.get("selectorArn", "")))

    assert not re.search(r"\$\{", text)
    assert asl.problems(text) == []


def test_only_a_selection_of_ones_own_costs_a_state():
    with_it, without = (json.loads(RENDERED["map"]({**ARGS, **changes}, known(1)))["States"] for changes in (BY_CODE, {}))

    assert set(with_it) - set(without) == {"Select"}
    assert without["Scatter"]["Next"] == "Close"


def test_an_express_workflow_waits_for_nobody():
    states = json.loads(RENDERED["map"]({**ARGS, "workflowType": "EXPRESS"}, known(1)))["States"]

    assert not {"Turn", "Await completion"} & set(states)
    assert states["Open"]["Catch"][0]["Next"] == "Refuse"


@pytest.mark.parametrize(("workflow_type", "deadline", "seconds"), [
    ("STANDARD", 60, 300), ("STANDARD", 1, 241), ("STANDARD", 900, 1140), ("EXPRESS", 1, 300), ("EXPRESS", 290, 300)])
def test_a_workflow_has_time_to_close_after_the_deadline_and_an_express_one_what_there_is(workflow_type, deadline, seconds):
    text = RENDERED["map"]({**ARGS, "workflowType": workflow_type, "completion": {"deadlineSeconds": deadline}}, known(1))

    assert json.loads(text)["TimeoutSeconds"] == seconds


def test_a_state_that_something_leads_to_cannot_be_left_out_without_a_successor():
    with pytest.raises(definition.DefinitionError, match="state Refuse ends the machine"):
        definition.leave_out(definition.load("map_scatter_gather.asl.json"), "Refuse", set())


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
    machine = json.loads(RENDERED["parallel"](ARGS, known(3)))

    names = [name for branch in machine["States"]["Scatter"]["Branches"] for name in branch["States"]]
    assert names == ["Ask r0", "Failed r0", "Ask r1", "Failed r1", "Ask r2", "Failed r2"]
