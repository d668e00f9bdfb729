"""Amazon EventBridge: buses, rules and their targets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from local.properties import UNKNOWN, Properties
from local.provider.errors import ProviderError
from local.provider.naming import Name, random_hex
from local.provider.resource import Resource
from local.provider.rules import arn, between, json_document, one_of, schedule_expression, text
from local.provider.schema import Failure
from local.provider.shapes import from_aws, renamed, tag_changes, tag_list, tag_map, to_aws

DEFAULT_BUS = "default"
NAME_PATTERN = r"[.\-_A-Za-z0-9]+"
NAME_WHAT = "must consist of letters, digits, ., - and _"
BUS = text(r"[/.\-_A-Za-z0-9:]+", 1, 1600, "must be the name or the ARN of an event bus")


class EventBus(Resource):
    token = "aws:cloudwatch/eventBus:EventBus"
    service = "events"
    name = Name("name", 256, r"(?!default$)[/.\-_A-Za-z0-9]+", f"{NAME_WHAT}, and not be 'default'", None)
    replaces = frozenset({"eventSourceName", "name"})
    rules = {
        "deadLetterConfig.arn": arn("sqs"),
        "description": text(longest=512),
        "logConfig.includeDetail": one_of("NONE", "FULL"),
        "logConfig.level": one_of("OFF", "ERROR", "INFO", "TRACE"),
    }

    _NAMES = {
        "description": "Description",
        "eventSourceName": "EventSourceName",
        "kmsKeyIdentifier": "KmsKeyIdentifier",
        "name": "Name",
    }

    def create(self, inputs: Properties) -> str:
        self.api.create_event_bus(
            **renamed(inputs, self._NAMES), **self._objects(inputs), Tags=tag_list(inputs.get("tags"))
        )
        return inputs["name"]

    def read(self, id: str, known: Properties) -> Properties | None:
        found = self.api.describe_event_bus(Name=id)
        return {
            "arn": found["Arn"],
            "deadLetterConfig": from_aws(found.get("DeadLetterConfig")) or None,
            "description": found.get("Description") or None,
            "kmsKeyIdentifier": found.get("KmsKeyIdentifier") or None,
            "logConfig": from_aws(found.get("LogConfig")) or None,
            "name": found["Name"],
            "tags": tag_map(self.api.list_tags_for_resource(ResourceARN=found["Arn"])["Tags"]),
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        if changed - {"tags"}:
            names = {name: theirs for name, theirs in self._NAMES.items() if name != "eventSourceName"}
            self.api.update_event_bus(**renamed({"description": ""} | new, names), **self._objects(new))
        _retag(self.api, old, new, changed)

    def delete(self, id: str, known: Properties) -> None:
        self.api.delete_event_bus(Name=id)

    def _objects(self, inputs: Properties) -> dict[str, Any]:
        return to_aws({name: inputs[name] for name in ("deadLetterConfig", "logConfig") if inputs.get(name)})


class EventRule(Resource):
    token = "aws:cloudwatch/eventRule:EventRule"
    service = "events"
    name = Name("name", 64, NAME_PATTERN, NAME_WHAT)
    defaults = {"eventBusName": DEFAULT_BUS, "forceDestroy": False}
    replaces = frozenset({"eventBusName", "name", "namePrefix"})
    kept = frozenset({"isEnabled", "state"})
    documents = frozenset({"eventPattern"})
    rules = {
        "description": text(longest=512),
        "eventBusName": BUS,
        "eventPattern": json_document(2048),
        "roleArn": arn("iam"),
        "scheduleExpression": schedule_expression,
        "state": one_of("DISABLED", "ENABLED", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"),
    }

    def check(self, inputs: Properties) -> Iterator[Failure]:
        if "eventPattern" not in inputs and "scheduleExpression" not in inputs:
            yield "eventPattern", "give at least one of eventPattern and scheduleExpression"
        if "scheduleExpression" in inputs and inputs["eventBusName"] not in (DEFAULT_BUS, UNKNOWN):
            yield "scheduleExpression", "works on the default event bus only"
        if "isEnabled" in inputs and "state" in inputs:
            yield "isEnabled", "and state exclude each other"

    def create(self, inputs: Properties) -> str:
        self._put(inputs, Tags=tag_list(inputs.get("tags")))
        bus = inputs["eventBusName"]
        return inputs["name"] if bus == DEFAULT_BUS else f"{bus}/{inputs['name']}"

    def read(self, id: str, known: Properties) -> Properties | None:
        bus, _, name = id.rpartition("/")
        found = self.api.describe_rule(Name=name, EventBusName=bus or DEFAULT_BUS)
        return {
            "arn": found["Arn"],
            "description": found.get("Description") or None,
            "eventBusName": bus or DEFAULT_BUS,
            "eventPattern": found.get("EventPattern") or None,
            "isEnabled": found["State"] != "DISABLED",
            "name": found["Name"],
            "roleArn": found.get("RoleArn") or None,
            "scheduleExpression": found.get("ScheduleExpression") or None,
            "state": found["State"],
            "tags": tag_map(self.api.list_tags_for_resource(ResourceARN=found["Arn"])["Tags"]),
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        if changed - {"tags", "forceDestroy"}:
            self._put(new)
        _retag(self.api, old, new, changed)

    def delete(self, id: str, known: Properties) -> None:
        bus, _, name = id.rpartition("/")
        self.api.delete_rule(Name=name, EventBusName=bus or DEFAULT_BUS, Force=known.get("forceDestroy", False))

    def _put(self, inputs: Properties, **more: Any) -> None:
        names = {
            "description": "Description",
            "eventBusName": "EventBusName",
            "eventPattern": "EventPattern",
            "name": "Name",
            "roleArn": "RoleArn",
            "scheduleExpression": "ScheduleExpression",
        }
        state = inputs.get("state") or ("ENABLED" if inputs.get("isEnabled", True) else "DISABLED")
        self.api.put_rule(**renamed(inputs, names), State=state, **more)


class EventTarget(Resource):
    token = "aws:cloudwatch/eventTarget:EventTarget"
    service = "events"
    defaults = {"eventBusName": DEFAULT_BUS, "forceDestroy": False}
    replaces = frozenset({"eventBusName", "rule", "targetId"})
    kept = frozenset({"targetId"})
    documents = frozenset({"input"})
    missing = frozenset(
        {
            "appsyncTarget",
            "batchTarget",
            "ecsTarget",
            "httpTarget",
            "kinesisTarget",
            "redshiftTarget",
            "runCommandTargets",
            "sagemakerPipelineTarget",
        }
    )
    rules = {
        "arn": arn(),
        "deadLetterConfig.arn": arn("sqs"),
        "eventBusName": BUS,
        "inputTransformer.inputTemplate": text(shortest=1, longest=8192),
        "retryPolicy.maximumEventAgeInSeconds": between(60, 86400),
        "retryPolicy.maximumRetryAttempts": between(0, 185),
        "roleArn": arn("iam"),
        "rule": text(NAME_PATTERN, 1, 64, NAME_WHAT),
        "targetId": text(NAME_PATTERN, 1, 64, NAME_WHAT),
    }

    def check(self, inputs: Properties) -> Iterator[Failure]:
        given = [name for name in ("input", "inputPath", "inputTransformer") if name in inputs]
        if len(given) > 1:
            yield given[0], f"and {given[1]} exclude each other"

    def create(self, inputs: Properties) -> str:
        target = inputs.get("targetId") or f"pulumi-{random_hex(26)}"
        self._put(inputs, target)
        bus = inputs["eventBusName"]
        return "-".join([*([] if bus == DEFAULT_BUS else [bus]), inputs["rule"], target])

    def read(self, id: str, known: Properties) -> Properties | None:
        bus, rule = known["eventBusName"], known["rule"]
        target_id = known.get("targetId") or id.removeprefix(f"{bus}-").removeprefix(f"{rule}-")
        targets = self.api.list_targets_by_rule(Rule=rule, EventBusName=bus)["Targets"]
        found = next((target for target in targets if target["Id"] == target_id), None)
        if found is None:
            return None
        transformer = found.get("InputTransformer")
        return {
            "arn": found["Arn"],
            "deadLetterConfig": from_aws(found.get("DeadLetterConfig")),
            "input": found.get("Input"),
            "inputPath": found.get("InputPath"),
            "inputTransformer": transformer
            and renamed(transformer, {"InputPathsMap": "inputPaths", "InputTemplate": "inputTemplate"}),
            "retryPolicy": from_aws(found.get("RetryPolicy")),
            "roleArn": found.get("RoleArn"),
            "sqsTarget": from_aws(found.get("SqsParameters")),
            "targetId": target_id,
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        self._put(new, old["targetId"])

    def delete(self, id: str, known: Properties) -> None:
        answer = self.api.remove_targets(
            Rule=known["rule"],
            EventBusName=known["eventBusName"],
            Ids=[known["targetId"]],
            Force=known.get("forceDestroy", False),
        )
        _refuse_failures(answer)

    def _put(self, inputs: Properties, target_id: str) -> None:
        names = {"arn": "Arn", "input": "Input", "inputPath": "InputPath", "roleArn": "RoleArn"}
        target: dict[str, Any] = {"Id": target_id, **renamed(inputs, names)}
        if transformer := inputs.get("inputTransformer"):
            target["InputTransformer"] = renamed(
                transformer, {"inputPaths": "InputPathsMap", "inputTemplate": "InputTemplate"}
            )
        objects = {"deadLetterConfig": "DeadLetterConfig", "retryPolicy": "RetryPolicy", "sqsTarget": "SqsParameters"}
        target |= {theirs: to_aws(inputs[name]) for name, theirs in objects.items() if inputs.get(name)}
        answer = self.api.put_targets(
            Rule=inputs["rule"], EventBusName=inputs["eventBusName"], Targets=[target]
        )
        _refuse_failures(answer)


def _refuse_failures(answer: dict[str, Any]) -> None:
    for entry in answer.get("FailedEntries", []):
        raise ProviderError(f"target {entry['TargetId']}: {entry['ErrorCode']}: {entry['ErrorMessage']}")


def _retag(api: Any, old: Properties, new: Properties, changed: set[str]) -> None:
    if "tags" not in changed:
        return
    added, removed = tag_changes(old.get("tags"), new.get("tags"))
    if added:
        api.tag_resource(ResourceARN=old["arn"], Tags=tag_list(added))
    if removed:
        api.untag_resource(ResourceARN=old["arn"], TagKeys=removed)
