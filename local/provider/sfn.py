"""AWS Step Functions: state machines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from local.properties import UNKNOWN, Properties
from local.provider.aws import once_role_is_seen, wait_until
from local.provider.naming import Name
from local.provider.resource import Resource
from local.provider.rules import arn, between, one_of, state_machine_definition, text
from local.provider.schema import Failure
from local.provider.shapes import renamed, tag_changes, tag_list, tag_map


class StateMachine(Resource):
    token = "aws:sfn/stateMachine:StateMachine"
    service = "stepfunctions"
    name = Name("name", 80, r"[0-9A-Za-z_-]+", "must consist of letters, digits, - and _")
    defaults = {"publish": False, "type": "STANDARD"}
    replaces = frozenset({"name", "namePrefix", "type"})
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
        "roleArn": arn("iam"),
        "type": one_of("STANDARD", "EXPRESS"),
    }

    _PLAIN = {"definition": "definition", "roleArn": "roleArn"}

    def check(self, inputs: Properties) -> Iterator[Failure]:
        logging = inputs.get("loggingConfiguration", {})
        if logging != UNKNOWN and logging.get("level", "OFF") not in ("OFF", UNKNOWN) and not logging.get("logDestination"):
            yield "loggingConfiguration.logDestination", f"is required for level {logging['level']}"

    def create(self, inputs: Properties) -> str:
        names = self._PLAIN | {"name": "name", "publish": "publish", "type": "type"}
        arguments = renamed(inputs, names) | self._settings(inputs)
        answer = once_role_is_seen(
            lambda: self.api.create_state_machine(**arguments, tags=_tags(inputs.get("tags")))
        )
        return answer["stateMachineArn"]

    def read(self, id: str, known: Properties) -> Properties | None:
        found = self.api.describe_state_machine(stateMachineArn=id)
        if found["status"] == "DELETING":
            return None
        return {
            "arn": found["stateMachineArn"],
            "creationDate": found["creationDate"].isoformat(),
            "definition": found["definition"],
            "description": found.get("description", ""),
            "encryptionConfiguration": found.get("encryptionConfiguration") or {"type": "AWS_OWNED_KEY"},
            "loggingConfiguration": _logging(found.get("loggingConfiguration")),
            "name": found["name"],
            "revisionId": found.get("revisionId", ""),
            "roleArn": found["roleArn"],
            "stateMachineVersionArn": self._latest_version(id) if known.get("publish") else "",
            "status": found["status"],
            "tags": tag_map(self.api.list_tags_for_resource(resourceArn=id)["tags"]),
            # The emulator neither keeps nor returns this one; AWS always does.
            "tracingConfiguration": found.get("tracingConfiguration")
            or known.get("tracingConfiguration")
            or {"enabled": False},
            "type": found["type"],
            "versionDescription": "",
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        settings = {name: new[name] for name in changed - {"publish", "tags"} if name in new}
        arguments = renamed(settings, self._PLAIN) | self._settings(settings)
        if arguments:
            once_role_is_seen(
                lambda: self.api.update_state_machine(stateMachineArn=id, **arguments, publish=new["publish"])
            )
        elif "publish" in changed and new["publish"]:
            self.api.publish_state_machine_version(stateMachineArn=id)
        if "tags" in changed:
            added, removed = tag_changes(old.get("tags"), new.get("tags"))
            if added:
                self.api.tag_resource(resourceArn=id, tags=_tags(added))
            if removed:
                self.api.untag_resource(resourceArn=id, tagKeys=removed)

    def delete(self, id: str, known: Properties) -> None:
        self.api.delete_state_machine(stateMachineArn=id)
        wait_until(lambda: not self._exists(id), f"state machine {id} to be gone")

    def unsure(self, new: Properties, changed: set[str]) -> set[str]:
        outputs = {"description", "revisionId"} if changed - {"publish", "tags"} else set()
        return outputs | ({"stateMachineVersionArn"} if new.get("publish") else set())

    def _settings(self, inputs: Properties) -> dict[str, Any]:
        settings = renamed(
            inputs,
            {"encryptionConfiguration": "encryptionConfiguration", "tracingConfiguration": "tracingConfiguration"},
        )
        if logging := inputs.get("loggingConfiguration"):
            destination = logging.get("logDestination")
            settings["loggingConfiguration"] = {
                "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": destination}}] if destination else [],
                "includeExecutionData": logging.get("includeExecutionData", False),
                "level": logging.get("level", "OFF"),
            }
        return settings

    def _latest_version(self, id: str) -> str:
        versions = self.api.list_state_machine_versions(stateMachineArn=id)["stateMachineVersions"]
        return versions[0]["stateMachineVersionArn"] if versions else ""

    def _exists(self, id: str) -> bool:
        try:
            self.api.describe_state_machine(stateMachineArn=id)
        except self.api.exceptions.StateMachineDoesNotExist:
            return False
        return True


def _logging(found: Any) -> Properties:
    found = found or {}
    destinations = [entry["cloudWatchLogsLogGroup"]["logGroupArn"] for entry in found.get("destinations", [])]
    return {
        "includeExecutionData": found.get("includeExecutionData", False),
        "level": found.get("level", "OFF"),
        **({"logDestination": destinations[0]} if destinations else {}),
    }


def _tags(tags: dict[str, str] | None) -> list[dict[str, str]]:
    # Step Functions alone spells them in lower case.
    return [{"key": tag["Key"], "value": tag["Value"]} for tag in tag_list(tags)]
