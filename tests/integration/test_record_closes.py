"""A record closes when its policy says so, on every carrier, whatever still runs: early, at its deadline, without its execution."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from client import Stack
from tests.in_process import make_queue, taken
from tests.integration.beside_the_stack import existing_function, express_machine

CARRIERS = ("map", "parallel", "sns", "map EXPRESS", "parallel EXPRESS")
PATIENCE_SECONDS = 300

SLOW_FUNCTION = """
import pathlib, time


def handler(event, context):
    time.sleep(30)
    pathlib.Path(event["data"]["folder"], "done").touch()
    return {"amount": 1}
"""


def eventually(look: Any) -> Any:
    """What `look` gives once it is truthy."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while not (found := look()):
        assert time.monotonic() < ends, "it never came to be"
        time.sleep(0.05)
    return found


class Bench:
    """stacks: for each carrier, one that its variant is asked of. The events that announce completed requests arrive in a queue."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        sqs, events, bus = stack.client("sqs"), stack.client("events"), stack.outputs["eventBusName"]
        self._sqs, self._announced = sqs, {}
        self._queue, arn = make_queue(sqs, "completed")
        events.put_rule(Name="completed", EventBusName=bus, EventPattern=json.dumps({"detail-type": ["Request Completed"]}))
        events.put_targets(Rule="completed", EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])
        express = {f"{variant}StateMachineArn": express_machine(stack, variant) for variant in ("map", "parallel")}
        self._express = Stack({**stack.outputs, **express}, stack.endpoint, stack.session_token)

    def send(self, carrier: str, request: dict[str, Any]) -> str:
        """The request's id."""
        variant, _, workflow_type = carrier.partition(" ")
        return (self._express if workflow_type else self.stack).send(variant, request)

    def closed(self, request_id: str) -> dict[str, Any]:
        """The record, once it is closed."""
        return eventually(lambda: (record := self.stack.record(request_id)) and record["status"] != "OPEN" and record)

    def announced(self, request_id: str) -> dict[str, Any]:
        """The Result that the event told."""

        def look() -> Any:
            for message in taken(self._sqs, self._queue):
                result = json.loads(message["Body"])["detail"]
                self._announced[result["requestId"]] = result
            return self._announced.get(request_id)

        return eventually(look)


@pytest.fixture(scope="module")
def bench(deployed, emulator, module_account):
    slow = existing_function(emulator, module_account, SLOW_FUNCTION)
    own = {"module": "tests.responders", "timeoutSeconds": 60, "behaviour": "quote"}
    responders = [
        {"name": name, **own, **settings}
        for name, settings in {
            "avis": {"amount": 120},
            "alamo": {"amount": 99},
            "sixt": {"behaviour": "decline"},
            "hertz": {"behaviour": "throw"},
            "held": {"behaviour": "hold", "amount": 1},
        }.items()
    ]
    return Bench(
        deployed(
            variants=["map", "parallel", "sns"],
            api={"enabled": False},
            alarms={"enabled": False},
            completion={"deadlineSeconds": 900},
            responders=[*responders, {"name": "slow", "functionArn": slow, "timeoutSeconds": 60}],
        )
    )


@pytest.mark.parametrize("carrier", CARRIERS)
def test_two_quotes_of_five_close_and_announce_while_another_is_still_being_asked_and_its_answer_is_kept_as_late(bench, carrier, tmp_path):
    request_id = bench.send(
        carrier,
        {
            "data": {"folder": str(tmp_path), "awaits": ["held"]},
            "recipients": ["avis", "alamo", "held", "sixt", "hertz"],
            "completion": {"quorum": 2},
        },
    )

    record, announced = bench.closed(request_id), bench.announced(request_id)

    # Nobody has opened the gate, so nothing has waited for the one that is held.
    assert "held" not in {**record["answers"], **record["late"]}
    assert (record["completedBy"], record["status"], announced["best"]["responder"]) == ("QUORUM", "COMPLETE", "alamo")
    assert {"avis", "alamo"} <= set(record["answers"])
    seen = bench.stack.result(request_id)
    told = {key: announced[key] for key in announced if key not in ("late", "spared", "schemaVersion")}
    assert {key: seen[key] for key in told} == told
    (tmp_path / "open").touch()
    late = eventually(lambda: bench.stack.record(request_id)["late"].get("held"))
    assert (late["status"], late["amount"]) == ("QUOTED", "1")
    after = bench.stack.result(request_id)
    assert (after["best"], after["answers"], after["completedAt"]) == (seen["best"], seen["answers"], seen["completedAt"])


@pytest.mark.parametrize("carrier", CARRIERS)
def test_the_deadline_closes_while_an_existing_function_still_runs(bench, carrier, tmp_path):
    request_id = bench.send(
        carrier, {"data": {"folder": str(tmp_path)}, "recipients": ["avis", "slow"], "completion": {"deadlineSeconds": 5}}
    )

    record = bench.closed(request_id)

    assert not (Path(tmp_path) / "done").exists()
    assert record["completedBy"] == "DEADLINE"
    assert record["answers"]["slow"]["error"] == {"type": "Deadline", "message": "no answer before the deadline"}
    assert record["completedAt"] >= record["deadlineAt"]


@pytest.mark.parametrize("variant", ["map", "parallel"])
def test_the_deadline_closes_a_request_whose_execution_was_stopped(bench, variant, tmp_path):
    stack = bench.stack
    request = {
        "requestId": f"stopped-{variant}",
        "data": {"folder": str(tmp_path)},
        "recipients": ["avis", "held"],
        "completion": {"deadlineSeconds": 3},
    }
    workflows = stack.client("stepfunctions")
    execution = workflows.start_execution(stateMachineArn=stack.outputs[f"{variant}StateMachineArn"], input=json.dumps(request))[
        "executionArn"
    ]
    eventually(lambda: stack.record(request["requestId"]))

    workflows.stop_execution(executionArn=execution)

    record = bench.closed(request["requestId"])
    assert workflows.describe_execution(executionArn=execution)["status"] == "ABORTED"
    assert (record["completedBy"], record["answers"]["held"]["status"]) == ("DEADLINE", "TIMED_OUT")
    assert bench.announced(request["requestId"])["requestId"] == request["requestId"]
