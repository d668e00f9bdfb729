"""The faults of the workflows' calls and of the queues' deliveries: as they are planned, each once."""

import json
from typing import Any

import pytest

from tests.faults.faulty_emulator import Faults, faulty, point_of, received_again

INVOKE = "arn:aws:states:::lambda:invoke"


class Failure(Exception):
    """What a workflow sees of a failed call: its name and its cause."""


class Workflow:
    def __init__(self, planned: dict[str, tuple[str, ...]]) -> None:
        self.done: list[Any] = []
        self.notes: list[dict[str, Any]] = []
        faults = Faults({"r": planned}, lambda **entry: self.notes.append(entry))
        self.call = faulty(lambda *call: self.done.append(call), Failure, faults)

    def gather(self) -> None:
        self.call(INVOKE, {"FunctionName": "aggregator", "Payload": {"requestId": "r", "replies": []}})


@pytest.mark.parametrize(
    ("fault", "error", "is_done"),
    [
        ("throttle", "Lambda.TooManyRequestsException", False),
        ("refuse", "Lambda.ServiceException", False),
        ("lose", "Lambda.ServiceException", True),
    ],
)
def test_a_planned_fault_happens_once(fault, error, is_done):
    workflow = Workflow({"workflow gathers": (fault,)})

    with pytest.raises(Failure, match=error):
        workflow.gather()
    assert bool(workflow.done) == is_done
    assert workflow.notes == [{"requestId": "r", "point": "workflow gathers", "fault": fault}]

    workflow.gather()
    assert len(workflow.done) == 1 + is_done


def test_what_is_no_call_of_a_function_goes_through():
    workflow = Workflow({"workflow gathers": ("throttle",)})

    workflow.call("arn:aws:states:::sqs:sendMessage", {"MessageBody": "hello"})

    assert len(workflow.done) == 1


@pytest.mark.parametrize(
    ("payload", "point"),
    [
        ({"variant": "map", "execution": {"id": "e", "name": "n"}, "request": {"requestId": "r"}}, "workflow opens"),
        ({"question": {"requestId": "r"}, "retryCount": 0}, "workflow asks"),
        ({"requestId": "r", "replies": []}, "workflow gathers"),
    ],
)
def test_the_point_of_a_call_is_what_it_sends(payload, point):
    assert point_of(payload) == (point, "r")


def test_a_message_is_received_again_as_often_as_it_is_planned():
    message = {"body": json.dumps({"requestId": "r"}), "visible_at": 100.0}
    others = {"body": "no JSON", "visible_at": 100.0}
    notes: list[dict[str, Any]] = []
    faults = Faults({"r": {"receive": ("none", "again")}}, lambda **entry: notes.append(entry))
    receive = received_again(lambda url, most: [message, others], faults)

    assert [each["visible_at"] for each in receive("url", 10)] == [100.0, 100.0]
    assert [each["visible_at"] for each in receive("url", 10)] == [0, 100.0]
    assert [(note["point"], note["fault"]) for note in notes] == [("receive", "again")]
