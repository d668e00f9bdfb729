"""IAM policy documents: exact actions on exact resources."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from components.place import Place

Statement = dict[str, Any]

INFERENCE_PROFILES = ("us", "us-gov", "eu", "apac", "jp", "au", "ca", "global")
"""What the id of an inference profile begins with, before the id of its model."""

WITHOUT_RESOURCES = {
    "trace": ["xray:PutTraceSegments", "xray:PutTelemetryRecords"],
    "attach": ["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"],
    "sample": ["xray:GetSamplingRules", "xray:GetSamplingTargets"],
    "deliverLogs": [
        "logs:CreateLogDelivery",
        "logs:GetLogDelivery",
        "logs:UpdateLogDelivery",
        "logs:DeleteLogDelivery",
        "logs:ListLogDeliveries",
        "logs:PutResourcePolicy",
        "logs:DescribeResourcePolicies",
        "logs:DescribeLogGroups",
    ],
}
"""The only statements on "*": these actions know no resource (Service Authorization Reference: X-Ray, EC2, CloudWatch Logs),
and tracing, a function's network in a VPC and a workflow's logging need them."""


def allow(actions: Sequence[str], resources: Any, condition: Mapping[str, Any] | None = None) -> Statement:
    statement: Statement = {"Effect": "Allow", "Action": list(actions), "Resource": resources}
    return {**statement, "Condition": condition} if condition else statement


def allow_without_resource(purpose: str) -> Statement:
    """purpose: "trace", "attach", "sample" (which a state machine does itself, and Lambda for a function) or "deliverLogs"."""
    return allow(WITHOUT_RESOURCES[purpose], "*")


def invoke_model(what: str, model: str, here: Place) -> list[Statement]:
    """For a model of Bedrock, or an inference profile and by way of that, in whichever region it chooses, for its model. what: the setting,
    for messages."""
    bedrock = pulumi.Output.concat("arn:", here.partition, ":bedrock:", here.region)
    parts = model.split(".")
    if model.startswith("arn:") and "inference-profile/" not in model:
        return [allow(["bedrock:InvokeModel"], here.usable(what, model))]
    if not model.startswith("arn:") and parts[0] not in INFERENCE_PROFILES:
        return [allow(["bedrock:InvokeModel"], pulumi.Output.concat(bedrock, "::foundation-model/", model))]
    profile = here.usable(what, model) if model.startswith("arn:") else here.arn("bedrock", f"inference-profile/{model}")
    # The profile of an application says nothing of its model.
    behind = "*" if "application-inference-profile/" in model else model.rpartition("/")[2].partition(".")[2]
    return [
        allow(["bedrock:InvokeModel"], profile),
        allow(
            ["bedrock:InvokeModel"],
            pulumi.Output.concat("arn:", here.partition, ":bedrock:*::foundation-model/", behind),
            {"StringEquals": {"bedrock:InferenceProfileArn": profile}},
        ),
    ]


def attach(here: Place) -> list[Statement]:
    """What Lambda does in the name of a function whose network is in a VPC, and its code must not do. Lambda's documentation of VPCs asks
    for all network interfaces of the region, whose ids nobody knows before."""
    changes = [
        f"ec2:{verb}"
        for verb in ("CreateNetworkInterface", "DeleteNetworkInterface", "AssignPrivateIpAddresses", "UnassignPrivateIpAddresses")
    ]
    by_its_code = {"Null": {"lambda:SourceFunctionArn": "false"}}
    every = [*WITHOUT_RESOURCES["attach"], *changes]
    return [
        allow_without_resource("attach"),
        allow(changes, here.arn("ec2", "*/*")),
        {"Effect": "Deny", "Action": every, "Resource": "*", "Condition": by_its_code},
    ]


def deny_without_tls(actions: str, resource: Any) -> Statement:
    """For a resource's own policy: whoever it is, not in the clear. actions: all that the resource's service checks it for."""
    return {
        "Effect": "Deny",
        "Principal": "*",
        "Action": actions,
        "Resource": resource,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def allow_topic(queue_arn: Any, topic_arn: Any) -> Statement:
    """For a queue's own policy: this topic, and no other, may send to it."""
    return {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue_arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic_arn}},
    }


def consume(queue_arn: Any) -> Statement:
    """What an event source mapping does with a queue in the name of its function."""
    return allow(["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], queue_arn)


def document(statements: Sequence[Statement]) -> pulumi.Output[str]:
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": list(statements)})


def compact(value: Mapping[str, Any]) -> pulumi.Output[str]:
    """JSON as SQS and SNS hand it back, so that an unchanged attribute looks unchanged."""
    return pulumi.Output.json_dumps(value, separators=(",", ":"))


def trust(service: str, here: Place) -> pulumi.Output[str]:
    """Who may take the role: an AWS service, such as lambda.amazonaws.com, and only for what is in this account."""
    return document(
        [
            {
                "Effect": "Allow",
                "Principal": {"Service": service},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"aws:SourceAccount": here.account}},
            }
        ]
    )


def log_streams(log_group_arn: pulumi.Output[str]) -> pulumi.Output[str]:
    return log_group_arn.apply(lambda arn: f"{arn.removesuffix(':*')}:*")
