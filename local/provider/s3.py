"""Amazon S3: buckets and their settings."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from local.properties import Properties
from local.provider.errors import code
from local.provider.naming import Name
from local.provider.resource import Resource
from local.provider.rules import NOT_IMPLEMENTED, Rule, between, one_of, policy_document, text
from local.provider.schema import Failure
from local.provider.shapes import capitalised, tag_list, tag_map

BUCKET_NAME = r"(?!.*\.\.)(?!\d+\.\d+\.\d+\.\d+$)(?!xn--)[a-z0-9][a-z0-9.-]+[a-z0-9]"
BUCKET_WHAT = "must consist of lower-case letters, digits, - and ., and begin and end with a letter or digit"
BUCKET = {"bucket": text(BUCKET_NAME, 3, 63, BUCKET_WHAT)}


class Bucket(Resource):
    token = "aws:s3/bucket:Bucket"
    kind, key = "bucket", "Bucket"
    name = Name("bucket", 63, BUCKET_NAME, BUCKET_WHAT, shortest=3, lower_case=True)
    fields = {"bucket": "Bucket"}
    defaults = {"forceDestroy": False}
    replaces = frozenset({"bucket"})

    def arguments(self, inputs: Properties, names: Any = None) -> dict[str, Any]:
        # us-east-1 is where buckets go by default, and the one region that can't be named.
        elsewhere = self.aws.region != "us-east-1"
        place = {"CreateBucketConfiguration": {"LocationConstraint": self.aws.region}} if elsewhere else {}
        return super().arguments(inputs) | place

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
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """Only `forceDestroy` can change in place, and AWS doesn't know of it."""

    def read_tags(self, id: str, found: Properties) -> dict[str, str] | None:
        try:
            return tag_map(self.api.get_bucket_tagging(Bucket=id)["TagSet"])
        except ClientError as error:
            if code(error) == "NoSuchTagSet":
                return None
            raise

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
        super().delete(id, known)


class _BucketSetting(Resource):
    """One aspect of a bucket, as a resource of its own. The id is the bucket's name."""

    key = "Bucket"
    verbs = {"create": "put", "update": "put"}
    within: ClassVar[str] = ""
    """What its operations take the fields in."""
    others = frozenset({"bucket"})
    replaces = frozenset({"bucket"})
    rules: ClassVar[Mapping[str, Rule]] = BUCKET

    def arguments(self, inputs: Properties, names: Any = None) -> dict[str, Any]:
        setting = super().arguments(inputs)
        return {"Bucket": inputs["bucket"]} | ({self.within: setting} if self.within else setting)

    def read(self, id: str, known: Properties) -> Properties | None:
        answer = self.call("read", Bucket=id)
        return self.properties(answer.get(self.within, answer)) | {"bucket": id}


class BucketPolicy(_BucketSetting):
    token = "aws:s3/bucketPolicy:BucketPolicy"
    kind = "bucket_policy"
    fields = {"policy": "Policy"}
    policies = frozenset({"policy"})
    rules = BUCKET | {"policy": policy_document(20480)}


class BucketPublicAccessBlock(_BucketSetting):
    token = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
    kind, within = "public_access_block", "PublicAccessBlockConfiguration"
    fields = capitalised("blockPublicAcls blockPublicPolicy ignorePublicAcls restrictPublicBuckets")
    defaults = dict.fromkeys(fields, False)


class BucketServerSideEncryptionConfiguration(_BucketSetting):
    token = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    kind, within = "bucket_encryption", "ServerSideEncryptionConfiguration"
    fields = {"rules": "Rules"}
    spelled = {"kmsMasterKeyId": "KMSMasterKeyID", "sseAlgorithm": "SSEAlgorithm"}
    unordered = frozenset({"rules"})
    rules = BUCKET | {"rules[*].applyServerSideEncryptionByDefault.sseAlgorithm": one_of("AES256", "aws:kms", "aws:kms:dsse")}


class BucketLifecycleConfiguration(_BucketSetting):
    token = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    kind, within = "bucket_lifecycle_configuration", "LifecycleConfiguration"
    fields = {"rules": "Rules"}
    spelled = {"id": "ID"}
    required = frozenset({"rules"})
    rules = BUCKET | {
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
                yield f"rules[{index}].{name}", NOT_IMPLEMENTED
            if not rule.get("abortIncompleteMultipartUpload") and not rule.get("expiration"):
                yield f"rules[{index}]", "needs at least one of abortIncompleteMultipartUpload and expiration"

    def arguments(self, inputs: Properties, names: Any = None) -> dict[str, Any]:
        return super().arguments(inputs | {"rules": [{"filter": {"prefix": ""}} | rule for rule in inputs["rules"]]})

    def properties(self, found: Mapping[str, Any]) -> Properties:
        rules = [{key: value for key, value in rule.items() if value != {"Prefix": ""}} for rule in found["Rules"]]
        return super().properties({"Rules": rules})

    def delete(self, id: str, known: Properties) -> None:
        self.api.delete_bucket_lifecycle(Bucket=id)
