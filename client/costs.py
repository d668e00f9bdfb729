"""What a request uses and costs on AWS: every price and every formula of the comparison. Pure.

A `Workload` says what a request is like, `usage` what a carrier uses for it, `bill` what that costs.

Per request that asks N responders, each answering once. B is the number of batches in which answers reach the aggregator by queue (B <= N):

                    map, parallel                  map, parallel, may close early       sns
    transitions     N + 4: Open request, Is it     N + 4                                -
                    new?, Ask each responder,
                    N x Ask, Gather
    calls           N + 3: requester, N            N + B + 3: and B of the aggregator   N + B + 2: requester, N responders,
                    responders, aggregator:                                             aggregator: B + deadline
                    Gather + deadline
    messages        2: deadline, event             N + 2: and N answers                 2N + 3: and publish, N deliveries
    queue requests  3: deadline sent, received,    N + 2B + 3: N answers sent, B        3N + 2B + 3: and N questions received,
                    deleted                        batches received, deleted            deleted
    writes          4: create, add, close,         B + 3: create, B x add, close,       B + 4: and published
                    announced                      announced
    reads           2: one for each call of the    B + 2                                B + 1
                    aggregator
    events          1                              1                                    1
    traces          2: execution, deadline         B + 2: and B batches                 N + B + 2: one for each call

With parallel the N of transitions and of calls is the number of the stack's responders, whomever the request names: every branch runs, and
one that is not asked calls its function to be told so. A responder that is an existing function takes one more call with every carrier: the
stack's own function is in front of it. A late answer is a batch like any other. The first write makes the entry in the index of the last
requests too, which is billed as one more.

Left out, because it is none or depends on more than the request: free tiers, the caller's own reads, retries, answers that race each
other to the record, the time for which an Express workflow goes on after it has closed early, the few lines that a Standard workflow
logs, the topic's key (cached for five minutes), storage, data transfer, alarms and dashboards, circuit breakers (two or three accesses to
the table for each call), caps (a write or two for each), the look whether a request that may close early is still open (half a read for
each responder that begins), a selection of one's own (one more call), the entry of a request in the index of its owner, where it has one
(one more write), and the API in front.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import Any

MILLION = Decimal(1_000_000)
STEP_FUNCTIONS = "https://aws.amazon.com/step-functions/pricing/"
LAMBDA = "https://aws.amazon.com/lambda/pricing/"
S3 = "https://aws.amazon.com/s3/pricing/"
DYNAMODB = "https://aws.amazon.com/dynamodb/pricing/on-demand/"


@dataclass(frozen=True)
class Price:
    """dollars for `per` units, in us-east-1, without free tiers and volume discounts."""

    dollars: Decimal
    per: Decimal
    unit: str
    source: str

    def of(self, amount: Decimal | int) -> Decimal:
        return self.dollars * amount / self.per


PRICES: Mapping[str, Price] = {
    "transitions": Price(Decimal("25"), MILLION, "state transition of a Standard workflow", STEP_FUNCTIONS),
    "executions": Price(Decimal("1.00"), MILLION, "request of an Express workflow", STEP_FUNCTIONS),
    "execution_gb_seconds": Price(Decimal("0.00001667"), Decimal(1), "GB-second of an Express workflow", STEP_FUNCTIONS),
    "calls": Price(Decimal("0.20"), MILLION, "call of a Lambda function", LAMBDA),
    "call_gb_seconds": Price(Decimal("0.0000133334"), Decimal(1), "GB-second of a Lambda function on arm64", LAMBDA),
    "publishes": Price(
        Decimal("0.50"), MILLION, "publish of up to 64 KB to SNS; its deliveries to SQS are free", "https://aws.amazon.com/sns/pricing/"
    ),
    "queue_requests": Price(Decimal("0.40"), MILLION, "request of up to 64 KB to SQS", "https://aws.amazon.com/sqs/pricing/"),
    "events": Price(Decimal("1.00"), MILLION, "custom event of up to 64 KB", "https://aws.amazon.com/eventbridge/pricing/"),
    "write_units": Price(Decimal("0.625"), MILLION, "write of 1 KB to DynamoDB, on demand", DYNAMODB),
    "read_units": Price(Decimal("0.125"), MILLION, "consistent read of 4 KB from DynamoDB, on demand", DYNAMODB),
    "log_gb": Price(Decimal("0.50"), Decimal(1), "GB taken in by CloudWatch Logs", "https://aws.amazon.com/cloudwatch/pricing/"),
    "object_writes": Price(Decimal("5.00"), MILLION, "write or listing of an object in S3", S3),
    "object_reads": Price(Decimal("0.40"), MILLION, "read of an object in S3", S3),
    "traces": Price(Decimal("5.00"), MILLION, "trace recorded by X-Ray", "https://aws.amazon.com/xray/pricing/"),
}
"""By the fields of Usage that they are for."""

IDLE_POLLERS, POLL_SECONDS, MONTH_SECONDS = 5, 20, 30 * 86_400
IDLE_QUEUE_MONTH = PRICES["queue_requests"].of(IDLE_POLLERS * MONTH_SECONDS // POLL_SECONDS)
"""Dollars for a queue that a function is behind, whether or not anything comes: Lambda keeps five long polls open at it.
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html"""

TRACED_PER_SECOND, TRACED_SHARE_ABOVE = 1, Decimal("0.05")
"""Lambda and Step Functions record the first trace of each second, and one in twenty of those above.
https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html"""

KEPT_WARM_SECONDS = 600
"""Assumed: how long Lambda keeps an idle sandbox. AWS promises nothing; what people measure is 5 to 15 minutes."""

INIT_SECONDS = Decimal("0.5")
"""Assumed: of a sandbox that starts, its imports. Billed since August 2025.
https://aws.amazon.com/blogs/compute/aws-lambda-standardizes-billing-for-init-phase/"""

LISTED_UNITS = 1
"""For the entry of a request in the index of the last requests, which never changes."""

KB = 1_024
HANDLER_MEMORY_MB = 256
"""Of the requester and the aggregator."""

REQUESTER_SECONDS, AGGREGATOR_SECONDS = Decimal("0.06"), Decimal("0.04")
"""Assumed: two to five calls to AWS, one after the other."""

NOT_ASKED_SECONDS = Decimal("0.005")
"""Assumed: of a responder's function that is called by parallel for a request that does not ask it."""

CALL_LOG_BYTES = 1_000
"""Assumed, per call: Lambda's own lines (start, report) and one of the function's, as JSON."""

EXPRESS_LOG_BYTES = 2_000
"""Assumed, per transition: an Express workflow logs five events of some 400 bytes for each state, without their data."""

EXPRESS_BASE_BYTES, EXPRESS_CHUNK_BYTES = 50_000_000, 64_000_000
EXPRESS_STEP_SECONDS = Decimal("0.1")
"""Its memory is 50 MB, its definition and the data of each branch or item, in steps of 64 MB; its time counts in steps of 0.1 s."""

DEFINITION_BYTES = 1_048_576
"""The most that a definition may take."""

STANDARD, EXPRESS = "STANDARD", "EXPRESS"


@dataclass(frozen=True)
class Kind:
    """What the price of a carrier depends on. is_workflow: a state machine carries requests, else a function that publishes them to a queue
    for each responder. asks_every_responder: whomever a request names, each of the stack's responders is called."""

    is_workflow: bool
    asks_every_responder: bool = False


KINDS: Mapping[str, Kind] = {"map": Kind(True), "parallel": Kind(True, asks_every_responder=True), "sns": Kind(False)}
"""The project's own carriers."""


def kind_of(entrance: Mapping[str, Any]) -> Kind:
    """The kind of a deployed carrier, from what it says about itself in the stack's output `carriers`."""
    return Kind("stateMachineArn" in entrance, entrance.get("asksEveryResponder", False))


@dataclass(frozen=True)
class Workload:
    """What one request is like.

    asked, configured: responders that it asks, and that the stack has. existing: those of the asked that are existing functions.
    responder_seconds: the mean time of a responder's function; request_seconds: of the whole. record_bytes, answer_bytes: of the stored
    item without answers, and what each answer adds. early: whether it may close before all have answered. late: how many of those that it
    asks answer after it has closed.
    """

    asked: int
    configured: int
    responder_seconds: Decimal = Decimal("0.1")
    request_seconds: Decimal = Decimal("0.5")
    record_bytes: int = 800
    answer_bytes: int = 200
    responder_memory_mb: int = 128
    early: bool = False
    late: int = 0
    existing: int = 0

    def with_responders(self, count: int) -> "Workload":
        """The same with so many responders, all of them asked, of which the same share is late, and existing functions."""
        return replace(
            self, asked=count, configured=count, late=self.late * count // self.asked, existing=self.existing * count // self.asked
        )


@dataclass(frozen=True)
class Usage:
    """What one request uses. messages, writes and reads are counts; what is billed of them is in the fields that PRICES names.
    traces: as if each were recorded. init_gb_seconds: as if each call found a cold function. idle_queues: queues that are polled all month
    long."""

    transitions: int = 0
    executions: int = 0
    execution_gb_seconds: Decimal = Decimal(0)
    calls: int = 0
    call_gb_seconds: Decimal = Decimal(0)
    messages: int = 0
    publishes: int = 0
    queue_requests: int = 0
    events: int = 0
    writes: int = 0
    write_units: int = 0
    reads: int = 0
    read_units: int = 0
    log_gb: Decimal = Decimal(0)
    traces: int = 0
    object_writes: int = 0
    object_reads: int = 0
    init_gb_seconds: Decimal = Decimal(0)
    idle_queues: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(**{field.name: getattr(self, field.name) + getattr(other, field.name) for field in fields(self)})


def usage(kind: Kind, workload: Workload, workflow_type: str | None = STANDARD, batches: int | None = None) -> Usage:
    """What one request uses with a carrier of that kind, when nothing has to be tried again.

    batches: of answers that reach the aggregator by queue; without it each answer comes by itself, which is the most that it can use.
    """
    asked, is_workflow = workload.asked, kind.is_workflow
    by_queue = workload.early or not is_workflow
    # Answers that come by no queue are brought by Gather, all at once. It comes anyway, and so does the deadline.
    brought = (asked if batches is None else batches) if by_queue else 1
    batches = brought if by_queue else 0
    gathered = batches + (2 if is_workflow else 1)
    called = workload.configured if kind.asks_every_responder else asked
    # The item grows with each batch; a write is billed by what it then is.
    grown = [workload.record_bytes + math.ceil(asked * batch / brought) * workload.answer_bytes for batch in range(brought + 1)]
    closed = workload.record_bytes + (asked - workload.late) * workload.answer_bytes
    written = [*grown, closed, closed] if is_workflow else [grown[0], *grown, closed, closed]
    read = [*grown[:-1], *([grown[-1]] * (gathered - brought))]
    calls = 1 + called + workload.existing + gathered
    responder_seconds = (asked + workload.existing) * workload.responder_seconds + (called - asked) * NOT_ASKED_SECONDS
    used = Usage(
        calls=calls,
        call_gb_seconds=_gb_seconds(workload.responder_memory_mb, responder_seconds)
        + _gb_seconds(HANDLER_MEMORY_MB, REQUESTER_SECONDS + gathered * AGGREGATOR_SECONDS),
        messages=2 + (asked if by_queue else 0),
        queue_requests=3 + (asked + 2 * batches if by_queue else 0),
        events=1,
        writes=len(written),
        write_units=sum(map(_write_units, written)) + LISTED_UNITS,
        reads=len(read),
        read_units=sum(map(_read_units, read)),
        log_gb=_gigabytes(calls * CALL_LOG_BYTES),
        # What a queue causes begins a trace of its own; what an execution calls is a part of the execution's.
        traces=batches + 1 + (1 if is_workflow else 1 + asked),
        init_gb_seconds=_gb_seconds(workload.responder_memory_mb, (called + workload.existing) * INIT_SECONDS)
        + _gb_seconds(HANDLER_MEMORY_MB, 2 * INIT_SECONDS),
        idle_queues=1 if is_workflow else 1 + workload.configured,
    )
    if not is_workflow:
        return used + Usage(messages=1 + asked, publishes=1, queue_requests=2 * asked)
    return used + _execution(workload, workflow_type or STANDARD, entered=called + 4)


def bill(used: Usage) -> dict[str, Decimal]:
    """Dollars by the fields of Usage that are priced."""
    return {name: price.of(getattr(used, name)) for name, price in PRICES.items()}


def price_per_thousand(used: Usage) -> Decimal:
    """Dollars for 1,000 requests that find warm functions and are all traced, as they are at up to one a second; without idle queues."""
    return 1_000 * sum(bill(used).values(), Decimal(0))


def price_per_month(used: Usage, requests: int) -> Decimal:
    """Dollars for so many requests a month, spread at random over it, with its idle queues, its cold starts, and the traces that are not
    recorded taken off."""
    priced = bill(used)
    priced["traces"] *= traced_share(requests)
    cold = PRICES["call_gb_seconds"].of(used.init_gb_seconds) * cold_share(requests)
    return requests * (sum(priced.values(), Decimal(0)) + cold) + used.idle_queues * IDLE_QUEUE_MONTH


def traced_share(requests: int) -> Decimal:
    """Which part of so many requests a month is traced."""
    first = min(requests, TRACED_PER_SECOND * MONTH_SECONDS)
    return (first + TRACED_SHARE_ABOVE * (requests - first)) / requests


def cold_share(requests: int) -> Decimal:
    """Which part of so many requests a month finds no warm sandbox: none came within KEPT_WARM_SECONDS before it."""
    return Decimal(math.exp(-requests * KEPT_WARM_SECONDS / MONTH_SECONDS))


def _execution(workload: Workload, workflow_type: str, entered: int) -> Usage:
    """entered: states."""
    if workflow_type == STANDARD:
        return Usage(transitions=entered)
    memory = EXPRESS_BASE_BYTES + DEFINITION_BYTES + workload.asked * (workload.record_bytes + workload.answer_bytes)
    chunks = math.ceil(Decimal(memory) / EXPRESS_CHUNK_BYTES)
    seconds = math.ceil(workload.request_seconds / EXPRESS_STEP_SECONDS) * EXPRESS_STEP_SECONDS
    return Usage(executions=1, execution_gb_seconds=_gb_seconds(64 * chunks, seconds), log_gb=_gigabytes(entered * EXPRESS_LOG_BYTES))


def item_bytes(value: Any) -> int:
    """The size of JSON as DynamoDB counts it: names and texts in UTF-8, two digits of a number a byte, 3 for a map or list and 1
    for each entry. https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html"""
    if isinstance(value, Mapping):
        return 3 + sum(1 + len(str(key).encode()) + item_bytes(item) for key, item in value.items())
    if isinstance(value, list):
        return 3 + sum(1 + item_bytes(item) for item in value)
    if isinstance(value, str):
        return len(value.encode())
    if value is None or isinstance(value, bool):
        return 1
    return 1 + math.ceil(sum(character.isdigit() for character in str(value)) / 2)


def _gb_seconds(memory_mb: int, seconds: Decimal) -> Decimal:
    return Decimal(memory_mb) / 1_024 * seconds


def _gigabytes(size: int) -> Decimal:
    return Decimal(size) / 1_000_000_000


def _write_units(size: int) -> int:
    return max(1, math.ceil(size / KB))


def _read_units(size: int) -> int:
    return max(1, math.ceil(size / (4 * KB)))
