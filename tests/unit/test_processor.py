"""The processor's adapter and contract: outcomes, batches, exact numbers."""

import importlib
import json
import os
import subprocess
import sys
import types
from decimal import Decimal
from pathlib import Path

import pytest

from handlers import exact_json
from handlers.processing import MAX_MESSAGE_CHARS, TransientError, outcome_of
from tests.results import said

PROJECT = Path(__file__).parents[2]


def entry(item, index=0):
    return {"run": "run-1", "label": "run-1", "index": index, "item": item}


class Context:
    aws_request_id = "request-1"

    def get_remaining_time_in_millis(self):
        return 30_000


@pytest.fixture
def adapter(monkeypatch):
    """`adapter(process)` is handlers.processor around that function."""

    def load(process):
        module = types.ModuleType("processor_under_test")
        module.__dict__["process"] = process
        monkeypatch.setitem(sys.modules, "processor_under_test", module)
        monkeypatch.setenv("PROCESS_MODULE", "processor_under_test")
        monkeypatch.delenv("CLAIMS_TABLE", raising=False)
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        sys.modules.pop("handlers.processor", None)
        return importlib.import_module("handlers.processor")

    yield load
    sys.modules.pop("handlers.processor", None)


def test_the_result_of_an_item_is_its_outcome(adapter):
    handler = adapter(lambda item: {"total": item["price"] * 2}).handler

    assert handler(entry({"price": 2.5}, 7), Context()) == {"index": 7, "status": "SUCCEEDED", "result": {"total": 5.0}}


def test_a_failing_item_is_recorded_with_its_item_and_error(adapter):
    def process(item):
        raise LookupError("no such subject " + "x" * 1000)

    outcome = adapter(process).handler(entry("Alchemy", 3), Context())

    assert (outcome["index"], outcome["status"], outcome["item"], outcome["error"]["type"]) == (3, "FAILED", "Alchemy", "LookupError")
    assert len(outcome["error"]["message"]) == MAX_MESSAGE_CHARS


def test_in_a_batch_every_item_is_tried_and_the_order_kept(adapter):
    handler = adapter(lambda item: 10 / item).handler

    outcomes = handler({"Items": [entry(5, 0), entry(0, 1), entry(2, 2)]}, Context())

    assert [(outcome["index"], outcome["status"]) for outcome in outcomes] == [(0, "SUCCEEDED"), (1, "FAILED"), (2, "SUCCEEDED")]


@pytest.mark.parametrize(
    ("items", "lines"),
    [([5], [("processed", 0)]), ([5, 2], [("processed", 0)]), ([5, 0, 2], [("failed", 1), ("processed", 0)])],
)
def test_a_call_logs_one_line_and_one_for_each_failed_item(adapter, monkeypatch, items, lines):
    module, logged = adapter(lambda item: 10 / item), []
    monkeypatch.setattr(module.logger, "info", lambda message, extra: logged.append((message, extra["index"])))
    entries = [entry(item, index) for index, item in enumerate(items)]

    module.handler(entries[0] if len(entries) == 1 else {"Items": entries}, Context())

    assert logged == lines


def test_a_module_that_cannot_be_imported_fails_each_item_with_the_reason(monkeypatch):
    monkeypatch.setenv("PROCESS_MODULE", "tests.broken_process")
    monkeypatch.delenv("CLAIMS_TABLE", raising=False)
    sys.modules.pop("handlers.processor", None)

    outcome = importlib.import_module("handlers.processor").handler(entry("a", 2), Context())

    sys.modules.pop("handlers.processor", None)
    assert outcome == {"index": 2, "status": "FAILED", "item": "a", "error": {"type": "KeyError", "message": "'A_SETTING_THAT_IS_MISSING'"}}


def test_without_claims_boto3_is_not_imported():
    program = "import sys, handlers.processor; print(sorted({'boto3', 'botocore.session'} & sys.modules.keys()))"

    ran = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=PROJECT,
        env={**os.environ, "PROCESS_MODULE": "handlers.processes.log_item"},
    )

    assert ran.stdout == "[]\n"


def test_a_process_that_exits_is_a_failed_item(adapter):
    def process(item):
        raise SystemExit(3)

    assert said(adapter(process).handler(entry("a"), Context())["error"]) == ("SystemExit", "3")


class Busy(TransientError):
    pass


def test_the_message_of_a_passing_fault_is_cut_before_it_becomes_the_cause(adapter):
    def process(item):
        raise Busy("x" * 30_000)

    with pytest.raises(TransientError) as raised:
        adapter(process).handler(entry(1), Context())
    assert len(str(raised.value)) == MAX_MESSAGE_CHARS


def test_half_a_character_in_a_message_or_a_result_breaks_nothing():
    def process(item):
        raise ValueError("half \ud800")

    assert outcome_of(process, entry("a"))["error"]["message"] == "half ?"
    assert outcome_of(lambda item: "\ud800", entry("a"))["error"]["type"] == "UnicodeEncodeError"


def test_a_passing_fault_of_a_class_of_ones_own_has_the_name_that_is_asked_again(adapter):
    def process(item):
        raise Busy("in use")

    with pytest.raises(TransientError, match="in use") as raised:
        adapter(process).handler(entry(1), Context())
    assert type(raised.value).__name__ == "TransientError"


def test_a_passing_fault_asks_for_the_batch_again_after_the_others_were_tried(adapter):
    tried = []

    def process(item):
        tried.append(item)
        if item == 1:
            raise TransientError("busy")

    with pytest.raises(TransientError, match="busy"):
        adapter(process).handler({"Items": [entry(1, 0), entry(2, 1)]}, Context())

    assert tried == [1, 2]


@pytest.mark.parametrize("result", [object(), {1: "a"}, float("nan"), {"at": Decimal("Infinity")}, {"a": {1, 2}}])
def test_a_result_that_is_not_json_is_a_failed_item(result):
    assert outcome_of(lambda item: result, entry("a"))["status"] == "FAILED"


def test_a_result_that_no_state_could_carry_is_a_failed_item():
    outcome = outcome_of(lambda item: "x" * 200_001, entry("a"))

    assert outcome["error"]["type"] == "ResultTooLarge"
    assert outcome["error"]["message"].startswith("the result takes 200003 bytes as JSON; at most 200000 are allowed: store it")


@pytest.mark.parametrize(("result", "size"), [("é" * 100_000, 200_002), ("😀" * 50_000, 200_002)])
def test_a_result_is_measured_in_bytes_of_utf_8(result, size):
    assert f"takes {size} bytes" in outcome_of(lambda item: result, entry("a"))["error"]["message"]
    assert outcome_of(lambda item: result[1:], entry("a"))["status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        "text",
        0,
        -7,
        0.1,
        2.5,
        10**15 - 1,
        10**15,
        -(10**30),
        Decimal("12345678901234567890.5"),
        Decimal("0.1234567890123456789"),
        [],
        {},
        [[1], [None, {"a": [1.25]}]],
        {"$decimal": 7},
        {"$decimal": "1", "other": 2},
        {"$decimal": "abc"},
        {"$decimal": "NaN"},
        {"$decimal": "1E+999999999"},
        {"$decimal": "٣"},
    ],
)
def test_json_and_back_is_the_same(value):
    text = json.dumps(exact_json.to_json(value))

    assert exact_json.from_json(json.loads(text)) == value


@pytest.mark.parametrize(
    ("value", "as_json"),
    [
        (Decimal("2.50"), 2.5),
        (Decimal(7), 7),
        (Decimal("1E+3"), 1000),
        (10**15, {"$decimal": "1000000000000000"}),
        (Decimal("1234567890.1234567"), {"$decimal": "1234567890.1234567"}),
        ((1, 2), [1, 2]),
    ],
)
def test_only_what_a_double_cannot_hold_is_marked(value, as_json):
    assert exact_json.to_json(value) == as_json
