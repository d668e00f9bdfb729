"""RequestStore: one item for each request, with its answers and its result, and the aggregator that alone completes them. The carriers
share it.

    responders ─ answers ──▶ response queue ─▶ aggregator ─▶ table, event bus
    requesters ─ deadlines ──────┘                 ▲
    state machines ─ all that their responders said┘

Builds: a pay-per-request DynamoDB table, encrypted, with point-in-time recovery, whose items expire after their retention; the response
queue with its dead-letter queue, encrypted, by TLS only; the aggregator; the bus on which completed requests are announced; where the
selection is the user's own module, the function that it runs in.
"""

import json
from collections.abc import Mapping
from typing import Any, Optional, TypedDict

import pulumi
import pulumi_aws as aws

from components import code, place, policy
from components.handler_function import HandlerFunction
from components.queue import Queue
from components.settings import StoreSettings, checked
from components.watched import Watched
from handlers import history
from handlers.selection import Selection

AGGREGATOR_SECONDS = 10
SELECTOR_SECONDS = 10
"""More for the user's own selection, which the aggregator waits for."""

JUDGE_SECONDS = 18
"""The same where that asks a model. A state machine waits 30 seconds for the aggregator."""

HANDLER_MEMORY_MB = 256

RESPONSE_RECEIVES = 12
"""How often the response queue delivers a message, with pauses that grow (`handlers.aggregator`): what is given up leaves a request
without an answer, or open."""

AGGREGATOR_BATCH = 10
AGGREGATOR_CONCURRENCY = 10
"""More of them would mostly wait for each other at the same items."""


class JudgeArgs(TypedDict, total=False):
    """The model of Bedrock that ranks the quotes, with selection handlers.rankings.judge."""

    model: Optional[str]
    instructions: Optional[str]
    """What makes a quote better than another; the one that is most correct and complete."""
    temperature: Optional[float]
    """0."""
    maxTokens: Optional[int]
    """1,000."""


class RequestStoreArgs(TypedDict, total=False):
    completion: Optional[Mapping[str, Any]]
    """{"deadlineSeconds"?: 60, "quorum"?, "amountBelow"?, "required"?, "weights"?}, see `handlers.completion`."""
    selection: Optional[str]
    """lowest (the default), highest, first, median, or the dotted name of a module of one's own with `rank`."""
    judge: Optional[JudgeArgs]
    topK: Optional[int]
    """How many of the best quotes are named; 3."""
    currency: Optional[str]
    """The only one in which amounts are compared; USD."""
    resultRetentionDays: Optional[int]
    """How long a request is kept; 30."""
    logRetentionDays: Optional[int]
    """14."""
    retainData: Optional[bool]
    """Keep the table when the stack is destroyed, and refuse its deletion until then; false."""


class RequestStore(pulumi.ComponentResource):
    """Outputs: tableName, tableArn (key: requestId, a string), responseQueueUrl, responseQueueArn, deadLetterQueueUrl,
    aggregatorFunctionName, aggregatorFunctionArn, eventBusName."""

    tableName: pulumi.Output[str]
    tableArn: pulumi.Output[str]
    responseQueueUrl: pulumi.Output[str]
    responseQueueArn: pulumi.Output[str]
    deadLetterQueueUrl: pulumi.Output[str]
    aggregatorFunctionName: pulumi.Output[str]
    aggregatorFunctionArn: pulumi.Output[str]
    eventBusName: pulumi.Output[str]

    def __init__(self, name: str, args: Optional[RequestStoreArgs] = None, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__("scatter-gather:index:RequestStore", name, {}, opts)
        self.settings = checked(StoreSettings, f"RequestStore {name}", args or {})
        self._child = pulumi.ResourceOptions(parent=self)
        self.name = name
        self.selection = Selection(self.settings.selection, self.settings.topK)
        self.table = self._table(name, retain=self.settings.retainData)
        self.bus = aws.cloudwatch.EventBus(name, opts=self._child)
        self.selector = self._selector(name) if self.selection.is_code else None
        seconds = AGGREGATOR_SECONDS + (self._selector_seconds if self.selector else 0)
        self.queue = Queue(
            f"{name}-responses",
            {"functionSeconds": seconds, "receives": RESPONSE_RECEIVES, "deadLettersName": f"{name}-dead-responses"},
            self._child,
        )
        self.tableName, self.tableArn = self.table.name, self.table.arn
        self.responseQueueUrl, self.responseQueueArn = self.queue.url, self.queue.arn
        self.deadLetterQueueUrl = self.queue.dead_letters.url
        self.eventBusName = self.bus.name
        self.aggregator = self._aggregator(f"{name}-aggregator", seconds)
        self.aggregatorFunctionName, self.aggregatorFunctionArn = self.aggregator.functionName, self.aggregator.functionArn
        self.register_outputs({output: getattr(self, output) for output in self.__annotations__})

    @property
    def _selector_seconds(self) -> int:
        return JUDGE_SECONDS if self.settings.judge.model else SELECTOR_SECONDS

    @property
    def environment(self) -> dict[str, pulumi.Input[str]]:
        """What a function has to know of the requests, see `handlers.environment`."""
        return {
            "TABLE_NAME": self.tableName,
            "RESPONSE_QUEUE_URL": self.responseQueueUrl,
            "COMPLETION": json.dumps(self.settings.completion.given, separators=(",", ":")),
            "SELECTION": self.selection.by,
            "TOP_K": str(self.selection.top_k),
            "RESULT_RETENTION_SECONDS": str(self.settings.resultRetentionDays * 86_400),
        }

    @property
    def watched(self) -> Watched:
        functions = {"aggregator": self.aggregator}
        if self.selector:
            functions["selector"] = self.selector
        return Watched(functions=functions, dead_letter_queues={"responses": self.queue.dead_letters.name})

    def _table(self, name: str, *, retain: bool) -> aws.dynamodb.Table:
        return aws.dynamodb.Table(
            name,
            billing_mode="PAY_PER_REQUEST",
            hash_key="requestId",
            attributes=[{"name": name, "type": "S"} for name in ("requestId", *history.INDEXES, "createdAt")],
            # The last requests are found without a scan. A day, and an owner, is one partition, which takes 1,000 new requests a second:
            # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
            global_secondary_indexes=[
                {"name": name, "hash_key": name, "range_key": "createdAt", "projection_type": "KEYS_ONLY"} for name in history.INDEXES
            ],
            ttl={"attribute_name": "expiresAt", "enabled": True},
            point_in_time_recovery={"enabled": True},
            server_side_encryption={"enabled": True},
            deletion_protection_enabled=retain,
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=retain),
        )

    def _selector(self, name: str) -> HandlerFunction:
        """The function of the user's own selection."""
        code.check_defines(self.selection.by, "rank")
        given = self.settings.judge
        judge = (
            {
                "JUDGE": json.dumps(
                    {
                        "model": given.model,
                        "instructions": given.instructions,
                        "inference": {"temperature": given.temperature, "maxTokens": given.maxTokens},
                    },
                    sort_keys=True,
                )
            }
            if given.model
            else {}
        )
        return HandlerFunction(
            f"{name}-selector",
            {
                "module": "handlers.selector",
                "withModules": [self.selection.by],
                "environment": {"RANK_MODULE": self.selection.by, "TOP_K": str(self.selection.top_k), **judge},
                "timeoutSeconds": self._selector_seconds,
                "memoryMb": HANDLER_MEMORY_MB,
                "logRetentionDays": self.settings.logRetentionDays,
                "statements": policy.invoke_model("judge.model", given.model, place.of(self)) if given.model else [],
            },
            self._child,
        )

    def _aggregator(self, name: str, seconds: int) -> HandlerFunction:
        selector = self.selector
        function = HandlerFunction(
            name,
            {
                "module": "handlers.aggregator",
                "withModules": [],
                "environment": {
                    **self.environment,
                    "CURRENCY": self.settings.currency,
                    "EVENT_BUS_NAME": self.bus.name,
                    "DEAD_LETTER_QUEUE_URL": self.queue.dead_letters.url,
                    **({"SELECTOR_ARN": selector.functionArn} if selector else {}),
                },
                "timeoutSeconds": seconds,
                "memoryMb": HANDLER_MEMORY_MB,
                "logRetentionDays": self.settings.logRetentionDays,
                "statements": [
                    *([policy.allow(["lambda:InvokeFunction"], selector.functionArn)] if selector else []),
                    policy.allow(["dynamodb:GetItem", "dynamodb:UpdateItem"], self.table.arn),
                    policy.allow(["events:PutEvents"], self.bus.arn),
                    policy.allow(["sqs:SendMessage"], self.queue.dead_letters.arn),
                    policy.allow(["sqs:ChangeMessageVisibility"], self.queue.arn),
                    policy.consume(self.queue.arn),
                ],
            },
            self._child,
        )
        self.queue.feed(name, function.functionArn, AGGREGATOR_BATCH, AGGREGATOR_CONCURRENCY, function)
        return function
