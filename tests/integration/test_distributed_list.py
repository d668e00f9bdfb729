"""A list in DynamoDB on the emulator: what is loaded is what the processor gets, and how the run goes."""

import json
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

from client import Stack, load, run
from client.__main__ import main
from tests.results import said

LISTS = Path(__file__).parents[2] / "examples" / "lists"
MODULE = "tests.processes"


def distributed(deployed, max_concurrency=3, **config):
    return deployed(variants=["distributed"], responderCount=1, maxConcurrency=max_concurrency, distributed={"module": MODULE, **config})


def write(tmp_path, items):
    file = tmp_path / "items.json"
    file.write_text(items if isinstance(items, str) else json.dumps(items))
    return file


def finish(stack, name=None, failures=10):
    execution = run.start(stack, name)
    list(run.watch(stack, execution, poll_seconds=0.05))
    return run.result(stack, execution, failures)


@pytest.fixture
def stack(deployed):
    """Three at once, without waiting; one item may fail; done once, however often it is asked for."""
    return distributed(deployed, waitSeconds=0, toleratedFailureCount=1, idempotent=True, functionTimeoutSeconds=3)


@pytest.fixture
def distributed_stack(deployed, module_clients):
    """A Distributed Map over a list in a table that exists already, with results in a bucket that does."""
    if "syllabus" not in module_clients("dynamodb").list_tables()["TableNames"]:
        module_clients("dynamodb").create_table(
            TableName="syllabus",
            KeySchema=[{"AttributeName": "term", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "term", "AttributeType": "N"}],
        )
        module_clients("s3").create_bucket(Bucket="results-of-lists")
    return distributed(
        deployed,
        waitSeconds=0,
        mode="DISTRIBUTED",
        bucket="results-of-lists",
        toleratedFailurePercentage=40,
        table="syllabus",
        keyName="term",
        keyValue=2027,
        attribute="subjects",
    )


def test_three_subjects_one_after_the_other_are_at_least_two_seconds_apart(deployed):
    stack = distributed(deployed, max_concurrency=1)
    load.load(stack, LISTS / "subjects.json")

    ended = finish(stack)

    assert ended.status == "SUCCEEDED"
    times = sorted(datetime.fromisoformat(outcome["result"]["at"]) for outcome in ended.results)
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(times)]
    assert len(gaps) == 2 and all(gap >= 2 for gap in gaps), gaps


def test_what_is_loaded_is_what_the_processor_gets(stack, tmp_path):
    items = [
        "text",
        "",
        7,
        2.5,
        0.1,
        True,
        False,
        None,
        [],
        [[1]],
        {},
        {"topic": "Economics", "nested": {"list": [None, {"a": [1.25]}]}},
        {"S": "not a type"},
        12345678901234567890,
        'Zürich \u2028 "{% quoted %}"',
    ]
    load.load(stack, write(tmp_path, items))

    ended = finish(stack)

    assert [outcome["result"]["item"] for outcome in ended.results][:13] == items[:13]
    assert ended.results[13]["result"] == {**ended.results[13]["result"], "type": "int", "text": "12345678901234567890"}
    assert ended.results[14]["result"]["item"] == items[14]
    assert (ended.items, ended.succeeded, ended.failed, ended.exit_code) == (15, 15, 0, 0)


def test_at_concurrency_three_they_run_together(deployed, tmp_path):
    """Each item waits until all three are being processed, which they get through only together. How close they begin (0.5 s and less)
    is the machine's affair: a function that starts up takes as long as it takes."""
    stack = distributed(deployed, max_concurrency=3, waitSeconds=0)
    (tmp_path / "meeting").mkdir()
    load.load(stack, write(tmp_path, [{"meet": str(tmp_path / "meeting"), "of": 3}] * 3))

    ended = finish(stack)

    assert (ended.status, ended.succeeded, ended.failures) == ("SUCCEEDED", 3, [])


def test_topics_arrive_as_plain_objects(stack):
    load.load(stack, LISTS / "topics.json")

    assert [outcome["result"]["item"] for outcome in finish(stack).results] == json.loads((LISTS / "topics.json").read_text())


def test_an_empty_list_succeeds_with_zero_items(stack, tmp_path):
    load.load(stack, write(tmp_path, []))

    ended = finish(stack)

    assert (ended.status, ended.items, ended.succeeded, ended.failed, ended.results) == ("SUCCEEDED", 0, 0, 0, [])


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "the item of table {table} with id = list does not exist"),
        ({}, "the item of table {table} with id = list has no attribute items"),
        ({"items": {"S": "Economics"}}, "items in the item of table {table} with id = list is a string, not a list"),
        ({"items": {"M": {}}}, "items in the item of table {table} with id = list is a map, not a list"),
        (
            {"items": {"L": [{"N": "1"}] * 2001}},
            "items in the item of table {table} with id = list has more than 553 items; an inline Map takes 553: use mode DISTRIBUTED",
        ),
    ],
)
def test_what_is_no_list_is_one_clear_error_and_runs_nothing(stack, value, why):
    table = stack.outputs["distributedSourceTableName"]
    dynamodb = stack.client("dynamodb")
    dynamodb.delete_item(TableName=table, Key={"id": {"S": "list"}})
    if value is not None:
        dynamodb.put_item(TableName=table, Item={"id": {"S": "list"}, **value})

    ended = finish(stack)

    assert (ended.status, ended.error, ended.cause) == ("FAILED", "InvalidSource", why.format(table=table))
    assert ended.exit_code == 2


def test_a_list_beyond_what_a_state_carries_is_one_clear_error(stack):
    table = stack.outputs["distributedSourceTableName"]
    stack.client("dynamodb").put_item(TableName=table, Item={"id": {"S": "list"}, "items": {"L": [{"S": "é" * 1_000}] * 150}})

    ended = finish(stack)

    assert (ended.error, ended.cause) == (
        "InvalidSource",
        f"items in the item of table {table} with id = list takes more than 260096 bytes as JSON, which is what an inline Map takes: use "
        "mode DISTRIBUTED",
    )


@pytest.mark.parametrize("keys", [("id", "at"), ("number",), None], ids=["sort key", "another key", "no table"])
def test_a_table_that_has_no_such_key_is_one_clear_error(deployed, module_clients, keys):
    name = f"table-{'-'.join(keys or ['none'])}"
    stack = distributed(deployed, table=name)
    if keys and name not in module_clients("dynamodb").list_tables()["TableNames"]:
        module_clients("dynamodb").create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": key, "KeyType": type_} for key, type_ in zip(keys, ("HASH", "RANGE"), strict=False)],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        )

    ended = finish(stack)

    assert (ended.error, ended.exit_code) == ("InvalidSource", 2)
    assert (ended.cause or "").startswith(
        f"the key of table {name} is not id (a string) alone: set keyName, keyValue and sortKey" if keys else f"table {name} does not exist"
    )


BOTH = [{"mode": "INLINE"}, {"mode": "DISTRIBUTED"}]


@pytest.mark.parametrize("mode", BOTH, ids=lambda mode: mode["mode"])
class TestInlineAndDistributed:
    """What a run tells is the same in both modes."""

    @pytest.fixture
    def stack(self, deployed, mode):
        return distributed(deployed, waitSeconds=0, toleratedFailureCount=2, retries=1, **mode)

    def test_an_item_whose_function_breaks_fails_in_its_place_with_the_reason(self, stack, tmp_path):
        load.load(stack, write(tmp_path, [{"topic": "a"}, {"die": 3}, {"topic": "b"}]))

        ended = finish(stack)

        assert (ended.status, ended.items, ended.succeeded, ended.failed) == ("SUCCEEDED", 3, 2, 1), ended
        [died] = ended.failures
        assert (died["index"], died["item"]) == (1, {"die": 3})
        assert died["error"]["message"] == "Worker process died"  # the emulator's words

    def test_a_long_error_is_cut_and_readable(self, stack, tmp_path):
        text = 'prix élevé\n"quoted" \\ back ' * 1_500
        load.load(stack, write(tmp_path, [{"fail": text}, {"busy always": text}]))

        ended = finish(stack)

        failures = {failure["index"]: failure["error"] for failure in ended.failures}
        assert (ended.status, ended.failed) == ("SUCCEEDED", 2)
        assert said(failures[0]) == ("ValueError", text[:500])
        assert failures[1]["message"] == text[:500]

    def test_beyond_the_tolerance_the_cause_has_the_counts_and_the_first_failures(self, stack, tmp_path):
        load.load(stack, write(tmp_path, [{"fail": f"row {number}"} for number in range(15)]))

        ended = finish(stack, failures=20)

        cause = json.loads(ended.cause or "")
        assert (ended.error, cause["items"], cause["failed"], cause["tolerance"]) == ("ToleranceExceeded", 15, 15, {"count": 2})
        assert len(cause["failures"]) == 10
        # The cause of a run is all that is left of an inline one.
        assert len(ended.failures) == (10 if "results" not in cause else 15)

    def test_an_item_that_only_looks_like_a_number_is_itself(self, stack, tmp_path):
        load.load(stack, write(tmp_path, [{"$decimal": "abc"}, {"fail": "x", "n": {"$decimal": "abc"}}]))

        ended = finish(stack)

        assert [failure["item"] for failure in ended.failures] == [{"fail": "x", "n": {"$decimal": "abc"}}]
        assert ended.succeeded == 1

    def test_an_empty_list_succeeds(self, stack, tmp_path):
        load.load(stack, write(tmp_path, []))

        ended = finish(stack)

        assert (ended.status, ended.items, ended.succeeded, ended.failed) == ("SUCCEEDED", 0, 0, 0)


def test_an_item_that_takes_too_long_fails_with_the_reason(deployed, tmp_path):
    stack = distributed(deployed, waitSeconds=0, toleratedFailureCount=1, functionTimeoutSeconds=1)
    load.load(stack, write(tmp_path, [{"sleep": 300}]))

    ended = finish(stack)

    [failure] = ended.failures
    # Lambda ends the call, or, where that started late, Step Functions does.
    assert failure["item"] == {"sleep": 300}
    assert failure["error"]["message"].startswith("Task timed out after ")


def test_a_module_that_fails_when_it_is_imported_fails_each_item_with_the_reason(deployed, tmp_path):
    stack = distributed(deployed, waitSeconds=0, module="tests.broken_process", toleratedFailurePercentage=100)
    load.load(stack, write(tmp_path, ["a", "b"]))

    ended = finish(stack)

    assert [said(failure["error"]) for failure in ended.failures] == [("KeyError", "'A_SETTING_THAT_IS_MISSING'")] * 2


def test_failing_items_within_the_tolerance_are_recorded_and_the_run_goes_on(stack, tmp_path):
    load.load(stack, write(tmp_path, [{"topic": "a"}, {"fail": "out of ink"}, {"topic": "b"}]))

    ended = finish(stack)

    assert (ended.status, ended.items, ended.succeeded, ended.failed) == ("SUCCEEDED", 3, 2, 1)
    [failure] = ended.failures
    assert (failure["index"], failure["item"], *said(failure["error"])) == (1, {"fail": "out of ink"}, "ValueError", "out of ink")
    assert [outcome["index"] for outcome in ended.results] == [0, 2]


def test_beyond_the_tolerance_the_run_fails_with_a_summary(stack, tmp_path):
    load.load(stack, write(tmp_path, [{"fail": "one"}, {"fail": "two"}, {"topic": "b"}]))

    ended = finish(stack)

    assert (ended.status, ended.error, ended.items, ended.succeeded, ended.failed) == ("FAILED", "ToleranceExceeded", 3, 1, 2)
    assert [failure["error"]["message"] for failure in ended.failures] == ["one", "two"]
    assert json.loads(ended.cause or "")["tolerance"] == {"count": 1}
    assert ended.exit_code == 1


def test_table_key_value_and_attribute_are_those_of_the_configuration(distributed_stack, module_clients):
    load.load(distributed_stack, LISTS / "subjects.json")

    [item] = module_clients("dynamodb").scan(TableName="syllabus")["Items"]
    assert item == {"term": {"N": "2027"}, "subjects": {"L": [{"S": "Computer Science"}, {"S": "Economics"}, {"S": "Mathematics"}]}}
    assert finish(distributed_stack).succeeded == 3


def test_a_list_can_drive_a_distributed_map_too(distributed_stack, tmp_path):
    log = tmp_path / "log"
    items = [
        {"id": number, "log": str(log), **more} for number, more in ((1, {"price": 2.5}), (2, {"fail": "two"}), (3, {"n": [None, [1]]}))
    ]
    load.load(distributed_stack, write(tmp_path, items))

    ended = finish(distributed_stack)

    assert (ended.status, ended.items, ended.succeeded, ended.failed) == ("SUCCEEDED", 3, 2, 1)
    [failure] = ended.failures
    assert (failure["index"], failure["item"], *said(failure["error"])) == (1, items[1], "ValueError", "two")
    assert sorted(log.read_text().split()) == ["1", "2", "3"]


class TestIdempotent:
    @pytest.mark.parametrize("trouble", ["busy", "crash"])
    def test_a_call_that_broke_is_made_again_and_loses_no_item(self, stack, tmp_path, trouble):
        log = tmp_path / "log"
        load.load(stack, write(tmp_path, [{"id": 1, "log": str(log), trouble: "later"}]))

        ended = finish(stack)

        assert (ended.status, ended.succeeded) == ("SUCCEEDED", 1), ended
        assert log.read_text().split() == ["1", "1"]

    def test_what_was_completed_is_not_processed_again(self, stack, tmp_path):
        log = tmp_path / "log"
        entry = {"run": "redelivered", "label": "redelivered", "index": 0, "item": {"id": 1, "log": str(log)}}
        function = processor_of(stack)

        first, second = (invoke(stack, function, entry) for _ in range(2))

        assert first == second
        assert log.read_text().split() == ["1"]

    def test_in_a_batch_only_what_is_left_is_processed(self, stack, tmp_path):
        log = tmp_path / "log"
        entries = [{"run": "batched", "label": "batched", "index": index, "item": {"id": index, "log": str(log)}} for index in range(3)]
        function = processor_of(stack)

        invoke(stack, function, entries[1])
        outcomes = invoke(stack, function, {"Items": entries})

        assert [outcome["index"] for outcome in outcomes] == [0, 1, 2]
        assert log.read_text().split() == ["1", "0", "2"]


def processor_of(stack):
    """The function that the stack's machine calls."""
    machine = stack.client("stepfunctions").describe_state_machine(stateMachineArn=stack.outputs["distributedStateMachineArn"])
    each = json.loads(machine["definition"])["States"]["Process each item"]
    return each["ItemProcessor"]["States"]["Process"]["Parameters"]["FunctionName"]


def invoke(stack, function, event):
    answer = stack.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event).encode())
    assert "FunctionError" not in answer, answer["Payload"].read()
    return json.loads(answer["Payload"].read())


def test_the_command_line_loads_and_runs(stack, monkeypatch, capsys):
    monkeypatch.setattr(Stack, "find", classmethod(lambda cls, *_: stack))

    assert main(["load", str(LISTS / "topics.json")]) == 0
    assert main(["run", "--json"]) == 0

    table = stack.outputs["distributedSourceTableName"]
    loaded, ended = capsys.readouterr().out.split("\n", 1)
    assert loaded == f"3 items are in items in the item of table {table} with id = list"
    assert json.loads(ended)["succeeded"] == 3
    assert main(["load", "nowhere.json"]) == 2
    assert capsys.readouterr().err == "error: cannot read nowhere.json: No such file or directory\n"
