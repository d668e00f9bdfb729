"""AWS Systems Manager: parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from local.properties import UNKNOWN, Properties
from local.provider.naming import Name
from local.provider.resource import Resource
from local.provider.rules import one_of, text
from local.provider.schema import Failure
from local.provider.shapes import renamed, tag_changes, tag_list, tag_map

# Characters of a value, by the parameter's tier.
VALUE_LIMITS = {"Advanced": 8192, "Intelligent-Tiering": 8192, "Standard": 4096}


class Parameter(Resource):
    token = "aws:ssm/parameter:Parameter"
    service = "ssm"
    name = Name("name", 2048, r"[a-zA-Z0-9_.\-/]+", "must consist of letters, digits and _.-/", prefix_property=None)
    replaces = frozenset({"name"})
    kept = frozenset({"arn", "dataType", "keyId", "overwrite", "tier"})
    volatile = frozenset({"version"})
    missing = frozenset({"valueWo", "valueWoVersion"})
    rules = {
        "allowedPattern": text(longest=1024),
        "dataType": one_of("aws:ec2:image", "aws:ssm:integration", "text"),
        "description": text(longest=1024),
        "tier": one_of(*VALUE_LIMITS),
        "type": one_of("SecureString", "String", "StringList"),
    }

    def check(self, inputs: Properties) -> Iterator[Failure]:
        given = [name for name in ("insecureValue", "value") if name in inputs]
        if len(given) != 1:
            yield "value", "give exactly one of value and insecureValue"
            return
        value = inputs[given[0]]
        if inputs["type"] == "SecureString" and given == ["insecureValue"]:
            yield "insecureValue", "can't be used with the type SecureString"
        if value == UNKNOWN:
            return
        limit = VALUE_LIMITS[inputs.get("tier", "Standard")] if inputs.get("tier") != UNKNOWN else 8192
        if not 1 <= len(value) <= limit:
            yield given[0], f"must have 1 to {limit} characters, not {len(value)}"
        pattern = inputs.get("allowedPattern")
        if pattern and pattern != UNKNOWN and not re.search(pattern, value):
            yield given[0], f"doesn't match allowedPattern {pattern}"
        if "/" in inputs["name"] and not inputs["name"].startswith("/"):
            yield "name", "must begin with / when it contains one"

    def create(self, inputs: Properties) -> str:
        self._put(inputs, Overwrite=bool(inputs.get("overwrite")), Tags=tag_list(inputs.get("tags")))
        return inputs["name"]

    def read(self, id: str, known: Properties) -> Properties | None:
        found = self.api.get_parameter(Name=id, WithDecryption=True)["Parameter"]
        filters = [{"Key": "Name", "Option": "Equals", "Values": [id]}]
        described = self.api.describe_parameters(ParameterFilters=filters)["Parameters"]
        description = described[0] if described else {}
        insecure = "insecureValue" in known and "value" not in known
        tags = self.api.list_tags_for_resource(ResourceType="Parameter", ResourceId=id)["TagList"]
        return {
            "allowedPattern": description.get("AllowedPattern") or None,
            "arn": found.get("ARN") or self.aws.arn("ssm", f"parameter/{id.removeprefix('/')}"),
            "dataType": found.get("DataType", "text"),
            "description": description.get("Description") or None,
            "hasValueWo": False,
            "insecureValue": found["Value"] if insecure else None,
            "keyId": description.get("KeyId") if found["Type"] == "SecureString" else None,
            "name": found["Name"],
            "tags": tag_map(tags),
            "tier": description.get("Tier", "Standard"),
            "type": found["Type"],
            "value": None if insecure else found["Value"],
            "version": found["Version"],
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        if changed - {"overwrite", "tags"}:
            self._put({"description": ""} | new, Overwrite=True)
        if "tags" in changed:
            added, removed = tag_changes(old.get("tags"), new.get("tags"))
            target = {"ResourceType": "Parameter", "ResourceId": id}
            if added:
                self.api.add_tags_to_resource(**target, Tags=tag_list(added))
            if removed:
                self.api.remove_tags_from_resource(**target, TagKeys=removed)

    def delete(self, id: str, known: Properties) -> None:
        self.api.delete_parameter(Name=id)

    def _put(self, inputs: Properties, **more: Any) -> None:
        names = {
            "allowedPattern": "AllowedPattern",
            "dataType": "DataType",
            "description": "Description",
            "insecureValue": "Value",
            "keyId": "KeyId",
            "name": "Name",
            "tier": "Tier",
            "type": "Type",
            "value": "Value",
        }
        self.api.put_parameter(**renamed(inputs, names), **more)
