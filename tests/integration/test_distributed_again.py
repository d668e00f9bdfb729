"""What a data engineer does after a run: one file of results, the code mended, and just what failed or was not reached once more."""

import csv
import io
import json
import random
from collections import Counter

import pytest

from client import Stack, load, results, run
from client.__main__ import main
from examples.lists import orders
from local.state import State
from tests.integration.conftest import deploy

ROWS, FAILING = 10_000, 100


def data_set(deployed, **config):
    concurrency = config.pop("maxConcurrency", 4)
    return deployed(variants=["distributed"], responderCount=1, maxConcurrency=concurrency, distributed={"source": "s3", **config})


def finish(stack, name=None, **given):
    execution = run.start(stack, name, given)
    list(run.watch(stack, execution, poll_seconds=0.05))
    return run.result(stack, execution, failures=1_000)


def test_what_failed_is_mended_and_run_again_and_the_results_are_joined(emulator, module_account, tmp_path, monkeypatch, capsys):
    state = State()

    def updated(**config):
        return deploy(emulator, module_account, config, stack="again", state=state)

    options = {"childType": "EXPRESS", "batchSize": 100, "toleratedFailurePercentage": 5}
    stack = data_set(updated, module="handlers.processes.price_row", **options)
    monkeypatch.setattr(Stack, "find", classmethod(lambda cls, *_: stack))
    with (tmp_path / "orders.csv").open("w", newline="") as file:
        orders.write(file, ROWS, failing=1, seed=7)
    load.load(stack, tmp_path / "orders.csv")

    first = finish(stack, "first")
    failed = [row["row"] for row in results.rows(stack, "first") if row["status"] == "FAILED"]
    stack = data_set(updated, module="tests.mended_prices", **options)
    second = finish(stack, "second", again="first")

    assert (first.status, first.items, first.failed, first.failedBy) == ("SUCCEEDED", ROWS, FAILING, {"ValueError": FAILING})
    assert len(failed) == FAILING
    assert (second.status, second.items, second.succeeded) == ("SUCCEEDED", FAILING, FAILING)
    joined = list(results.rows(stack, "second"))
    assert [row["row"] for row in joined] == list(range(1, ROWS + 1))
    assert {row["status"] for row in joined} == {"SUCCEEDED"}
    assert all(int(row["result"]["id"]) == row["row"] for row in joined)
    capsys.readouterr()
    assert main(["results", "first", "--failed", "--csv"]) == 0
    listed = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [int(row["row"]) for row in listed] == failed
    assert main(["results", "second", "-o", str(tmp_path / "all.jsonl")]) == 0
    assert capsys.readouterr().out == f"10,000 rows are in {tmp_path / 'all.jsonl'}\n"
    assert [json.loads(line) for line in (tmp_path / "all.jsonl").read_text().splitlines()] == joined


def test_each_row_has_its_effect_once_however_often_a_run_is_stopped(deployed, tmp_path):
    """The ledger is a file that the processor itself writes; it knows nothing of claims."""
    count, chance = 600, random.Random(17)
    stack = data_set(deployed, module="tests.processes", idempotent=True, batchSize=10, functionTimeoutSeconds=10)
    ledger = tmp_path / "ledger"
    with (tmp_path / "rows.jsonl").open("w") as file:
        file.writelines(json.dumps({"id": number, "log": str(ledger)}) + "\n" for number in range(count))
    load.load(stack, tmp_path / "rows.jsonl")
    workflows = stack.client("stepfunctions")

    given = {}
    for name in ("one", "two", "three"):
        execution = run.start(stack, name, given)
        reached = chance.randint(1, count // 4)
        for progress in run.watch(stack, execution, poll_seconds=0.02):
            if progress.done >= reached:
                workflows.stop_execution(executionArn=execution)
        assert run.result(stack, execution).status == "ABORTED"
        given = {"again": name}
    ended = finish(stack, "last", **given)

    assert ended.status == "SUCCEEDED" and 0 < (ended.items or 0) < count
    assert Counter(map(int, ledger.read_text().split())) == dict.fromkeys(range(count), 1)
    assert [(row["row"], row["status"]) for row in results.rows(stack, "last")] == [(row, "SUCCEEDED") for row in range(1, count + 1)]


def test_two_runs_at_once_with_one_label_do_each_row_once(deployed, tmp_path):
    stack = data_set(deployed, module="tests.processes", idempotent=True, batchSize=5, functionTimeoutSeconds=1)
    ledger = tmp_path / "ledger"
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps({"id": number, "log": str(ledger)}) + "\n" for number in range(60)))
    load.load(stack, tmp_path / "rows.jsonl")

    executions = [run.start(stack, None, {"label": "both"}) for _ in range(2)]
    for execution in executions:
        list(run.watch(stack, execution, poll_seconds=0.05))

    assert [run.result(stack, execution).succeeded for execution in executions] == [60, 60]
    assert Counter(map(int, ledger.read_text().split())) == dict.fromkeys(range(60), 1)


def test_a_large_row_that_fails_says_why_where_each_is_called_alone(deployed, tmp_path):
    stack = data_set(deployed, module="tests.processes", toleratedFailureCount=1)
    (tmp_path / "items.json").write_text(json.dumps([{"fail": "out of ink", "text": "x" * 210_000}]))
    load.load(stack, tmp_path / "items.json")

    [failure] = finish(stack, "large").failures

    assert failure["error"]["message"] == "out of ink"


class TestBatches:
    @pytest.fixture
    def stack(self, deployed):
        return data_set(deployed, module="tests.processes", batchSize=10, toleratedFailurePercentage=50, functionTimeoutSeconds=1)

    @pytest.fixture
    def loaded(self, stack, tmp_path):
        def loaded(*items):
            (tmp_path / "items.json").write_text(json.dumps(items))
            load.load(stack, tmp_path / "items.json")

        return loaded

    def test_a_row_that_breaks_its_function_fails_alone(self, stack, loaded):
        loaded(*({"id": number, **({"die": 1} if number == 4 else {})} for number in range(10)))

        ended = finish(stack, "poisoned")

        assert (ended.status, ended.succeeded, ended.failed) == ("SUCCEEDED", 9, 1)
        assert [failure["index"] for failure in ended.failures] == [4]

    def test_a_row_that_takes_too_long_fails_alone(self, stack, loaded):
        loaded({"sleep": 300}, {"id": 1}, {"id": 2})

        ended = finish(stack, "slow")

        assert [(row["row"], row["status"]) for row in results.rows(stack, "slow")] == [(1, "FAILED"), (2, "SUCCEEDED"), (3, "SUCCEEDED")]
        assert ended.failures[0]["error"]["message"].startswith("Task timed out")

    def test_outcomes_that_are_together_too_large_are_kept_apart_and_found(self, stack, loaded):
        loaded(*({"id": number, "text": "é" * 15_000} for number in range(10)))

        ended = finish(stack, "large")

        assert (ended.status, ended.succeeded) == ("SUCCEEDED", 10)
        assert [row["result"]["item"]["id"] for row in results.rows(stack, "large")] == list(range(10))
