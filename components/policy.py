"""IAM policy documents: exact actions on exact resources."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

Statement = dict[str, Any]

WITHOUT_RESOURCES = {
    "trace": ["xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets"],
    "deliverLogs": [
        "logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery",
        "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups",
    ],
}
"""The only statements on "*": these actions know no resource (Service Authorization Reference: X-Ray, CloudWatch Logs), and
tracing and a workflow's logging need them."""


def allow(actions: Sequence[str], resources: Any, condition: Mapping[str, Any] | None = None) -> Statement:
    statement: Statement = {"Effect": "Allow", "Action": list(actions), "Resource": resources}
    return {**statement, "Condition": condition} if condition else statement


def allow_without_resource(purpose: str) -> Statement:
    """purpose: "trace" or "deliverLogs"."""
    return allow(WITHOUT_RESOURCES[purpose], "*")


def deny_without_tls(actions: str, resource: Any) -> Statement:
    """For a resource's own policy: whoever it is, not in the clear. actions: all that the resource's service checks it for."""
    return {"Effect": "Deny", "Principal": "*", "Action": actions, "Resource": resource,
            "Condition": {"Bool": {"aws:SecureTransport": "false"}}}


def allow_topic(queue_arn: Any, topic_arn: Any) -> Statement:
    """For a queue's own policy: this topic, and no other, may send to it."""
    return {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": queue_arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic_arn}}}


def consume(queue_arn: Any) -> Statement:
    """What an event source mapping does with a queue in the name of its function."""
    return allow(["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], queue_arn)


def document(statements: Sequence[Statement]) -> pulumi.Output[str]:
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": list(statements)})


def compact(value: Mapping[str, Any]) -> pulumi.Output[str]:
    """JSON as SQS and SNS hand it back, so that an unchanged attribute looks unchanged."""
    return pulumi.Output.json_dumps(value, separators=(",", ":"))


def trust(service: str) -> pulumi.Output[str]:
    """Who may take the role: an AWS service, such as lambda.amazonaws.com."""
    return document([{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}])


def log_streams(log_group_arn: pulumi.Output[str]) -> pulumi.Output[str]:
    return log_group_arn.apply(lambda arn: f"{arn.removesuffix(':*')}:*")
