"""One key of your own for everything that a program keeps: tables, queues, topics, log groups, buckets, and the environments of functions.

    pulumi.runtime.register_stack_transformation(encryption.under("arn:aws:kms:…:key/…"))

registered before the components are made, reaches every resource of the program, and adds to each role what its other rights need of
the key. The key's own policy has to allow the services that use it by themselves: docs/security.md.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pulumi

from components import policy

Properties = dict[str, Any]

KEPT: Mapping[str, Callable[[str], Properties]] = {
    "aws:cloudwatch/logGroup:LogGroup": lambda key: {"kms_key_id": key},
    "aws:dynamodb/table:Table": lambda key: {"server_side_encryption": {"enabled": True, "kms_key_arn": key}},
    "aws:lambda/function:Function": lambda key: {"kms_key_arn": key},
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": lambda key: {
        "rules": [
            {"apply_server_side_encryption_by_default": {"sse_algorithm": "aws:kms", "kms_master_key_id": key}, "bucket_key_enabled": True}
        ]
    },
    "aws:sns/topic:Topic": lambda key: {"kms_master_key_id": key},
    "aws:sqs/queue:Queue": lambda key: {"kms_master_key_id": key, "sqs_managed_sse_enabled": None},
}
"""What says the key, by the type of what is kept."""

RIGHTS = "aws:iam/rolePolicy:RolePolicy"
FUNCTION = "scatter-gather:index:HandlerFunction"

READS = ("dynamodb:", "s3:GetObject", "sqs:ReceiveMessage")
WRITES = ("s3:PutObject", "sns:Publish", "sqs:SendMessage")
"""Actions, or how they begin. Whoever writes gets a data key, and checks it by decrypting it. DynamoDB decrypts the table's key in the
caller's name, whether that reads or writes (AWS's guides of the three services, "key management" and "encryption at rest")."""


def under(key_arn: str) -> pulumi.ResourceTransformation:
    def transform(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        if args.type_ in KEPT:
            return pulumi.ResourceTransformationResult({**args.props, **KEPT[args.type_](key_arn)}, args.opts)
        if args.type_ == RIGHTS:
            # A function's role decrypts its environment.
            runs = args.name.endswith("-runs") and _is_a_function(args.opts.parent)
            allowed = pulumi.Output.from_input(args.props["policy"]).apply(lambda document: _with_key(document, key_arn, runs=runs))
            return pulumi.ResourceTransformationResult({**args.props, "policy": allowed}, args.opts)
        return None

    return transform


def _is_a_function(parent: pulumi.Resource | None) -> bool:
    return parent is not None and parent.pulumi_resource_type == FUNCTION


def _with_key(document: str, key_arn: str, *, runs: bool) -> str:
    content = json.loads(document)
    actions = [action for statement in content["Statement"] for action in statement["Action"]]
    uses = _uses(actions, decrypts=runs)
    return json.dumps({**content, "Statement": [*content["Statement"], policy.allow(uses, key_arn)]}) if uses else document


def _uses(actions: Sequence[str], *, decrypts: bool) -> list[str]:
    """The actions on the key that these actions need."""
    writes = any(action.startswith(WRITES) for action in actions)
    decrypts = decrypts or writes or any(action.startswith(READS) for action in actions)
    return [*(["kms:Decrypt"] if decrypts else []), *(["kms:GenerateDataKey"] if writes else [])]
