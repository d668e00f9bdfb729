"""The comparison's counts against what the emulator's services recorded of the same requests.

    transitions   the executions' histories
    calls         one REPORT line for each in the functions' log groups; of a workflow's, the tasks in its history too
    writes        the table's stream
    messages      the calls of SNS, SQS and EventBridge in CloudTrail, and one call of a responder for each delivery

Once with a request that waits for all who are asked, once with one that closes early, whose last answer is held until it has. One of the
responders is an existing function. How many answers the aggregator gathers at a time depends on when they come, so it is read from
the stream as well. A run's own reads, and the calls with which Lambda takes messages from a queue, leave no trace of their own.
"""

import io
import json
import math
import time
import urllib.request
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from client import Stack, costs
from client.compare import show
from client.comparison import Carrier, Comparison, compare
from client.costs import Usage
from handlers.attribute_values import decode_item
from local.emulator import Emulator

EXISTING = "partner"
RESPONDERS = [
    {"name": "first", "module": "tests.responders", "behaviour": "quote"},
    {"name": EXISTING},
    {"name": "third", "module": "tests.responders", "behaviour": "hold", "timeoutSeconds": 60},
]
EXISTING_CODE = "def handler(event, context):\n    print('asked')\n    return {'amount': '100'}\n"
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
    # One of the responders is not asked: that costs a transition and a call with parallel. The padding keeps each size of the record
    # well between 1 and 2 KB, however long the name of the folder is.
    "waits for all": Case(
        {"data": {"padding": "x" * 700}, "recipients": ["first", EXISTING]}, 2, {"map": 2 + 4, "parallel": 3 + 4}, ["map", "EXPRESS"]
    ),
    "closes early": Case(
        {"data": {"padding": "x" * 700}, "completion": {"quorum": 2}}, 1, {"map": 3 + 4, "parallel": 3 + 4}, ["map", "EXPRESS"]
    ),
}
PATIENCE_SECONDS = 120
WORKFLOWS = ("map", "parallel")
CARRIERS = (*WORKFLOWS, "sns")
LAMBDA_INVOKE = "arn:aws:states:::lambda:invoke"
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
def stack(deployed, emulator, module_account) -> Stack:
    responders = [{**each, "functionArn": _partner(emulator, module_account)} if each["name"] == EXISTING else each for each in RESPONDERS]
    made = deployed(
        variants=list(CARRIERS), api={"enabled": False}, responders=responders, completion={"deadlineSeconds": DEADLINE_SECONDS}
    )
    made.client("dynamodb").update_table(
        TableName=made.outputs["quoteTableName"], StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    )
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
    for request_id in ids:
        _deliver_deadline(stack, request_id)
    histories = {
        variant: [_history(stack, each) for name, each in made.items() if name not in executions[variant]]
        for variant, made in _executions(stack).items()
    }
    changes = [(old, new) for old, new in _changes(stack) if new["requestId"] in ids]
    return case, compared, Recorded(_calls(stack) - calls, _sent(stack) - sent, deadlines, changes, histories)


@pytest.mark.parametrize("variant", WORKFLOWS)
def test_a_workflow_takes_the_transitions_and_calls_that_the_comparison_says(outcome, variant):
    case, compared, recorded = outcome
    used = _carrier(compared, variant).used
    histories = recorded.histories[variant]
    called = case.transitions[variant] - 4

    assert len(histories) == case.count
    assert [_transitions(history) for history in histories] == [used.transitions] * case.count == [case.transitions[variant]] * case.count
    # The requester, the responders' functions, and the aggregator in Gather
    assert [_tasks(history, LAMBDA_INVOKE) for history in histories] == [1 + called + 1] * case.count
    assert used.calls == 1 + called + 1 + compared.workload.existing + (compared.workload.asked if compared.workload.early else 0) + 1


@pytest.mark.parametrize("variant", CARRIERS)
def test_a_carrier_writes_what_the_comparison_says(outcome, variant):
    _, compared, recorded = outcome
    used = sum(_as_gathered(outcome, variant), Usage())

    assert len(recorded.of(variant)) == used.writes
    listed = sum(costs.LISTED_UNITS for old, _ in recorded.of(variant) if not old)
    assert sum(_write_units(*change) for change in recorded.of(variant)) + listed == used.write_units
    carrier = _carrier(compared, variant)
    assert carrier.used == costs.usage(carrier.kind, compared.workload, carrier.workflow_type, batches=compared.workload.asked)


def test_the_functions_are_called_as_often_as_the_comparison_says(stack, outcome):
    case, compared, recorded = outcome
    used = sum((each for variant in CARRIERS for each in _as_gathered(outcome, variant)), Usage())
    requests = case.count * len(CARRIERS)
    responders = sum(
        calls for function, calls in recorded.calls.items() if function.startswith("responder") and "requester" not in function
    )
    requesters = sum(calls for function, calls in recorded.calls.items() if "requester" in function)

    assert requesters == requests
    assert recorded.calls[EXISTING] == compared.workload.existing * requests
    aggregators = recorded.calls[stack.outputs["aggregatorFunctionName"]]
    assert recorded.calls.total() == requesters + responders + recorded.calls[EXISTING] + aggregators
    # One batch may have answers of several requests.
    assert used.calls - requests < recorded.calls.total() <= used.calls


def test_the_services_were_sent_what_the_comparison_says(stack, outcome):
    case, compared, recorded = outcome
    used = sum((each for variant in CARRIERS for each in _as_gathered(outcome, variant)), Usage())
    requests, asked = case.count * len(CARRIERS), compared.workload.asked
    answers = case.count * asked * (3 if compared.workload.early else 1)
    delivered = case.count * asked
    batches = sum(_batches(outcome, variant) for variant in CARRIERS if variant == "sns" or compared.workload.early)

    assert recorded.deadlines == requests
    assert recorded.sent == {"Publish": used.publishes, "SendMessage": requests + answers, "PutEvents": used.events}
    assert (used.publishes, used.events) == (case.count, requests)
    assert recorded.sent.total() + delivered == used.messages
    # What a queue hands to a function is received and deleted: deadlines, batches of answers, questions.
    assert recorded.sent["SendMessage"] + 2 * (requests + batches + delivered) == used.queue_requests


def test_what_was_counted_is_what_is_shown(outcome, capsys):
    case, compared, recorded = outcome

    show(compared)

    rows = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines() if line}
    assert rows["transitions"] == [str(_transitions(recorded.histories[variant][0])) for variant in WORKFLOWS] + ["0"]
    assert rows["Recommended:"] == case.recommended


def _partner(emulator: Emulator, account: str) -> str:
    """The ARN of a function that is there before the stack."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("partner.py", EXISTING_CODE)
    session = boto3.Session(
        aws_access_key_id=account, aws_secret_access_key="test", aws_session_token=emulator.session_token, region_name="us-east-1"
    )
    log_group = f"/aws/lambda/{EXISTING}"
    session.client("logs", endpoint_url=emulator.endpoint).create_log_group(logGroupName=log_group)
    return session.client("lambda", endpoint_url=emulator.endpoint).create_function(
        FunctionName=EXISTING,
        Runtime="python3.13",
        Handler="partner.handler",
        Role=f"arn:aws:iam::{account}:role/partner",
        Code={"ZipFile": packed.getvalue()},
        LoggingConfig={"LogGroup": log_group},
    )["FunctionArn"]


def _batches(outcome: Outcome, variant: str) -> int:
    """In how many writes the answers came, of all requests."""
    return sum(_answers(new) > _answers(old) for old, new in outcome[2].of(variant))


def _as_gathered(outcome: Outcome, variant: str) -> list[Usage]:
    """What each request uses, with the batches in which its answers really came."""
    _, compared, recorded = outcome
    batches = Counter(new["requestId"] for old, new in recorded.of(variant) if _answers(new) > _answers(old))
    carrier = _carrier(compared, variant)
    return [costs.usage(carrier.kind, compared.workload, carrier.workflow_type, count) for count in batches.values()]


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
    url = stack.outputs["responseQueueUrl"]
    return int(stack.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name])


def _await_settled(stack: Stack, request_id: str) -> None:
    """Until all who were asked have answered, or found that they need not begin, and it has been announced. Looks where nothing is
    counted."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while _answers(record := stack.record(request_id) or {}) < len(record["recipients"]) or "announcedAt" not in record:
        assert time.monotonic() < ends, record
        time.sleep(0.05)


def _answers(record: Mapping[str, Any]) -> int:
    """How many it has, late ones included, and who had not begun: that is told and kept as a late answer is."""
    return len(record.get("answers", {})) + len(record.get("late", {})) + len(record.get("spared", {}))


def _await_idle(stack: Stack) -> None:
    ends = time.monotonic() + PATIENCE_SECONDS
    while _waiting(stack, "") or _waiting(stack, "NotVisible"):
        assert time.monotonic() < ends, "messages stay in the queue"
        time.sleep(0.05)


def _deliver_deadline(stack: Stack, request_id: str) -> None:
    """As the queue will, some time."""
    record = stack.record(request_id) or {}
    stack.client("sqs").send_message(
        QueueUrl=stack.outputs["responseQueueUrl"], MessageBody=json.dumps({"requestId": request_id, "deadlineAt": record["deadlineAt"]})
    )
    _await_idle(stack)


def _calls(stack: Stack) -> Counter[str]:
    calls: Counter[str] = Counter()
    for page in stack.client("lambda").get_paginator("list_functions").paginate():
        for function in page["Functions"]:
            lines = stack.client("logs").get_paginator("filter_log_events").paginate(logGroupName=function["LoggingConfig"]["LogGroup"])
            calls[function["FunctionName"]] = sum(event["message"].startswith("REPORT ") for lines in lines for event in lines["events"])
    return calls


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
        place = streams.get_shard_iterator(StreamArn=stream["StreamArn"], ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")[
            "ShardIterator"
        ]
        while place and (page := streams.get_records(ShardIterator=place))["Records"]:
            for record in page["Records"]:
                yield decode_item(record["dynamodb"].get("OldImage", {})), decode_item(record["dynamodb"]["NewImage"])
            place = page.get("NextShardIterator")


def _write_units(old: dict[str, Any], new: dict[str, Any]) -> int:
    """A write is billed by the larger of the two items, in KB."""
    return math.ceil(max(map(costs.item_bytes, (old, new))) / 1_024)


def _executions(stack: Stack) -> dict[str, dict[str, str]]:
    """By variant and name, all of which have ended."""
    workflows = stack.client("stepfunctions")
    found: dict[str, dict[str, str]] = {}
    for variant in WORKFLOWS:
        made = workflows.list_executions(stateMachineArn=stack.outputs[f"{variant}StateMachineArn"])["executions"]
        found[variant] = {execution["name"]: execution["executionArn"] for execution in made}
        for execution in found[variant].values():
            _await_end(stack, execution)
    return found


def _await_end(stack: Stack, execution: str) -> None:
    ends = time.monotonic() + PATIENCE_SECONDS
    while stack.client("stepfunctions").describe_execution(executionArn=execution)["status"] == "RUNNING":
        assert time.monotonic() < ends, f"{execution} is still running"
        time.sleep(0.05)


def _history(stack: Stack, execution: str) -> list[dict[str, Any]]:
    paginator = stack.client("stepfunctions").get_paginator("get_execution_history")
    return [event for page in paginator.paginate(executionArn=execution) for event in page["events"]]


def _transitions(history: list[dict[str, Any]]) -> int:
    """States that were entered. Inside a Map or Parallel state the emulator's history only has the tasks."""
    kinds = Counter(event["type"] for event in history)
    entered = sum(count for kind, count in kinds.items() if kind.endswith("StateEntered"))
    return entered + kinds["TaskScheduled"] - kinds["TaskStateEntered"]


def _tasks(history: list[dict[str, Any]], *resources: str) -> int:
    return sum(event["taskScheduledEventDetails"]["resource"] in resources for event in history if event["type"] == "TaskScheduled")
