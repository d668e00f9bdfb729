"""Every role of the stack: who may take it."""

import json
import re
from collections import Counter

import pytest

from tests import program


@pytest.fixture(scope="module")
def registered():
    return program.run({"selection": "handlers.rankings.nearest", "distributed": {"idempotent": True, "mode": "DISTRIBUTED"}})


def test_a_role_is_taken_by_one_service_and_for_this_account_alone(registered):
    trusts = {name: json.loads(role["assumeRolePolicy"])["Statement"] for name, role in registered.of_type("aws:iam/role:Role").items()}

    assert len(trusts) > 10
    for name, [statement] in trusts.items():
        assert statement["Principal"]["Service"] in ("lambda.amazonaws.com", "states.amazonaws.com"), name
        assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": "000000000000"}}, name


def test_only_a_state_machine_asks_xray_what_to_sample(registered):
    machines = set(registered.of_type("aws:sfn/stateMachine:StateMachine"))
    sampling = {
        name.removesuffix("-runs")
        for name, policy in registered.of_type("aws:iam/rolePolicy:RolePolicy").items()
        if "xray:GetSamplingRules" in policy["policy"]
    }

    assert sampling == machines


LONGEST_FUNCTION_ARN = "arn:aws-us-gov:lambda:ap-southeast-2:123456789012:function:" + 64 * "x"
INLINE_CHARACTERS, MANAGED_CHARACTERS, MANAGED_POLICIES = 10_240, 6_144, 10


def at_the_longest(document: str) -> int:
    """Its characters, as IAM counts them, where each function has the longest of names."""
    return len(json.dumps(json.loads(re.sub(r"arn:aws:lambda:[^\"]+", LONGEST_FUNCTION_ARN, document)), separators=(",", ":")))


@pytest.fixture(scope="module", params=["modules", "existing functions"])
def hundred(request):
    function = "arn:aws:lambda:us-east-1:000000000000:function:" + 64 * "f"
    source = {"settings": {"rate": "99"}} if request.param == "modules" else {"functionArn": function}
    responders = [{"name": f"responder-with-a-long-name-{number:03d}", **source} for number in range(100)]
    return program.run({"responders": responders, "selection": "handlers.rankings.nearest"})


def test_the_policies_of_each_role_fit_though_there_are_a_hundred_responders_with_long_names(hundred):
    roles = hundred.of_type("aws:iam/role:Role")
    inline = dict.fromkeys(roles, 0)
    for policy in hundred.of_type("aws:iam/rolePolicy:RolePolicy").values():
        inline[policy["role"]] += at_the_longest(policy["policy"])
    attached = Counter(each["role"] for each in hundred.of_type("aws:iam/rolePolicyAttachment:RolePolicyAttachment").values())
    managed = {name: at_the_longest(policy["policy"]) for name, policy in hundred.of_type("aws:iam/policy:Policy").items()}

    assert {name: size for name, size in inline.items() if size > INLINE_CHARACTERS} == {}
    assert {name: size for name, size in managed.items() if size > MANAGED_CHARACTERS} == {}
    assert max(attached.values()) <= MANAGED_POLICIES


def test_a_hundred_responders_with_long_names_fit_their_functions_environments(hundred):
    for function in hundred.of_type("aws:lambda/function:Function").values():
        variables = function["environment"]["variables"]
        assert len(json.dumps(variables, separators=(",", ":"))) < 4096 - 150, function["handler"]


def test_a_state_machine_may_invoke_all_of_its_hundred_responders(hundred):
    documents = [
        policy["policy"]
        for name, policy in {**hundred.of_type("aws:iam/rolePolicy:RolePolicy"), **hundred.of_type("aws:iam/policy:Policy")}.items()
        if name.startswith("map-")
    ]
    invoked = [
        arn
        for document in documents
        for statement in json.loads(document)["Statement"]
        if statement["Action"] == ["lambda:InvokeFunction"]
        for arn in statement["Resource"]
    ]

    assert len(invoked) == len(set(invoked)) == 102
