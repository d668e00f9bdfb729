"""The rules, apart from Pulumi's machinery: what each resource, and what the stack as a whole, has to be like.

A rule of a resource says in one sentence each what is wrong with its properties; a rule of the stack says it of a resource by its URN.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Properties = Mapping[str, Any]

ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
BUCKET = "aws:s3/bucket:Bucket"
BUCKET_BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
FUNCTION = "aws:lambda/function:Function"
INVOKE_CONFIG = "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
PERMISSION = "aws:lambda/permission:Permission"
POLICIES = ("aws:iam/policy:Policy", "aws:iam/rolePolicy:RolePolicy")
QUEUE = "aws:sqs/queue:Queue"
REDRIVE_ALLOW = "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy"
TABLE = "aws:dynamodb/table:Table"
TOPIC = "aws:sns/topic:Topic"

OWN_POLICIES = {
    BUCKET: ("aws:s3/bucketPolicy:BucketPolicy", "bucket"),
    QUEUE: ("aws:sqs/queuePolicy:QueuePolicy", "queueUrl"),
    TOPIC: ("aws:sns/topicPolicy:TopicPolicy", "arn"),
}
"""What gives a resource of the type its own policy, and the property that says to which."""

KNOW_NO_RESOURCE = frozenset(
    {
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "logs:CreateLogDelivery",
        "logs:DeleteLogDelivery",
        "logs:DescribeLogGroups",
        "logs:DescribeResourcePolicies",
        "logs:GetLogDelivery",
        "logs:ListLogDeliveries",
        "logs:PutResourcePolicy",
        "logs:UpdateLogDelivery",
        "xray:GetSamplingRules",
        "xray:GetSamplingTargets",
        "xray:PutTelemetryRecords",
        "xray:PutTraceSegments",
    }
)
"""Actions that can only be allowed on "*": Service Authorization Reference, CloudWatch Logs, EC2 and X-Ray."""


CALL_ASYNCHRONOUSLY = ("events.amazonaws.com", "s3.amazonaws.com", "ses.amazonaws.com", "sns.amazonaws.com")
"""Services that hand an event to a function and do not wait: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html"""


@dataclass(frozen=True)
class Resource:
    """uses: the URNs of the resources that a property is made of."""

    urn: str
    type: str
    properties: Properties
    uses: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class ResourceRule:
    name: str
    description: str
    types: Sequence[str]
    check: Callable[[Properties], Iterator[str]]
    is_mandatory: bool = True


@dataclass(frozen=True)
class StackRule:
    name: str
    description: str
    check: Callable[[Sequence[Resource]], Iterator[tuple[str, str]]]
    is_mandatory: bool = True


def _wildcards(properties: Properties) -> Iterator[str]:
    for statement in _statements(properties["policy"]):
        if statement["Effect"] != "Allow":
            continue
        actions, resources = _listed(statement["Action"]), _listed(statement["Resource"])
        yield from (f"allows {action}: name each action" for action in actions if "*" in action)
        if "*" in resources and not KNOW_NO_RESOURCE.issuperset(actions):
            yield f"allows {', '.join(sorted(set(actions) - KNOW_NO_RESOURCE))} on *: name the resources"


def _unencrypted_table(properties: Properties) -> Iterator[str]:
    if not (properties.get("serverSideEncryption") or {}).get("enabled"):
        yield "is not encrypted: set serverSideEncryption.enabled"


def _unencrypted_queue(properties: Properties) -> Iterator[str]:
    if not (properties.get("sqsManagedSseEnabled") or properties.get("kmsMasterKeyId")):
        yield "is not encrypted: set sqsManagedSseEnabled or kmsMasterKeyId"


def _unencrypted_topic(properties: Properties) -> Iterator[str]:
    if not properties.get("kmsMasterKeyId"):
        yield "is not encrypted: set kmsMasterKeyId"


def _endless_logs(properties: Properties) -> Iterator[str]:
    if not properties.get("retentionInDays"):
        yield "keeps its logs for ever: set retentionInDays"


def _silent_alarm(properties: Properties) -> Iterator[str]:
    if not properties.get("alarmActions"):
        yield "tells nobody: set alarms.topicArn or alarms.email"


def _in_the_clear(resources: Sequence[Resource]) -> Iterator[tuple[str, str]]:
    for type_, (policy, names) in OWN_POLICIES.items():
        closed = {
            urn
            for each in resources
            if each.type == policy and _refuses_the_clear(each.properties["policy"])
            for urn in each.uses.get(names, ())
        }
        yield from (
            (each.urn, "may be reached without TLS: deny aws:SecureTransport false in its policy")
            for each in resources
            if each.type == type_ and each.urn not in closed
        )


def _refuses_the_clear(document: Any) -> bool:
    return any(
        statement["Effect"] == "Deny"
        and statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
        and statement["Principal"] in ("*", {"AWS": "*"})
        for statement in _statements(document)
    )


def _without_dead_letters(resources: Sequence[Resource]) -> Iterator[tuple[str, str]]:
    for_dead_letters = {urn for each in resources if each.type == REDRIVE_ALLOW for urn in each.uses.get("queueUrl", ())}
    for each in resources:
        if each.type == QUEUE and not each.properties.get("redrivePolicy") and each.urn not in for_dead_letters:
            yield each.urn, "loses what cannot be dealt with: give it a dead-letter queue by redrivePolicy"


def _forgetful_functions(resources: Sequence[Resource]) -> Iterator[tuple[str, str]]:
    """Lambda gives up an event that a function failed on three times, and nobody else has it."""
    called = {
        urn
        for each in resources
        if each.type == INVOKE_CONFIG or (each.type == PERMISSION and each.properties.get("principal") in CALL_ASYNCHRONOUSLY)
        for name in ("function", "functionName")
        for urn in each.uses.get(name, ())
    }
    kept = {
        urn
        for each in resources
        if each.type == INVOKE_CONFIG and ((each.properties.get("destinationConfig") or {}).get("onFailure") or {}).get("destination")
        for urn in each.uses.get("functionName", ())
    }
    for each in resources:
        if each.type == FUNCTION and each.urn in called - kept and not (each.properties.get("deadLetterConfig") or {}).get("targetArn"):
            yield each.urn, "is called asynchronously and loses what it fails on: set deadLetterConfig, or a destination for failures"


def _public_buckets(resources: Sequence[Resource]) -> Iterator[tuple[str, str]]:
    wanted = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    closed = {
        urn
        for each in resources
        if each.type == BUCKET_BLOCK and all(each.properties.get(name) for name in wanted)
        for urn in each.uses.get("bucket", ())
    }
    yield from (
        (each.urn, f"may be made public: block it by a BucketPublicAccessBlock with {', '.join(wanted)}")
        for each in resources
        if each.type == BUCKET and each.urn not in closed
    )


RESOURCE_RULES = (
    ResourceRule("exact-rights", "Policies of roles name exact actions on exact resources.", POLICIES, _wildcards),
    ResourceRule("encrypted-table", "Tables are encrypted.", [TABLE], _unencrypted_table),
    ResourceRule("encrypted-queue", "Queues are encrypted.", [QUEUE], _unencrypted_queue),
    ResourceRule("encrypted-topic", "Topics are encrypted.", [TOPIC], _unencrypted_topic, is_mandatory=False),
    ResourceRule("logs-expire", "Logs are kept for a time that somebody chose.", [LOG_GROUP], _endless_logs),
    ResourceRule("alarms-are-heard", "Alarms reach somebody.", [ALARM], _silent_alarm, is_mandatory=False),
)
STACK_RULES = (
    StackRule("tls-only", "Queues, topics and buckets are reached over TLS only.", _in_the_clear),
    StackRule("dead-letters", "Each queue has a dead-letter queue behind it.", _without_dead_letters),
    StackRule("asynchronous-functions", "What a function that nobody waits for fails on is kept.", _forgetful_functions),
    StackRule("no-public-bucket", "No bucket can be made public.", _public_buckets),
)


def _statements(document: Any) -> list[Properties]:
    return (json.loads(document) if isinstance(document, str) else document)["Statement"]


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
