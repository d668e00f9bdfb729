"""AWS Step Functions: state machines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from local.properties import UNKNOWN, Properties
from local.provider.aws import wait_until
from local.provider.naming import Name
from local.provider.resource import Resource
from local.provider.rules import arn, between, one_of, state_machine_definition, text
from local.provider.schema import Failure
from local.provider.shapes import same, tag_list


class StateMachine(Resource):
    token = "aws:sfn/stateMachine:StateMachine"
    service = "stepfunctions"
    name = Name("name", 80, r"[0-9A-Za-z_-]+", "must consist of letters, digits, - and _")
    fields = same("definition encryptionConfiguration loggingConfiguration name roleArn tracingConfiguration type")
    defaults = {"publish": False, "type": "STANDARD"}
    replaces = frozenset({"name", "type"})
    kept = frozenset({"encryptionConfiguration", "loggingConfiguration", "tracingConfiguration"})
    documents = frozenset({"definition"})
    rules = {
        "definition": state_machine_definition,
        "encryptionConfiguration.kmsDataKeyReusePeriodSeconds": between(60, 900),
        "encryptionConfiguration.type": one_of("AWS_OWNED_KEY", "CUSTOMER_MANAGED_KMS_KEY"),
        "loggingConfiguration.level": one_of("ALL", "ERROR", "FATAL", "OFF"),
        "loggingConfiguration.logDestination": text(
            r"arn:aws[a-z-]*:logs:.*:log-group:.+:\*", what="must be a log group's ARN with :* appended"
        ),
        "publish": one_of(False),
        "roleArn": arn("iam"),
        "type": one_of("STANDARD", "EXPRESS"),
    }

    def check(self, inputs: Properties) -> Iterator[Failure]:
        logging = inputs.get("loggingConfiguration", {})
        if logging != UNKNOWN and logging.get("level", "OFF") not in ("OFF", UNKNOWN) and not logging.get("logDestination"):
            yield "loggingConfiguration.logDestination", f"is required for level {logging['level']}"

    def create(self, inputs: Properties) -> str:
        tags = tag_list(inputs.get("tags"), "key", "value")
        return self.api.create_state_machine(**self.arguments(inputs), tags=tags)["stateMachineArn"]

    def read(self, id: str, known: Properties) -> Properties | None:
        found = self.api.describe_state_machine(stateMachineArn=id)
        if found["status"] == "DELETING":
            return None
        return self.properties(found) | {
            "arn": found["stateMachineArn"],
            "creationDate": found["creationDate"].isoformat(),
            "description": found.get("description", ""),
            "encryptionConfiguration": found.get("encryptionConfiguration") or {"type": "AWS_OWNED_KEY"},
            "loggingConfiguration": _logging(found.get("loggingConfiguration") or {}),
            "revisionId": found.get("revisionId", ""),
            "stateMachineVersionArn": "",
            "status": found["status"],
            # The emulator neither keeps nor returns this one; AWS always does.
            "tracingConfiguration": found.get("tracingConfiguration") or known.get("tracingConfiguration") or {"enabled": False},
            "versionDescription": "",
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        self.api.update_state_machine(stateMachineArn=id, **self.arguments(new, changed))

    def delete(self, id: str, known: Properties) -> None:
        self.api.delete_state_machine(stateMachineArn=id)
        wait_until(lambda: not self._exists(id), f"state machine {id} to be gone")

    def unsure(self, new: Properties, changed: set[str]) -> set[str]:
        return {"description", "revisionId"} if changed - {"tags"} else set()

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

    def _exists(self, id: str) -> bool:
        try:
            self.api.describe_state_machine(stateMachineArn=id)
        except self.api.exceptions.StateMachineDoesNotExist:
            return False
        return True


def _logging(found: dict[str, Any]) -> Properties:
    destinations = [entry["cloudWatchLogsLogGroup"]["logGroupArn"] for entry in found.get("destinations", [])]
    return {
        "includeExecutionData": found.get("includeExecutionData", False),
        "level": found.get("level", "OFF"),
        **({"logDestination": destinations[0]} if destinations else {}),
    }
