"""Our state machines on moto's Step Functions interpreter, which reads ASL strictly by its grammar and enforces the size of a payload.

moto comes without a JSONata engine; it gets the one of the tests. What else is corrected here is where moto differs from AWS: an error in
a Task's Output can be caught by the Task, times end in Z, parameters of Step Functions' own calls may begin with a capital. Functions
are stand-ins of the test.
"""

import json
import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
from moto.stepfunctions.parser.api import HistoryEventType
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent, FailureEventException
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from moto.stepfunctions.parser.asl.component.common.string.string_expression import StringJSONata
from moto.stepfunctions.parser.asl.component.state.exec.execute_state import ExecutionState
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service import StateTaskService
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_dynamodb import StateTaskServiceDynamoDB
from moto.stepfunctions.parser.asl.component.state.state import CommonStateField
from moto.stepfunctions.parser.asl.eval.environment import Environment

from tests import jsonata_engine

TIME = re.compile(r'"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(\.\d{3})?\d*\+00:00"')

ONE_AT_A_TIME = threading.Lock()
"""The engine keeps an evaluation's time in itself."""

Function = Callable[[str, dict[str, Any]], Any]


def correct(monkeypatch: pytest.MonkeyPatch, function: Function) -> None:
    """function: from the name of a Lambda function and its payload to what it returns."""
    evaluate_task, task_output = ExecutionState._evaluate_with_timeout, ExecutionState._eval_state_output
    dynamodb_error = StateTaskServiceDynamoDB._from_error

    def evaluate_task_and_output(self: Any, env: Environment) -> None:
        evaluate_task(self, env)
        if not self._is_language_query_jsonpath():
            CommonStateField._eval_state_output(self, env)

    def output_if_not_yet(self: Any, env: Environment) -> None:
        if self._is_language_query_jsonpath():
            task_output(self, env)

    def error_of_dynamodb(self: Any, env: Environment, ex: Exception) -> FailureEvent:
        return ex.failure_event if isinstance(ex, FailureEventException) else dynamodb_error(self, env, ex)

    def parameters(self: Any, parameters: dict[str, Any], *_: Any, **__: Any) -> None:
        if self._get_boto_service_name() in ("sfn", "stepfunctions"):
            for name in list(parameters):
                parameters[name[0].lower() + name[1:]] = parameters.pop(name)

    def invoke(parameters: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
        return {"StatusCode": 200, "Payload": function(parameters["FunctionName"].rsplit(":", 1)[-1], json.loads(parameters["Payload"]))}

    monkeypatch.setattr(StringJSONata, "_eval_body", _evaluate)
    monkeypatch.setattr(ExecutionState, "_evaluate_with_timeout", evaluate_task_and_output)
    monkeypatch.setattr(ExecutionState, "_eval_state_output", output_if_not_yet)
    monkeypatch.setattr(StateTaskServiceDynamoDB, "_from_error", error_of_dynamodb)
    monkeypatch.setattr(StateTaskService, "_normalise_parameters", parameters)
    monkeypatch.setattr(lambda_eval_utils, "_invoke_lambda_function", invoke)


def _evaluate(self: Any, env: Environment) -> None:
    states = env.states._states_data
    context = TIME.sub(lambda time: f'"{time[1]}T{time[2]}{time[3] or ".000"}Z"', json.dumps(states["context"], default=str))
    try:
        with ONE_AT_A_TIME:
            value = jsonata_engine.run(self.expression, {
                "input": states["input"], "result": states.get("result"), "errorOutput": states.get("errorOutput"),
                "context": json.loads(context)})
    except Exception as reason:  # noqa: BLE001 - the engine raises its own kinds
        error = StatesErrorName(typ=StatesErrorNameType.StatesQueryEvaluationError)
        details: Any = {"evaluationFailedEventDetails": {"error": error.error_name, "cause": str(reason)}}
        raise FailureEventException(FailureEvent(
            env=env, error_name=error, event_type=HistoryEventType.EvaluationFailed, event_details=details)) from None
    env.stack.append(value)
