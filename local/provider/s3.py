"""Amazon S3: buckets, their settings and objects."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar
from urllib.parse import urlencode

from botocore.exceptions import ClientError

from local.properties import Properties
from local.provider.archives import asset_bytes
from local.provider.errors import code
from local.provider.naming import Name
from local.provider.resource import Resource
from local.provider.rules import Rule, arn, between, one_of, policy_document, text
from local.provider.schema import Failure
from local.provider.shapes import from_aws, renamed, tag_list, tag_map, to_aws

BUCKET_NAME = re.compile(r"(?!.*\.\.)(?!\d+\.\d+\.\d+\.\d+$)(?!xn--)[a-z0-9][a-z0-9.-]+[a-z0-9]")
BUCKET_WHAT = "must consist of lower-case letters, digits, - and ., and begin and end with a letter or digit"
BUCKET = text(BUCKET_NAME.pattern, 3, 63, BUCKET_WHAT)

# Route 53's zone for the buckets of a region; the genuine provider knows them by heart, too.
HOSTED_ZONES = {
    "eu-central-1": "Z21DNDUVLTQW6Q",
    "eu-west-1": "Z1BKCTXD74EZPE",
    "us-east-1": "Z3AQBSTGFJSTF",
    "us-east-2": "Z2O1EMRO9K5GLX",
    "us-west-2": "Z3BJ6K6RIION7M",
}


class Bucket(Resource):
    token = "aws:s3/bucket:Bucket"
    service = "s3"
    name = Name(
        "bucket",
        63,
        BUCKET_NAME.pattern,
        BUCKET_WHAT,
        prefix_property="bucketPrefix",
        shortest=3,
        shape=lambda name, inputs: name.lower(),
    )
    defaults = {"forceDestroy": False}
    replaces = frozenset({"bucket", "bucketPrefix", "objectLockEnabled"})
    kept = frozenset({"objectLockEnabled"})
    # Deprecated, all of them: each has become a resource of its own.
    missing = frozenset(
        {
            "accelerationStatus",
            "acl",
            "bucketNamespace",
            "corsRules",
            "grants",
            "lifecycleRules",
            "logging",
            "objectLockConfiguration",
            "policy",
            "replicationConfiguration",
            "requestPayer",
            "serverSideEncryptionConfiguration",
            "versioning",
            "website",
        }
    )

    def create(self, inputs: Properties) -> str:
        arguments: dict[str, Any] = renamed(inputs, {"objectLockEnabled": "ObjectLockEnabledForBucket"})
        if self.aws.region != "us-east-1":
            # us-east-1 is where buckets go by default, and the one region that can't be named.
            arguments["CreateBucketConfiguration"] = {"LocationConstraint": self.aws.region}
        self.api.create_bucket(Bucket=inputs["bucket"], **arguments)
        return inputs["bucket"]

    def settle(self, id: str, inputs: Properties) -> None:
        if inputs.get("tags"):
            self.api.put_bucket_tagging(Bucket=id, Tagging={"TagSet": tag_list(inputs["tags"])})

    def read(self, id: str, known: Properties) -> Properties | None:
        self.api.head_bucket(Bucket=id)
        region = self.aws.region
        return {
            "arn": f"arn:{self.aws.partition}:s3:::{id}",
            "bucket": id,
            "bucketDomainName": f"{id}.s3.amazonaws.com",
            "bucketRegion": region,
            "bucketRegionalDomainName": f"{id}.s3.{region}.amazonaws.com",
            "hostedZoneId": HOSTED_ZONES.get(region, ""),
            "objectLockEnabled": self._has_object_lock(id),
            "tags": self._tags(id),
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        if "tags" in changed and new.get("tags"):
            self.api.put_bucket_tagging(Bucket=id, Tagging={"TagSet": tag_list(new["tags"])})
        elif "tags" in changed:
            self.api.delete_bucket_tagging(Bucket=id)

    def delete(self, id: str, known: Properties) -> None:
        if known.get("forceDestroy"):
            _delete_versions(self.api, id)
        self.api.delete_bucket(Bucket=id)

    def _tags(self, id: str) -> dict[str, str] | None:
        try:
            return tag_map(self.api.get_bucket_tagging(Bucket=id)["TagSet"])
        except ClientError as error:
            if code(error) == "NoSuchTagSet":
                return None
            raise

    def _has_object_lock(self, id: str) -> bool:
        try:
            found = self.api.get_object_lock_configuration(Bucket=id)["ObjectLockConfiguration"]
        except ClientError as error:
            if code(error) == "ObjectLockConfigurationNotFoundError":
                return False
            raise
        return found.get("ObjectLockEnabled") == "Enabled"


class _BucketSetting(Resource):
    """One aspect of a bucket, as a resource of its own. The id is the bucket's name."""

    service = "s3"
    replaces = frozenset({"bucket"})

    def create(self, inputs: Properties) -> str:
        self.put(inputs["bucket"], inputs)
        return inputs["bucket"]

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        self.put(id, new)

    def put(self, bucket: str, inputs: Properties) -> None:
        raise NotImplementedError


class BucketPolicy(_BucketSetting):
    token = "aws:s3/bucketPolicy:BucketPolicy"
    policies = frozenset({"policy"})
    rules: ClassVar[Mapping[str, Rule]] = {"bucket": BUCKET, "policy": policy_document(20480)}

    def put(self, bucket: str, inputs: Properties) -> None:
        self.api.put_bucket_policy(Bucket=bucket, Policy=inputs["policy"])

    def read(self, id: str, known: Properties) -> Properties | None:
        return {"bucket": id, "policy": self.api.get_bucket_policy(Bucket=id)["Policy"]}

    def delete(self, id: str, known: Properties) -> None:
        self.api.delete_bucket_policy(Bucket=id)


class BucketPublicAccessBlock(_BucketSetting):
    token = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
    rules: ClassVar[Mapping[str, Rule]] = {"bucket": BUCKET}

    _NAMES = {
        "blockPublicAcls": "BlockPublicAcls",
        "blockPublicPolicy": "BlockPublicPolicy",
        "ignorePublicAcls": "IgnorePublicAcls",
        "restrictPublicBuckets": "RestrictPublicBuckets",
    }
    defaults = dict.fromkeys(_NAMES, False)

    def put(self, bucket: str, inputs: Properties) -> None:
        self.api.put_public_access_block(
            Bucket=bucket, PublicAccessBlockConfiguration=renamed(inputs, self._NAMES)
        )

    def read(self, id: str, known: Properties) -> Properties | None:
        found = self.api.get_public_access_block(Bucket=id)["PublicAccessBlockConfiguration"]
        return {"bucket": id} | {name: found.get(theirs, False) for name, theirs in self._NAMES.items()}

    def delete(self, id: str, known: Properties) -> None:
        if not known.get("skipDestroy"):
            self.api.delete_public_access_block(Bucket=id)


class BucketOwnershipControls(_BucketSetting):
    token = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
    rules: ClassVar[Mapping[str, Rule]] = {
        "bucket": BUCKET,
        "rule.objectOwnership": one_of("BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"),
    }

    def put(self, bucket: str, inputs: Properties) -> None:
        self.api.put_bucket_ownership_controls(
            Bucket=bucket, OwnershipControls={"Rules": [to_aws(inputs["rule"])]}
        )

    def read(self, id: str, known: Properties) -> Properties | None:
        found = self.api.get_bucket_ownership_controls(Bucket=id)["OwnershipControls"]["Rules"]
        return {"bucket": id, "rule": from_aws(found[0])}

    def delete(self, id: str, known: Properties) -> None:
        self.api.delete_bucket_ownership_controls(Bucket=id)


class BucketVersioning(_BucketSetting):
    token = "aws:s3/bucketVersioning:BucketVersioning"
    replaces = frozenset({"bucket", "expectedBucketOwner"})
    rules: ClassVar[Mapping[str, Rule]] = {
        "bucket": BUCKET,
        "versioningConfiguration.mfaDelete": one_of("Disabled", "Enabled"),
        "versioningConfiguration.status": one_of("Disabled", "Enabled", "Suspended"),
    }

    def put(self, bucket: str, inputs: Properties) -> None:
        wanted = inputs["versioningConfiguration"]
        # A bucket begins without versioning and can't go back there; "Disabled" just says that it is there still.
        if wanted["status"] != "Disabled":
            names = {"mfaDelete": "MFADelete", "status": "Status"}
            self.api.put_bucket_versioning(
                Bucket=bucket,
                VersioningConfiguration=renamed(wanted, names),
                **renamed(inputs, {"mfa": "MFA"}),
            )

    def must_replace(self, old: Properties, new: Properties, changed: set[str]) -> set[str]:
        wanted = new["versioningConfiguration"]
        back = isinstance(wanted, dict) and wanted.get("status") == "Disabled"
        return super().must_replace(old, new, changed) | ({"versioningConfiguration"} & changed if back else set())

    def read(self, id: str, known: Properties) -> Properties | None:
        found = self.api.get_bucket_versioning(Bucket=id)
        status = found.get("Status") or ("Disabled" if _wants_disabled(known) else None)
        if status is None:
            return None
        return {
            "bucket": id,
            "versioningConfiguration": {"status": status} | renamed(found, {"MFADelete": "mfaDelete"}),
        }

    def delete(self, id: str, known: Properties) -> None:
        if not _wants_disabled(known):
            self.api.put_bucket_versioning(Bucket=id, VersioningConfiguration={"Status": "Suspended"})


class BucketServerSideEncryptionConfiguration(_BucketSetting):
    token = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    replaces = frozenset({"bucket", "expectedBucketOwner"})
    unordered = frozenset({"rules"})
    rules: ClassVar[Mapping[str, Rule]] = {
        "bucket": BUCKET,
        "rules[*].applyServerSideEncryptionByDefault.sseAlgorithm": one_of("AES256", "aws:kms", "aws:kms:dsse"),
        "rules[*].blockedEncryptionTypes[*]": one_of("NONE", "SSE-C"),
    }

    def put(self, bucket: str, inputs: Properties) -> None:
        self.api.put_bucket_encryption(
            Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": list(map(self._rule, inputs["rules"]))}
        )

    def read(self, id: str, known: Properties) -> Properties | None:
        found = self.api.get_bucket_encryption(Bucket=id)["ServerSideEncryptionConfiguration"]["Rules"]
        return {"bucket": id, "rules": list(map(self._from_rule, found))}

    def delete(self, id: str, known: Properties) -> None:
        self.api.delete_bucket_encryption(Bucket=id)

    def _rule(self, rule: Properties) -> dict[str, Any]:
        result = renamed(rule, {"bucketKeyEnabled": "BucketKeyEnabled"})
        if by_default := rule.get("applyServerSideEncryptionByDefault"):
            names = {"kmsMasterKeyId": "KMSMasterKeyID", "sseAlgorithm": "SSEAlgorithm"}
            result["ApplyServerSideEncryptionByDefault"] = renamed(by_default, names)
        if blocked := rule.get("blockedEncryptionTypes"):
            result["BlockedEncryptionTypes"] = {"EncryptionType": blocked}
        return result

    def _from_rule(self, rule: dict[str, Any]) -> Properties:
        result = renamed(rule, {"BucketKeyEnabled": "bucketKeyEnabled"})
        if by_default := rule.get("ApplyServerSideEncryptionByDefault"):
            names = {"KMSMasterKeyID": "kmsMasterKeyId", "SSEAlgorithm": "sseAlgorithm"}
            result["applyServerSideEncryptionByDefault"] = renamed(by_default, names)
        if blocked := rule.get("BlockedEncryptionTypes", {}).get("EncryptionType"):
            result["blockedEncryptionTypes"] = blocked
        return result


class BucketLifecycleConfiguration(_BucketSetting):
    token = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    replaces = frozenset({"bucket", "expectedBucketOwner"})
    required = frozenset({"rules"})
    kept = frozenset({"transitionDefaultMinimumObjectSize"})
    rules: ClassVar[Mapping[str, Rule]] = {
        "bucket": BUCKET,
        "rules[*].expiration.days": between(1, float("inf")),
        "rules[*].id": text(shortest=1, longest=255),
        "rules[*].status": one_of("Disabled", "Enabled"),
        "transitionDefaultMinimumObjectSize": one_of("all_storage_classes_128K", "varies_by_storage_class"),
    }

    def check(self, inputs: Properties) -> Iterator[Failure]:
        actions = (
            "abortIncompleteMultipartUpload",
            "expiration",
            "noncurrentVersionExpiration",
            "noncurrentVersionTransitions",
            "transitions",
        )
        for index, rule in enumerate(inputs["rules"] if isinstance(inputs["rules"], list) else ()):
            if isinstance(rule, dict) and not any(rule.get(action) for action in actions):
                yield f"rules[{index}]", f"needs at least one of {', '.join(actions)}"

    def put(self, bucket: str, inputs: Properties) -> None:
        self.api.put_bucket_lifecycle_configuration(
            Bucket=bucket,
            LifecycleConfiguration={"Rules": list(map(self._rule, inputs["rules"]))},
            **renamed(inputs, {"transitionDefaultMinimumObjectSize": "TransitionDefaultMinimumObjectSize"}),
        )

    def read(self, id: str, known: Properties) -> Properties | None:
        found = self.api.get_bucket_lifecycle_configuration(Bucket=id)
        return {
            "bucket": id,
            "rules": list(map(self._from_rule, found["Rules"])),
            "transitionDefaultMinimumObjectSize": found.get(
                "TransitionDefaultMinimumObjectSize", "all_storage_classes_128K"
            ),
        }

    def delete(self, id: str, known: Properties) -> None:
        self.api.delete_bucket_lifecycle(Bucket=id)

    def _rule(self, rule: Properties) -> dict[str, Any]:
        result = to_aws({name: value for name, value in rule.items() if name not in ("filter", "id")})
        filter = to_aws(rule.get("filter") or {}, ("tags",))
        if "Tags" in filter.get("And", {}):
            filter["And"]["Tags"] = tag_list(filter["And"]["Tags"])
        if not filter and "Prefix" not in result:
            filter = {"Prefix": ""}
        return {"ID": rule["id"], **result, **({"Filter": filter} if filter else {})}

    def _from_rule(self, rule: dict[str, Any]) -> Properties:
        result: Properties = {"id": rule.get("ID", "")}
        result |= from_aws({name: value for name, value in rule.items() if name not in ("Filter", "ID")})
        for action in (result.get("expiration"), *result.get("transitions", [])):
            if action and "date" in action:
                action["date"] = action["date"].strftime("%Y-%m-%dT%H:%M:%SZ")
        filter = from_aws(rule.get("Filter") or {})
        if "tags" in filter.get("and", {}):
            filter["and"]["tags"] = {tag["key"]: tag["value"] for tag in filter["and"]["tags"]}
        if filter and filter != {"prefix": ""}:
            result["filter"] = filter
        return result


class BucketObjectv2(Resource):
    token = "aws:s3/bucketObjectv2:BucketObjectv2"
    service = "s3"
    name = Name("key", 1024, prefix_property=None, digits=0)
    defaults = {"forceDestroy": False}
    replaces = frozenset({"bucket", "key"})
    kept = frozenset(
        {"acl", "bucketKeyEnabled", "contentType", "etag", "kmsKeyId", "serverSideEncryption", "storageClass"}
    )
    volatile = frozenset({"etag", "versionId"})
    missing = frozenset({"objectLockLegalHoldStatus", "objectLockMode", "objectLockRetainUntilDate", "overrideProvider"})
    rules = {
        "bucket": BUCKET,
        "checksumAlgorithm": one_of("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"),
        "kmsKeyId": arn("kms"),
        "serverSideEncryption": one_of("AES256", "aws:fsx", "aws:kms", "aws:kms:dsse"),
    }

    _NAMES = {
        "bucketKeyEnabled": "BucketKeyEnabled",
        "cacheControl": "CacheControl",
        "contentDisposition": "ContentDisposition",
        "contentEncoding": "ContentEncoding",
        "contentLanguage": "ContentLanguage",
        "contentType": "ContentType",
        "kmsKeyId": "SSEKMSKeyId",
        "metadata": "Metadata",
        "serverSideEncryption": "ServerSideEncryption",
        "storageClass": "StorageClass",
        "websiteRedirect": "WebsiteRedirectLocation",
    }

    def check(self, inputs: Properties) -> Iterator[Failure]:
        given = [name for name in ("content", "contentBase64", "source") if name in inputs]
        if len(given) > 1:
            yield given[0], f"and {given[1]} exclude each other"

    def create(self, inputs: Properties) -> str:
        self._put(inputs)
        return f"{inputs['bucket']}/{inputs['key']}"

    def read(self, id: str, known: Properties) -> Properties | None:
        bucket, _, key = id.partition("/")
        found = self.api.head_object(Bucket=bucket, Key=key)
        tags = self.api.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
        return {
            **{name: found.get(theirs) or None for name, theirs in self._NAMES.items()},
            "arn": f"arn:{self.aws.partition}:s3:::{id}",
            "bucket": bucket,
            "bucketKeyEnabled": found.get("BucketKeyEnabled", False),
            "etag": found["ETag"].strip('"'),
            "key": key,
            "storageClass": found.get("StorageClass", "STANDARD"),
            "tags": tag_map(tags),
            "versionId": found.get("VersionId", ""),
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        if changed - {"forceDestroy", "tags"}:
            self._put(new)
        elif "tags" in changed:
            self.api.put_object_tagging(
                Bucket=new["bucket"], Key=new["key"], Tagging={"TagSet": tag_list(new.get("tags"))}
            )

    def delete(self, id: str, known: Properties) -> None:
        bucket, _, key = id.partition("/")
        _delete_versions(self.api, bucket, key)

    def unsure(self, new: Properties, changed: set[str]) -> set[str]:
        return set(self.volatile) if changed - {"forceDestroy", "tags"} else set()

    def _put(self, inputs: Properties) -> None:
        names = self._NAMES | {"acl": "ACL", "checksumAlgorithm": "ChecksumAlgorithm"}
        arguments = renamed(inputs, names)
        if inputs.get("tags"):
            arguments["Tagging"] = urlencode(inputs["tags"])
        self.api.put_object(Bucket=inputs["bucket"], Key=inputs["key"], Body=_body(inputs), **arguments)


def _body(inputs: Properties) -> bytes:
    if "source" in inputs:
        return asset_bytes(inputs["source"])
    if "contentBase64" in inputs:
        return base64.b64decode(inputs["contentBase64"])
    return inputs.get("content", "").encode()


def _delete_versions(api: Any, bucket: str, key: str | None = None) -> None:
    """Every version and delete marker, of one object or of all."""
    pages = api.get_paginator("list_object_versions").paginate(Bucket=bucket, **({"Prefix": key} if key else {}))
    for page in pages:
        found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        objects = [
            {"Key": entry["Key"], "VersionId": entry["VersionId"]}
            for entry in found
            if key is None or entry["Key"] == key
        ]
        if objects:
            api.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})


def _wants_disabled(properties: Properties) -> bool:
    return properties.get("versioningConfiguration", {}).get("status") == "Disabled"
