"""AWS Key Management Service: keys and their aliases."""

from __future__ import annotations

from local.properties import Properties
from local.provider.naming import Name
from local.provider.resource import Resource
from local.provider.rules import between, one_of, policy_document, text
from local.provider.shapes import renamed, tag_changes, tag_map

ALIAS_PREFIX = "alias/"


class Key(Resource):
    token = "aws:kms/key:Key"
    service = "kms"
    defaults = {
        "bypassPolicyLockoutSafetyCheck": False,
        "customerMasterKeySpec": "SYMMETRIC_DEFAULT",
        "isEnabled": True,
        "keyUsage": "ENCRYPT_DECRYPT",
    }
    replaces = frozenset({"customKeyStoreId", "customerMasterKeySpec", "keyUsage", "multiRegion", "xksKeyId"})
    kept = frozenset({"description", "multiRegion", "policy", "rotationPeriodInDays"})
    policies = frozenset({"policy"})
    rules = {
        "deletionWindowInDays": between(7, 30),
        "description": text(longest=8192),
        "keyUsage": one_of("ENCRYPT_DECRYPT", "SIGN_VERIFY", "GENERATE_VERIFY_MAC", "KEY_AGREEMENT"),
        "policy": policy_document(32768),
        "rotationPeriodInDays": between(90, 2560),
    }

    def create(self, inputs: Properties) -> str:
        names = {
            "bypassPolicyLockoutSafetyCheck": "BypassPolicyLockoutSafetyCheck",
            "customerMasterKeySpec": "KeySpec",
            "description": "Description",
            "keyUsage": "KeyUsage",
            "multiRegion": "MultiRegion",
            "policy": "Policy",
        }
        answer = self.api.create_key(**renamed(inputs, names), Tags=_tag_list(inputs.get("tags")))
        return answer["KeyMetadata"]["KeyId"]

    def settle(self, id: str, inputs: Properties) -> None:
        if inputs.get("enableKeyRotation"):
            self._set_rotation(id, inputs)
        if not inputs["isEnabled"]:
            self.api.disable_key(KeyId=id)

    def read(self, id: str, known: Properties) -> Properties | None:
        found = self.api.describe_key(KeyId=id)["KeyMetadata"]
        if found["KeyState"] in ("PendingDeletion", "PendingReplicaDeletion"):
            return None
        symmetric = found["KeySpec"] == "SYMMETRIC_DEFAULT"
        rotation = self.api.get_key_rotation_status(KeyId=id) if symmetric else {}
        rotated = rotation.get("KeyRotationEnabled", False)
        return {
            "arn": found["Arn"],
            "customerMasterKeySpec": found["KeySpec"],
            "description": found.get("Description", ""),
            "enableKeyRotation": rotated,
            "isEnabled": found["Enabled"],
            "keyId": found["KeyId"],
            "keyUsage": found["KeyUsage"],
            "multiRegion": found.get("MultiRegion", False),
            "policy": self.api.get_key_policy(KeyId=id, PolicyName="default")["Policy"],
            "rotationPeriodInDays": rotation.get("RotationPeriodInDays", 365) if rotated else None,
            "tags": tag_map(self.api.list_resource_tags(KeyId=id)["Tags"]),
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        if "isEnabled" in changed and new["isEnabled"]:
            # A disabled key can't be changed.
            self.api.enable_key(KeyId=id)
        if changed & {"enableKeyRotation", "rotationPeriodInDays"}:
            self._set_rotation(id, new)
        if "description" in changed:
            self.api.update_key_description(KeyId=id, Description=new.get("description", ""))
        if "policy" in changed:
            self.api.put_key_policy(
                KeyId=id,
                PolicyName="default",
                Policy=new["policy"],
                BypassPolicyLockoutSafetyCheck=new["bypassPolicyLockoutSafetyCheck"],
            )
        if "tags" in changed:
            added, removed = tag_changes(old.get("tags"), new.get("tags"))
            if added:
                self.api.tag_resource(KeyId=id, Tags=_tag_list(added))
            if removed:
                self.api.untag_resource(KeyId=id, TagKeys=removed)
        if "isEnabled" in changed and not new["isEnabled"]:
            self.api.disable_key(KeyId=id)

    def delete(self, id: str, known: Properties) -> None:
        if self.api.describe_key(KeyId=id)["KeyMetadata"]["KeyState"] != "PendingDeletion":
            self.api.schedule_key_deletion(KeyId=id, PendingWindowInDays=known.get("deletionWindowInDays", 30))

    def _set_rotation(self, id: str, inputs: Properties) -> None:
        if inputs.get("enableKeyRotation"):
            self.api.enable_key_rotation(KeyId=id, **renamed(inputs, {"rotationPeriodInDays": "RotationPeriodInDays"}))
        else:
            self.api.disable_key_rotation(KeyId=id)


class Alias(Resource):
    token = "aws:kms/alias:Alias"
    service = "kms"
    name = Name(
        "name",
        256,
        r"alias/(?!aws/)[a-zA-Z0-9/_-]+",
        "must begin with alias/, not with alias/aws/, and consist of letters, digits, /, - and _",
        shape=lambda name, inputs: name if name.startswith(ALIAS_PREFIX) else ALIAS_PREFIX + name,
    )
    replaces = frozenset({"name", "namePrefix"})

    def create(self, inputs: Properties) -> str:
        self.api.create_alias(AliasName=inputs["name"], TargetKeyId=inputs["targetKeyId"])
        return inputs["name"]

    def read(self, id: str, known: Properties) -> Properties | None:
        pages = self.api.get_paginator("list_aliases").paginate()
        found = next((alias for page in pages for alias in page["Aliases"] if alias["AliasName"] == id), None)
        if found is None:
            return None
        # The key may be given by its id or its ARN; KMS always answers with the id.
        known_key = known.get("targetKeyId", "")
        return {
            "arn": found["AliasArn"],
            "name": id,
            "targetKeyArn": self.aws.arn("kms", f"key/{found['TargetKeyId']}"),
            "targetKeyId": known_key if known_key.endswith(found["TargetKeyId"]) else found["TargetKeyId"],
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        self.api.update_alias(AliasName=id, TargetKeyId=new["targetKeyId"])

    def delete(self, id: str, known: Properties) -> None:
        self.api.delete_alias(AliasName=id)

    def unsure(self, new: Properties, changed: set[str]) -> set[str]:
        return {"targetKeyArn"} if "targetKeyId" in changed else set()


def _tag_list(tags: dict[str, str] | None) -> list[dict[str, str]]:
    return [{"TagKey": key, "TagValue": value} for key, value in (tags or {}).items()]
