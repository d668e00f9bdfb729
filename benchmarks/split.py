"""Where the time of a request goes: from sending it to seeing it closed, and how much of that is the functions' and the store's."""

import json
import re
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from benchmarks.rows import RENTAL
from client import Stack

REPEATED = 20
ALONE = 50
LOGGED_SECONDS = 1
STORE_CALLS = 4
"""That one after the other lead to a close, whichever carrier: the record is made, read, and given its last answer, then closed."""

DURATION = re.compile(r"^REPORT .*?Duration: (\d+(?:\.\d+)?) ms")
NOTHING: Mapping[str, Any] = {"StartAt": "End", "States": {"End": {"Type": "Pass", "End": True}}}


@dataclass(frozen=True)
class Split:
    """Seconds, medians. opened, answered, closed, seen: each since the one before. functions: the requester's whole time, the slowest
    responder's and that of the aggregator's last call. store: its calls on the way. start: of an execution that does nothing."""

    opened: float
    answered: float
    closed: float
    seen: float
    functions: float
    store: float
    start: float

    @property
    def whole(self) -> float:
        return self.opened + self.answered + self.closed + self.seen


def measured(stack: Stack, carrier: str) -> Split:
    stack.request(carrier, RENTAL, 60)
    found = [_one(stack, carrier) for _ in range(REPEATED)]
    opened, answered, closed, seen, functions = (statistics.median(each) for each in zip(*found, strict=True))
    start = _execution_of_nothing(stack, carrier) if stack.workflow_type(carrier) else 0
    return Split(opened, answered, closed, seen, functions, STORE_CALLS * _store_call(stack), start)


def _one(stack: Stack, carrier: str) -> tuple[float, float, float, float, float]:
    began = time.time()
    result = stack.request(carrier, RENTAL, 60)
    ended = time.time()
    created, completed = _seconds(result["createdAt"]), _seconds(str(result["completedAt"]))
    last = max(_seconds(answer["respondedAt"]) for answer in result["answers"])
    # The last function's line comes after its work.
    time.sleep(LOGGED_SECONDS)
    return created - began, last - created, completed - last, ended - completed, _functions(stack, carrier, began)


def _functions(stack: Stack, carrier: str, since: float) -> float:
    durations = {source: _durations(stack, group, since) for source, group in stack.outputs["logGroups"].items()}
    responders = max(durations[name][0] for name in stack.outputs["responderNames"])
    requester = durations["requester" if stack.workflow_type(carrier) else "sns-requester"][0]
    return requester + responders + durations["aggregator"][-1]


def _durations(stack: Stack, group: str, since: float) -> list[float]:
    pages = stack.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group, startTime=int(since * 1000))
    lines = (DURATION.search(event["message"]) for page in pages for event in page["events"])
    return [float(line[1]) / 1000 for line in lines if line]


def _execution_of_nothing(stack: Stack, carrier: str) -> float:
    workflows = stack.client("stepfunctions")
    role = workflows.describe_state_machine(stateMachineArn=stack.entrances[carrier]["stateMachineArn"])["roleArn"]
    arn = workflows.create_state_machine(name="nothing", roleArn=role, definition=json.dumps(NOTHING))["stateMachineArn"]

    def run() -> None:
        execution = workflows.start_execution(stateMachineArn=arn)["executionArn"]
        while workflows.describe_execution(executionArn=execution)["status"] == "RUNNING":
            time.sleep(0.002)

    try:
        return _median(run, REPEATED)
    finally:
        workflows.delete_state_machine(stateMachineArn=arn)


def _store_call(stack: Stack) -> float:
    store, key = stack.client("dynamodb"), {"requestId": {"S": "benchmark"}}
    return _median(
        lambda: store.update_item(
            TableName=stack.outputs["quoteTableName"],
            Key=key,
            UpdateExpression="SET answers = :none",
            ExpressionAttributeValues={":none": {"M": {}}},
        ),
        ALONE,
    )


def _median(call: Callable[[], object], count: int) -> float:
    taken = []
    for _ in range(count):
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
