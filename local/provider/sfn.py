"""AWS Step Functions: state machines."""

from collections.abc import Iterator
from typing import Any

from local.properties import UNKNOWN, Properties
from local.provider.aws import wait_until_gone
from local.provider.naming import Name
from local.provider.resource import Resource
from local.provider.rules import arn, one_of, state_machine_definition, text
from local.provider.schema import Failure
from local.provider.shapes import same


class StateMachine(Resource):
    token = "aws:sfn/stateMachine:StateMachine"
    service = "stepfunctions"
    kind, key = "state_machine", "stateMachineArn"
    verbs = {"read": "describe"}
    name = Name("name", 80, r"[0-9A-Za-z_-]+", "must consist of letters, digits, - and _")
    fields = same("definition loggingConfiguration name roleArn tracingConfiguration type")
    outputs = {"arn": "stateMachineArn"} | same("creationDate description revisionId status")
    defaults = {"type": "STANDARD"}
    replaces = frozenset({"name", "type"})
    kept = frozenset({"loggingConfiguration", "tracingConfiguration"})
    volatile = frozenset({"description", "revisionId"})
    documents = frozenset({"definition"})
    rules = {
        "definition": state_machine_definition,
        "loggingConfiguration.level": one_of("ALL", "ERROR", "FATAL", "OFF"),
        "loggingConfiguration.logDestination": text(
            r"arn:aws[a-z-]*:logs:.*:log-group:.+:\*", what="must be a log group's ARN with :* appended"
        ),
        "roleArn": arn("iam"),
        "type": one_of("STANDARD", "EXPRESS"),
    }

    def check(self, inputs: Properties) -> Iterator[Failure]:
        logging = inputs.get("loggingConfiguration", {})
        if logging != UNKNOWN and logging.get("level", "OFF") not in ("OFF", UNKNOWN) and not logging.get("logDestination"):
            yield "loggingConfiguration.logDestination", f"is required for level {logging['level']}"

    def read(self, id: str, known: Properties) -> Properties | None:
        found = self.call("read", stateMachineArn=id)
        if found["status"] == "DELETING":
            return None
        return self.properties(found) | {
            "loggingConfiguration": _logging(found.get("loggingConfiguration") or {}),
            "stateMachineVersionArn": "",
            # The emulator neither keeps nor returns this one; AWS always does.
            "tracingConfiguration": found.get("tracingConfiguration") or known.get("tracingConfiguration") or {"enabled": False},
            "versionDescription": "",
        }

    def delete(self, id: str, known: Properties) -> None:
        super().delete(id, known)
        wait_until_gone(lambda: self.call("read", stateMachineArn=id), f"state machine {id}")

    def arguments(self, inputs: Properties, names: Any = None) -> dict[str, Any]:
        arguments = super().arguments(inputs, names)
        if logging := arguments.get("loggingConfiguration"):
            destination = logging.get("logDestination")
            arguments["loggingConfiguration"] = {
                "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": destination}}] if destination else [],
                "includeExecutionData": logging.get("includeExecutionData", False),
                "level": logging.get("level", "OFF"),
            }
        return arguments


def _logging(found: dict[str, Any]) -> Properties:
    destinations = [entry["cloudWatchLogsLogGroup"]["logGroupArn"] for entry in found.get("destinations", [])]
    return {
        "includeExecutionData": found.get("includeExecutionData", False),
        "level": found.get("level", "OFF"),
        **({"logDestination": destinations[0]} if destinations else {}),
    }
