"""The list machines on moto's interpreter, which reads ASL by a strict grammar, and enforces the size of a payload and a machine's
TimeoutSeconds, as the emulator does not.

It runs them as they are deployed, but for what its grammar lacks: ItemBatcher and ResultWriter's WriterConfig, which only say how items
and results are grouped. Nor does it know JSON Lines, so a distributed run is one over a JSON or CSV object here; its machine is the same
for all sources. Functions are called here, in Python; nothing else is replaced.
"""

import json
import sys
import time

import boto3
import pytest
from boto3.dynamodb.types import TypeSerializer
from moto import mock_aws
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils

from handlers import exact_json, reader
from handlers.processing import outcome_of
from tests.unit.test_distributed_definitions import each, render

WAIT_SECONDS = 60


class Broken(Exception):
    """What a function that raises, or breaks, tells Step Functions: its errorType and errorMessage."""


class Functions:
    """Stand-ins for the three functions, by the handlers' own rules."""

    def __init__(self, mode, on_item):
        self.mode, self.on_item, self.calls = mode, on_item, []

    def process(self, event):
        return outcome_of(self.on_item, event)

    def invoke(self, parameters, *_, **__):
        name, event = parameters["FunctionName"].rsplit(":", 1)[-1], json.loads(parameters["Payload"])
        self.calls.append((name, event))
        try:
            return {"StatusCode": 200, "Payload": getattr(self, name)(event)}
        except Broken as reason:
            kind, message = reason.args
            return {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": {"errorType": kind, "errorMessage": message}}

    def reader(self, event):
        source = reader.ListSource("subjects", {"id": {"S": "list"}}, "items")
        try:
            if self.mode == "DISTRIBUTED":
                return reader.check_object(boto3.client("s3"), "rows", "data")
            return {"items": reader.fitting_inline(reader.read_list(boto3.client("dynamodb"), source), source, 500)}
        except reader.InvalidSource as reason:
            return {"refused": {"type": "InvalidSource", "message": str(reason)}}

    def tally(self, event):
        from handlers import tally

        if "crash" in event or isinstance(event["outcomes"], list):
            return tally.handler(event, None)
        # moto's result writer leaves an empty manifest, so what the items came to is taken from their calls.
        count = tally.Count()
        list(count.of(outcome_of(self.on_item, event) for name, event in self.calls if name == "process"))
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

        def run(machine, functions):
            monkeypatch.setattr(lambda_eval_utils, "_invoke_lambda_function", functions.invoke)
            arn = workflows.create_state_machine(name="machine", definition=json.dumps(_as_moto_reads_it(machine)), roleArn=role)[
                "stateMachineArn"
            ]
            execution, started = workflows.start_execution(stateMachineArn=arn)["executionArn"], time.monotonic()
            ended = {"status": "RUNNING"}
            while ended["status"] == "RUNNING" and time.monotonic() < started + WAIT_SECONDS:
                time.sleep(0.05)
                ended = workflows.describe_execution(executionArn=execution)
            return ended["status"], json.loads(ended["output"]) if "output" in ended else (ended.get("error"), ended.get("cause"))

        yield run
    sys.modules.pop("handlers.tally", None)


def _as_moto_reads_it(machine):
    found = each(machine)
    found.pop("ItemBatcher", None)
    found.get("ResultWriter", {}).pop("WriterConfig", None)
    return machine


MACHINES = {"INLINE": {"mode": "INLINE", "waitSeconds": 0}, "DISTRIBUTED": {"source": "s3", "format": "json"}}


def put(items):
    """Where either mode finds them."""
    boto3.client("dynamodb").put_item(TableName="subjects", Item={"id": {"S": "list"}, "items": TypeSerializer().serialize(items)})
    boto3.client("s3").put_object(Bucket="rows", Key="data", Body=json.dumps(exact_json.to_json(items)).encode())


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

    status, summary = aws(render(source="s3", format="json", waitSeconds=wait, toleratedFailureCount=1), functions)

    assert (status, summary["items"], summary["failed"]) == ("SUCCEEDED", 3, 1)
    processed = sorted((event["index"], exact_json.from_json(event["item"])) for name, event in functions.calls if name == "process")
    assert processed == [(0, 1), (1, 12345678901234567890), (2, "bad")]
    [tallied] = [event for name, event in functions.calls if name == "tally"]
    assert tallied["outcomes"]["ResultWriterDetails"]["Key"].endswith("/manifest.json")
    assert tallied["tolerance"] == {"count": 1}


def test_a_distributed_run_over_rows_of_csv(aws):
    boto3.client("s3").put_object(Bucket="rows", Key="data", Body=b"id\na\nb\n")
    functions = Functions("DISTRIBUTED", lambda item: None)

    status, summary = aws(render(source="s3", format="csv"), functions)

    assert (status, summary["succeeded"]) == ("SUCCEEDED", 2)
    assert sorted(event["item"]["id"] for name, event in functions.calls if name == "process") == ["a", "b"]


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
    [("INLINE", "the item of table subjects with id = list does not exist"), ("DISTRIBUTED", "there is no object s3://rows/data")],
)
def test_a_refused_source_ends_the_run_with_the_reason(aws, mode, why):
    status, reason = aws(render(**MACHINES[mode]), Functions(mode, double))

    assert (status, reason) == ("FAILED", ("InvalidSource", why))


@pytest.mark.parametrize("mode", MACHINES)
def test_a_function_that_breaks_is_recorded_and_the_others_go_on(aws, mode):
    put([1, 2])
    functions = Functions(mode, double)

    def process(event):
        if event["index"] == 0:
            raise Broken("Runtime.ExitError", "signal: killed " + "x" * 30_000)
        return outcome_of(double, event)

    functions.process = process
    status, summary = aws(render(**MACHINES[mode], toleratedFailureCount=2), functions)

    assert status == "SUCCEEDED", summary
    [(crash, recorded)] = [(event, functions.tally(event)) for name, event in functions.calls if name == "tally" and "crash" in event]
    assert crash["crash"]["Error"] == "Runtime.ExitError"
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
