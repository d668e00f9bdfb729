"""Amazon DynamoDB: tables that are paid for by request."""

from collections.abc import Iterator
from typing import Any

from local.properties import Properties, has_unknown
from local.provider.aws import wait_until
from local.provider.naming import Name
from local.provider.resource import Resource
from local.provider.rules import NOT_IMPLEMENTED, arn, between, one_of, text
from local.provider.schema import Failure
from local.provider.shapes import capitalised, from_aws, renamed, to_aws

NAME_PATTERN = r"[a-zA-Z0-9_.-]+"
NAME_WHAT = "must consist of letters, digits, -, _ and ."

KEYS = {"hashKey": "HASH", "rangeKey": "RANGE"}
ATTRIBUTE = {"name": "AttributeName", "type": "AttributeType"}
PROJECTION = capitalised("nonKeyAttributes projectionType")


class Table(Resource):
    token = "aws:dynamodb/table:Table"
    name = Name("name", 255, NAME_PATTERN, NAME_WHAT, shortest=3)
    kind, key = "table", "TableName"
    fields = {"billingMode": "BillingMode", "deletionProtectionEnabled": "DeletionProtectionEnabled", "name": "TableName"}
    outputs = {"arn": "TableArn"}
    others = frozenset({"attributes", "globalSecondaryIndexes", "pointInTimeRecovery", "serverSideEncryption", "ttl"})
    defaults = {"billingMode": "PROVISIONED"}
    required = frozenset({"attributes", "hashKey"})
    replaces = frozenset({"hashKey", "name", "rangeKey"})
    kept = frozenset({"pointInTimeRecovery", "serverSideEncryption"})
    unordered = frozenset({"attributes", "globalSecondaryIndexes"})
    rules = {
        "attributes[*].name": text(shortest=1, longest=255),
        "attributes[*].type": one_of("S", "N", "B"),
        "billingMode": one_of("PAY_PER_REQUEST"),
        "globalSecondaryIndexes[*].keySchemas": lambda _: NOT_IMPLEMENTED,
        "globalSecondaryIndexes[*].name": text(NAME_PATTERN, 3, 255, NAME_WHAT),
        "globalSecondaryIndexes[*].projectionType": one_of("ALL", "INCLUDE", "KEYS_ONLY"),
        "pointInTimeRecovery.recoveryPeriodInDays": between(1, 35),
        "serverSideEncryption.kmsKeyArn": arn("kms"),
    }

    def check(self, inputs: Properties) -> Iterator[Failure]:
        yield from _check_attributes(inputs)
        ttl = inputs.get("ttl")
        if isinstance(ttl, dict) and ttl.get("enabled") is True and not ttl.get("attributeName"):
            yield "ttl.attributeName", "is required when ttl is enabled"

    def arguments(self, inputs: Properties, names: Any = None) -> dict[str, Any]:
        arguments = super().arguments(inputs) | {"AttributeDefinitions": _attributes(inputs), "KeySchema": _key_schema(inputs)}
        if inputs.get("globalSecondaryIndexes"):
            arguments["GlobalSecondaryIndexes"] = list(map(_index, inputs["globalSecondaryIndexes"]))
        if "serverSideEncryption" in inputs:
            arguments["SSESpecification"] = _encryption(inputs["serverSideEncryption"])
        return arguments

    def settle(self, id: str, inputs: Properties) -> None:
        self._wait(id)
        if inputs.get("ttl", {}).get("enabled"):
            self._set_ttl(id, inputs["ttl"])
        if inputs.get("pointInTimeRecovery", {}).get("enabled"):
            self._set_recovery(id, inputs["pointInTimeRecovery"])

    def read(self, id: str, known: Properties) -> Properties | None:
        found = self.api.describe_table(TableName=id)["Table"]
        if found["TableStatus"] == "DELETING":
            return None
        encryption = found.get("SSEDescription", {})
        encrypted = encryption.get("Status") in ("ENABLED", "ENABLING", "UPDATING")
        ttl = self.api.describe_time_to_live(TableName=id)["TimeToLiveDescription"]
        ttl_enabled = ttl.get("TimeToLiveStatus") in ("ENABLED", "ENABLING")
        return self.properties(found) | {
            "attributes": from_aws(found["AttributeDefinitions"], spelled=ATTRIBUTE),
            "billingMode": found.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED"),
            "deletionProtectionEnabled": found.get("DeletionProtectionEnabled", False),
            "globalSecondaryIndexes": list(map(_from_index, found.get("GlobalSecondaryIndexes", []))) or None,
            "pointInTimeRecovery": self._recovery(id),
            "rangeKey": None,
            **_keys(found["KeySchema"]),
            "serverSideEncryption": {"enabled": encrypted} | renamed(encryption if encrypted else {}, {"KMSMasterKeyArn": "kmsKeyArn"}),
            "ttl": {"attributeName": ttl.get("AttributeName", "") if ttl_enabled else "", "enabled": ttl_enabled},
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        for arguments in self._table_updates(old, new, changed):
            self.api.update_table(TableName=id, **arguments)
            self._wait(id)
        if "ttl" in changed:
            self._change_ttl(id, old.get("ttl") or {}, new.get("ttl") or {})
        if "pointInTimeRecovery" in changed:
            self._set_recovery(id, new["pointInTimeRecovery"])

    def delete(self, id: str, known: Properties) -> None:
        self.api.delete_table(TableName=id)
        self.api.get_waiter("table_not_exists").wait(TableName=id, WaiterConfig={"Delay": 1, "MaxAttempts": 300})

    def _table_updates(self, old: Properties, new: Properties, changed: set[str]) -> Iterator[dict[str, Any]]:
        """The arguments of one UpdateTable after another: DynamoDB takes one kind of change at a time."""
        if "serverSideEncryption" in changed:
            yield {"SSESpecification": _encryption(new.get("serverSideEncryption") or {"enabled": False})}
        if "deletionProtectionEnabled" in changed:
            yield {"DeletionProtectionEnabled": new.get("deletionProtectionEnabled", False)}
        if "globalSecondaryIndexes" in changed:
            yield from _index_updates(old, new)

    def _wait(self, id: str) -> None:
        def ready() -> bool:
            found = self.api.describe_table(TableName=id)["Table"]
            statuses = {index.get("IndexStatus", "ACTIVE") for index in found.get("GlobalSecondaryIndexes", [])}
            return found["TableStatus"] == "ACTIVE" and statuses <= {"ACTIVE"}

        wait_until(ready, f"table {id} to become active")

    def _change_ttl(self, id: str, old: Properties, new: Properties) -> None:
        if old.get("enabled") and (not new.get("enabled") or old["attributeName"] != new["attributeName"]):
            self._set_ttl(id, old | {"enabled": False})
        if new.get("enabled"):
            self._set_ttl(id, new)

    def _set_ttl(self, id: str, ttl: Properties) -> None:
        self.api.update_time_to_live(TableName=id, TimeToLiveSpecification=to_aws(ttl))

    def _set_recovery(self, id: str, recovery: Properties) -> None:
        specification = to_aws(recovery, spelled={"enabled": "PointInTimeRecoveryEnabled"})
        self.api.update_continuous_backups(TableName=id, PointInTimeRecoverySpecification=specification)

    def _recovery(self, id: str) -> Properties:
        found = self.api.describe_continuous_backups(TableName=id)["ContinuousBackupsDescription"]
        recovery = found.get("PointInTimeRecoveryDescription", {})
        enabled = recovery.get("PointInTimeRecoveryStatus") == "ENABLED"
        return {"enabled": enabled} | renamed(recovery if enabled else {}, {"RecoveryPeriodInDays": "recoveryPeriodInDays"})


def _check_attributes(inputs: Properties) -> Iterator[Failure]:
    """Attributes are declared for keys, all of them and nothing else."""
    indexes = inputs.get("globalSecondaryIndexes", [])
    if has_unknown([inputs["attributes"], indexes, inputs["hashKey"], inputs.get("rangeKey")]):
        return
    declared = [attribute["name"] for attribute in inputs["attributes"]]
    used = {key["AttributeName"] for keys in (inputs, *indexes) for key in _key_schema(keys)}
    for name in sorted(used - set(declared)):
        yield "attributes", f"doesn't declare {name!r}, which is a key of the table or of an index"
    for name in sorted(set(declared) - used):
        yield "attributes", f"declares {name!r}, which is a key of neither the table nor an index"
    if len(set(declared)) < len(declared):
        yield "attributes", "declares an attribute twice"


def _attributes(inputs: Properties) -> list[dict[str, str]]:
    return to_aws(inputs["attributes"], spelled=ATTRIBUTE)


def _key_schema(keys: Properties) -> list[dict[str, str]]:
    return [{"AttributeName": keys[name], "KeyType": kind} for name, kind in KEYS.items() if keys.get(name)]


def _keys(schema: list[dict[str, str]]) -> Properties:
    names = {key["KeyType"]: key["AttributeName"] for key in schema}
    return {name: names[kind] for name, kind in KEYS.items() if kind in names}


def _index(index: Properties) -> dict[str, Any]:
    return {"IndexName": index["name"], "KeySchema": _key_schema(index), "Projection": renamed(index, PROJECTION)}


def _from_index(index: dict[str, Any]) -> Properties:
    return {"name": index["IndexName"], **_keys(index["KeySchema"]), **from_aws(index["Projection"])}


def _index_updates(old: Properties, new: Properties) -> Iterator[dict[str, Any]]:
    """One UpdateTable per index that goes or comes. An index that changes goes and comes."""
    before = {index["name"]: _index(index) for index in old.get("globalSecondaryIndexes") or []}
    after = {index["name"]: _index(index) for index in new.get("globalSecondaryIndexes") or []}
    for name in (name for name, index in before.items() if after.get(name) != index):
        yield {"GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": name}}]}
    for index in (index for name, index in after.items() if before.get(name) != index):
        yield {"AttributeDefinitions": _attributes(new), "GlobalSecondaryIndexUpdates": [{"Create": index}]}


def _encryption(encryption: Properties) -> dict[str, Any]:
    if not encryption["enabled"]:
        return {"Enabled": False}
    key = {"KMSMasterKeyId": encryption["kmsKeyArn"]} if encryption.get("kmsKeyArn") else {}
    return {"Enabled": True, "SSEType": "KMS", **key}
