"""Amazon EventBridge Scheduler: schedules and their groups."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from local.properties import UNKNOWN, Properties
from local.provider.aws import once_role_is_seen, wait_until
from local.provider.naming import Name
from local.provider.resource import Resource
from local.provider.rules import arn, between, one_of, schedule_expression, text
from local.provider.schema import Failure
from local.provider.shapes import from_aws, renamed, tag_changes, tag_list, tag_map, to_aws

DEFAULT_GROUP = "default"
NAME_PATTERN = r"[0-9a-zA-Z_.-]+"
NAME_WHAT = "must consist of letters, digits, -, _ and ."


class Schedule(Resource):
    token = "aws:scheduler/schedule:Schedule"
    service = "scheduler"
    name = Name("name", 64, NAME_PATTERN, NAME_WHAT)
    defaults = {"scheduleExpressionTimezone": "UTC", "state": "ENABLED"}
    replaces = frozenset({"groupName", "name", "namePrefix"})
    kept = frozenset({"actionAfterCompletion", "groupName"})
    rules = {
        "actionAfterCompletion": one_of("DELETE", "NONE"),
        "description": text(longest=512),
        "flexibleTimeWindow.maximumWindowInMinutes": between(1, 1440),
        "flexibleTimeWindow.mode": one_of("FLEXIBLE", "OFF"),
        "groupName": text(NAME_PATTERN, 1, 64, NAME_WHAT),
        "kmsKeyArn": arn("kms"),
        "scheduleExpression": schedule_expression,
        "state": one_of("DISABLED", "ENABLED"),
        "target.arn": arn(),
        "target.deadLetterConfig.arn": arn("sqs"),
        "target.retryPolicy.maximumEventAgeInSeconds": between(60, 86400),
        "target.retryPolicy.maximumRetryAttempts": between(0, 185),
        "target.roleArn": arn("iam"),
    }

    _NAMES = {
        "actionAfterCompletion": "ActionAfterCompletion",
        "description": "Description",
        "endDate": "EndDate",
        "groupName": "GroupName",
        "kmsKeyArn": "KmsKeyArn",
        "name": "Name",
        "scheduleExpression": "ScheduleExpression",
        "scheduleExpressionTimezone": "ScheduleExpressionTimezone",
        "startDate": "StartDate",
        "state": "State",
    }
    # What differs from the API in more than the first letter.
    _TARGET = {"eventbridgeParameters": "eventBridgeParameters"}
    _UNSUPPORTED = ("ecsParameters", "sagemakerPipelineParameters")

    def check(self, inputs: Properties) -> Iterator[Failure]:
        window = inputs["flexibleTimeWindow"]
        if window != UNKNOWN and window.get("mode") == "FLEXIBLE" and "maximumWindowInMinutes" not in window:
            yield "flexibleTimeWindow.maximumWindowInMinutes", "is required with mode FLEXIBLE"
        for property in self._UNSUPPORTED:
            if inputs["target"] != UNKNOWN and property in inputs["target"]:
                yield f"target.{property}", "isn't implemented by the local provider"

    def create(self, inputs: Properties) -> str:
        self._call("create_schedule", inputs)
        return f"{inputs.get('groupName', DEFAULT_GROUP)}/{inputs['name']}"

    def read(self, id: str, known: Properties) -> Properties | None:
        group, _, name = id.partition("/")
        found = self.api.get_schedule(GroupName=group, Name=name)
        target = from_aws(found["Target"])
        for ours, theirs in self._TARGET.items():
            if theirs in target:
                target[ours] = target.pop(theirs)
        return {
            **{name: found.get(theirs) or None for name, theirs in self._NAMES.items()},
            "actionAfterCompletion": found.get("ActionAfterCompletion") or "NONE",
            "arn": found["Arn"],
            "endDate": _timestamp(found.get("EndDate")),
            "flexibleTimeWindow": from_aws(found["FlexibleTimeWindow"]),
            "groupName": found.get("GroupName") or group,
            "startDate": _timestamp(found.get("StartDate")),
            "target": target,
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        self._call("update_schedule", new)

    def delete(self, id: str, known: Properties) -> None:
        group, _, name = id.partition("/")
        self.api.delete_schedule(GroupName=group, Name=name)

    def _call(self, operation: str, inputs: Properties) -> None:
        target = {self._TARGET.get(name, name): value for name, value in inputs["target"].items()}
        arguments: dict[str, Any] = {
            **renamed(inputs, self._NAMES),
            "FlexibleTimeWindow": to_aws(inputs["flexibleTimeWindow"]),
            "Target": to_aws(target),
        }
        for key in ("StartDate", "EndDate"):
            if key in arguments:
                arguments[key] = datetime.fromisoformat(arguments[key])
        once_role_is_seen(lambda: getattr(self.api, operation)(**arguments))


class ScheduleGroup(Resource):
    token = "aws:scheduler/scheduleGroup:ScheduleGroup"
    service = "scheduler"
    name = Name("name", 64, NAME_PATTERN, NAME_WHAT)
    replaces = frozenset({"name", "namePrefix"})
    volatile = frozenset({"lastModificationDate"})

    def create(self, inputs: Properties) -> str:
        self.api.create_schedule_group(Name=inputs["name"], Tags=tag_list(inputs.get("tags")))
        return inputs["name"]

    def settle(self, id: str, inputs: Properties) -> None:
        wait_until(lambda: self._state(id) == "ACTIVE", f"schedule group {id} to become active")

    def read(self, id: str, known: Properties) -> Properties | None:
        found = self.api.get_schedule_group(Name=id)
        if found["State"] == "DELETING":
            return None
        return {
            "arn": found["Arn"],
            "creationDate": _timestamp(found.get("CreationDate")),
            "lastModificationDate": _timestamp(found.get("LastModificationDate")),
            "name": found["Name"],
            "state": found["State"],
            "tags": tag_map(self.api.list_tags_for_resource(ResourceArn=found["Arn"])["Tags"]),
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        added, removed = tag_changes(old.get("tags"), new.get("tags"))
        if added:
            self.api.tag_resource(ResourceArn=old["arn"], Tags=tag_list(added))
        if removed:
            self.api.untag_resource(ResourceArn=old["arn"], TagKeys=removed)

    def delete(self, id: str, known: Properties) -> None:
        self.api.delete_schedule_group(Name=id)
        wait_until(lambda: self._state(id) is None, f"schedule group {id} to be gone")

    def _state(self, id: str) -> str | None:
        try:
            return self.api.get_schedule_group(Name=id)["State"]
        except self.api.exceptions.ResourceNotFoundException:
            return None


def _timestamp(moment: Any) -> str | None:
    return moment.isoformat() if moment else None
