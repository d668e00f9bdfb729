"""Amazon CloudWatch Logs: log groups and the policies that let services write into them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from local.properties import Properties
from local.provider.naming import Name
from local.provider.resource import Resource
from local.provider.rules import arn, one_of, policy_document, text
from local.provider.schema import Failure
from local.provider.shapes import renamed, tag_changes, tag_map

# Days; 0 keeps everything for ever.
RETENTION = (0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)


class LogGroup(Resource):
    token = "aws:cloudwatch/logGroup:LogGroup"
    service = "logs"
    name = Name("name", 512, r"[.\-_/#A-Za-z0-9]+", "must consist of letters, digits and ._-/#")
    defaults = {"retentionInDays": 0, "skipDestroy": False}
    replaces = frozenset({"logGroupClass", "name", "namePrefix"})
    kept = frozenset({"deletionProtectionEnabled", "logGroupClass"})
    rules = {
        "kmsKeyId": arn("kms"),
        "logGroupClass": one_of("STANDARD", "INFREQUENT_ACCESS", "DELIVERY"),
        "retentionInDays": one_of(*RETENTION),
    }

    def create(self, inputs: Properties) -> str:
        names = {
            "deletionProtectionEnabled": "deletionProtectionEnabled",
            "kmsKeyId": "kmsKeyId",
            "logGroupClass": "logGroupClass",
            "name": "logGroupName",
            "tags": "tags",
        }
        self.api.create_log_group(**renamed({key: value for key, value in inputs.items() if value}, names))
        return inputs["name"]

    def settle(self, id: str, inputs: Properties) -> None:
        if inputs["retentionInDays"]:
            self._set_retention(id, inputs["retentionInDays"])

    def read(self, id: str, known: Properties) -> Properties | None:
        groups = self.api.describe_log_groups(logGroupNamePrefix=id)["logGroups"]
        found = next((group for group in groups if group["logGroupName"] == id), None)
        if found is None:
            return None
        arn = found["arn"].removesuffix(":*")
        return {
            "arn": arn,
            "deletionProtectionEnabled": found.get("deletionProtectionEnabled", False),
            "kmsKeyId": found.get("kmsKeyId"),
            "logGroupClass": found.get("logGroupClass", "STANDARD"),
            "name": id,
            "retentionInDays": found.get("retentionInDays", 0),
            "tags": tag_map(self.api.list_tags_for_resource(resourceArn=arn)["tags"]),
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        if "retentionInDays" in changed:
            self._set_retention(id, new["retentionInDays"])
        if "deletionProtectionEnabled" in changed:
            self.api.put_log_group_deletion_protection(
                logGroupIdentifier=id, deletionProtectionEnabled=new["deletionProtectionEnabled"]
            )
        if "kmsKeyId" in changed:
            if key := new.get("kmsKeyId"):
                self.api.associate_kms_key(logGroupName=id, kmsKeyId=key)
            else:
                self.api.disassociate_kms_key(logGroupName=id)
        if "tags" in changed:
            added, removed = tag_changes(old.get("tags"), new.get("tags"))
            if added:
                self.api.tag_resource(resourceArn=old["arn"], tags=added)
            if removed:
                self.api.untag_resource(resourceArn=old["arn"], tagKeys=removed)

    def delete(self, id: str, known: Properties) -> None:
        if not known.get("skipDestroy"):
            self.api.delete_log_group(logGroupName=id)

    def _set_retention(self, id: str, days: int) -> None:
        if days:
            self.api.put_retention_policy(logGroupName=id, retentionInDays=days)
        else:
            self.api.delete_retention_policy(logGroupName=id)


class LogResourcePolicy(Resource):
    token = "aws:cloudwatch/logResourcePolicy:LogResourcePolicy"
    service = "logs"
    replaces = frozenset({"policyName", "resourceArn"})
    policies = frozenset({"policyDocument"})
    volatile = frozenset({"revisionId"})
    rules = {"policyDocument": policy_document(5120), "policyName": text(r"[^:*]+", 1, 255), "resourceArn": arn("logs")}

    def check(self, inputs: Properties) -> Iterator[Failure]:
        if ("policyName" in inputs) == ("resourceArn" in inputs):
            yield "policyName", "give exactly one of policyName and resourceArn"

    def create(self, inputs: Properties) -> str:
        self._put(inputs)
        return inputs.get("policyName") or inputs["resourceArn"]

    def read(self, id: str, known: Properties) -> Properties | None:
        by_arn = id.startswith("arn:")
        scope: dict[str, Any] = {"policyScope": "RESOURCE", "resourceArn": id} if by_arn else {}
        policies = self.api.describe_resource_policies(**scope)["resourcePolicies"]
        found = next((policy for policy in policies if by_arn or policy["policyName"] == id), None)
        return found and {
            "policyDocument": found["policyDocument"],
            "policyName": None if by_arn else found["policyName"],
            "policyScope": found.get("policyScope", "RESOURCE" if by_arn else "ACCOUNT"),
            "resourceArn": id if by_arn else None,
            "revisionId": found.get("revisionId", ""),
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        self._put(new)

    def delete(self, id: str, known: Properties) -> None:
        self.api.delete_resource_policy(**{"resourceArn" if id.startswith("arn:") else "policyName": id})

    def _put(self, inputs: Properties) -> None:
        self.api.put_resource_policy(
            **renamed(inputs, {name: name for name in ("policyDocument", "policyName", "resourceArn")})
        )
