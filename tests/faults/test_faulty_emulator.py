"""The faults of the workflows' writes: as they are planned, and never so many that a workflow has to fail."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import definition
from tests.faults.faulty_emulator import MOST_IN_A_ROW, StoreFaults, faulty, point_of


class Failure(Exception):
    """What a workflow sees of a failed write: its name and its cause."""


RECORD = {"Key": {"requestId": {"S": "r"}}, "UpdateExpression": "SET answers.#responder = :answer",
          "ExpressionAttributeNames": {"#responder": "avis"}}


class Store:
    def __init__(self, planned, *, is_outage=False):
        self.done, self.notes = [], []
        self.write = faulty(lambda *call: self.done.append(call), Failure, StoreFaults({"r": planned}), lambda: is_outage,
                            lambda **entry: self.notes.append(entry))


@pytest.mark.parametrize(("fault", "error", "is_done"), [
    ("throttle", "DynamoDB.ProvisionedThroughputExceededException", False),
    ("refuse", "DynamoDB.InternalServerError", False),
    ("lose", "DynamoDB.InternalServerError", True),
])
def test_a_planned_fault_happens_once(fault, error, is_done):
    store = Store({"record": [fault]})

    with pytest.raises(Failure, match=error):
        store.write("updateItem", RECORD)
    assert bool(store.done) == is_done
    assert store.notes == [{"kind": "fault", "requestId": "r", "point": "record", "fault": fault}]

    store.write("updateItem", RECORD)
    assert len(store.done) == 1 + is_done


def test_reads_pass_in_an_outage():
    store = Store({}, is_outage=True)

    store.write("getItem", {"Key": {"requestId": {"S": "r"}}})

    assert len(store.done) == 1


@given(st.lists(st.sampled_from(["throttle", "refuse", "lose", "none"])), st.lists(st.booleans(), min_size=MOST_IN_A_ROW + 2))
def test_no_write_fails_more_often_in_a_row_than_a_workflow_repeats_it(kinds, outages):
    faults = StoreFaults({"r": {"record": kinds}})

    failed = [faults.next_for(("r", "record", "avis"), is_outage=is_outage) is not None for is_outage in outages]

    retrier: Any = definition.STORE_RETRY[0]
    assert retrier["MaxAttempts"] > MOST_IN_A_ROW
    assert all(not all(failed[start:start + MOST_IN_A_ROW + 1]) for start in range(len(failed) - MOST_IN_A_ROW))


def writes(node):
    """(file's state, operation, arguments) of each state that writes."""
    if isinstance(node, list):
        for each in node:
            yield from writes(each)
    elif isinstance(node, dict):
        for name, state in node.get("States", {}).items():
            operation = str(state.get("Resource", "")).partition(":::dynamodb:")[2]
            if operation in ("putItem", "updateItem"):
                yield name, operation, state["Arguments"]
        for each in node.values():
            yield from writes(each)


@pytest.mark.parametrize("file", ["map_scatter_gather.asl.json", "parallel_scatter_gather.asl.json", "recording.asl.json"])
def test_the_point_of_a_write_is_its_state(file):
    found = {}
    for state, operation, arguments in writes(json.loads((definition.FOLDER / file).read_text())):
        item = {**arguments, "Item": {"requestId": {"S": "r"}}, "Key": {"requestId": {"S": "r"}}}
        request_id, found[state], _ = point_of(operation, item)
        assert request_id == "r"

    assert found == ({"Record": "record", "Record late": "record late", "Close": "close"} if file.startswith("recording")
                     else {"Open": "open", "Close": "close"})
