"""What the tests of the local provider share: a caller with plain values, and one example of every resource type."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pulumi.runtime.proto import provider_pb2

from local.properties import ARCHIVE, ASSET, SIGNATURE, Properties, from_struct, to_struct

SEED = b"0123456789abcdef0123456789abcdef"
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
)


def allow(action: str, resource: str, principal: str | None = None) -> str:
    """A policy of one statement."""
    statement: dict[str, Any] = {"Effect": "Allow", "Action": [action], "Resource": resource}
    if principal:
        statement["Principal"] = {"Service": principal}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def archive(source: str) -> Properties:
    """An archive with one module, as an engine sends it."""
    return {SIGNATURE: ARCHIVE, "hash": f"of {source}", "assets": {"index.py": asset(source)}}


def asset(text: str) -> Properties:
    return {SIGNATURE: ASSET, "hash": f"of {text}", "text": text}


@dataclass
class Made:
    """A resource that exists, or existed."""

    token: str
    id: str
    inputs: Properties
    outputs: Properties


class Caller:
    """Calls a provider, in process or through a gRPC stub, as an engine does."""

    def __init__(self, provider: Any) -> None:
        self.provider = provider

    def configure(self, **config: Any) -> None:
        texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
        self._call("Configure", provider_pb2.ConfigureRequest(args=to_struct(texts)))

    def check_response(
        self, token: str, news: Properties, olds: Properties | None = None, name: str = "thing", **more: Any
    ) -> provider_pb2.CheckResponse:
        fields: dict[str, Any] = {"news": to_struct(news), "olds": to_struct(olds or {}), "randomSeed": SEED}
        return self._call("Check", provider_pb2.CheckRequest(urn=urn(token, name), **(fields | more)))

    def check(self, token: str, news: Properties, olds: Properties | None = None, **more: Any) -> Properties:
        """The inputs as the provider completes them; AssertionError if it refuses any."""
        response = self.check_response(token, news, olds, **more)
        assert not response.failures, failures(response)
        return from_struct(response.inputs)

    def refused(self, token: str, news: Properties) -> dict[str, str]:
        """{property path: reason} of everything that the provider refuses."""
        return failures(self.check_response(token, news))

    def create(self, token: str, news: Properties, name: str = "thing") -> Made:
        inputs = self.check(token, news, name=name)
        response = self._call("Create", provider_pb2.CreateRequest(urn=urn(token, name), properties=to_struct(inputs)))
        return Made(token, response.id, inputs, from_struct(response.properties))

    def preview_create(self, token: str, news: Properties) -> Properties:
        request = provider_pb2.CreateRequest(urn=urn(token, "thing"), properties=to_struct(self.check(token, news)), preview=True)
        return from_struct(self._call("Create", request).properties)

    def diff(self, old: Made, news: Properties) -> provider_pb2.DiffResponse:
        request = provider_pb2.DiffRequest(
            id=old.id,
            urn=urn(old.token, "thing"),
            olds=to_struct(old.outputs),
            old_inputs=to_struct(old.inputs),
            news=to_struct(self.check(old.token, news, old.inputs)),
        )
        return self._call("Diff", request)

    def update(self, old: Made, news: Properties, *, preview: bool = False) -> Made:
        inputs = self.check(old.token, news, old.inputs)
        request = provider_pb2.UpdateRequest(
            id=old.id,
            urn=urn(old.token, "thing"),
            olds=to_struct(old.outputs),
            old_inputs=to_struct(old.inputs),
            news=to_struct(inputs),
            preview=preview,
        )
        return Made(old.token, old.id, inputs, from_struct(self._call("Update", request).properties))

    def read(self, old: Made) -> Made | None:
        request = provider_pb2.ReadRequest(
            id=old.id, urn=urn(old.token, "thing"), properties=to_struct(old.outputs), inputs=to_struct(old.inputs)
        )
        response = self._call("Read", request)
        if not response.id:
            return None
        return Made(old.token, response.id, from_struct(response.inputs), from_struct(response.properties))

    def delete(self, old: Made) -> None:
        request = provider_pb2.DeleteRequest(
            id=old.id, urn=urn(old.token, "thing"), properties=to_struct(old.outputs), old_inputs=to_struct(old.inputs)
        )
        self._call("Delete", request)

    def invoke(self, token: str, args: Properties | None = None) -> Properties:
        request = provider_pb2.InvokeRequest(tok=token, args=to_struct(args or {}))
        return from_struct(getattr(self._call("Invoke", request), "return"))

    def _call(self, method: str, request: Any) -> Any:
        return getattr(self.provider, method)(request, None)


def urn(token: str, name: str) -> str:
    return f"urn:pulumi:test::project::{token}::{name}"


def failures(response: provider_pb2.CheckResponse) -> dict[str, str]:
    return {failure.property: failure.reason for failure in response.failures}


class World:
    """What the examples refer to. Here it is made up; on the emulator it exists."""

    account = "111122223333"

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:us-east-1:{self.account}:{resource}"

    @property
    def role(self) -> str:
        return f"arn:aws:iam::{self.account}:role/role"

    @property
    def function(self) -> str:
        return self.arn("lambda", "function:function")

    @property
    def queue_url(self) -> str:
        return f"http://127.0.0.1:1/{self.account}/queue"

    @property
    def queue(self) -> str:
        return self.arn("sqs", "queue")

    @property
    def other_queue(self) -> str:
        return self.arn("sqs", "other")

    @property
    def topic(self) -> str:
        return self.arn("sns", "topic")

    @property
    def bucket(self) -> str:
        return f"bucket-{self.account}"

    @property
    def policy(self) -> str:
        return f"arn:aws:iam::{self.account}:policy/policy"

    @property
    def api(self) -> str:
        return "a1b2c3d4"


@dataclass(frozen=True)
class Case:
    """One resource type: how it is made, what can change in place, and what can't."""

    token: str
    inputs: Callable[[World], Properties]
    change: Callable[[World], Properties] | None = None
    """Laid over the inputs; None takes a property away."""
    replace: Mapping[str, Any] = field(default_factory=dict)
    """{a property that forces a replacement: its other value}."""
    stays: bool = False
    """AWS has no way of removing it: deleting brings the default back."""

    def changed(self, world: World) -> Properties:
        assert self.change
        merged = self.inputs(world) | self.change(world)
        return {key: value for key, value in merged.items() if value is not None}


FUNCTION = {"handler": "index.handler", "runtime": "python3.12"}
METRIC = {"metricName": "Errors", "namespace": "AWS/Lambda", "period": 60, "stat": "Sum"}
ALARM = {
    "comparisonOperator": "GreaterThanThreshold",
    "evaluationPeriods": 1,
    "metricQueries": [{"id": "errors", "metric": METRIC | {"dimensions": {"FunctionName": "quote"}}, "returnData": True}],
    "threshold": 0,
}
DEFINITION = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}})
OTHER_DEFINITION = json.dumps({"StartAt": "B", "States": {"B": {"Type": "Succeed"}}})


def redrive(queue: str, count: int) -> str:
    return json.dumps({"deadLetterTargetArn": queue, "maxReceiveCount": count})


CASES = [
    Case(
        "aws:apigatewayv2/api:Api",
        lambda w: {"protocolType": "HTTP", "corsConfiguration": {"allowOrigins": ["*"]}, "tags": {"a": "b"}},
        lambda w: {"description": "quotes", "corsConfiguration": None, "tags": {"a": "c"}},
    ),
    Case(
        "aws:apigatewayv2/authorizer:Authorizer",
        lambda w: {
            "apiId": w.api,
            "authorizerType": "JWT",
            "identitySources": ["$request.header.Authorization"],
            "jwtConfiguration": {"audiences": ["a"], "issuer": "https://issuer.example"},
        },
        lambda w: {"jwtConfiguration": {"audiences": ["b"], "issuer": "https://issuer.example"}},
        {"apiId": "ffffffff"},
    ),
    Case(
        "aws:apigatewayv2/integration:Integration",
        lambda w: {"apiId": w.api, "integrationType": "AWS_PROXY", "integrationUri": w.function},
        lambda w: {"payloadFormatVersion": "2.0", "timeoutMilliseconds": 5000},
        {"integrationType": "HTTP_PROXY"},
    ),
    Case(
        "aws:apigatewayv2/route:Route",
        lambda w: {"apiId": w.api, "routeKey": "GET /quotes"},
        lambda w: {"authorizationType": "AWS_IAM"},
        {"apiId": "ffffffff"},
    ),
    Case(
        "aws:apigatewayv2/stage:Stage",
        lambda w: {
            "apiId": w.api,
            "autoDeploy": True,
            "defaultRouteSettings": {"throttlingBurstLimit": 10, "throttlingRateLimit": 2.5},
            "name": "$default",
        },
        lambda w: {"defaultRouteSettings": {"throttlingBurstLimit": 20, "throttlingRateLimit": 5.5}, "tags": {"a": "b"}},
        {"name": "other"},
    ),
    Case(
        "aws:cloudwatch/dashboard:Dashboard",
        lambda w: {"dashboardBody": json.dumps({"widgets": []}), "dashboardName": "quotes"},
        lambda w: {"dashboardBody": json.dumps({"start": "-PT1H", "widgets": []})},
        {"dashboardName": "other"},
    ),
    Case(
        "aws:cloudwatch/eventBus:EventBus",
        lambda w: {},
        lambda w: {"tags": {"a": "b"}},
        {"name": "other"},
    ),
    Case(
        "aws:cloudwatch/logGroup:LogGroup",
        lambda w: {"retentionInDays": 7, "tags": {"a": "b"}},
        lambda w: {"retentionInDays": None, "tags": {"c": "d"}},
        {"name": "other"},
    ),
    Case(
        "aws:cloudwatch/metricAlarm:MetricAlarm",
        lambda w: ALARM | {"tags": {"a": "b"}},
        lambda w: {"threshold": 1.5, "treatMissingData": "notBreaching", "tags": None},
        {"name": "other"},
    ),
    Case(
        "aws:dynamodb/table:Table",
        lambda w: {
            "attributes": [{"name": "id", "type": "S"}],
            "billingMode": "PAY_PER_REQUEST",
            "hashKey": "id",
            "pointInTimeRecovery": {"enabled": True},
            "serverSideEncryption": {"enabled": True},
            "tags": {"a": "b"},
            "ttl": {"attributeName": "expires", "enabled": True},
        },
        lambda w: {
            "attributes": [{"name": "id", "type": "S"}, {"name": "owner", "type": "S"}],
            "globalSecondaryIndexes": [{"hashKey": "owner", "name": "owners", "projectionType": "ALL"}],
            "ttl": None,
        },
        {"hashKey": "key", "attributes": [{"name": "key", "type": "S"}]},
    ),
    Case(
        "aws:iam/policy:Policy",
        lambda w: {"policy": allow("sqs:SendMessage", w.queue)},
        lambda w: {"policy": allow("sqs:ReceiveMessage", w.queue), "tags": {"a": "b"}},
        {"name": "other"},
    ),
    Case(
        "aws:iam/role:Role",
        lambda w: {"assumeRolePolicy": TRUST, "tags": {"a": "b"}},
        lambda w: {"assumeRolePolicy": TRUST.replace("lambda", "states"), "tags": None},
        {"name": "other"},
    ),
    Case(
        "aws:iam/rolePolicy:RolePolicy",
        lambda w: {"policy": allow("sqs:SendMessage", w.queue), "role": w.role.rpartition("/")[2]},
        lambda w: {"policy": allow("sqs:ReceiveMessage", w.queue)},
        {"name": "other"},
    ),
    Case(
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        lambda w: {"policyArn": w.policy, "role": w.role.rpartition("/")[2]},
        replace={"role": "other"},
    ),
    Case(
        "aws:lambda/eventSourceMapping:EventSourceMapping",
        lambda w: {
            "batchSize": 5,
            "eventSourceArn": w.queue,
            "functionName": w.function,
            "functionResponseTypes": ["ReportBatchItemFailures"],
            "scalingConfig": {"maximumConcurrency": 2},
        },
        lambda w: {"batchSize": 10, "functionResponseTypes": None, "scalingConfig": None},
        {"eventSourceArn": "arn:aws:sqs:us-east-1:111122223333:another"},
    ),
    Case(
        "aws:lambda/function:Function",
        lambda w: (
            FUNCTION
            | {
                "code": archive("def handler(event, context): return 1"),
                "environment": {"variables": {"CURRENCY": "EUR"}},
                "role": w.role,
                "tags": {"a": "b"},
                "tracingConfig": {"mode": "Active"},
            }
        ),
        lambda w: {
            "code": archive("def handler(event, context): return 2"),
            "environment": None,
            "memorySize": 256,
            "reservedConcurrentExecutions": 1,
            "tags": None,
        },
        {"name": "other"},
    ),
    Case(
        "aws:lambda/layerVersion:LayerVersion",
        lambda w: {"code": archive("x = 1"), "compatibleRuntimes": ["python3.12"], "layerName": "shared"},
        replace={"code": archive("x = 2")},
    ),
    Case(
        "aws:lambda/permission:Permission",
        lambda w: {
            "action": "lambda:InvokeFunction",
            "function": w.function,
            "principal": "sns.amazonaws.com",
            "sourceArn": w.topic,
        },
        replace={"principal": "events.amazonaws.com"},
    ),
    Case(
        "aws:s3/bucket:Bucket",
        lambda w: {"bucket": f"cases-{w.account}", "forceDestroy": True, "tags": {"a": "b"}},
        lambda w: {"tags": {"c": "d"}},
        {"bucket": "other"},
    ),
    Case(
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        lambda w: {"bucket": w.bucket, "rules": [{"expiration": {"days": 3}, "id": "old", "status": "Enabled"}]},
        lambda w: {
            "rules": [
                {
                    "expiration": {"days": 5},
                    "filter": {"prefix": "runs/"},
                    "id": "old",
                    "status": "Enabled",
                }
            ]
        },
        {"bucket": "other"},
    ),
    Case(
        "aws:s3/bucketPolicy:BucketPolicy",
        lambda w: {"bucket": w.bucket, "policy": allow("s3:GetObject", f"arn:aws:s3:::{w.bucket}/*", "sns.amazonaws.com")},
        lambda w: {"policy": allow("s3:PutObject", f"arn:aws:s3:::{w.bucket}/*", "sns.amazonaws.com")},
        {"bucket": "other"},
    ),
    Case(
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        lambda w: {"blockPublicAcls": True, "bucket": w.bucket},
        lambda w: {"blockPublicPolicy": True},
        {"bucket": "other"},
    ),
    Case(
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        lambda w: {
            "bucket": w.bucket,
            "rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}],
        },
        lambda w: {"rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms"}, "bucketKeyEnabled": True}]},
        {"bucket": "other"},
        stays=True,
    ),
    Case(
        "aws:sfn/stateMachine:StateMachine",
        lambda w: {
            "definition": DEFINITION,
            "loggingConfiguration": {
                "includeExecutionData": True,
                "level": "ALL",
                "logDestination": w.arn("logs", "log-group:machine:*"),
            },
            "roleArn": w.role,
            "tags": {"a": "b"},
            "tracingConfiguration": {"enabled": True},
        },
        lambda w: {"definition": OTHER_DEFINITION, "tags": None},
        {"type": "EXPRESS"},
    ),
    Case(
        "aws:sns/topic:Topic",
        lambda w: {"kmsMasterKeyId": "alias/aws/sns", "tags": {"a": "b"}},
        lambda w: {"kmsMasterKeyId": None, "tags": {"a": "c"}},
        {"name": "other"},
    ),
    Case(
        "aws:sns/topicPolicy:TopicPolicy",
        lambda w: {"arn": w.topic, "policy": allow("sns:Publish", w.topic, "events.amazonaws.com")},
        lambda w: {"policy": allow("sns:Subscribe", w.topic, "events.amazonaws.com")},
        {"arn": "arn:aws:sns:us-east-1:111122223333:other"},
    ),
    Case(
        "aws:sns/topicSubscription:TopicSubscription",
        lambda w: {
            "endpoint": w.queue,
            "filterPolicy": json.dumps({"recipients": ["avis", "alamo"]}),
            "protocol": "sqs",
            "rawMessageDelivery": True,
            "topic": w.topic,
        },
        lambda w: {
            "filterPolicy": json.dumps({"recipients": ["avis"]}),
            "redrivePolicy": json.dumps({"deadLetterTargetArn": w.other_queue}),
        },
        {"topic": "arn:aws:sns:us-east-1:111122223333:other"},
    ),
    Case(
        "aws:sqs/queue:Queue",
        lambda w: {"redrivePolicy": redrive(w.other_queue, 3), "sqsManagedSseEnabled": True, "tags": {"a": "b"}},
        lambda w: {"delaySeconds": 5, "redrivePolicy": redrive(w.other_queue, 4), "tags": {"c": "d"}},
        {"name": "other"},
    ),
    Case(
        "aws:sqs/queuePolicy:QueuePolicy",
        lambda w: {"policy": allow("sqs:SendMessage", w.queue, "sns.amazonaws.com"), "queueUrl": w.queue_url},
        lambda w: {"policy": allow("sqs:SendMessage", w.queue, "events.amazonaws.com")},
        {"queueUrl": "http://127.0.0.1:1/111122223333/other"},
    ),
    Case(
        "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy",
        lambda w: {"queueUrl": w.queue_url, "redriveAllowPolicy": json.dumps({"redrivePermission": "allowAll"})},
        lambda w: {"redriveAllowPolicy": json.dumps({"redrivePermission": "denyAll"})},
        {"queueUrl": "http://127.0.0.1:1/111122223333/other"},
    ),
]
BY_TOKEN = {case.token: case for case in CASES}
