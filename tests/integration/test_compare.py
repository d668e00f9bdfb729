"""The comparison's counts against what the emulator's services recorded of the same requests.

    transitions   the executions' histories
    calls         one REPORT line for each in the functions' log groups; of a workflow's, the tasks in its history too
    writes        the table's stream, which lacks those that were refused; of a workflow's, the tasks in its history too
    messages      the calls of SNS, SQS and EventBridge in CloudTrail, and one call of a responder for each delivery

Once with a request that waits for all who are asked, once with one that closes early, whose last answer is held until it has.
How many answers the aggregator gathers at a time depends on when they come, so it is read from the stream as well. A run's own
reads, and the calls with which Lambda takes messages from a queue, leave no trace of their own.
"""

import json
import math
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from client import Stack, costs
from client.compare import show
from client.comparison import Carrier, Comparison, compare
from client.costs import Usage
from handlers import records

RESPONDERS = [{"name": name, "module": "tests.responders", "behaviour": behaviour, "timeoutSeconds": 60}
              for name, behaviour in (("first", "quote"), ("second", "quote"), ("third", "hold"))]
DEADLINE_SECONDS = 300
"""Too long to be met, or to be waited for: the test delivers the deadlines itself."""


@dataclass(frozen=True)
class Case:
    """A request, how often it is sent through each carrier, the transitions that it takes, and what is recommended for it."""

    request: Mapping[str, Any]
    count: int
    transitions: Mapping[str, int]
    recommended: Sequence[str]


CASES = {
    # One of the responders is not asked: that costs two transitions with parallel.
    "waits for all": Case({"data": {}, "recipients": ["first", "second"]}, 2, {"map": 5, "parallel": 5 + 2}, ["map", "EXPRESS"]),
    # The padding keeps each size of the record well between 1 and 2 KB, however long the name of the folder is.
    "closes early": Case({"data": {"padding": "x" * 750}, "completion": {"quorum": 2}}, 1,
                         {"map": 2 * 3 + 8 + 1, "parallel": 2 * 3 + 8 + 1}, ["sns"]),
}
PATIENCE_SECONDS = 120
WORKFLOWS = ("map", "parallel")
LAMBDA_INVOKE, GET_ITEM = "arn:aws:states:::lambda:invoke", "arn:aws:states:::dynamodb:getItem"
WRITES = ("arn:aws:states:::dynamodb:putItem", "arn:aws:states:::dynamodb:updateItem")
LOOKED_UP = 50
"""The most events that CloudTrail returns at once; the emulator has no further pages."""


@dataclass
class Recorded:
    """What the services recorded. calls: by function; sent: by operation; deadlines: that are still to come; changes: (old, new) items, as
    records; histories: by variant the events of each request's executions."""

    calls: Counter[str]
    sent: Counter[str]
    deadlines: int
    changes: list[tuple[dict[str, Any], dict[str, Any]]]
    histories: dict[str, list[list[dict[str, Any]]]]

    def of(self, variant: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """The changes of one variant's items."""
        return [(old, new) for old, new in self.changes if new["variant"] == variant]


Outcome = tuple[Case, Comparison, Recorded]


@pytest.fixture(scope="module")
def stack(deployed) -> Stack:
    made = deployed(variants=[*WORKFLOWS, "sns"], api={"enabled": False}, responders=RESPONDERS,
                    completion={"deadlineSeconds": DEADLINE_SECONDS})
    made.client("dynamodb").update_table(
        TableName=made.outputs["quoteTableName"],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"})
    return made


@pytest.fixture(scope="module", params=CASES)
def outcome(request, stack, tmp_path_factory) -> Outcome:
    """One comparison, and what was recorded of it, its late answers and its deadlines included."""
    case, folder = CASES[request.param], tmp_path_factory.mktemp("gate")
    calls, sent, delayed, executions = _calls(stack), _sent(stack), _waiting(stack, "Delayed"), _executions(stack)
    _record_events(stack, True)
    try:
        compared = _compared(stack, case, folder)
        ids = [run.result["requestId"] for carrier in compared.carriers for run in carrier.runs]
        for request_id in ids:
            _await_settled(stack, request_id)
    finally:
        _record_events(stack, False)
    _await_idle(stack)
    deadlines = _waiting(stack, "Delayed") - delayed
    for run in _carrier(compared, "sns").runs:
        _deliver_deadline(stack, run.result["requestId"])
    histories = {variant: [_history(stack, each) for name, each in made.items() if name not in executions[variant]]
                 for variant, made in _executions(stack).items()}
    changes = [(old, new) for old, new in _changes(stack) if new["requestId"] in ids]
    return case, compared, Recorded(_calls(stack) - calls, _sent(stack) - sent, deadlines, changes, histories)


@pytest.mark.parametrize("variant", WORKFLOWS)
def test_a_workflow_uses_what_the_comparison_says(outcome, variant):
    case, compared, recorded = outcome
    used = _carrier(compared, variant).used
    histories = recorded.histories[variant]
    refused = used.writes * case.count - len(recorded.of(variant))
    closed = [new for old, new in recorded.of(variant) if old and old["status"] != new["status"]]

    assert len(histories) == case.count
    assert [_transitions(history) for history in histories] == [used.transitions] * case.count == [case.transitions[variant]] * case.count
    assert [_tasks(history, LAMBDA_INVOKE) for history in histories] == [used.calls] * case.count
    assert [_tasks(history, GET_ITEM) for history in histories] == [used.reads] * case.count
    assert [_tasks(history, *WRITES) for history in histories] == [used.writes] * case.count
    assert len(closed) == case.count
    # A late answer is refused by the record as it was closed, which is billed too.
    assert refused == compared.workload.late * case.count
    assert used.write_units * case.count == (
        sum(_write_units(*change) for change in recorded.of(variant)) + refused * _write_units(closed[0], closed[0]))
    assert used.messages == 0


def test_sns_uses_what_the_comparison_says(stack, outcome):
    case, compared, recorded = outcome
    batches = Counter(new["requestId"] for old, new in recorded.of("sns") if _answers(new) > _answers(old))
    used = sum((costs.usage("sns", compared.workload, None, count) for count in batches.values()), Usage())
    responders = _responder_calls(recorded) - sum(_carrier(compared, variant).used.calls for variant in WORKFLOWS) * case.count
    aggregator = recorded.calls[stack.outputs["snsAggregatorFunctionName"]]
    most = costs.usage("sns", compared.workload, None, batches=compared.workload.asked)

    assert len(batches) == case.count
    assert used.transitions == 0
    assert _carrier(compared, "sns").used == most
    assert recorded.calls[stack.outputs["snsRequesterFunctionName"]] == case.count
    assert case.count + responders + aggregator == used.calls
    assert recorded.deadlines == case.count
    assert recorded.sent == {"Publish": used.publishes, "SendMessage": responders + case.count, "PutEvents": used.events}
    assert recorded.sent.total() + responders == used.messages
    # Each call that a queue causes is a message that was received and deleted.
    assert recorded.sent["SendMessage"] + 2 * (responders + aggregator) == used.queue_requests
    assert len(recorded.of("sns")) == used.writes
    assert sum(_write_units(*change) for change in recorded.of("sns")) == used.write_units


def test_all_calls_are_accounted_for(outcome):
    case, compared, recorded = outcome

    most = sum(carrier.used.calls for carrier in compared.carriers) * case.count
    assert most - case.count <= recorded.calls.total() <= most, "the first two answers to a request can be gathered by one call"


def test_what_was_counted_is_what_is_shown(outcome, capsys):
    case, compared, recorded = outcome

    show(compared)

    rows = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines() if line}
    assert rows["transitions"] == [str(_transitions(recorded.histories[variant][0])) for variant in WORKFLOWS] + ["0"]
    assert rows["Recommended:"] == case.recommended


def _compared(stack: Stack, case: Case, folder: Path) -> Comparison:
    """The responder that is held answers once all of it is over."""
    try:
        return compare(stack, {**case.request, "data": {**case.request["data"], "folder": str(folder)}}, case.count, warm_up=0)
    finally:
        (folder / "open").touch()


def _carrier(compared: Comparison, variant: str) -> Carrier:
    [carrier] = [carrier for carrier in compared.carriers if carrier.variant == variant]
    return carrier


def _record_events(stack: Stack, on: bool) -> None:
    body = json.dumps({"cloudtrail._recording_enabled": on}).encode()
    headers = {"X-Amz-Security-Token": str(stack.session_token)}
    asked = urllib.request.Request(f"{stack.endpoint}/_ministack/config", body, headers, method="POST")
    with urllib.request.urlopen(asked) as answer:
        assert json.load(answer)["applied"]


def _waiting(stack: Stack, which: str) -> int:
    """Messages of the response queue; which: "" are to be received, "NotVisible" are being worked on, "Delayed" are for later."""
    name = f"ApproximateNumberOfMessages{which}"
    url = stack.outputs["snsResponseQueueUrl"]
    return int(stack.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name])


def _await_settled(stack: Stack, request_id: str) -> None:
    """Until all who were asked have answered, and it has been announced where that is done. Looks where nothing is counted."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while (_answers(record := stack.record(request_id) or {}) < len(record["recipients"])
           or (record["variant"] == "sns" and "announcedAt" not in record)):
        assert time.monotonic() < ends, record
        time.sleep(0.05)


def _answers(record: Mapping[str, Any]) -> int:
    """How many it has, late ones included."""
    return len(record.get("answers", {})) + len(record.get("late", {}))


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


def _executions(stack: Stack) -> dict[str, dict[str, list[str]]]:
    """By variant and name, all of which have ended. A request that closes early has two of one name: its own and the recorder's."""
    workflows = stack.client("stepfunctions")
    found: dict[str, dict[str, list[str]]] = {variant: {} for variant in WORKFLOWS}
    for machine in workflows.list_state_machines()["stateMachines"]:
        for execution in workflows.list_executions(stateMachineArn=machine["stateMachineArn"])["executions"]:
            _await_end(stack, execution["executionArn"])
            found[machine["name"].split("-")[0]].setdefault(execution["name"], []).append(execution["executionArn"])
    return found


def _await_end(stack: Stack, execution: str) -> None:
    ends = time.monotonic() + PATIENCE_SECONDS
    while stack.client("stepfunctions").describe_execution(executionArn=execution)["status"] == "RUNNING":
        assert time.monotonic() < ends, f"{execution} is still running"
        time.sleep(0.05)


def _history(stack: Stack, executions: Sequence[str]) -> list[dict[str, Any]]:
    paginator = stack.client("stepfunctions").get_paginator("get_execution_history")
    return [event for execution in executions for page in paginator.paginate(executionArn=execution) for event in page["events"]]


def _transitions(history: list[dict[str, Any]]) -> int:
    """States that were entered. Inside a Map or Parallel state the emulator's history only has the tasks. Two states leave no trace
    there: the one after a task that failed before it was scheduled, which is how parallel leaves a responder out, and the choice
    after what has been answered was read."""
    kinds = Counter(event["type"] for event in history)
    entered = sum(count for kind, count in kinds.items() if kind.endswith("StateEntered"))
    tasks = kinds["TaskScheduled"] - kinds["TaskStateEntered"]
    ended = sum(event[details]["resource"] == LAMBDA_INVOKE for event in history
                for details in ("taskSucceededEventDetails", "taskFailedEventDetails") if details in event)
    left_out = ended - _tasks(history, LAMBDA_INVOKE)
    return entered + tasks + 2 * left_out + _tasks(history, GET_ITEM)


def _tasks(history: list[dict[str, Any]], *resources: str) -> int:
    return sum(event["taskScheduledEventDetails"]["resource"] in resources for event in history if event["type"] == "TaskScheduled")
