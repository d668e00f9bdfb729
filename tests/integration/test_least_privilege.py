"""Every variant under its own roles: the emulator enforces the functions' policies (AUTH) and, over TLS, the queues' as well.

The emulator does not enforce the roles of state machines; `simulate_principal_policy` is asked about those.
"""

import json
import os
import signal
import uuid

import pytest

from client import RequestFailed, Stack
from client.errors import StackError
from local import emulator as emulator_control
from tests.integration.conftest import deploy

CONFIG = {"variants": ["map", "parallel", "sns"], "api": {"auth": "NONE"}, "completion": {"deadlineSeconds": 120}}


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """A stack with all carriers on an emulator that enforces policies."""
    patch = pytest.MonkeyPatch()
    with emulator_control.start(tmp_path_factory.mktemp("strict"), port=0, auth=True, tls=True) as running:
        patch.setenv("AWS_CA_BUNDLE", str(running.certificate))
        yield deploy(running, "100000000001", CONFIG)
        # Open TLS connections would hold up an orderly end for as long as it may take.
        os.kill(running.pid or 0, signal.SIGKILL)
    patch.undo()


@pytest.fixture
def without(strict):
    """`without(role, action)` takes the action out of the role's policies until the test is over."""
    iam, taken = strict.client("iam"), []

    def take(role_part: str, action: str) -> None:
        [role] = [role["RoleName"] for role in iam.list_roles()["Roles"] if role["RoleName"].startswith(role_part)]
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
            less = [{**statement, "Action": [kept for kept in statement["Action"] if kept != action]}
                    for statement in document["Statement"] if statement["Action"] != [action]]
            if less != document["Statement"]:
                taken.append((role, name, json.dumps(document)))
                iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps({**document, "Statement": less}))
        assert taken, f"{role} has no {action}"

    yield take
    for role, name, document in taken:
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=document)


@pytest.mark.parametrize("variant", CONFIG["variants"])
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
@pytest.mark.parametrize(("function", "decision"), [
    ("responder-avis", "allowed"), ("quotes-aggregator", "allowed"), ("quotes-responder-requester", "allowed"),
    ("sns-requester", "implicitDeny"), ("api-handler", "implicitDeny")])
def test_a_state_machine_may_invoke_its_own_functions_and_nobody_elses(strict, variant, function, decision):
    iam = strict.client("iam")
    [role] = [role["Arn"] for role in iam.list_roles()["Roles"] if role["RoleName"].startswith(f"{variant}-")]
    [arn] = [found["FunctionArn"] for found in strict.client("lambda").list_functions()["Functions"]
             if found["FunctionName"].startswith(function)]

    simulated = iam.simulate_principal_policy(PolicySourceArn=role, ActionNames=["lambda:InvokeFunction"], ResourceArns=[arn])

    assert simulated["EvaluationResults"][0]["EvalDecision"] == decision
