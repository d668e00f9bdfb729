"""Every role of the stack: who may take it."""

import json

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
    sampling = {name.removesuffix("-runs") for name, policy in registered.of_type("aws:iam/rolePolicy:RolePolicy").items()
                if "xray:GetSamplingRules" in policy["policy"]}

    assert sampling == machines
