"""Queue: messages for a function, and those that it could not deal with.

Builds: an encrypted SQS queue and its dead-letter queue, which only this queue may feed; both are reached over TLS only.
"""

from typing import Optional, TypedDict

import pulumi
import pulumi_aws as aws

from components import policy

VISIBILITY_MARGIN_SECONDS = 5
"""Past the function's time limit. AWS advises six of these limits for a function that is throttled; a mapping with a concurrency of its
own is not, and a message whose function broke must come again before its request's deadline."""

DEAD_LETTER_SECONDS = 14 * 86_400
"""The longest that SQS keeps a message (its limit)."""


class QueueArgs(TypedDict):
    functionSeconds: int
    """The time limit of the function behind it."""
    receives: int
    """How often it delivers a message before it gives it up."""
    deadLettersName: str
    """Of the queue of what was given up."""


class Queue(pulumi.ComponentResource):
    """dead_letters: the queue of what was given up."""

    def __init__(
        self, name: str, args: QueueArgs, opts: Optional[pulumi.ResourceOptions] = None, topic_arn: Optional[pulumi.Input[str]] = None
    ) -> None:
        """topic_arn: who may send to both queues beside our own roles."""
        super().__init__("scatter-gather:index:Queue", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.dead_letters = aws.sqs.Queue(
            args["deadLettersName"], message_retention_seconds=DEAD_LETTER_SECONDS, sqs_managed_sse_enabled=True, opts=child
        )
        self.queue = aws.sqs.Queue(
            name,
            visibility_timeout_seconds=args["functionSeconds"] + VISIBILITY_MARGIN_SECONDS,
            redrive_policy=policy.compact({"deadLetterTargetArn": self.dead_letters.arn, "maxReceiveCount": args["receives"]}),
            sqs_managed_sse_enabled=True,
            opts=child,
        )
        aws.sqs.RedriveAllowPolicy(
            name,
            queue_url=self.dead_letters.url,
            redrive_allow_policy=policy.compact({"redrivePermission": "byQueue", "sourceQueueArns": [self.queue.arn]}),
            opts=child,
        )
        for its_name, queue in ((name, self.queue), (args["deadLettersName"], self.dead_letters)):
            statements = [policy.deny_without_tls("sqs:*", queue.arn)]
            if topic_arn is not None:
                statements.append(policy.allow_topic(queue.arn, topic_arn))
            aws.sqs.QueuePolicy(its_name, queue_url=queue.url, policy=policy.document(statements), opts=child)
        self.url, self.arn = self.queue.url, self.queue.arn
        self.register_outputs({"url": self.url, "arn": self.arn})

    def feed(
        self, name: str, function_arn: pulumi.Input[str], batch_size: int, concurrency: int, allowed: pulumi.Resource
    ) -> aws.lambda_.EventSourceMapping:
        """Takes the messages to the function. allowed: the right to receive them comes first."""
        return aws.lambda_.EventSourceMapping(
            name,
            event_source_arn=self.arn,
            function_name=function_arn,
            batch_size=batch_size,
            function_response_types=["ReportBatchItemFailures"],
            scaling_config={"maximum_concurrency": int(concurrency)},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[allowed]),
        )
