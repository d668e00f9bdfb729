"""Amazon CloudWatch Logs: log groups."""

from __future__ import annotations

from local.properties import Properties
from local.provider.naming import Name
from local.provider.resource import Resource
from local.provider.rules import arn, one_of

# Days; 0 keeps everything for ever.
RETENTION = (0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)


class LogGroup(Resource):
    token = "aws:cloudwatch/logGroup:LogGroup"
    service = "logs"
    name = Name("name", 512, r"[.\-_/#A-Za-z0-9]+", "must consist of letters, digits and ._-/#")
    fields = {"kmsKeyId": "kmsKeyId", "name": "logGroupName"}
    others = frozenset({"retentionInDays"})
    defaults = {"retentionInDays": 0, "skipDestroy": False}
    replaces = frozenset({"name"})
    rules = {"kmsKeyId": arn("kms"), "retentionInDays": one_of(*RETENTION)}

    def create(self, inputs: Properties) -> str:
        tags = {"tags": inputs["tags"]} if inputs.get("tags") else {}
        self.api.create_log_group(**self.arguments(inputs), **tags)
        return inputs["name"]

    def settle(self, id: str, inputs: Properties) -> None:
        if inputs["retentionInDays"]:
            self._set_retention(id, inputs["retentionInDays"])

    def read(self, id: str, known: Properties) -> Properties | None:
        groups = self.api.describe_log_groups(logGroupNamePrefix=id)["logGroups"]
        found = next((group for group in groups if group["logGroupName"] == id), None)
        if found is None:
            return None
        return self.properties(found) | {"arn": found["arn"].removesuffix(":*"), "retentionInDays": found.get("retentionInDays", 0)}

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        if "retentionInDays" in changed:
            self._set_retention(id, new["retentionInDays"])
        if "kmsKeyId" in changed:
            if key := new.get("kmsKeyId"):
                self.api.associate_kms_key(logGroupName=id, kmsKeyId=key)
            else:
                self.api.disassociate_kms_key(logGroupName=id)

    def delete(self, id: str, known: Properties) -> None:
        if not known.get("skipDestroy"):
            self.api.delete_log_group(logGroupName=id)

    def _set_retention(self, id: str, days: int) -> None:
        if days:
            self.api.put_retention_policy(logGroupName=id, retentionInDays=days)
        else:
            self.api.delete_retention_policy(logGroupName=id)
