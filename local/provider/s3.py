"""Amazon S3: buckets and their settings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from local.properties import Properties
from local.provider.errors import code
from local.provider.naming import Name
from local.provider.resource import Resource
from local.provider.rules import Rule, between, one_of, policy_document, text
from local.provider.schema import Failure
from local.provider.shapes import capitalised, from_aws, renamed, tag_list, tag_map, to_aws

BUCKET_NAME = re.compile(r"(?!.*\.\.)(?!\d+\.\d+\.\d+\.\d+$)(?!xn--)[a-z0-9][a-z0-9.-]+[a-z0-9]")
BUCKET_WHAT = "must consist of lower-case letters, digits, - and ., and begin and end with a letter or digit"
BUCKET = text(BUCKET_NAME.pattern, 3, 63, BUCKET_WHAT)


class Bucket(Resource):
    token = "aws:s3/bucket:Bucket"
    service = "s3"
    name = Name("bucket", 63, BUCKET_NAME.pattern, BUCKET_WHAT, shortest=3, lower_case=True)
    defaults = {"forceDestroy": False}
    replaces = frozenset({"bucket"})

    def create(self, inputs: Properties) -> str:
        # us-east-1 is where buckets go by default, and the one region that can't be named.
        elsewhere = self.aws.region != "us-east-1"
        place = {"CreateBucketConfiguration": {"LocationConstraint": self.aws.region}} if elsewhere else {}
        self.api.create_bucket(Bucket=inputs["bucket"], **place)
        return inputs["bucket"]

    def settle(self, id: str, inputs: Properties) -> None:
        if inputs.get("tags"):
            self.change_tags(id, {}, inputs)

    def read(self, id: str, known: Properties) -> Properties | None:
        self.api.head_bucket(Bucket=id)
        return {
            "arn": f"arn:{self.aws.partition}:s3:::{id}",
            "bucket": id,
            "bucketDomainName": f"{id}.s3.amazonaws.com",
            "bucketRegion": self.aws.region,
            "bucketRegionalDomainName": f"{id}.s3.{self.aws.region}.amazonaws.com",
            "tags": self._tags(id),
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """Only `forceDestroy` can change in place, and AWS doesn't know of it."""

    def change_tags(self, id: str, old: Properties, new: Properties) -> None:
        if new.get("tags"):
            self.api.put_bucket_tagging(Bucket=id, Tagging={"TagSet": tag_list(new["tags"])})
        else:
            self.api.delete_bucket_tagging(Bucket=id)

    def delete(self, id: str, known: Properties) -> None:
        if known.get("forceDestroy"):
            for page in self.api.get_paginator("list_object_versions").paginate(Bucket=id):
                found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
                objects = [{"Key": entry["Key"], "VersionId": entry["VersionId"]} for entry in found]
                if objects:
                    self.api.delete_objects(Bucket=id, Delete={"Objects": objects, "Quiet": True})
        self.api.delete_bucket(Bucket=id)

    def _tags(self, id: str) -> dict[str, str] | None:
        try:
            return tag_map(self.api.get_bucket_tagging(Bucket=id)["TagSet"])
        except ClientError as error:
            if code(error) == "NoSuchTagSet":
                return None
            raise


class _BucketSetting(Resource):
    """One aspect of a bucket, as a resource of its own. The id is the bucket's name."""

    service = "s3"
    others = frozenset({"policy", "rules"})
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
    deletion = ("delete_bucket_policy", "Bucket")
    rules: ClassVar[Mapping[str, Rule]] = {"bucket": BUCKET, "policy": policy_document(20480)}

    def put(self, bucket: str, inputs: Properties) -> None:
        self.api.put_bucket_policy(Bucket=bucket, Policy=inputs["policy"])

    def read(self, id: str, known: Properties) -> Properties | None:
        return {"bucket": id, "policy": self.api.get_bucket_policy(Bucket=id)["Policy"]}


class BucketPublicAccessBlock(_BucketSetting):
    token = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
    fields = capitalised("blockPublicAcls blockPublicPolicy ignorePublicAcls restrictPublicBuckets")
    defaults = dict.fromkeys(fields, False)
    deletion = ("delete_public_access_block", "Bucket")
    rules: ClassVar[Mapping[str, Rule]] = {"bucket": BUCKET}

    def put(self, bucket: str, inputs: Properties) -> None:
        self.api.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=self.arguments(inputs))

    def read(self, id: str, known: Properties) -> Properties | None:
        return self.properties(self.api.get_public_access_block(Bucket=id)["PublicAccessBlockConfiguration"]) | {"bucket": id}


class BucketServerSideEncryptionConfiguration(_BucketSetting):
    token = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    unordered = frozenset({"rules"})
    deletion = ("delete_bucket_encryption", "Bucket")
    rules: ClassVar[Mapping[str, Rule]] = {
        "bucket": BUCKET,
        "rules[*].applyServerSideEncryptionByDefault.sseAlgorithm": one_of("AES256", "aws:kms", "aws:kms:dsse"),
    }

    _BY_DEFAULT = {"kmsMasterKeyId": "KMSMasterKeyID", "sseAlgorithm": "SSEAlgorithm"}

    def put(self, bucket: str, inputs: Properties) -> None:
        self.api.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": list(map(self._rule, inputs["rules"]))})

    def read(self, id: str, known: Properties) -> Properties | None:
        found = self.api.get_bucket_encryption(Bucket=id)["ServerSideEncryptionConfiguration"]["Rules"]
        return {"bucket": id, "rules": list(map(self._from_rule, found))}

    def _rule(self, rule: Properties) -> dict[str, Any]:
        by_default = renamed(rule.get("applyServerSideEncryptionByDefault") or {}, self._BY_DEFAULT)
        return renamed(rule, {"bucketKeyEnabled": "BucketKeyEnabled"}) | {"ApplyServerSideEncryptionByDefault": by_default}

    def _from_rule(self, rule: dict[str, Any]) -> Properties:
        back = {theirs: ours for ours, theirs in self._BY_DEFAULT.items()}
        by_default = renamed(rule.get("ApplyServerSideEncryptionByDefault") or {}, back)
        return renamed(rule, {"BucketKeyEnabled": "bucketKeyEnabled"}) | {"applyServerSideEncryptionByDefault": by_default}


class BucketLifecycleConfiguration(_BucketSetting):
    token = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    required = frozenset({"rules"})
    deletion = ("delete_bucket_lifecycle", "Bucket")
    rules: ClassVar[Mapping[str, Rule]] = {
        "bucket": BUCKET,
        "rules[*].expiration.days": between(1, float("inf")),
        "rules[*].id": text(shortest=1, longest=255),
        "rules[*].status": one_of("Disabled", "Enabled"),
    }

    _ALLOWED = frozenset({"abortIncompleteMultipartUpload", "expiration", "filter", "id", "status"})

    def check(self, inputs: Properties) -> Iterator[Failure]:
        for index, rule in enumerate(inputs["rules"] if isinstance(inputs["rules"], list) else ()):
            if not isinstance(rule, dict):
                continue  # it isn't known yet
            for name in sorted(rule.keys() - self._ALLOWED):
                yield f"rules[{index}].{name}", "isn't implemented by the local provider"
            if not rule.get("abortIncompleteMultipartUpload") and not rule.get("expiration"):
                yield f"rules[{index}]", "needs at least one of abortIncompleteMultipartUpload and expiration"

    def put(self, bucket: str, inputs: Properties) -> None:
        rules = list(map(self._rule, inputs["rules"]))
        self.api.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})

    def read(self, id: str, known: Properties) -> Properties | None:
        found = self.api.get_bucket_lifecycle_configuration(Bucket=id)
        return {"bucket": id, "rules": list(map(self._from_rule, found["Rules"]))}

    def _rule(self, rule: Properties) -> dict[str, Any]:
        result = to_aws({name: value for name, value in rule.items() if name != "id"})
        return {"Filter": {"Prefix": ""}, **{name: value for name, value in result.items() if value}, "ID": rule["id"]}

    def _from_rule(self, rule: dict[str, Any]) -> Properties:
        result = from_aws({name: value for name, value in rule.items() if name != "ID"})
        if result.get("filter") == {"prefix": ""}:
            del result["filter"]
        return {"id": rule.get("ID", ""), **result}
