"""The rules of the policy pack: every configuration keeps to them, and each of them can fail."""

import json
from dataclasses import replace

import pytest

from components import policy
from policies import rules
from policies.rules import RESOURCE_RULES, STACK_RULES, Resource
from security.__main__ import CONFIGURATIONS
from tests import program

MANDATORY = {rule.name for rule in (*RESOURCE_RULES, *STACK_RULES) if rule.is_mandatory}


def resources_of(registered: program.Registered) -> list[Resource]:
    return [
        Resource(
            f"{each.type}::{each.name}",
            each.type,
            each.inputs,
            {key: [f"{used.type}::{used.name}" for used in others] for key, others in registered.used_by(each).items()},
        )
        for each in registered.of_aws
    ]


def violations(resources: list[Resource]) -> set[tuple[str, str]]:
    """(rule, URN)."""
    return {
        (rule.name, each.urn)
        for rule in RESOURCE_RULES
        for each in resources
        if each.type in rule.types
        for _ in rule.check(each.properties)
    } | {(rule.name, urn) for rule in STACK_RULES for urn, _ in rule.check(resources)}


@pytest.fixture(scope="module")
def everything() -> list[Resource]:
    return resources_of(program.run(CONFIGURATIONS["strict, with every option"]))


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_every_configuration_keeps_to_the_mandatory_rules(configuration):
    found = violations(resources_of(program.run(CONFIGURATIONS[configuration])))

    assert {(rule, urn) for rule, urn in found if rule in MANDATORY} == set()


def test_a_strict_configuration_keeps_to_all_rules(everything):
    assert violations(everything) == set()


def test_alarms_without_an_address_are_told_of():
    found = violations(resources_of(program.run({"variants": ["sns"]})))

    assert {rule for rule, _ in found} == {"alarms-are-heard"}


def allowing(**statement: object) -> dict[str, str]:
    one = {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "arn:aws:s3:::a/b", **statement}
    return {"policy": json.dumps({"Statement": [one]})}


@pytest.mark.parametrize(
    ("rule", "type_", "properties"),
    [
        ("exact-rights", rules.POLICIES[0], allowing(Action="*")),
        ("exact-rights", rules.POLICIES[1], allowing(Action=["s3:Get*"])),
        ("exact-rights", rules.POLICIES[1], allowing(Resource="*")),
        ("exact-rights", rules.POLICIES[1], allowing(Action=["xray:PutTraceSegments", "s3:GetObject"], Resource=["*"])),
        ("encrypted-table", rules.TABLE, {}),
        ("encrypted-table", rules.TABLE, {"serverSideEncryption": {"enabled": False}}),
        ("encrypted-queue", rules.QUEUE, {"redrivePolicy": "{}"}),
        ("encrypted-topic", rules.TOPIC, {}),
        ("logs-expire", rules.LOG_GROUP, {}),
        ("logs-expire", rules.LOG_GROUP, {"retentionInDays": 0}),
        ("alarms-are-heard", rules.ALARM, {"alarmActions": []}),
        ("tls-only", rules.QUEUE, {"redrivePolicy": "{}"}),
        ("tls-only", rules.TOPIC, {}),
        ("tls-only", rules.BUCKET, {}),
        ("dead-letters", rules.QUEUE, {}),
        ("no-public-bucket", rules.BUCKET, {}),
    ],
)
def test_a_resource_that_breaks_a_rule_is_found(rule, type_, properties):
    assert (rule, "one") in violations([Resource("one", type_, properties)])


def called_by(principal: str) -> Resource:
    return Resource("permission", rules.PERMISSION, {"principal": principal}, {"function": ["one"]})


def with_failures_to(destination: str | None) -> Resource:
    config = {"destinationConfig": {"onFailure": {"destination": destination}}} if destination else {"maximumRetryAttempts": 0}
    return Resource("config", rules.INVOKE_CONFIG, config, {"functionName": ["one"]})


@pytest.mark.parametrize(
    ("properties", "others", "is_broken"),
    [
        ({}, [called_by("sns.amazonaws.com")], True),
        ({}, [called_by("events.amazonaws.com"), with_failures_to(None)], True),
        ({}, [with_failures_to(None)], True),
        ({"deadLetterConfig": {"targetArn": ""}}, [called_by("s3.amazonaws.com")], True),
        ({"deadLetterConfig": {"targetArn": "arn:aws:sqs:us-east-1:000000000000:dead"}}, [called_by("s3.amazonaws.com")], False),
        ({}, [called_by("sns.amazonaws.com"), with_failures_to("arn:aws:sqs:us-east-1:000000000000:dead")], False),
        ({}, [called_by("apigateway.amazonaws.com")], False),
        ({}, [], False),
    ],
)
def test_a_function_that_nobody_waits_for_keeps_what_it_fails_on(properties, others, is_broken):
    found = violations([Resource("one", rules.FUNCTION, properties), *others])

    assert (("asynchronous-functions", "one") in found) is is_broken


def without_an_effect(resource: Resource) -> Resource:
    return replace(resource, properties={**resource.properties, "policy": json.dumps({"Statement": []})})


@pytest.mark.parametrize("policies", [policy for policy, _ in rules.OWN_POLICIES.values()])
def test_a_policy_that_does_not_refuse_the_clear_is_found(everything, policies):
    changed = [without_an_effect(each) if each.type == policies else each for each in everything]

    assert {rule for rule, _ in violations(changed)} == {"tls-only"}


def test_a_bucket_that_is_half_closed_is_found(everything):
    changed = [
        replace(each, properties={**each.properties, "blockPublicPolicy": False}) if each.type == rules.BUCKET_BLOCK else each
        for each in everything
    ]

    assert {rule for rule, _ in violations(changed)} == {"no-public-bucket"}


def test_the_actions_without_a_resource_are_those_of_the_program():
    assert {action for actions in policy.WITHOUT_RESOURCES.values() for action in actions} == rules.KNOW_NO_RESOURCE


def test_a_right_that_only_denies_may_name_everything():
    assert violations([Resource("one", rules.POLICIES[0], allowing(Effect="Deny", Action="*", Resource="*"))]) == set()
