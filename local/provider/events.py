"""Amazon EventBridge: buses."""

from __future__ import annotations

from local.properties import Properties
from local.provider.naming import Name
from local.provider.resource import Resource
from local.provider.rules import text
from local.provider.shapes import capitalised, tag_list


class EventBus(Resource):
    token = "aws:cloudwatch/eventBus:EventBus"
    service = "events"
    name = Name("name", 256, r"(?!default$)[/.\-_A-Za-z0-9]+", "must consist of letters, digits, ., - and _, and not be 'default'")
    fields = capitalised("description kmsKeyIdentifier name")
    replaces = frozenset({"name"})
    deletion = ("delete_event_bus", "Name")
    rules = {"description": text(longest=512)}

    def create(self, inputs: Properties) -> str:
        self.api.create_event_bus(**self.arguments(inputs), Tags=tag_list(inputs.get("tags")))
        return inputs["name"]

    def read(self, id: str, known: Properties) -> Properties | None:
        found = self.api.describe_event_bus(Name=id)
        return self.properties(found) | {"arn": found["Arn"]}

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        self.api.update_event_bus(**self.arguments({"description": ""} | new))
