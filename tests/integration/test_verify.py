"""`client verify` passes on a stack that does what it should, and fails, with a line that says where, on one that is broken."""

import json
import time

import pytest

from client import __main__ as client
from client import load, verify
from client.verify import FAILED, NOT_SHOWN, PASSED, Acceptance, made
from tests.integration.conftest import deploy

CONFIG = {
    "responderCount": 3,
    "alarms": {"email": "ops@example.com"},
    "api": {"auth": "NONE"},
    "distributed": {"module": "tests.processes", "toleratedFailurePercentage": 50},
}


@pytest.fixture(scope="module")
def stack(deployed):
    return deployed(**CONFIG)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(verify, "SECONDS", 3.0)


def lines(stack, part, **chosen):
    acceptance = Acceptance(stack, stack.sample_request)
    try:
        return {check.expected: made(check) for check in acceptance.checks(**chosen) if check.part == part}
    finally:
        acceptance.clean_up()


def verdicts(stack, part, **chosen):
    return {expected: line.verdict for expected, line in lines(stack, part, **chosen).items()}


def stored(stack):
    return stack.client("dynamodb").scan(TableName=stack.outputs["quoteTableName"])["Count"]


def test_it_passes_on_a_stack_that_does_what_it_should(stack, tmp_path, monkeypatch, capsys):
    (items := tmp_path / "items.jsonl").write_text('{"id": 1}\n{"id": 2, "fail": "out of cars"}\n')
    load.load(stack, items)
    monkeypatch.setattr("client.outputs.find", lambda *_: (stack.outputs, stack.endpoint, stack.session_token))
    before = stored(stack)

    code = client.main(["verify", "--poison", "--list", "--since", "1h", "--json"])

    found = json.loads(capsys.readouterr().out)
    assert [line for line in found["lines"] if line["verdict"] == FAILED] == []
    assert {line["part"] for line in found["lines"]} == {"map", "parallel", "sns", "api", "list", "queues", "logs", "records", "alarms"}
    assert [line["seen"].partition(":")[0] for line in found["lines"] if line["verdict"] == NOT_SHOWN] == ["api.auth is NONE"]
    assert [line["seen"] for line in found["lines"] if line["part"] == "list"] == ["SUCCEEDED: 1 of 2 items, 1 failed"]
    assert (code, stored(stack)) == (0, before)


def test_it_passes_on_a_stack_with_express_workflows(deployed):
    express = deployed(variants=["map"], responderCount=2, workflowType="EXPRESS", api={"enabled": False}, alarms={"enabled": False})

    assert set(verdicts(express, "map").values()) == {PASSED}


ITEMS = {
    "items.json": '["a", {"fail": "out of cars"}]',
    "items.jsonl": '"a"\n{"fail": "out of cars"}\n',
    "items.csv": 'fail\n""\nout of cars\n',
}


@pytest.mark.parametrize(
    ("file", "distributed"),
    [
        ("items.json", {"mode": "INLINE"}),
        ("items.json", {"mode": "DISTRIBUTED", "batchSize": 2}),
        ("items.json", {"source": "s3", "format": "json", "childType": "EXPRESS"}),
        ("items.jsonl", {"source": "s3", "format": "jsonl"}),
        ("items.csv", {"source": "s3", "format": "csv"}),
    ],
    ids=str,
)
def test_it_passes_on_each_form_of_the_list(deployed, tmp_path, file, distributed):
    lists = deployed(
        variants=["distributed"],
        alarms={"enabled": False},
        distributed={"module": "tests.processes", "toleratedFailurePercentage": 50, "waitSeconds": 0, **distributed},
    )
    (path := tmp_path / file).write_text(ITEMS[file])
    load.load(lists, path)

    found = lines(lists, "list", runs_list=True)

    assert [(line.verdict, line.seen) for line in found.values()] == [(PASSED, "SUCCEEDED: 1 of 2 items, 1 failed")]


def test_a_workflow_that_takes_more_than_its_price_is_found(stack):
    workflows, machine = stack.client("stepfunctions"), stack.outputs["mapStateMachineArn"]
    definition = workflows.describe_state_machine(stateMachineArn=machine)["definition"]
    longer = json.loads(definition)
    longer["States"]["Linger"] = {"Type": "Pass", "Next": longer["StartAt"]}
    workflows.update_state_machine(stateMachineArn=machine, definition=json.dumps({**longer, "StartAt": "Linger"}))
    try:
        line = lines(stack, "map")["it takes the state transitions that its price counts"]
    finally:
        workflows.update_state_machine(stateMachineArn=machine, definition=definition)

    assert (line.verdict, line.seen) == (FAILED, "8 transitions for 3 responders, not 7")


def test_an_error_in_the_log_of_a_request_is_found(stack):
    acceptance, logs, group = Acceptance(stack, stack.sample_request), stack.client("logs"), stack.outputs["logGroups"]["aggregator"]
    request = acceptance._named("map")
    checks = acceptance.checks()
    next(checks)
    stack.request("map", request)
    logs.create_log_stream(logGroupName=group, logStreamName="planted")
    said = {"level": "ERROR", "message": "the record is torn", "correlation_id": request["requestId"]}
    logs.put_log_events(
        logGroupName=group, logStreamName="planted", logEvents=[{"timestamp": int(time.time() * 1000), "message": json.dumps(said)}]
    )

    line = next(made(check) for check in checks if check.part == "logs")
    acceptance.clean_up()

    assert line.verdict == FAILED
    assert line.seen.startswith("errors: 1, the first of aggregator: the record is torn")


def test_an_aggregator_that_does_not_run_is_found(stack, impatient):
    functions, name = stack.client("lambda"), stack.outputs["aggregatorFunctionName"]
    functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    try:
        found = lines(stack, "sns")
    finally:
        functions.delete_function_concurrency(FunctionName=name)

    line = found["every recipient has an answer"]
    assert (line.verdict, line.seen) == (FAILED, "the request is still open after 3 seconds")


def test_a_queue_without_its_dead_letter_queue_is_found(stack):
    sqs, url = stack.client("sqs"), stack.outputs["responseQueueUrl"]
    policy = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": ""})
    try:
        found = lines(stack, "queues")
    finally:
        sqs.set_queue_attributes(QueueUrl=url, Attributes=policy)

    line = found["each one has its dead-letter queue behind it"]
    assert (line.verdict, line.seen) == (FAILED, "behind responses is nothing")


def test_an_api_that_lost_its_authorization_is_found(emulator):
    # The emulator looks for an API in the account of the credentials; without any, in this one.
    shut = deploy(
        emulator,
        "000000000000",
        {"variants": ["map"], "responderCount": 1, "alarms": {"enabled": False}, "api": {"auth": "AWS_IAM"}},
        "shut",
    )
    apis, api, expected = shut.client("apigatewayv2"), shut.outputs["apiId"], "who brings no credentials is refused"
    before = lines(shut, "api")[expected]
    for route in apis.get_routes(ApiId=api)["Items"]:
        apis.update_route(ApiId=api, RouteId=route["RouteId"], AuthorizationType="NONE")

    after = lines(shut, "api")[expected]

    assert (before.verdict, before.seen) == (PASSED, "403")
    assert (after.verdict, after.seen.partition(":")[0]) == (FAILED, "404")


def test_a_request_that_breaks_an_invariant_is_found(stack):
    acceptance = Acceptance(stack, stack.sample_request)
    request = acceptance._named("map")
    stack.request("map", request)
    stack.client("dynamodb").update_item(
        TableName=stack.outputs["quoteTableName"],
        Key={"requestId": {"S": request["requestId"]}},
        UpdateExpression="SET completedBy = :rule",
        ExpressionAttributeValues={":rule": {"S": "DEADLINE"}},
    )

    line = next(made(check) for check in acceptance.checks() if check.expected.startswith("each request of this run"))
    acceptance.clean_up()

    assert line.verdict == FAILED
    assert f"{request['requestId']} is closed wrongly: by DEADLINE, which its answers do not meet" in line.seen
