"""Every variant under its own roles: the emulator enforces the functions' policies (AUTH) and, over TLS, the queues' as well.

The emulator does not enforce the roles of state machines; `simulate_principal_policy` is asked about those.
"""

import json
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from client import RequestFailed, Stack, load, logs, redrive, run, verify
from client import list as last
from client.api_stack import ApiStack
from client.errors import StackError
from handlers.contract import InvalidRequest
from local import emulator as emulator_control
from local.state import State
from tests import documents
from tests.integration.conftest import deploy

CARRIERS = ["map", "parallel", "sns"]
CONFIG = {"variants": [*CARRIERS, "distributed"], "distributed": {"waitSeconds": 0}, "completion": {"deadlineSeconds": 120}}
OTHER = {
    "variants": ["map", "distributed"],
    "workflowType": "EXPRESS",
    "responderCount": 1,
    "distributed": {"source": "s3", "module": "tests.processes"},
}
ACCOUNT = "100000000001"

UNSHOWN = {"sqs:ListMessageMoveTasks", "sqs:CancelMessageMoveTask"}
"""The emulator moves no messages by itself, so the client never asks it how that is going."""

ON_ANYTHING = {"states:DescribeMapRun", "sqs:StartMessageMoveTask", "sqs:ListMessageMoveTasks", "sqs:CancelMessageMoveTask"}
"""The emulator does not find out which resource these are about."""


@pytest.fixture(scope="module")
def enforcing(tmp_path_factory):
    """An emulator that enforces policies."""
    with emulator_control.start(tmp_path_factory.mktemp("strict"), port=0, auth=True) as running:
        yield running


@pytest.fixture(scope="module")
def strict(enforcing):
    """A stack with all carriers there."""
    return deploy(enforcing, ACCOUNT, CONFIG)


@pytest.fixture
def without(strict):
    """`without(role, action)` takes the action out of the role's policies until the test is over."""
    iam, taken = strict.client("iam"), []

    def take(role_part: str, action: str) -> None:
        [role] = [role["RoleName"] for role in iam.list_roles()["Roles"] if role["RoleName"].startswith(role_part)]
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
            less = [
                {**statement, "Action": [kept for kept in statement["Action"] if kept != action]}
                for statement in document["Statement"]
                if statement["Action"] != [action]
            ]
            if less != document["Statement"]:
                taken.append((role, name, json.dumps(document)))
                iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps({**document, "Statement": less}))
        assert taken, f"{role} has no {action}"

    yield take
    for role, name, document in taken:
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=document)


@pytest.mark.parametrize("variant", CARRIERS)
def test_a_variant_works_under_its_own_roles(strict: Stack, variant):
    result = strict.request(variant, strict.sample_request)

    assert (result["status"], result["received"]) == ("COMPLETE", 5)


def test_the_requester_cannot_publish_without_its_right(strict, without):
    without("sns-requester", "sns:Publish")

    with pytest.raises(RequestFailed):
        strict.request("sns", {**strict.sample_request, "requestId": uuid.uuid4().hex})


def test_the_aggregator_cannot_count_without_its_right(strict, without):
    without("quotes-aggregator", "dynamodb:UpdateItem")

    request_id = strict.send("sns", {**strict.sample_request, "requestId": uuid.uuid4().hex})

    with pytest.raises(RequestFailed, match="still open"):
        strict.wait(request_id, timeout=3)


def test_the_api_cannot_show_the_history_without_its_right(strict, without):
    api = ApiStack(strict.outputs, strict.endpoint)
    assert api._call("GET", "/requests")[0] == 200

    without("api-handler", "dynamodb:Query")

    with pytest.raises(RequestFailed, match="the API answered 500"):
        api._call("GET", "/requests")


def test_verify_finds_a_policy_that_lacks_a_right(strict, without, monkeypatch):
    without("quotes-aggregator", "dynamodb:UpdateItem")
    monkeypatch.setattr(verify, "SECONDS", 3.0)
    acceptance = verify.Acceptance(strict, strict.sample_request)

    line = next(verify.made(check) for check in acceptance.checks() if check.part == "sns")
    acceptance.clean_up()

    assert (line.verdict, line.seen) == (verify.FAILED, "the request is still open after 3 seconds")


def test_a_responder_cannot_answer_without_its_right(strict, without):
    without("responder-avis", "sqs:SendMessage")

    result = strict.request("sns", {**strict.sample_request, "completion": {"deadlineSeconds": 3}})

    assert {answer["responder"]: answer["status"] for answer in result["answers"]}["avis"] == "TIMED_OUT"


def test_a_workflows_requester_cannot_open_without_its_right(strict, without):
    without("quotes-responder-requester", "dynamodb:PutItem")

    request_id = strict.send("map", {**strict.sample_request, "requestId": uuid.uuid4().hex})

    with pytest.raises(StackError):
        strict.wait(request_id, timeout=3)
    assert strict.record(request_id) is None


@pytest.mark.parametrize("variant", ["map", "parallel"])
@pytest.mark.parametrize(
    ("function", "decision"),
    [
        ("responder-avis", "allowed"),
        ("quotes-aggregator", "allowed"),
        ("quotes-responder-requester", "allowed"),
        ("sns-requester", "implicitDeny"),
        ("api-handler", "implicitDeny"),
    ],
)
def test_a_state_machine_may_invoke_its_own_functions_and_nobody_elses(strict, variant, function, decision):
    iam = strict.client("iam")
    [role] = [role["Arn"] for role in iam.list_roles()["Roles"] if role["RoleName"].startswith(f"{variant}-")]
    [arn] = [
        found["FunctionArn"]
        for found in strict.client("lambda").list_functions()["Functions"]
        if found["FunctionName"].startswith(function)
    ]

    simulated = iam.simulate_principal_policy(PolicySourceArn=role, ActionNames=["lambda:InvokeFunction"], ResourceArns=[arn])

    assert simulated["EvaluationResults"][0]["EvalDecision"] == decision


# Callers


class Session(Stack):
    """The stack as a role sees it. credentials: those of AssumeRole."""

    credentials: dict[str, str]

    def _make_client(self, service, read_seconds, attempts):
        return boto3.Session().client(
            service, region_name="us-east-1", endpoint_url=self.endpoint, config=Config(inject_host_prefix=False), **self.credentials
        )


class ApiSession(ApiStack):
    credentials: dict[str, str]

    def _credentials(self):
        key, secret, token = self.credentials.values()
        return Credentials(key, secret, token), "us-east-1"


@pytest.fixture(scope="module")
def stacks(enforcing, strict):
    """The two stacks that the cases are about, each with a list in its source."""
    return {"first": strict, "second": deploy(enforcing, ACCOUNT, OTHER, "second")}


@pytest.fixture(scope="module")
def role(strict):
    """A role that may do nothing yet, and the credentials of one of its sessions."""
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}],
    }
    arn = strict.client("iam").create_role(RoleName="caller", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    found = strict.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
    return {
        "aws_access_key_id": found["AccessKeyId"],
        "aws_secret_access_key": found["SecretAccessKey"],
        "aws_session_token": found["SessionToken"],
    }


@pytest.fixture
def caller(stacks, role):
    """`caller(case, rights)` is the stack as a role with these rights, {(action, resource)}, sees it."""

    def become(case, rights):
        stack = stacks[case.stack]
        statements = [
            {"Effect": "Allow", "Action": action, "Resource": "*" if action in ON_ANYTHING else arns(stack, case.variant, on)}
            for action, on in sorted(rights)
        ]
        document = {"Version": "2012-10-17", "Statement": statements or [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}
        stack.client("iam").put_role_policy(RoleName="caller", PolicyName="rights", PolicyDocument=json.dumps(document))
        session = (ApiSession if "--api" in case.to else Session)(stack.outputs, stack.endpoint)
        object.__setattr__(session, "credentials", role)
        return session

    return become


def arns(stack, variant, on):
    """Of what the page calls by that word."""
    outputs, iam = stack.outputs, "arn:aws:{}:us-east-1:" + ACCOUNT + ":{}"
    machine = outputs.get(f"{variant}StateMachineArn", "")
    name = machine.rpartition(":")[2]
    dead = [outputs["deadLetterQueueUrl"], *outputs.get("snsDeadLetterQueueUrls", {}).values()]
    bucket, _, folder = outputs["distributedResults"].removeprefix("s3://").partition("/")
    source = outputs["distributedSource"]
    return {
        "the state machine": lambda: machine,
        "its executions": lambda: f"{machine.replace(':stateMachine:', ':execution:')}:*",
        "its Map Runs": lambda: iam.format("states", f"mapRun:{name}/*"),
        "the table of requests": lambda: iam.format("dynamodb", f"table/{outputs['quoteTableName']}"),
        "the index of the table": lambda: iam.format("dynamodb", f"table/{outputs['quoteTableName']}/index/listed"),
        "the requester": lambda: outputs["snsRequesterFunctionArn"],
        "the API": lambda: iam.format("execute-api", f"{outputs['apiId']}/*"),
        "the source table": lambda: iam.format("dynamodb", f"table/{source['table']}"),
        "the source object": lambda: f"arn:aws:s3:::{source['bucket']}/{source['key']}",
        "the results": lambda: f"arn:aws:s3:::{bucket}/{folder}*",
        "the dead-letter queues": lambda: [iam.format("sqs", url.rpartition("/")[2]) for url in dead],
        "their queues": lambda: [iam.format("sqs", source_of(stack, url).rpartition("/")[2]) for url in dead],
        "the log groups": lambda: [
            iam.format("logs", f"log-group:{group}{end}") for group in outputs["logGroups"].values() for end in ("", ":*")
        ],
    }[on]()


def source_of(stack, dead_url):
    policy = stack.client("sqs").get_queue_attributes(QueueUrl=dead_url, AttributeNames=["RedriveAllowPolicy"])
    return json.loads(policy["Attributes"]["RedriveAllowPolicy"])["sourceQueueArns"][0].replace(":", "/")


def ask(variant):
    """A request, and one that is refused: of that the record says nothing, so whoever waits needs to see the carrier itself."""

    def send(session):
        request_id = uuid.uuid4().hex
        result = session.request(variant, {"requestId": request_id, "data": {"days_rental": 3}}, timeout=60)
        assert result["status"] == "COMPLETE"
        with pytest.raises((InvalidRequest, RequestFailed), match="already used"):
            session.request(variant, {"requestId": request_id, "data": {"days_rental": 4}}, timeout=60)

    return send


def put(file, content):
    def send(session):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, file)
            path.write_text(content)
            assert load.load(session, path).items == 2

    return send


def run_list(session):
    execution = run.start(session)
    list(run.watch(session, execution, 0.1))
    assert run.result(session, execution).exit_code in (0, 1)


def see_logs(session):
    list(logs.events(session, session.outputs["logGroups"], 0))


def see_list(session):
    assert list(last.newest(session, 3_600, 1, last.Read()))


def redrive_one(session):
    assert redrive.redrive(session, "responses", 20)


@dataclass(frozen=True)
class Case:
    """to: as the page says it. stack: which of the two. variant: whose state machine it is about."""

    to: str
    does: Callable[[Stack], object]
    stack: str = "first"
    variant: str = "map"


CASES = [
    Case("`request`, `compare` with `map`, `parallel`", ask("map")),
    Case("`request`, `compare` with Express", ask("map"), "second"),
    Case("`request`, `compare` with `sns`", ask("sns")),
    Case("`request --api`, `get --api`", ask("map")),
    Case("`get`, `watch`", lambda session: session.result("nobody")),
    Case("`list`", see_list),
    Case("`load` into a table", put("list.json", '["a", "b"]')),
    Case("`load` into a bucket", put("list.jsonl", '{"fail": "on purpose"}\n{"a": 2}\n'), "second"),
    Case("`run` inline", run_list, variant="distributed"),
    Case("`run` distributed", run_list, "second", variant="distributed"),
    Case("`redrive`", redrive_one),
    Case("`logs`", see_logs),
]


def written():
    """{what a caller is told to do: its rights}, of the page."""
    rights, to = {}, ""
    for row in documents.tables(documents.ROOT / "docs" / "aws.md", "to"):
        to = row["to"] or to
        rights.setdefault(to, set()).update((action, on) for action in documents.names(row["right"]) for on in row["on"].split(", "))
    return rights


RIGHTS = written()


@pytest.fixture
def prepared(stacks):
    """What a case needs that is there."""
    for name, file, content in (("first", "list.json", '["a", "b"]'), ("second", "list.jsonl", '{"fail": "on purpose"}\n{"a": 2}\n')):
        put(file, content)(stacks[name])
    first = stacks["first"]
    first.request("sns", {**first.sample_request, "requestId": uuid.uuid4().hex})
    first.client("sqs").send_message(QueueUrl=first.outputs["deadLetterQueueUrl"], MessageBody='{"requestId": "nobody", "answer": {}}')


def test_the_page_names_every_case():
    assert set(RIGHTS) == {case.to for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.to)
def test_the_rights_that_are_written_are_enough(caller, prepared, case):
    case.does(caller(case, RIGHTS[case.to]))


@pytest.mark.parametrize(
    ("case", "right"),
    [
        pytest.param(case, right, id=f"{case.to} {right[0]} {right[1]}")
        for case in CASES
        for right in sorted(RIGHTS.get(case.to, ()))
        if right[0] not in UNSHOWN
    ],
)
def test_none_of_the_rights_can_be_left_out(caller, prepared, case, right):
    with pytest.raises((ClientError, StackError)):
        case.does(caller(case, RIGHTS[case.to] - {right}))


# Secrets

SECRETS = {"apiKey": "open-sesame-7", "pin": "swordfish-42"}


@dataclass(frozen=True)
class Secretive:
    stack: Stack
    state: State

    def answer(self, **data: Any) -> dict[str, Any]:
        [answer] = self.stack.request("map", {"requestId": uuid.uuid4().hex, "data": data})["answers"]
        return dict(answer)


@pytest.fixture(scope="module")
def secretive(enforcing):
    """A stack whose responder has a secret and a parameter, both read."""
    state, secrets = State(), {"apiKey": "partners/acme", "pin": "/partners/acme/pin"}
    stack = deploy(
        enforcing,
        ACCOUNT,
        {"variants": ["map"], "responders": [{"name": "keeper", "module": "tests.secretive", "secrets": secrets, "retries": 0}]},
        "secrets",
        state,
    )
    stack.client("secretsmanager").create_secret(Name=secrets["apiKey"], SecretString=SECRETS["apiKey"])
    stack.client("ssm").put_parameter(Name=secrets["pin"], Value=SECRETS["pin"], Type="SecureString")
    return Secretive(stack, state)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, "*** and ***"),
        ({"behaviour": "decline"}, "*** and ***"),
        ({"behaviour": "raise"}, "refused *** and ***"),
        ({"behaviour": "busy"}, "busy *** and ***"),
    ],
)
def test_a_responder_reads_its_secrets_and_its_answer_is_cleared_of_them(secretive, data, said):
    answer = secretive.answer(**data)

    assert (answer.get("details", {}).get("said") or answer["error"]["message"]) == said
    assert answer.get("amount", "30") == str(len(" and ".join(SECRETS.values())))


def test_a_secret_is_in_no_state_environment_output_log_or_record(secretive):
    for behaviour in ("quote", "raise", "busy", "decline"):
        secretive.answer(behaviour=behaviour, name="Ada Lovelace")
    stack = secretive.stack
    functions = stack.client("lambda").list_functions()["Functions"]
    everywhere = {
        "state": repr([(each.inputs, each.outputs) for each in secretive.state.resources]),
        "environments": json.dumps([function["Environment"] for function in functions if "Environment" in function]),
        "outputs": json.dumps(stack.outputs),
        "logs": json.dumps([event.content for event in logs.events(stack, stack.outputs["logGroups"], 0)]),
        "table": json.dumps(stack.client("dynamodb").scan(TableName=stack.outputs["quoteTableName"])["Items"]),
    }

    found = [(where, secret) for where, text in everywhere.items() for secret in SECRETS.values() if secret in text]

    assert found == []
    assert "its code raised" in everywhere["logs"]
    # The caller's own data is where the documentation says, and nowhere else.
    assert [where for where, text in everywhere.items() if "Ada Lovelace" in text] == ["table"]


def test_a_secret_that_may_not_be_read_is_a_failure_that_names_it(secretive):
    iam = secretive.stack.client("iam")
    [role] = [role["RoleName"] for role in iam.list_roles()["Roles"] if role["RoleName"].startswith("responder-keeper")]
    [policy] = iam.list_role_policies(RoleName=role)["PolicyNames"]
    document = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
    rights = {action: statement["Resource"] for statement in document["Statement"] for action in statement["Action"]}

    assert rights["secretsmanager:GetSecretValue"] == [f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:partners/acme-??????"]
    assert rights["ssm:GetParameter"] == [f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/partners/acme/pin"]

    less = [statement for statement in document["Statement"] if statement["Action"] != ["secretsmanager:GetSecretValue"]]
    iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps({**document, "Statement": less}))
    functions = secretive.stack.client("lambda")
    [name] = [
        function["FunctionName"]
        for function in functions.list_functions()["Functions"]
        if function["FunctionName"].startswith("responder-keeper")
    ]
    # A new sandbox has read nothing yet.
    functions.update_function_configuration(FunctionName=name, MemorySize=256)

    error = secretive.answer()["error"]

    assert (error["type"], error["message"]) == ("SecretUnavailable", "partners/acme cannot be read: AccessDeniedException")
