"""SnsScatterGather: one message to a topic, and a durable queue for each responder, whose answers come back by queue too.

    requester ─▶ topic ─▶ queue of a responder ─▶ responder ─▶ response queue (RequestStore)

Builds: the topic, encrypted, by TLS only; the requester that opens requests and publishes them; for each responder a Queue, subscribed
with the filter that lets through what names it.
"""

import json
from collections.abc import Mapping
from typing import Optional, TypedDict

import pulumi
import pulumi_aws as aws

from components import policy
from components.handler_function import HandlerFunction
from components.queue import Queue
from components.request_store import HANDLER_MEMORY_MB, RequestStore
from components.responder_fleet import REQUESTER_SECONDS, Responder, ResponderFleet
from components.settings import NoSettings, checked
from components.watched import Watched

MIN_RECEIVES = 5
"""AWS advises to deliver a message no less often before its queue gives it up: a delivery that is throttled counts as well."""

SPARE_RECEIVES = 2
"""Deliveries beyond a responder's last retry, lest throttling take the one that ends in an answer."""


class SnsScatterGatherArgs(TypedDict):
    store: RequestStore
    fleet: ResponderFleet


class SnsScatterGather(pulumi.ComponentResource):
    """Outputs: requesterFunctionName, requesterFunctionArn, topicArn; deadLetterQueueUrls: of the queues "responses" and "ask-" and a
    responder's name; the store's aggregatorFunctionName, responseQueueUrl and eventBusName."""

    requesterFunctionName: pulumi.Output[str]
    requesterFunctionArn: pulumi.Output[str]
    aggregatorFunctionName: pulumi.Output[str]
    topicArn: pulumi.Output[str]
    responseQueueUrl: pulumi.Output[str]
    deadLetterQueueUrls: pulumi.Output[Mapping[str, str]]
    eventBusName: pulumi.Output[str]

    def __init__(self, name: str, args: SnsScatterGatherArgs, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__("scatter-gather:index:SnsScatterGather", name, {}, opts)
        checked(NoSettings, f"SnsScatterGather {name}", args, needs=["store", "fleet"])
        store = args["store"]
        self._name = name
        self._child = pulumi.ResourceOptions(parent=self)
        self.topic = self._topic()
        self.requester = self._requester(store, args["fleet"])
        self.queues = {f"ask-{responder.name}": self._queue(responder) for responder in args["fleet"].responders}
        self.requesterFunctionName = self.requester.functionName
        self.requesterFunctionArn = self.requester.functionArn
        self.topicArn = self.topic.arn
        queues = {"responses": store.queue, **self.queues}
        self.deadLetterQueueUrls = pulumi.Output.all(**{of: queue.dead_letters.url for of, queue in queues.items()})
        self.aggregatorFunctionName, self.eventBusName = store.aggregatorFunctionName, store.eventBusName
        self.responseQueueUrl = store.responseQueueUrl
        self.entrance = {"functionArn": self.requesterFunctionArn}
        self.watched = Watched(
            functions={f"{name}-requester": self.requester},
            dead_letter_queues={of: queue.dead_letters.name for of, queue in self.queues.items()},
        )
        self.register_outputs({output: getattr(self, output) for output in self.__annotations__})

    def _topic(self) -> aws.sns.Topic:
        topic = aws.sns.Topic(self._name, kms_master_key_id="alias/aws/sns", opts=self._child)
        only_tls = policy.document([policy.deny_without_tls("sns:Publish", topic.arn)])
        aws.sns.TopicPolicy(self._name, arn=topic.arn, policy=only_tls, opts=self._child)
        return topic

    def _requester(self, store: RequestStore, fleet: ResponderFleet) -> HandlerFunction:
        return HandlerFunction(
            f"{self._name}-requester",
            {
                "module": "handlers.sns_requester",
                "withModules": [],
                "environment": {**fleet.environment, "TOPIC_ARN": self.topic.arn},
                "timeoutSeconds": REQUESTER_SECONDS,
                "memoryMb": HANDLER_MEMORY_MB,
                "logRetentionDays": store.settings.logRetentionDays,
                "statements": [
                    policy.allow(["dynamodb:PutItem", "dynamodb:UpdateItem"], store.tableArn),
                    policy.allow(["sns:Publish"], self.topic.arn),
                    policy.allow(["sqs:SendMessage"], store.responseQueueArn),
                ],
            },
            self._child,
        )

    def _queue(self, responder: Responder) -> Queue:
        name = f"{self._name}-ask-{responder.name}"
        queue = Queue(
            name,
            {
                "functionSeconds": responder.timeout_seconds,
                "receives": max(MIN_RECEIVES, 1 + responder.retries + SPARE_RECEIVES),
                "deadLettersName": f"{self._name}-dead-ask-{responder.name}",
            },
            self._child,
            topic_arn=self.topic.arn,
        )
        # A policy of this component's own, so that it comes and goes with it; the function belongs to the fleet.
        allowed = aws.iam.RolePolicy(
            name,
            role=responder.function.roleName,
            policy=policy.document(
                [
                    policy.consume(queue.arn),
                    policy.allow(["sqs:ChangeMessageVisibility", "sqs:GetQueueUrl"], queue.arn),
                ]
            ),
            opts=self._child,
        )
        # One at a time: a responder may take its whole time limit for each.
        mapping = queue.feed(name, responder.function.functionArn, 1, responder.queue_concurrency, allowed)
        aws.sns.TopicSubscription(
            name,
            topic=self.topic.arn,
            protocol="sqs",
            endpoint=queue.arn,
            raw_message_delivery=True,
            filter_policy=json.dumps({"recipients": [responder.name]}),
            redrive_policy=policy.compact({"deadLetterTargetArn": queue.dead_letters.arn}),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[mapping]),
        )
        return queue
