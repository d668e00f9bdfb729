"""Amazon DynamoDB: tables and single items."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from local.properties import UNKNOWN, Properties, has_unknown
from local.provider.aws import wait_until
from local.provider.naming import Name
from local.provider.resource import Resource
from local.provider.rules import arn, between, json_document, one_of, text
from local.provider.schema import Failure
from local.provider.shapes import from_aws, renamed, tag_changes, tag_list, tag_map, to_aws

NAME_PATTERN = r"[a-zA-Z0-9_.-]+"
NAME_WHAT = "must consist of letters, digits, -, _ and ."
PROJECTION = one_of("ALL", "INCLUDE", "KEYS_ONLY")


class Table(Resource):
    token = "aws:dynamodb/table:Table"
    service = "dynamodb"
    name = Name("name", 255, NAME_PATTERN, NAME_WHAT, prefix_property=None, shortest=3)
    defaults = {"billingMode": "PROVISIONED"}
    required = frozenset({"attributes", "hashKey"})
    replaces = frozenset({"hashKey", "localSecondaryIndexes", "name", "rangeKey"})
    kept = frozenset(
        {"pointInTimeRecovery", "readCapacity", "serverSideEncryption", "streamViewType", "tableClass", "writeCapacity"}
    )
    unordered = frozenset({"attributes", "globalSecondaryIndexes", "localSecondaryIndexes"})
    missing = frozenset(
        {
            "globalTableWitness",
            "importTable",
            "replicas",
            "restoreBackupArn",
            "restoreDateTime",
            "restoreSourceName",
            "restoreSourceTableArn",
            "restoreToLatestTime",
            "warmThroughput",
        }
    )
    rules = {
        "attributes[*].name": text(shortest=1, longest=255),
        "attributes[*].type": one_of("S", "N", "B"),
        "billingMode": one_of("PROVISIONED", "PAY_PER_REQUEST"),
        "globalSecondaryIndexes[*].name": text(NAME_PATTERN, 3, 255, NAME_WHAT),
        "globalSecondaryIndexes[*].projectionType": PROJECTION,
        "localSecondaryIndexes[*].name": text(NAME_PATTERN, 3, 255, NAME_WHAT),
        "localSecondaryIndexes[*].projectionType": PROJECTION,
        "pointInTimeRecovery.recoveryPeriodInDays": between(1, 35),
        "readCapacity": between(1, float("inf"), 0),
        "serverSideEncryption.kmsKeyArn": arn("kms"),
        "streamViewType": one_of("KEYS_ONLY", "NEW_AND_OLD_IMAGES", "NEW_IMAGE", "OLD_IMAGE", ""),
        "tableClass": one_of("STANDARD", "STANDARD_INFREQUENT_ACCESS"),
        "writeCapacity": between(1, float("inf"), 0),
    }

    def check(self, inputs: Properties) -> Iterator[Failure]:
        yield from _check_attributes(inputs)
        capacities = [name for name in ("readCapacity", "writeCapacity") if not inputs.get(name)]
        if inputs["billingMode"] == "PROVISIONED":
            for name in capacities:
                yield name, "is required with billingMode PROVISIONED"
        if inputs.get("streamEnabled") is True and not inputs.get("streamViewType"):
            yield "streamViewType", "is required when streamEnabled is true"
        ttl = inputs.get("ttl")
        if isinstance(ttl, dict) and ttl.get("enabled") is True and not ttl.get("attributeName"):
            yield "ttl.attributeName", "is required when ttl is enabled"

    def create(self, inputs: Properties) -> str:
        stream = inputs.get("streamEnabled")
        arguments: dict[str, Any] = {
            "AttributeDefinitions": _attributes(inputs),
            "BillingMode": inputs["billingMode"],
            "KeySchema": _key_schema(inputs),
            "TableName": inputs["name"],
            "Tags": tag_list(inputs.get("tags")),
        }
        if inputs["billingMode"] == "PROVISIONED":
            arguments["ProvisionedThroughput"] = _throughput(inputs)
        if inputs.get("globalSecondaryIndexes"):
            arguments["GlobalSecondaryIndexes"] = [
                _global_index(index, inputs["billingMode"]) for index in inputs["globalSecondaryIndexes"]
            ]
        if inputs.get("localSecondaryIndexes"):
            arguments["LocalSecondaryIndexes"] = [
                {
                    "IndexName": index["name"],
                    "KeySchema": _key_schema({"hashKey": inputs["hashKey"], "rangeKey": index["rangeKey"]}),
                    "Projection": _projection(index),
                }
                for index in inputs["localSecondaryIndexes"]
            ]
        if stream:
            arguments["StreamSpecification"] = _stream(inputs)
        if "serverSideEncryption" in inputs:
            arguments["SSESpecification"] = _encryption(inputs["serverSideEncryption"])
        if "onDemandThroughput" in inputs:
            arguments["OnDemandThroughput"] = to_aws(inputs["onDemandThroughput"])
        names = {"deletionProtectionEnabled": "DeletionProtectionEnabled", "tableClass": "TableClass"}
        self.api.create_table(**arguments, **renamed(inputs, names))
        return inputs["name"]

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
        throughput = found.get("ProvisionedThroughput", {})
        stream = found.get("StreamSpecification", {})
        encryption = found.get("SSEDescription", {})
        encrypted = encryption.get("Status") in ("ENABLED", "ENABLING", "UPDATING")
        ttl = self.api.describe_time_to_live(TableName=id)["TimeToLiveDescription"]
        ttl_enabled = ttl.get("TimeToLiveStatus") in ("ENABLED", "ENABLING")
        return {
            "arn": found["TableArn"],
            "attributes": _from_attributes(found["AttributeDefinitions"]),
            "billingMode": found.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED"),
            "deletionProtectionEnabled": found.get("DeletionProtectionEnabled", False),
            "globalSecondaryIndexes": [_from_index(index) for index in found.get("GlobalSecondaryIndexes", [])] or None,
            "hashKey": _key(found["KeySchema"], "HASH"),
            "localSecondaryIndexes": [
                {key: value for key, value in _from_index(index).items() if key != "hashKey"}
                for index in found.get("LocalSecondaryIndexes", [])
            ]
            or None,
            "name": found["TableName"],
            "onDemandThroughput": from_aws(found.get("OnDemandThroughput")),
            "pointInTimeRecovery": self._recovery(id),
            "rangeKey": _key(found["KeySchema"], "RANGE"),
            "readCapacity": throughput.get("ReadCapacityUnits", 0),
            "serverSideEncryption": {"enabled": encrypted}
            | renamed(encryption if encrypted else {}, {"KMSMasterKeyArn": "kmsKeyArn"}),
            "streamArn": found.get("LatestStreamArn", ""),
            "streamEnabled": stream.get("StreamEnabled", False),
            "streamLabel": found.get("LatestStreamLabel", ""),
            "streamViewType": stream.get("StreamViewType", ""),
            "tableClass": found.get("TableClassSummary", {}).get("TableClass", "STANDARD"),
            "tags": tag_map(self.api.list_tags_of_resource(ResourceArn=found["TableArn"]).get("Tags")),
            "ttl": {"attributeName": ttl.get("AttributeName", "") if ttl_enabled else "", "enabled": ttl_enabled},
            "writeCapacity": throughput.get("WriteCapacityUnits", 0),
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        for arguments in self._table_updates(old, new, changed):
            self.api.update_table(TableName=id, **arguments)
            self._wait(id)
        if "ttl" in changed:
            self._change_ttl(id, old.get("ttl") or {}, new.get("ttl") or {})
        if "pointInTimeRecovery" in changed:
            self._set_recovery(id, new["pointInTimeRecovery"])
        if "tags" in changed:
            added, removed = tag_changes(old.get("tags"), new.get("tags"))
            if added:
                self.api.tag_resource(ResourceArn=old["arn"], Tags=tag_list(added))
            if removed:
                self.api.untag_resource(ResourceArn=old["arn"], TagKeys=removed)

    def delete(self, id: str, known: Properties) -> None:
        self.api.delete_table(TableName=id)
        self.api.get_waiter("table_not_exists").wait(TableName=id, WaiterConfig={"Delay": 1, "MaxAttempts": 300})

    def unsure(self, new: Properties, changed: set[str]) -> set[str]:
        return {"streamArn", "streamLabel"} if changed & {"streamEnabled", "streamViewType"} else set()

    def _table_updates(self, old: Properties, new: Properties, changed: set[str]) -> Iterator[dict[str, Any]]:
        """The arguments of one UpdateTable after another: DynamoDB takes one kind of change at a time."""
        if changed & {"billingMode", "readCapacity", "writeCapacity"}:
            billing: dict[str, Any] = {"BillingMode": new["billingMode"]}
            if new["billingMode"] == "PROVISIONED":
                billing["ProvisionedThroughput"] = _throughput(new)
            yield billing
        if changed & {"streamEnabled", "streamViewType"}:
            if old.get("streamEnabled"):
                yield {"StreamSpecification": {"StreamEnabled": False}}
            if new.get("streamEnabled"):
                yield {"StreamSpecification": _stream(new)}
        if "serverSideEncryption" in changed:
            yield {"SSESpecification": _encryption(new.get("serverSideEncryption") or {"enabled": False})}
        if "tableClass" in changed:
            yield {"TableClass": new["tableClass"]}
        if "deletionProtectionEnabled" in changed:
            yield {"DeletionProtectionEnabled": new.get("deletionProtectionEnabled", False)}
        if "onDemandThroughput" in changed:
            unlimited = {"maxReadRequestUnits": -1, "maxWriteRequestUnits": -1}
            yield {"OnDemandThroughput": to_aws(unlimited | new.get("onDemandThroughput", {}))}
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
        self.api.update_time_to_live(
            TableName=id,
            TimeToLiveSpecification={"AttributeName": ttl["attributeName"], "Enabled": ttl["enabled"]},
        )

    def _set_recovery(self, id: str, recovery: Properties) -> None:
        names = {"enabled": "PointInTimeRecoveryEnabled", "recoveryPeriodInDays": "RecoveryPeriodInDays"}
        self.api.update_continuous_backups(TableName=id, PointInTimeRecoverySpecification=renamed(recovery, names))

    def _recovery(self, id: str) -> Properties:
        found = self.api.describe_continuous_backups(TableName=id)["ContinuousBackupsDescription"]
        recovery = found.get("PointInTimeRecoveryDescription", {})
        enabled = recovery.get("PointInTimeRecoveryStatus") == "ENABLED"
        return {"enabled": enabled} | renamed(
            recovery if enabled else {}, {"RecoveryPeriodInDays": "recoveryPeriodInDays"}
        )


class TableItem(Resource):
    token = "aws:dynamodb/tableItem:TableItem"
    service = "dynamodb"
    replaces = frozenset({"hashKey", "rangeKey", "tableName"})
    documents = frozenset({"item"})
    rules = {"item": json_document(), "tableName": text(NAME_PATTERN, 3, 1024, NAME_WHAT)}

    def check(self, inputs: Properties) -> Iterator[Failure]:
        if inputs["item"] == UNKNOWN:
            return
        item = json.loads(inputs["item"])
        for name, value in item.items():
            if not isinstance(value, dict) or len(value) != 1:
                yield "item", f'needs each value with its type, e.g. {{"{name}": {{"S": "text"}}}}'
                return
        for property in ("hashKey", "rangeKey"):
            key = inputs.get(property)
            if key not in (None, UNKNOWN) and key not in item:
                yield "item", f"has no value for the {property} {key!r}"

    def must_replace(self, old: Properties, new: Properties, changed: set[str]) -> set[str]:
        other_key = "item" in changed and (UNKNOWN in (old["item"], new["item"]) or _item_key(old) != _item_key(new))
        return (changed & self.replaces) | ({"item"} if other_key else set())

    def create(self, inputs: Properties) -> str:
        keys = [name for name in (inputs["hashKey"], inputs.get("rangeKey")) if name]
        self.api.put_item(
            TableName=inputs["tableName"],
            Item=json.loads(inputs["item"]),
            # An item that is there already isn't this program's.
            ConditionExpression="attribute_not_exists(#key)",
            ExpressionAttributeNames={"#key": inputs["hashKey"]},
        )
        values = [next(iter(value.values())) for value in _item_key(inputs).values()]
        return "|".join([inputs["tableName"], *keys, *map(str, values)])

    def read(self, id: str, known: Properties) -> Properties | None:
        key = _item_key(known)
        found = self.api.get_item(TableName=known["tableName"], Key=key, ConsistentRead=True).get("Item")
        if found is None:
            return None
        values = [str(next(iter(value.values()))) for value in key.values()]
        return {
            "hashKeyValue": values[0],
            "item": json.dumps(found),
            "rangeKeyValue": values[1] if len(values) > 1 else None,
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        self.api.put_item(TableName=new["tableName"], Item=json.loads(new["item"]))

    def delete(self, id: str, known: Properties) -> None:
        self.api.delete_item(TableName=known["tableName"], Key=_item_key(known))


def _check_attributes(inputs: Properties) -> Iterator[Failure]:
    """Attributes are declared for keys, all of them and nothing else."""
    indexes = [*inputs.get("globalSecondaryIndexes", []), *inputs.get("localSecondaryIndexes", [])]
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


def _item_key(properties: Properties) -> dict[str, Any]:
    item = json.loads(properties["item"])
    return {name: item[name] for name in (properties["hashKey"], properties.get("rangeKey")) if name}


def _attributes(inputs: Properties) -> list[dict[str, str]]:
    return [{"AttributeName": item["name"], "AttributeType": item["type"]} for item in inputs["attributes"]]


def _from_attributes(definitions: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{"name": item["AttributeName"], "type": item["AttributeType"]} for item in definitions]


def _key_schema(keys: Properties) -> list[dict[str, str]]:
    schema = [
        {"AttributeName": keys[name], "KeyType": kind}
        for name, kind in (("hashKey", "HASH"), ("rangeKey", "RANGE"))
        if keys.get(name)
    ]
    return schema + [
        {"AttributeName": key["attributeName"], "KeyType": key["keyType"]} for key in keys.get("keySchemas") or []
    ]


def _key(schema: list[dict[str, str]], kind: str) -> str | None:
    return next((key["AttributeName"] for key in schema if key["KeyType"] == kind), None)


def _throughput(properties: Properties) -> dict[str, int]:
    return {
        "ReadCapacityUnits": properties.get("readCapacity") or 1,
        "WriteCapacityUnits": properties.get("writeCapacity") or 1,
    }


def _projection(index: Properties) -> dict[str, Any]:
    return renamed(index, {"nonKeyAttributes": "NonKeyAttributes", "projectionType": "ProjectionType"})


def _global_index(index: Properties, billing_mode: str) -> dict[str, Any]:
    result: dict[str, Any] = {
        "IndexName": index["name"],
        "KeySchema": _key_schema(index),
        "Projection": _projection(index),
    }
    if billing_mode == "PROVISIONED":
        result["ProvisionedThroughput"] = _throughput(index)
    if index.get("onDemandThroughput"):
        result["OnDemandThroughput"] = to_aws(index["onDemandThroughput"])
    return result


def _from_index(index: dict[str, Any]) -> Properties:
    throughput = index.get("ProvisionedThroughput", {})
    described = {
        "hashKey": _key(index["KeySchema"], "HASH"),
        "name": index["IndexName"],
        "nonKeyAttributes": index["Projection"].get("NonKeyAttributes"),
        "projectionType": index["Projection"]["ProjectionType"],
        "rangeKey": _key(index["KeySchema"], "RANGE"),
        "readCapacity": throughput.get("ReadCapacityUnits"),
        "writeCapacity": throughput.get("WriteCapacityUnits"),
    }
    return {key: value for key, value in described.items() if value is not None}


def _index_updates(old: Properties, new: Properties) -> Iterator[dict[str, Any]]:
    """One UpdateTable per index that goes or comes. An index whose keys change goes and comes."""
    before = {index["name"]: index for index in old.get("globalSecondaryIndexes") or []}
    after = {index["name"]: index for index in new.get("globalSecondaryIndexes") or []}
    for name, index in before.items():
        if name not in after or not _same_index(index, after[name]):
            yield {"GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": name}}]}
    for name, index in after.items():
        wanted = _global_index(index, new["billingMode"])
        if name not in before or not _same_index(before[name], index):
            yield {
                "AttributeDefinitions": _attributes(new),
                "GlobalSecondaryIndexUpdates": [{"Create": wanted}],
            }
        elif "ProvisionedThroughput" in wanted and _throughput(before[name]) != wanted["ProvisionedThroughput"]:
            change = {"IndexName": name, "ProvisionedThroughput": wanted["ProvisionedThroughput"]}
            yield {"GlobalSecondaryIndexUpdates": [{"Update": change}]}


def _same_index(left: Properties, right: Properties) -> bool:
    return _key_schema(left) == _key_schema(right) and _projection(left) == _projection(right)


def _stream(inputs: Properties) -> dict[str, Any]:
    return {"StreamEnabled": True, "StreamViewType": inputs["streamViewType"]}


def _encryption(encryption: Properties) -> dict[str, Any]:
    if not encryption["enabled"]:
        return {"Enabled": False}
    key = {"KMSMasterKeyId": encryption["kmsKeyArn"]} if encryption.get("kmsKeyArn") else {}
    return {"Enabled": True, "SSEType": "KMS", **key}
