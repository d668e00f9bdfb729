"""The strict check of state machines: it accepts all that the stack makes, and finds what AWS would refuse."""

import copy
from typing import Any

import pytest

from tests import asl, program

MACHINE: dict[str, Any] = {
    "StartAt": "Ask",
    "States": {
        "Ask": {
            "Type": "Task",
            "QueryLanguage": "JSONata",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Arguments": {"FunctionName": "f", "Payload": "{% $states.input %}"},
            "Retry": [{"Comment": "Once more", "ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 2}],
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Lost"}],
            "Next": "Judge",
        },
        "Judge": {"Type": "Choice", "Choices": [{"Variable": "$.ok", "BooleanEquals": True, "Next": "Each"}], "Default": "Lost"},
        "Each": {
            "Type": "Map",
            "MaxConcurrency": 10_000,
            "Label": "rows",
            "ItemReader": {
                "Resource": "arn:aws:states:::s3:getObject",
                "ReaderConfig": {"InputType": "JSONL"},
                "Parameters": {"Bucket": "b", "Key": "k"},
            },
            "ItemBatcher": {"MaxItemsPerBatch": 10},
            "ToleratedFailurePercentage": 2.5,
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
                "StartAt": "Pause",
                "States": {
                    "Pause": {"Type": "Wait", "Seconds": 1, "Next": "Call"},
                    "Call": {
                        "Type": "Task",
                        "Resource": "arn:aws:states:::lambda:invoke",
                        "TimeoutSecondsPath": "$.seconds",
                        "ResultPath": None,
                        "End": True,
                    },
                },
            },
            "End": True,
        },
        "Lost": {"Type": "Fail", "Error": "Lost", "CausePath": "$.cause"},
    },
}


def broken(path: str, value: Any = None) -> dict[str, Any]:
    """The machine with the value at `path` (a/b/c) replaced, or taken out."""
    machine = copy.deepcopy(MACHINE)
    *parents, last = path.split("/")
    node: Any = machine
    for key in parents:
        node = node[int(key)] if isinstance(node, list) else node[key]
    if value is None:
        del node[last]
    else:
        node[int(last) if isinstance(node, list) else last] = value
    return machine


def test_a_sound_machine_has_no_problems():
    assert asl.problems(MACHINE) == []


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        ("StartAt", "Nowhere", "StartAt names no state"),
        ("States/Ask/Next", "Nowhere", "leads to Nowhere"),
        ("States/Ask/Next", None, "either Next or End"),
        ("States/Ask/End", True, "either Next or End"),
        ("States/Ask/Type", "Tsk", "'Tsk' is unknown"),
        ("States/Ask/Parameters", {}, "Parameters is not allowed"),
        ("States/Ask/InputPath", "$", "InputPath is not allowed"),
        ("States/Ask/Arguments/Payload.$", "$", "JSONPath in a JSONata state"),
        ("States/Ask/Arguments/Payload", "{% $states.input", "must start with"),
        ("States/Ask/Arguments/Payload", "{% $states.[ %}", "does not parse"),
        ("States/Ask/Arguments/Payload", "{% $eval('1') %}", "$eval"),
        ("States/Ask/Arguments/FunctionName", "${FunctionArn}", "token ${FunctionArn} is left over"),
        ("States/Ask/Resource", None, "Resource is missing"),
        ("States/Ask/TimeoutSeconds", 0, "TimeoutSeconds"),
        ("States/Ask/Retry/0/IntervalSeconds", 0, "IntervalSeconds"),
        ("States/Ask/Retry/0/ErrorEquals", [], "names no error"),
        ("States/Ask/Retry/0/ErrorEquals", ["States.ALL", "Other"], "alone and last"),
        ("States/Ask/Retry/0/MaxAttemps", 1, "MaxAttemps is not allowed"),
        ("States/Ask/Catch/0/ResultPath", "$.error", "ResultPath is not allowed"),
        ("States/Judge/Choices", [], "no Choices"),
        ("States/Judge/Choices/0/Next", "Lost", "Each: nothing leads here"),
        ("States/Judge/Choices/0/BooleanEqual", True, "BooleanEqual is not allowed"),
        ("States/Judge/Output", "{% 1 %}", "Output is not allowed"),
        ("States/Each/MaxConcurrency", 10_001, "out of the range"),
        ("States/Each/ToleratedFailurePercentage", 101, "from 0 to 100"),
        ("States/Each/ToleratedFailureCount", 1.5, "ToleratedFailureCount"),
        ("States/Each/Label", "a b", "Label"),
        ("States/Each/ItemsPath", "$.items", "either ItemReader or items"),
        ("States/Each/ItemReader/ReaderConfig/InputType", "XML", "'XML' is unknown"),
        ("States/Each/ItemReader/ReaderConfig/InputType", "CSV", "CSVHeaderLocation"),
        ("States/Each/ItemReader/Arguments", {}, "Arguments is not allowed"),
        ("States/Each/ItemBatcher/MaxItemsPerBatch", 0, "MaxItemsPerBatch"),
        ("States/Each/ResultWriter", {"Resource": "arn:aws:states:::s3:putObject"}, "belong together"),
        ("States/Each/ItemProcessor/ProcessorConfig/ExecutionType", None, "needs ExecutionType"),
        ("States/Each/ItemProcessor/ProcessorConfig", {"Mode": "INLINE"}, "needs mode DISTRIBUTED"),
        ("States/Each/ItemProcessor/States/Call/TimeoutSeconds", 5, "either TimeoutSeconds or TimeoutSecondsPath"),
        ("States/Each/ItemProcessor/States/Call/TimeoutSecondsPath", "seconds", "TimeoutSecondsPath is no path"),
        ("States/Each/ItemProcessor/States/Call/OutputPath", 7, "OutputPath is no path"),
        ("States/Each/ItemProcessor/States/Pause/SecondsPath", "$.s", "one of Seconds"),
        ("States/Each/ItemProcessor/States/Pause/Next", "Lost", "leads to Lost"),
        ("States/Each/ItemProcessor/States", {"Lost": {"Type": "Succeed"}}, "two states are called Lost"),
        ("States/Lost/CausePath", "cause", "CausePath is no path"),
        ("States/Lost/ErrorPath", "$.error", "either Error or ErrorPath"),
    ],
)
def test_what_aws_would_refuse_is_found(path, value, found):
    problems = asl.problems(broken(path, value))

    assert any(found in problem for problem in problems), problems


def test_every_machine_of_the_stack_passes():
    registered = program.run({"variants": ["map", "parallel", "distributed"]})
    machines = registered.of_type("aws:sfn/stateMachine:StateMachine")

    assert {"map", "parallel", "distributed"} <= set(machines)
    assert {name: asl.problems(machine["definition"]) for name, machine in machines.items()} == {name: [] for name in machines}


def test_the_nested_states_are_listed_too():
    assert [name for name, _ in asl.states(MACHINE)] == ["Ask", "Judge", "Each", "Pause", "Call", "Lost"]
