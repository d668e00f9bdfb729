"""The list machines on moto's interpreter, which reads ASL by a strict grammar, and enforces the size of a payload and a machine's
TimeoutSeconds, as the emulator does not.

It runs them as they are deployed, but for what its grammar lacks: ResultWriter's WriterConfig, which only says how results are grouped, and
ItemBatcher, in whose place each item is made a batch of its own. Nor does it know JSON Lines, so the rows of a distributed run are a JSON
array here. Functions are called here, in Python; nothing else is replaced.
"""

import json
import sys
import time

import boto3
import pytest
from boto3.dynamodb.types import TypeSerializer
from moto import mock_aws
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils

from handlers import exact_json, reader, sources
from handlers.processing import outcome_of
from tests.unit.test_distributed_definitions import each, render

WAIT_SECONDS = 60


SOURCE = {
    "source": "dynamodb",
    "table": "subjects",
    "read": "list",
    "keyName": "id",
    "keyType": "S",
    "keyValue": "list",
    "attribute": "items",
}


class Broken(Exception):
    """What a function that raises, or breaks, tells Step Functions: its errorType and errorMessage."""


class Functions:
    """Stand-ins for the three functions, by the handlers' own rules."""

    def __init__(self, mode, on_item):
        self.mode, self.on_item, self.calls = mode, on_item, []

    def process(self, event):
        return [outcome_of(self.on_item, entry) for entry in event["Items"]] if "Items" in event else outcome_of(self.on_item, event)

    def invoke(self, parameters, *_, **__):
        name, event = parameters["FunctionName"].rsplit(":", 1)[-1], json.loads(parameters["Payload"])
        self.calls.append((name, event))
        try:
            return {"StatusCode": 200, "Payload": getattr(self, name)(event)}
        except Broken as reason:
            kind, message = reason.args
            return {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": {"errorType": kind, "errorMessage": message}}

    def reader(self, event):
        known = {"label": event["run"], "maxConcurrency": event["maxConcurrency"]}
        try:
            entries = reader.numbered(sources.rows_of(SOURCE, boto3.client))
            if self.mode == "INLINE":
                return {**known, "items": reader.fitting_inline(entries, "the list", 500)}
            boto3.client("s3").put_object(Bucket="rows", Key="data", Body=json.dumps(list(entries)).encode())
            return {**known, "bucket": "rows", "key": "data"}
        except sources.InvalidSource as reason:
            return {"refused": {"type": "InvalidSource", "message": str(reason)}}

    def tally(self, event):
        from handlers import tally

        if "crash" in event or isinstance(event["outcomes"], list):
            return tally.handler(event, None)
        # moto's result writer leaves an empty manifest, so what the items came to is taken from their calls.
        count = tally.Count()
        list(count.of(outcome for name, event in self.calls if name == "process" for outcome in self.process(event)))
        return count.summary(event["tolerance"])


@pytest.fixture
def aws(monkeypatch):
    """`aws(machine, functions)` runs the machine: its status, and its output as JSON or its (error, cause)."""
    for name, value in {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_ENDPOINT_URL", "RESULTS_BUCKET"):
        monkeypatch.delenv(name, raising=False)
    sys.modules.pop("handlers.tally", None)
    with mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
        boto3.client("s3").create_bucket(Bucket="rows")
        boto3.client("dynamodb").create_table(
            TableName="subjects",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        )
        role = boto3.client("iam").create_role(RoleName="runs", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        workflows = boto3.client("stepfunctions")

        def run(machine, functions, given=None):
            """given: the input of a machine that is a part of one of ours, and runs as it is."""
            monkeypatch.setattr(lambda_eval_utils, "_invoke_lambda_function", functions.invoke)
            arn = workflows.create_state_machine(
                name="machine", definition=json.dumps(_as_moto_reads_it(machine) if given is None else machine), roleArn=role
            )["stateMachineArn"]
            execution, started = (
                workflows.start_execution(stateMachineArn=arn, input=json.dumps(given or {}))["executionArn"],
                time.monotonic(),
            )
            ended = {"status": "RUNNING"}
            while ended["status"] == "RUNNING" and time.monotonic() < started + WAIT_SECONDS:
                time.sleep(0.05)
                ended = workflows.describe_execution(executionArn=execution)
            return ended["status"], json.loads(ended["output"]) if "output" in ended else (ended.get("error"), ended.get("cause"))

        yield run
    sys.modules.pop("handlers.tally", None)


def _as_moto_reads_it(machine):
    found = each(machine)
    if "ItemBatcher" in found:
        del found["ItemBatcher"], found["ResultWriter"]["WriterConfig"]
        found["ItemSelector"] = {"Items": [found["ItemSelector"]]}
        found["ItemReader"]["ReaderConfig"] = {"InputType": "JSON"}
    return machine


MACHINES = {"INLINE": {"mode": "INLINE", "waitSeconds": 0}, "DISTRIBUTED": {"mode": "DISTRIBUTED", "waitSeconds": 0}}


def put(items):
    boto3.client("dynamodb").put_item(TableName="subjects", Item={"id": {"S": "list"}, "items": TypeSerializer().serialize(items)})


def processed(functions):
    """The entries that the function was called with, alone or in a batch."""
    return [entry for name, event in functions.calls if name == "process" for entry in event.get("Items", [event])]


def double(item):
    if item == "bad":
        raise ValueError('not "good"\nat all')
    return item * 2


def outcome(index, result):
    return {"index": index, "status": "SUCCEEDED", "result": result}


LINE = double.__code__.co_firstlineno + 2
BAD = {
    "index": 2,
    "status": "FAILED",
    "item": "bad",
    "error": {"type": "ValueError", "message": 'not "good"\nat all', "at": f"tests/unit/test_distributed_moto.py:{LINE}"},
}


@pytest.mark.parametrize("wait", [0, 1])
def test_an_inline_run(aws, wait):
    put([1, 12345678901234567890, "bad"])

    status, summary = aws(render(mode="INLINE", waitSeconds=wait, toleratedFailureCount=1), Functions("INLINE", double))

    assert (status, summary["failures"]) == ("SUCCEEDED", [BAD])
    assert summary["results"] == [outcome(0, 2), outcome(1, {"$decimal": "24691357802469135780"})]


@pytest.mark.parametrize("wait", [0, 1])
def test_a_distributed_run(aws, wait):
    put([1, 12345678901234567890, "bad"])
    functions = Functions("DISTRIBUTED", double)

    status, summary = aws(render(mode="DISTRIBUTED", waitSeconds=wait, toleratedFailureCount=1), functions)

    assert (status, summary["items"], summary["failed"]) == ("SUCCEEDED", 3, 1)
    items = [(entry["index"], exact_json.from_json(entry["item"])) for entry in processed(functions)]
    assert sorted(items, key=lambda item: item[0]) == [(0, 1), (1, 12345678901234567890), (2, "bad")]
    [tallied] = [event for name, event in functions.calls if name == "tally"]
    assert tallied["outcomes"]["ResultWriterDetails"]["Key"].endswith("/manifest.json")
    assert tallied["tolerance"] == {"count": 1}


def test_rows_that_the_map_reads_for_itself_are_numbered_by_the_map(aws):
    boto3.client("s3").put_object(Bucket="rows", Key="data", Body=b'["a", "b"]')
    functions = Functions("DISTRIBUTED", lambda item: None)
    functions.reader = lambda event: {"label": "l", "maxConcurrency": 1, "bucket": "rows", "key": "data"}

    status, summary = aws(render(source="s3", format="parquet"), functions)

    assert (status, summary["succeeded"]) == ("SUCCEEDED", 2)
    assert sorted((entry["index"], entry["item"]) for entry in processed(functions)) == [(0, "a"), (1, "b")]


def test_one_of_a_batch_that_breaks_the_function_fails_alone(aws):
    functions = Functions("DISTRIBUTED", lambda item: item)

    def process(event):
        if any(entry["item"] == "poison" for entry in event.get("Items", [event])):
            raise Broken("Runtime.ExitError", "signal: killed")
        return outcome_of(functions.on_item, event)

    functions.process = process
    inner = each(render(mode="DISTRIBUTED", waitSeconds=0, batchSize=3))["ItemProcessor"]
    entries = [{"run": "r", "label": "r", "index": index, "item": item} for index, item in enumerate(["a", "poison", "b"])]

    status, outcomes = aws({"StartAt": inner["StartAt"], "States": inner["States"]}, functions, {"Items": entries})

    assert status == "SUCCEEDED"
    assert [(outcome["index"], outcome["status"]) for outcome in outcomes] == [(0, "SUCCEEDED"), (1, "FAILED"), (2, "SUCCEEDED")]
    assert outcomes[1]["error"] == {"type": "Runtime.ExitError", "message": "signal: killed"}


@pytest.mark.parametrize("mode", MACHINES)
def test_beyond_the_tolerance_the_cause_is_the_summary(aws, mode):
    put(["bad"])
    functions = Functions(mode, double)
    if mode == "DISTRIBUTED":
        functions.tally = lambda event: {"withinTolerance": False, "cause": '{"items": 1}'}

    status, (error, cause) = aws(render(**MACHINES[mode]), functions)

    assert (status, error, json.loads(cause)["items"]) == ("FAILED", "ToleranceExceeded", 1)


@pytest.mark.parametrize(
    ("mode", "why"),
    [(mode, "the item of table subjects with id = list does not exist") for mode in MACHINES],
)
def test_a_refused_source_ends_the_run_with_the_reason(aws, mode, why):
    status, reason = aws(render(**MACHINES[mode]), Functions(mode, double))

    assert (status, reason) == ("FAILED", ("InvalidSource", why))


@pytest.mark.parametrize("mode", MACHINES)
def test_a_function_that_breaks_is_recorded_and_the_others_go_on(aws, mode):
    put([1, 2])
    functions = Functions(mode, double)

    def process(event):
        if event.get("Items", [event])[0]["index"] == 0:
            raise Broken("Runtime.ExitError", "signal: killed " + "x" * 30_000)
        return Functions.process(functions, event)

    functions.process = process
    functions.tally = lambda event: Functions.tally(functions, event) if "crash" in event or mode == "INLINE" else {"withinTolerance": True}
    status, summary = aws(render(**MACHINES[mode], toleratedFailureCount=2), functions)

    assert status == "SUCCEEDED", summary
    [(crash, recorded)] = [(event, functions.tally(event)) for name, event in functions.calls if name == "tally" and "crash" in event]
    assert crash["crash"]["Error"] == "Runtime.ExitError"
    [recorded] = recorded if mode == "DISTRIBUTED" else [recorded]
    assert recorded["error"] == {"type": "Runtime.ExitError", "message": ("signal: killed " + "x" * 30_000)[:500]}
    if mode == "INLINE":
        assert (summary["results"], summary["failures"]) == ([outcome(1, 4)], [recorded])


def test_a_reader_that_fails_in_passing_is_asked_again(aws):
    put([1])
    functions = Functions("INLINE", double)
    read, attempts = functions.reader, []

    def reader(event):
        attempts.append(event)
        if len(attempts) == 1:
            raise Broken("ProvisionedThroughputExceededException", "slow down")
        return read(event)

    functions.reader = reader
    status, _ = aws(render(**MACHINES["INLINE"]), functions)

    assert (status, len(attempts)) == ("SUCCEEDED", 2)


def test_inline_results_that_no_state_could_carry_end_the_run(aws):
    put(list(range(5)))

    status, (error, _) = aws(render(**MACHINES["INLINE"]), Functions("INLINE", lambda item: "x" * 100_000))

    assert (status, error) == ("FAILED", "States.DataLimitExceeded")


def test_an_empty_list_succeeds(aws):
    put([])

    status, summary = aws(render(mode="INLINE"), Functions("INLINE", double))

    assert (status, summary["items"], summary["results"]) == ("SUCCEEDED", 0, [])


def test_waiting_for_longer_than_two_seconds_with_two_allowed_times_out(aws):
    """A minute, not three seconds, so that however slow the machine is the wait is not over first."""
    put([1])

    status, _ = aws(render(mode="INLINE", waitSeconds=WAIT_SECONDS, timeoutSeconds=2), Functions("INLINE", double))

    assert status == "TIMED_OUT"
