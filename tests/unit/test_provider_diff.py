"""Diff: which properties changed, how, and what that means for the resource."""

import json
from typing import Any

import pytest

from local.properties import UNKNOWN, Properties
from local.provider import AwsProvider
from tests.provider_cases import BY_TOKEN, Caller, Made, World, allow, archive

FUNCTION = "aws:lambda/function:Function"
MACHINE = "aws:sfn/stateMachine:StateMachine"
TABLE = "aws:dynamodb/table:Table"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
WORLD = World()
KEY = WORLD.arn("kms", "key/00000000-0000-0000-0000-000000000000")


@pytest.fixture(scope="module")
def provider() -> Caller:
    caller = Caller(AwsProvider())
    caller.configure(region="us-east-1", endpoints=[{"sts": "http://127.0.0.1:9"}])
    return caller


def example(token: str, **changes: Any) -> Properties:
    return {key: value for key, value in (BY_TOKEN[token].inputs(WORLD) | changes).items() if value is not None}


def existing(provider: Caller, token: str, **changes: Any) -> Made:
    inputs = provider.check(token, example(token, **changes))
    return Made(token, "id", inputs, inputs | {"region": "us-east-1"})


def kinds(response: Any) -> dict[str, str]:
    return {path: diff.Kind.Name(diff.kind) for path, diff in response.detailedDiff.items()}


def test_tells_added_changed_and_removed_properties_apart(provider: Caller) -> None:
    old = existing(provider, FUNCTION, tags={"a": "1", "b": "2"})

    response = provider.diff(old, example(FUNCTION, kmsKeyArn=KEY, timeout=9, tags={"a": "0"}))

    assert kinds(response) == {"kmsKeyArn": "ADD", "timeout": "UPDATE", "tags.a": "UPDATE", "tags.b": "DELETE"}


def test_documents_are_compared_by_what_they_say(provider: Caller) -> None:
    old = existing(provider, MACHINE)
    spaced = json.dumps(json.loads(old.inputs["definition"]), indent=4, sort_keys=True)

    response = provider.diff(old, example(MACHINE, definition=spaced))

    assert response.changes == response.DIFF_NONE


def test_policies_are_compared_by_what_they_allow(provider: Caller) -> None:
    old = existing(provider, ROLE_POLICY, policy=allow("sqs:SendMessage", "*"))
    same = old.inputs["policy"].replace('["sqs:SendMessage"]', '"sqs:SendMessage"')

    response = provider.diff(old, example(ROLE_POLICY, policy=same))

    assert same != old.inputs["policy"]
    assert response.changes == response.DIFF_NONE


def test_changed_document_is_one_change(provider: Caller) -> None:
    old = existing(provider, MACHINE)

    response = provider.diff(old, BY_TOKEN[MACHINE].changed(WORLD) | {"tags": {"a": "b"}})

    assert kinds(response) == {"definition": "UPDATE"}


def test_archives_are_compared_by_hash(provider: Caller) -> None:
    old = existing(provider, FUNCTION, code=archive("x = 1"))
    elsewhere = archive("x = 1") | {"assets": {}, "path": "another/place"}

    assert kinds(provider.diff(old, example(FUNCTION, code=elsewhere))) == {}
    assert kinds(provider.diff(old, example(FUNCTION, code=archive("x = 2")))) == {"code": "UPDATE"}


def test_order_of_a_set_means_nothing(provider: Caller) -> None:
    attributes = [{"name": "id", "type": "S"}, {"name": "at", "type": "N"}]
    old = existing(provider, TABLE, attributes=attributes, rangeKey="at")

    response = provider.diff(old, example(TABLE, attributes=attributes[::-1], rangeKey="at"))

    assert response.changes == response.DIFF_NONE


def test_what_aws_chooses_is_kept_when_the_program_is_silent(provider: Caller) -> None:
    old = existing(provider, FUNCTION, architectures=["arm64"])

    response = provider.diff(old, example(FUNCTION))

    assert response.changes == response.DIFF_NONE


def test_default_returns_when_the_program_is_silent(provider: Caller) -> None:
    old = existing(provider, FUNCTION, timeout=60)

    assert kinds(provider.diff(old, example(FUNCTION))) == {"timeout": "UPDATE"}


def test_unknown_value_counts_as_a_change(provider: Caller) -> None:
    old = existing(provider, FUNCTION)

    assert kinds(provider.diff(old, example(FUNCTION, role=UNKNOWN))) == {"role": "UPDATE"}


def test_unknown_value_of_a_key_replaces(provider: Caller) -> None:
    old = existing(provider, ROLE_POLICY)

    response = provider.diff(old, example(ROLE_POLICY, role=UNKNOWN))

    assert kinds(response) == {"role": "UPDATE_REPLACE"}
    assert list(response.replaces) == ["role"]


def test_fixed_name_must_be_free_before_the_replacement(provider: Caller) -> None:
    old = existing(provider, TABLE, name="quotes")
    other_key = {"attributes": [{"name": "key", "type": "S"}], "hashKey": "key"}

    response = provider.diff(old, example(TABLE, name="quotes", **other_key))

    assert response.replaces == ["hashKey"]
    assert response.deleteBeforeReplace


def test_replacement_with_a_name_of_its_own_comes_first(provider: Caller) -> None:
    old = existing(provider, TABLE)

    response = provider.diff(old, example(TABLE, attributes=[{"name": "key", "type": "S"}], hashKey="key"))

    assert response.replaces == ["hashKey"]
    assert not response.deleteBeforeReplace


def test_another_region_replaces() -> None:
    here, there = Caller(AwsProvider()), Caller(AwsProvider())
    here.configure(region="us-east-1", endpoints=[{"sts": "http://127.0.0.1:9"}])
    there.configure(region="eu-west-1", endpoints=[{"sts": "http://127.0.0.1:9"}])

    response = there.diff(existing(here, FUNCTION), example(FUNCTION))

    assert kinds(response) == {"region": "UPDATE_REPLACE"}


def test_outputs_that_follow_from_the_change_are_unknown_in_the_preview(provider: Caller) -> None:
    old = existing(provider, FUNCTION)
    old.outputs |= {"arn": "arn", "codeSha256": "of 1", "lastModified": "then"}

    outputs = provider.update(old, example(FUNCTION, timeout=9), preview=True).outputs

    assert (outputs["arn"], outputs["codeSha256"], outputs["lastModified"]) == ("arn", "of 1", UNKNOWN)
