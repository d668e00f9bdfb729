"""The comparison's counts against what the emulator's services recorded of the same requests.

    transitions   the executions' histories
    calls         one REPORT line for each in the functions' log groups; of a workflow's, the tasks in its history too
    writes        the table's stream
    messages      the calls of SNS, SQS and EventBridge in CloudTrail, and one call of a responder for each delivery

How many answers the aggregator gathers at a time depends on when they come, so it is read from the stream as well. A run's own
reads, and the calls with which Lambda takes messages from a queue, leave no trace of their own.
"""

import json
import math
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from client import Stack, costs
from client.compare import show
from client.comparison import Carrier, Comparison, compare
from client.costs import Usage
from handlers import records

RESPONDERS = [{"name": name, "module": "tests.responders", "behaviour": "quote"} for name in ("first", "second", "third")]
DEADLINE_SECONDS = 300
"""Too long to be met, or to be waited for: the test delivers the deadlines itself."""

REQUEST = {"data": {}, "recipients": ["first", "second"]}
"""One of the responders is not asked: that costs two transitions with parallel."""

REQUESTS = 2
PATIENCE_SECONDS = 120
WORKFLOWS = {"map": "mapStateMachineArn", "parallel": "parallelStateMachineArn"}
LOOKED_UP = 50
"""The most events that CloudTrail returns at once; the emulator has no further pages."""


@dataclass
class Recorded:
    """What the services recorded. calls: by function; sent: by operation; deadlines: that are still to come; changes: (old, new) items, as
    records; histories: by variant the events of each execution."""

    calls: Counter[str]
    sent: Counter[str]
    deadlines: int
    changes: list[tuple[dict[str, Any], dict[str, Any]]]
    histories: dict[str, list[list[dict[str, Any]]]]

    def of(self, variant: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """The changes of one variant's items."""
        return [(old, new) for old, new in self.changes if new["variant"] == variant]


@pytest.fixture(scope="module")
def stack(deployed) -> Stack:
    return deployed(variants=[*WORKFLOWS, "sns"], api={"enabled": False}, responders=RESPONDERS,
                    completion={"deadlineSeconds": DEADLINE_SECONDS})


@pytest.fixture(scope="module")
def outcome(stack) -> tuple[Comparison, Recorded]:
    """One comparison, and what was recorded of it, its deadlines included."""
    stack.client("dynamodb").update_table(
        TableName=stack.outputs["quoteTableName"],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"})
    calls, executions = _calls(stack), {variant: set(_executions(stack, variant)) for variant in WORKFLOWS}
    _record_events(stack, True)
    try:
        compared = compare(stack, REQUEST, REQUESTS, warm_up=0)
        _await_idle(stack)
    finally:
        _record_events(stack, False)
    deadlines = _waiting(stack, "Delayed")
    for run in _carrier(compared, "sns").runs:
        _deliver_deadline(stack, run.result["requestId"])
    histories = {variant: [_history(stack, execution) for execution in _executions(stack, variant) if execution not in executions[variant]]
                 for variant in WORKFLOWS}
    return compared, Recorded(_calls(stack) - calls, _sent(stack), deadlines, list(_changes(stack)), histories)


@pytest.mark.parametrize(("variant", "transitions"), [("map", 5), ("parallel", 7)])
def test_a_workflow_uses_what_the_comparison_says(outcome, variant, transitions):
    compared, recorded = outcome
    used = _carrier(compared, variant).used
    histories = recorded.histories[variant]

    assert len(histories) == REQUESTS
    assert [_transitions(history) for history in histories] == [used.transitions] * REQUESTS == [transitions] * REQUESTS
    assert [_invocations(history) for history in histories] == [used.calls] * REQUESTS
    assert len(recorded.of(variant)) == used.writes * REQUESTS
    assert sum(_write_units(*change) for change in recorded.of(variant)) == used.write_units * REQUESTS
    assert used.messages == 0


def test_sns_uses_what_the_comparison_says(stack, outcome):
    compared, recorded = outcome
    batches = Counter(new["requestId"] for old, new in recorded.of("sns") if len(new["answers"]) > len(old.get("answers", {})))
    used = sum((costs.usage("sns", compared.workload, None, count) for count in batches.values()), Usage())
    responders = _responder_calls(recorded) - sum(_carrier(compared, variant).used.calls for variant in WORKFLOWS) * REQUESTS
    aggregator = recorded.calls[stack.outputs["snsAggregatorFunctionName"]]

    assert len(batches) == REQUESTS
    assert used.transitions == 0
    assert _carrier(compared, "sns").used == costs.usage("sns", compared.workload, None, batches=2), "the most that it can be"
    assert recorded.calls[stack.outputs["snsRequesterFunctionName"]] == REQUESTS
    assert REQUESTS + responders + aggregator == used.calls
    assert recorded.deadlines == REQUESTS
    assert recorded.sent == {"Publish": used.publishes, "SendMessage": responders + REQUESTS, "PutEvents": used.events}
    assert recorded.sent.total() + responders == used.messages
    # Each call that a queue causes is a message that was received and deleted.
    assert recorded.sent["SendMessage"] + 2 * (responders + aggregator) == used.queue_requests
    assert len(recorded.of("sns")) == used.writes
    assert sum(_write_units(*change) for change in recorded.of("sns")) == used.write_units


def test_all_calls_are_accounted_for(outcome):
    compared, recorded = outcome

    most = sum(carrier.used.calls for carrier in compared.carriers) * REQUESTS
    assert most - REQUESTS <= recorded.calls.total() <= most, "the two answers to a request can be gathered by one call"


def test_what_was_counted_is_what_is_shown(outcome, capsys):
    compared, recorded = outcome

    show(compared)

    rows = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines() if line}
    assert rows["transitions"] == [str(_transitions(recorded.histories[variant][0])) for variant in WORKFLOWS] + ["0"]
    assert rows["Recommended:"] == ["map", "EXPRESS"]


def _carrier(compared: Comparison, variant: str) -> Carrier:
    [carrier] = [carrier for carrier in compared.carriers if carrier.variant == variant]
    return carrier


def _record_events(stack: Stack, on: bool) -> None:
    body = json.dumps({"cloudtrail._recording_enabled": on}).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{stack.endpoint}/_ministack/config", data=body, method="POST")) as answer:
        assert json.load(answer)["applied"]


def _waiting(stack: Stack, which: str) -> int:
    """Messages of the response queue; which: "" are to be received, "NotVisible" are being worked on, "Delayed" are for later."""
    name = f"ApproximateNumberOfMessages{which}"
    url = stack.outputs["snsResponseQueueUrl"]
    return int(stack.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name])


def _await_idle(stack: Stack) -> None:
    ends = time.monotonic() + PATIENCE_SECONDS
    while _waiting(stack, "") or _waiting(stack, "NotVisible"):
        assert time.monotonic() < ends, "messages stay in the queue"
        time.sleep(0.05)


def _deliver_deadline(stack: Stack, request_id: str) -> None:
    """As the queue will, some time."""
    record = stack.record(request_id) or {}
    stack.client("sqs").send_message(
        QueueUrl=stack.outputs["snsResponseQueueUrl"],
        MessageBody=json.dumps({"requestId": request_id, "deadlineAt": record["deadlineAt"]}))
    _await_idle(stack)


def _calls(stack: Stack) -> Counter[str]:
    calls: Counter[str] = Counter()
    for page in stack.client("lambda").get_paginator("list_functions").paginate():
        for function in page["Functions"]:
            lines = stack.client("logs").get_paginator("filter_log_events").paginate(logGroupName=function["LoggingConfig"]["LogGroup"])
            calls[function["FunctionName"]] = sum(event["message"].startswith("REPORT ") for lines in lines for event in lines["events"])
    return calls


def _responder_calls(recorded: Recorded) -> int:
    return sum(calls for function, calls in recorded.calls.items() if function.startswith("responder"))


def _sent(stack: Stack) -> Counter[str]:
    """Calls that send something, by operation, which for SNS the emulator only has among the parameters."""
    sent: Counter[str] = Counter()
    for service in ("sns", "sqs", "events"):
        source = {"AttributeKey": "EventSource", "AttributeValue": f"{service}.amazonaws.com"}
        events = stack.client("cloudtrail").lookup_events(LookupAttributes=[source])["Events"]
        assert len(events) < LOOKED_UP, "some may be missing"
        for event in events:
            parameters = json.loads(event["CloudTrailEvent"])["requestParameters"] or {}
            sent[parameters.get("Action", event["EventName"])] += 1
    return Counter({operation: count for operation, count in sent.items() if not operation.startswith("Get")})


def _changes(stack: Stack) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    streams = stack.client("dynamodbstreams")
    [stream] = streams.list_streams(TableName=stack.outputs["quoteTableName"])["Streams"]
    for shard in streams.describe_stream(StreamArn=stream["StreamArn"])["StreamDescription"]["Shards"]:
        place = streams.get_shard_iterator(
            StreamArn=stream["StreamArn"], ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        while place and (page := streams.get_records(ShardIterator=place))["Records"]:
            for record in page["Records"]:
                yield records.decode(record["dynamodb"].get("OldImage", {})), records.decode(record["dynamodb"]["NewImage"])
            place = page.get("NextShardIterator")


def _write_units(old: dict[str, Any], new: dict[str, Any]) -> int:
    """A write is billed by the larger of the two items, in KB."""
    return math.ceil(max(map(costs.item_bytes, (old, new))) / 1_024)


def _executions(stack: Stack, variant: str) -> list[str]:
    executions = stack.client("stepfunctions").list_executions(stateMachineArn=stack.outputs[WORKFLOWS[variant]])["executions"]
    return [execution["executionArn"] for execution in executions]


def _history(stack: Stack, execution: str) -> list[dict[str, Any]]:
    pages = stack.client("stepfunctions").get_paginator("get_execution_history").paginate(executionArn=execution)
    return [event for page in pages for event in page["events"]]


def _transitions(history: list[dict[str, Any]]) -> int:
    """States that were entered. Inside a Map or Parallel state the emulator's history only has how the tasks ended; one that failed
    was caught, which enters another state."""
    kinds = Counter(event["type"] for event in history)
    entered = sum(count for kind, count in kinds.items() if kind.endswith("StateEntered"))
    ended = kinds["TaskSucceeded"] + kinds["TaskFailed"]
    return entered + ended - kinds["TaskStateEntered"] + kinds["TaskFailed"]


def _invocations(history: list[dict[str, Any]]) -> int:
    return sum(event["taskScheduledEventDetails"]["resource"] == "arn:aws:states:::lambda:invoke"
               for event in history if event["type"] == "TaskScheduled")
