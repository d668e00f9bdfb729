"""What a request uses and costs on AWS: every price and every formula of the comparison. Pure.

A `Workload` says what a request is like, `usage` what a carrier uses for it, `bill` what that costs.

Per request that asks N responders, each answering once, with B batches of answers at the aggregator (B <= N):

                    map, parallel                               sns
    transitions     N + 3: Open, Scatter, N x Ask, Close         -
                    parallel: 2 more for each that is not asked
    calls           N                                            N + B + 2: requester, N responders, aggregator: B + deadline
    messages        -                                            2N + 3: publish, N deliveries, N answers, deadline, event
    queue requests  -                                            3N + 2B + 3: deadline sent; N received, deleted and answered;
                                                                 B + deadline received and deleted
    writes          2: open, close                               B + 4: create, published, B x add, close, announced
    reads           -                                            B + 1: one for each call of the aggregator

Where the request may close before all have answered, L of them being late, sns uses the same, as a late answer is a batch like any
other. Map and parallel both hand the request to a second execution, which records each answer as it comes; only Standard can:

    transitions     2N + 8 + L: Open, Turn, Await completion; Scatter, N x (Ask, Record), Reread, Verdict, Close, Reply; L x Record late
    calls           N
    writes          N + 2 + L: open, N x record, close, L x record late; the record of a late answer is refused first, which is billed
                    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
    reads           1: what has been answered, for the close

Left out, because it is none or depends on more than the request: free tiers, the caller's own reads, retries, answers that race each
other to the close, X-Ray traces, the few lines that a Standard workflow logs, the topic's key (cached for five minutes), storage, data
transfer, alarms and dashboards, the relays of responders that are existing functions (one more call for each, with sns), and the API
in front.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import Any

MILLION = Decimal(1_000_000)
STEP_FUNCTIONS = "https://aws.amazon.com/step-functions/pricing/"
LAMBDA = "https://aws.amazon.com/lambda/pricing/"
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
    "publishes": Price(Decimal("0.50"), MILLION, "publish of up to 64 KB to SNS; its deliveries to SQS are free",
                       "https://aws.amazon.com/sns/pricing/"),
    "queue_requests": Price(Decimal("0.40"), MILLION, "request of up to 64 KB to SQS", "https://aws.amazon.com/sqs/pricing/"),
    "events": Price(Decimal("1.00"), MILLION, "custom event of up to 64 KB", "https://aws.amazon.com/eventbridge/pricing/"),
    "write_units": Price(Decimal("0.625"), MILLION, "write of 1 KB to DynamoDB, on demand", DYNAMODB),
    "read_units": Price(Decimal("0.125"), MILLION, "consistent read of 4 KB from DynamoDB, on demand", DYNAMODB),
    "log_gb": Price(Decimal("0.50"), Decimal(1), "GB taken in by CloudWatch Logs", "https://aws.amazon.com/cloudwatch/pricing/"),
}
"""By the fields of Usage that they are for."""

IDLE_POLLERS, POLL_SECONDS, MONTH_SECONDS = 5, 20, 30 * 86_400
IDLE_QUEUE_MONTH = PRICES["queue_requests"].of(IDLE_POLLERS * MONTH_SECONDS // POLL_SECONDS)
"""Dollars for a queue that a function is behind, whether or not anything comes: Lambda keeps five long polls open at it.
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html"""

KB = 1_024
HANDLER_MEMORY_MB = 256
"""Of the requester and the aggregator."""

REQUESTER_SECONDS, AGGREGATOR_SECONDS = Decimal("0.06"), Decimal("0.04")
"""Assumed: three or four calls to AWS, one after the other."""

CALL_LOG_BYTES = 1_000
"""Assumed, per call: Lambda's own lines (start, report) and one of the function's, as JSON."""

EXPRESS_LOG_BYTES = 2_000
"""Assumed, per transition: an Express workflow logs five events of some 400 bytes for each state, without their data."""

EXPRESS_BASE_BYTES, EXPRESS_CHUNK_BYTES = 50_000_000, 64_000_000
EXPRESS_STEP_SECONDS = Decimal("0.1")
"""Its memory is 50 MB, its definition and the data of each branch or item, in steps of 64 MB; its time counts in steps of 0.1 s."""

DEFINITION_BYTES = 1_048_576
"""The most that a definition may take."""

WORKFLOWS = ("map", "parallel")
STANDARD, EXPRESS = "STANDARD", "EXPRESS"


@dataclass(frozen=True)
class Workload:
    """What one request is like.

    asked, configured: responders that it asks, and that the stack has. responder_seconds: the mean time of a responder's function;
    request_seconds: of the whole. record_bytes, answer_bytes: of the stored item without answers, and what each answer adds.
    early: whether it may close before all have answered. late: how many of those that it asks answer after it has closed.
    """

    asked: int
    configured: int
    responder_seconds: Decimal = Decimal("0.1")
    request_seconds: Decimal = Decimal("0.5")
    record_bytes: int = 600
    answer_bytes: int = 200
    responder_memory_mb: int = 128
    early: bool = False
    late: int = 0

    def with_responders(self, count: int) -> "Workload":
        """The same with so many responders, all of them asked, of which the same share is late."""
        return replace(self, asked=count, configured=count, late=self.late * count // self.asked)

    def can_run(self, workflow_type: str | None) -> bool:
        """Whether a carrier of this type takes the request: an Express workflow refuses one that may close early."""
        return not (self.early and workflow_type == EXPRESS)


@dataclass(frozen=True)
class Usage:
    """What one request uses. messages, writes and reads are counts; what is billed of them is in the fields that PRICES names.
    idle_queues: queues that are polled all month long."""

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
    idle_queues: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(**{field.name: getattr(self, field.name) + getattr(other, field.name) for field in fields(self)})


def usage(variant: str, workload: Workload, workflow_type: str | None = STANDARD, batches: int | None = None) -> Usage:
    """What one request uses, when nothing has to be tried again.

    batches: of answers, at the aggregator of sns; without it each answer comes by itself, which is the most that it can use.
    ValueError where the request cannot run (`Workload.can_run`).
    """
    if not workload.can_run(workflow_type):
        raise ValueError(f"{variant} {workflow_type} cannot close before all have answered")
    if variant in WORKFLOWS:
        return _workflow_usage(variant, workload, workflow_type or STANDARD)
    return _sns_usage(workload, workload.asked if batches is None else batches)


def bill(used: Usage) -> dict[str, Decimal]:
    """Dollars by the fields of Usage that are priced."""
    return {name: price.of(getattr(used, name)) for name, price in PRICES.items()}


def price_per_thousand(used: Usage) -> Decimal:
    """Dollars for 1,000 requests, without the idle queues."""
    return 1_000 * sum(bill(used).values(), Decimal(0))


def price_per_month(used: Usage, requests: int) -> Decimal:
    """Dollars for so many requests a month, with the idle queues."""
    return price_per_thousand(used) * requests / 1_000 + used.idle_queues * IDLE_QUEUE_MONTH


def _workflow_usage(variant: str, workload: Workload, workflow_type: str) -> Usage:
    asked, entered = workload.asked, _states_entered(variant, workload)
    read, written = _items_read(workload), _items_written(workload)
    used = Usage(
        calls=asked,
        call_gb_seconds=_gb_seconds(workload.responder_memory_mb, asked * workload.responder_seconds),
        writes=len(written),
        write_units=sum(map(_write_units, written)),
        reads=len(read),
        read_units=sum(map(_read_units, read)),
        log_gb=_gigabytes(asked * CALL_LOG_BYTES),
    )
    if workflow_type == STANDARD:
        return used + Usage(transitions=entered)
    memory = EXPRESS_BASE_BYTES + DEFINITION_BYTES + asked * (workload.record_bytes + workload.answer_bytes)
    chunks = math.ceil(Decimal(memory) / EXPRESS_CHUNK_BYTES)
    seconds = math.ceil(workload.request_seconds / EXPRESS_STEP_SECONDS) * EXPRESS_STEP_SECONDS
    return used + Usage(
        executions=1,
        execution_gb_seconds=_gb_seconds(64 * chunks, seconds),
        log_gb=_gigabytes(entered * EXPRESS_LOG_BYTES),
    )


def _states_entered(variant: str, workload: Workload) -> int:
    if workload.early:
        return 3 + 1 + 2 * workload.asked + 4 + workload.late
    skipped = workload.configured - workload.asked if variant == "parallel" else 0
    return 1 + 1 + workload.asked + 2 * skipped + 1


def _items_written(workload: Workload) -> list[int]:
    """Their sizes in bytes: the record as it is opened, and as it is closed; where it may close early, with each answer too."""
    grown = [workload.record_bytes + answers * workload.answer_bytes for answers in range(workload.asked + 1)]
    if not workload.early:
        return [grown[0], grown[-1]]
    in_time = workload.asked - workload.late
    refused = grown[in_time:-1]
    return [*grown, grown[in_time], *refused]


def _items_read(workload: Workload) -> list[int]:
    """Their sizes in bytes."""
    return [workload.record_bytes + (workload.asked - workload.late) * workload.answer_bytes] if workload.early else []


def _sns_usage(workload: Workload, batches: int) -> Usage:
    asked = workload.asked
    # The item grows with each batch; a write is billed by what it then is.
    grown = [workload.record_bytes + math.ceil(asked * batch / batches) * workload.answer_bytes for batch in range(batches + 1)]
    empty, full = grown[0], grown[-1]
    handlers = REQUESTER_SECONDS + (batches + 1) * AGGREGATOR_SECONDS
    calls = asked + batches + 2
    return Usage(
        calls=calls,
        call_gb_seconds=_gb_seconds(workload.responder_memory_mb, asked * workload.responder_seconds)
        + _gb_seconds(HANDLER_MEMORY_MB, handlers),
        messages=2 * asked + 3,
        publishes=1,
        queue_requests=3 * asked + 2 * batches + 3,
        events=1,
        writes=batches + 4,
        write_units=2 * _write_units(empty) + sum(_write_units(size) for size in grown[1:]) + 2 * _write_units(full),
        reads=batches + 1,
        read_units=sum(_read_units(size) for size in grown[:-1]) + _read_units(full),
        log_gb=_gigabytes(calls * CALL_LOG_BYTES),
        idle_queues=workload.configured + 1,
    )


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
