"""SnsScatterGather: one message to a topic, a durable queue for each responder, and an aggregator for what they answer.

    requester ─▶ topic ─▶ queue of a responder ─▶ responder or relay ─▶ response queue ─▶ aggregator ─▶ table, event bus
        └────────────── the deadline, as a delayed message ───────────────────┘

Builds: the topic; for each responder a queue, subscribed with the filter that lets through what names it, and for an existing
function the relay that asks it; the response queue; a dead-letter queue for every queue; the requester and the aggregator; the
bus on which completed requests are announced. Topic and queues are encrypted and take nothing that does not come by TLS.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Optional, TypedDict

import pulumi
import pulumi_aws as aws

from components import policy
from components.handler_function import HandlerFunction
from components.responder_fleet import Member, function_timeout
from handlers.replying import MIN_RECEIVES, max_receives

REQUESTER_SECONDS = 10
AGGREGATOR_SECONDS = 20
HANDLER_MEMORY_MB = 256

AGGREGATOR_BATCH = 10
AGGREGATOR_CONCURRENCY = 10
"""More of them would mostly wait for each other at the same items."""

VISIBILITY_FACTOR = 6
"""A queue's visibility timeout, in time limits of the function behind it, as AWS advises: a throttled batch is tried again."""

DEAD_LETTER_SECONDS = 14 * 86_400
"""The longest that SQS keeps a message."""


class SnsScatterGatherArgs(TypedDict):
    responders: Sequence[Member]
    """A list, not an output: each of them gets resources of its own."""
    tableName: pulumi.Input[str]
    tableArn: pulumi.Input[str]
    layerArn: pulumi.Input[str]
    completion: Mapping[str, Any]
    """{"deadlineSeconds": number, "quorum"?, "amountBelow"?, "required"?, "weights"?}, see `handlers.completion`."""
    selection: str
    """lowest, highest, first, median, or the dotted name of the user's own module."""
    topK: int
    selectorArn: Optional[pulumi.Input[str]]
    """The function of `handlers.selector`, where the selection is the user's own."""
    currency: str
    resultRetentionDays: int
    logRetentionDays: int


class SnsScatterGather(pulumi.ComponentResource):
    """Outputs: requesterFunctionName, requesterFunctionArn, aggregatorFunctionName, topicArn, responseQueueUrl, eventBusName,
    deadLetterQueueUrls: of the queues "responses" and "ask-" and a responder's name."""

    requesterFunctionName: pulumi.Output[str]
    requesterFunctionArn: pulumi.Output[str]
    aggregatorFunctionName: pulumi.Output[str]
    topicArn: pulumi.Output[str]
    responseQueueUrl: pulumi.Output[str]
    deadLetterQueueUrls: pulumi.Output[Mapping[str, str]]
    eventBusName: pulumi.Output[str]

    def __init__(self, name: str, args: SnsScatterGatherArgs, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__("scatter-gather:index:SnsScatterGather", name, {}, opts)
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)
        self.dead_letter_queues: dict[str, aws.sqs.Queue] = {}
        self.relays: dict[str, HandlerFunction] = {}
        self.topic = self._topic()
        self.bus = aws.cloudwatch.EventBus(name, opts=self._child)
        self.response_queue = self._queue("responses", AGGREGATOR_SECONDS, MIN_RECEIVES)
        self.aggregator = self._aggregator()
        self.requester = self._requester()
        for responder in args["responders"]:
            self._responder(responder)
        self.requesterFunctionName = self.requester.functionName
        self.requesterFunctionArn = self.requester.functionArn
        self.aggregatorFunctionName = self.aggregator.functionName
        self.topicArn = self.topic.arn
        self.responseQueueUrl = self.response_queue.url
        self.deadLetterQueueUrls = pulumi.Output.all(**{of: queue.url for of, queue in self.dead_letter_queues.items()})
        self.eventBusName = self.bus.name
        self.register_outputs({
            "requesterFunctionName": self.requesterFunctionName,
            "requesterFunctionArn": self.requesterFunctionArn,
            "aggregatorFunctionName": self.aggregatorFunctionName,
            "topicArn": self.topicArn,
            "responseQueueUrl": self.responseQueueUrl,
            "deadLetterQueueUrls": self.deadLetterQueueUrls,
            "eventBusName": self.eventBusName,
        })

    def _topic(self) -> aws.sns.Topic:
        topic = aws.sns.Topic(self._name, kms_master_key_id="alias/aws/sns", opts=self._child)
        only_tls = policy.document([policy.deny_without_tls("sns:Publish", topic.arn)])
        aws.sns.TopicPolicy(self._name, arn=topic.arn, policy=only_tls, opts=self._child)
        return topic

    def _queue(self, of: str, function_seconds: int, receives: int, topic_arn: Optional[pulumi.Input[str]] = None) -> aws.sqs.Queue:
        """A queue before a function, with its dead-letter queue. receives: how often it delivers a message before it gives it up;
        topic_arn: who may send to both beside our own roles."""
        name, dead_name = f"{self._name}-{of}", f"{self._name}-dead-{of}"
        dead = aws.sqs.Queue(
            dead_name, message_retention_seconds=DEAD_LETTER_SECONDS, sqs_managed_sse_enabled=True, opts=self._child)
        queue = aws.sqs.Queue(
            name,
            visibility_timeout_seconds=VISIBILITY_FACTOR * function_seconds,
            redrive_policy=_compact({"deadLetterTargetArn": dead.arn, "maxReceiveCount": receives}),
            sqs_managed_sse_enabled=True,
            opts=self._child)
        aws.sqs.RedriveAllowPolicy(
            name, queue_url=dead.url,
            redrive_allow_policy=_compact({"redrivePermission": "byQueue", "sourceQueueArns": [queue.arn]}),
            opts=self._child)
        for its_name, each in ((name, queue), (dead_name, dead)):
            statements = [policy.deny_without_tls("sqs:*", each.arn)]
            if topic_arn is not None:
                statements.append(policy.allow_topic(each.arn, topic_arn))
            aws.sqs.QueuePolicy(its_name, queue_url=each.url, policy=policy.document(statements), opts=self._child)
        self.dead_letter_queues[of] = dead
        return queue

    def _aggregator(self) -> HandlerFunction:
        args, name = self._args, f"{self._name}-aggregator"
        dead, selector_arn = self.dead_letter_queues["responses"], args["selectorArn"]
        function = self._function(name, "handlers.aggregator", AGGREGATOR_SECONDS, {
            "TABLE_NAME": args["tableName"],
            "EVENT_BUS_NAME": self.bus.name,
            "DEAD_LETTER_QUEUE_URL": dead.url,
            "COMPLETION": json.dumps(args["completion"], separators=(",", ":")),
            "SELECTION": args["selection"],
            "TOP_K": str(args["topK"]),
            "CURRENCY": args["currency"],
            **({"SELECTOR_ARN": selector_arn} if selector_arn is not None else {}),
        }, [
            *([policy.allow(["lambda:InvokeFunction"], selector_arn)] if selector_arn is not None else []),
            policy.allow(["dynamodb:GetItem", "dynamodb:UpdateItem"], args["tableArn"]),
            policy.allow(["events:PutEvents"], self.bus.arn),
            policy.allow(["sqs:SendMessage"], dead.arn),
            policy.consume(self.response_queue.arn),
        ])
        self._mapping(name, self.response_queue, function.functionArn, AGGREGATOR_BATCH, AGGREGATOR_CONCURRENCY, function)
        return function

    def _requester(self) -> HandlerFunction:
        args = self._args
        return self._function(f"{self._name}-requester", "handlers.requester", REQUESTER_SECONDS, {
            "TABLE_NAME": args["tableName"],
            "TOPIC_ARN": self.topic.arn,
            "RESPONSE_QUEUE_URL": self.response_queue.url,
            "RESPONDERS": ",".join(responder["name"] for responder in args["responders"]),
            "COMPLETION": json.dumps(args["completion"], separators=(",", ":")),
            "SELECTION": args["selection"],
            "TOP_K": str(args["topK"]),
            "RESULT_RETENTION_SECONDS": str(args["resultRetentionDays"] * 86_400),
        }, [
            policy.allow(["dynamodb:PutItem", "dynamodb:UpdateItem"], args["tableArn"]),
            policy.allow(["sns:Publish"], self.topic.arn),
            policy.allow(["sqs:SendMessage"], self.response_queue.arn),
        ])

    def _responder(self, responder: Member) -> None:
        of = f"ask-{responder['name']}"
        name, seconds = f"{self._name}-{of}", function_timeout(responder["timeoutSeconds"])
        queue = self._queue(of, seconds, max_receives(int(responder["retries"])), self.topic.arn)
        rights = [
            policy.consume(queue.arn),
            policy.allow(["sqs:ChangeMessageVisibility", "sqs:GetQueueUrl"], queue.arn),
            policy.allow(["sqs:SendMessage"], self.response_queue.arn),
        ]
        if responder["roleName"] is None:
            relay = self._relay(f"{self._name}-relay-{responder['name']}", responder, seconds, rights)
            function_arn, allowed = relay.functionArn, relay
            self.relays[responder["name"]] = relay
        else:
            function_arn = responder["functionArn"]
            # A policy of this component's own, so that it comes and goes with it; the function belongs to the fleet.
            allowed = aws.iam.RolePolicy(
                name, role=responder["roleName"], policy=policy.document(rights), opts=self._child)
        # One at a time: a responder may take its whole time limit for each.
        mapping = self._mapping(name, queue, function_arn, 1, responder["queueConcurrency"], allowed)
        aws.sns.TopicSubscription(
            name,
            topic=self.topic.arn,
            protocol="sqs",
            endpoint=queue.arn,
            raw_message_delivery=True,
            filter_policy=json.dumps({"recipients": [responder["name"]]}),
            redrive_policy=_compact({"deadLetterTargetArn": self.dead_letter_queues[of].arn}),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[mapping]),
        )

    def _relay(self, name: str, responder: Member, seconds: int, rights: Sequence[policy.Statement]) -> HandlerFunction:
        return self._function(name, "handlers.relay", seconds, {
            "RESPONDER": responder["name"],
            "FUNCTION_ARN": responder["functionArn"],
            "CURRENCY": self._args["currency"],
            "TIMEOUT_SECONDS": f"{responder['timeoutSeconds']:g}",
            "RETRIES": str(int(responder["retries"])),
        }, [*rights, policy.allow(["lambda:InvokeFunction"], responder["functionArn"])])

    def _function(self, name: str, module: str, seconds: int, environment: Mapping[str, pulumi.Input[str]],
                  statements: Sequence[policy.Statement]) -> HandlerFunction:
        return HandlerFunction(name, {
            "module": module,
            "withModules": [],
            "layerArn": self._args["layerArn"],
            "environment": environment,
            "timeoutSeconds": seconds,
            "memoryMb": HANDLER_MEMORY_MB,
            "logRetentionDays": self._args["logRetentionDays"],
            "statements": statements,
        }, self._child)

    def _mapping(self, name: str, queue: aws.sqs.Queue, function_arn: pulumi.Input[str], batch_size: int, concurrency: int,
                 allowed: pulumi.Resource) -> aws.lambda_.EventSourceMapping:
        """What takes the queue's messages to the function. allowed: the right to receive them comes first."""
        return aws.lambda_.EventSourceMapping(
            name,
            event_source_arn=queue.arn,
            function_name=function_arn,
            batch_size=batch_size,
            function_response_types=["ReportBatchItemFailures"],
            scaling_config={"maximum_concurrency": int(concurrency)},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[allowed]),
        )


def _compact(value: Mapping[str, Any]) -> pulumi.Output[str]:
    """JSON as SQS and SNS hand it back, so that an unchanged attribute looks unchanged."""
    return pulumi.Output.json_dumps(value, separators=(",", ":"))
