"""The whole program, registered under Pulumi's mocks: what there is, who owns it, and what it may do."""

import json

import pulumi
import pytest

from components import policy
from tests import program

VARIANTS = ["map", "parallel", "sns", "distributed"]


@pytest.fixture(scope="module")
def all_variants():
    return program.run({"variants": VARIANTS})


def test_a_variant_that_is_not_chosen_leaves_no_trace():
    registered = program.run({"variants": ["map"]})

    assert list(registered.of_type("aws:sfn/stateMachine:StateMachine")) == ["map"]
    assert not any(name.startswith("parallel") for name in registered.outputs)


@pytest.mark.parametrize(
    ("stack", "reason"),
    [
        ("dev.eu", 'the stack is named "dev.eu"'),
        ("x" * 44, f'the stack is named "{"x" * 44}"'),
    ],
)
def test_a_stack_whose_name_aws_would_refuse_is_refused_for_it(monkeypatch, stack, reason):
    monkeypatch.setattr(pulumi, "get_stack", lambda: stack)

    with pytest.raises(pulumi.RunError) as refused:
        program.run({"variants": ["map"]})

    assert str(refused.value) == f"{reason}; allowed: letters, digits, - and _, at most 43 of them with project scatter-gather"


def test_the_longest_name_of_a_stack_is_taken(monkeypatch):
    monkeypatch.setattr(pulumi, "get_stack", lambda: "x" * 43)

    assert program.run({"variants": ["map"]}).of_type("aws:lambda/layerVersion:LayerVersion")


def test_the_fleet_and_the_store_are_made_once(all_variants):
    assert len(all_variants.of_type("scatter-gather:index:RequestStore")) == 1
    assert len(all_variants.of_type("scatter-gather:index:ResponderFleet")) == 1
    assert len([name for name in all_variants.of_type("aws:lambda/function:Function") if name.startswith("responder-")]) == 5


def test_every_resource_but_the_layer_belongs_to_a_component(all_variants):
    orphans = [
        resource.name
        for resource in all_variants.resources
        if resource.type.startswith("aws:") and not resource.parent_type.startswith("scatter-gather:index:")
    ]

    assert orphans == ["layer"]


def test_names_are_unique_and_short_enough_for_their_random_suffix(all_variants):
    named = [(resource.type, resource.name) for resource in all_variants.resources]

    assert len(set(named)) == len(named)
    assert all(len(name) + len("-1234567") <= 64 for _, name in named)


def test_the_longest_responder_name_still_fits():
    registered = program.run({"responders": [{"name": "x" * 30, "settings": {"rate": 1}}]})

    assert all(len(resource.name) + len("-1234567") <= 64 for resource in registered.resources)


LONG_NAMES = [f"{'x' * 27}{number:03d}" for number in range(100)]
EXISTING = "arn:aws:lambda:us-east-1:000000000000:function:prices"


def test_an_environment_that_lambda_would_refuse_stops_the_preview():
    responders = [{"name": name, "functionArn": EXISTING} for name in LONG_NAMES]

    with pytest.raises(
        Exception,
        match=r"quotes-aggregator's environment takes 4,\d{3} bytes, COMPLETION 3,\d{3} of them; "
        "Lambda allows 4,096",
    ):
        program.run({"responders": responders, "completion": {"quorum": 9, "weights": dict.fromkeys(LONG_NAMES, 2)}})


def test_policies_name_exact_actions_on_exact_resources(all_variants):
    excepted = {tuple(actions) for actions in policy.WITHOUT_RESOURCES.values()}
    for name, inputs in all_variants.of_type("aws:iam/rolePolicy:RolePolicy").items():
        for statement in json.loads(inputs["policy"])["Statement"]:
            assert not any("*" in action for action in statement["Action"]), name
            resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
            assert "*" not in resources or tuple(statement["Action"]) in excepted, (name, statement)


def test_logs_are_the_stacks_own_and_expire(all_variants):
    groups = all_variants.of_type("aws:cloudwatch/logGroup:LogGroup")

    assert all(group["retentionInDays"] == 14 for group in groups.values())
    assert all(function["loggingConfig"]["logGroup"] for function in all_variants.of_type("aws:lambda/function:Function").values())
    assert all(
        machine["loggingConfiguration"]["logDestination"] and machine["tracingConfiguration"]["enabled"]
        for machine in all_variants.of_type("aws:sfn/stateMachine:StateMachine").values()
    )


def test_the_store_is_encrypted_recoverable_and_pay_per_request(all_variants):
    table = all_variants.of_type("aws:dynamodb/table:Table")["quotes"]

    assert table["serverSideEncryption"] == {"enabled": True}
    assert table["pointInTimeRecovery"] == {"enabled": True}
    assert table["billingMode"] == "PAY_PER_REQUEST"


def test_the_sample_input_is_a_request_that_keeps_the_contract(all_variants):
    from handlers import contract

    sample = json.loads(all_variants.outputs["sampleInput"])

    assert contract.check_request(sample, all_variants.outputs["responderNames"])


def test_the_policy_is_an_output_for_those_who_send_requests():
    registered = program.run({"variants": ["sns"], "completion": {"quorum": 2, "amountBelow": 99.5}})

    assert json.loads(registered.outputs["completion"]) == {"deadlineSeconds": 60, "quorum": 2, "amountBelow": "99.5"}


def test_an_existing_function_has_a_responder_in_front_that_may_ask_it_and_nothing_else():
    arn = "arn:aws:lambda:us-east-1:000000000000:function:acme"

    registered = program.run({"responders": [{"name": "acme", "functionArn": arn}], "variants": ["map"], "api": {"enabled": False}})

    responder = registered.of_type("aws:lambda/function:Function")["responder-acme"]
    assert responder["environment"]["variables"]["FUNCTION_ARN"] == arn
    allowed = [
        statement
        for policy in registered.of_type("aws:iam/rolePolicy:RolePolicy").values()
        for statement in json.loads(policy["policy"])["Statement"]
        if arn in statement["Resource"]
    ]
    assert allowed == [{"Effect": "Allow", "Action": ["lambda:InvokeFunction"], "Resource": arn}]


def test_a_selection_of_ones_own_is_one_function_for_all_carriers():
    registered = program.run({"selection": "handlers.rankings.nearest", "api": {"enabled": False}})

    functions = registered.of_type("aws:lambda/function:Function")
    assert functions["quotes-selector"]["environment"]["variables"] == {"RANK_MODULE": "handlers.rankings.nearest", "TOP_K": "3"}
    assert "SELECTOR_ARN" in functions["quotes-aggregator"]["environment"]["variables"]


def test_a_state_machine_that_carries_requests_may_invoke_their_functions_and_nothing_else(all_variants):
    policies = all_variants.of_type("aws:iam/rolePolicy:RolePolicy")
    excepted = {tuple(actions) for actions in policy.WITHOUT_RESOURCES.values()}
    for name in ("map", "parallel"):
        [own] = [
            statement
            for statement in json.loads(policies[f"{name}-runs"]["policy"])["Statement"]
            if tuple(statement["Action"]) not in excepted
        ]
        assert own["Action"] == ["lambda:InvokeFunction"]
        assert [arn.rsplit(":", 1)[-1] for arn in own["Resource"]] == [
            "quotes-aggregator",
            "quotes-responder-requester",
            *(f"responder-{name}" for name in all_variants.outputs["responderNames"]),
        ]


def test_a_state_machine_has_the_time_of_its_longest_execution_to_be_deleted_in():
    allowed = {}

    def note(args):
        if args.type_ == "aws:sfn/stateMachine:StateMachine":
            allowed[args.name] = args.opts.custom_timeouts.delete

    def main():
        pulumi.runtime.register_stack_transformation(note)
        program.main()

    found = program.registered(main, {"variants": ["map", "distributed"], "distributed": {"timeoutSeconds": 7_000}})

    machines = found.of_type("aws:sfn/stateMachine:StateMachine")
    assert allowed == {name: f"{json.loads(machine['definition'])['TimeoutSeconds'] + 300}s" for name, machine in machines.items()}
    assert allowed["distributed"] == "7300s"


def test_a_responder_may_be_called_as_one_of_the_stacks_own_functions_is():
    names = ["requester", "aggregator", "selector", "responses", "dead-avis", "avis", "ask-avis", "dead-ask-avis", "api"]

    registered = program.run({"responders": [{"name": name, "settings": {"rate": 1}} for name in names]})

    named = [(resource.type, resource.name) for resource in registered.resources]
    assert len(set(named)) == len(named)


def test_wrong_configuration_ends_the_program_with_one_message():
    with pytest.raises(pulumi.RunError, match="maxConcurrency is 41; allowed: a whole number from 0 to 40"):
        program.run({"maxConcurrency": 41})


def test_a_module_that_does_not_exist_is_named():
    with pytest.raises(Exception, match=r"there is no module quotes\.acme in the project"):
        program.run({"responders": [{"name": "acme", "module": "quotes.acme"}]})
