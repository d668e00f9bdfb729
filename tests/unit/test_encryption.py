"""A stack under a key of its own: what is encrypted by it, and who may use it for what."""

import json

import pytest

from tests import program

KEY = "arn:aws:kms:us-east-1:000000000000:key/k"
CONFIG = {
    "distributed": {"source": "s3", "idempotent": True},
    "selection": "handlers.rankings.nearest",
    "alarms": {"email": "a@example.com"},
    "kmsKeyArn": KEY,
}
WHERE = {
    "aws:cloudwatch/logGroup:LogGroup": lambda inputs: inputs["kmsKeyId"],
    "aws:dynamodb/table:Table": lambda inputs: inputs["serverSideEncryption"]["kmsKeyArn"],
    "aws:lambda/function:Function": lambda inputs: inputs["kmsKeyArn"],
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": lambda inputs: inputs["rules"][0][
        "applyServerSideEncryptionByDefault"
    ]["kmsMasterKeyId"],
    "aws:sns/topic:Topic": lambda inputs: inputs["kmsMasterKeyId"],
    "aws:sqs/queue:Queue": lambda inputs: None if "sqsManagedSseEnabled" in inputs else inputs["kmsMasterKeyId"],
}
PRODUCES = ("sqs:SendMessage", "sns:Publish", "s3:PutObject")
CONSUMES = ("sqs:ReceiveMessage", "s3:GetObject", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem")


@pytest.fixture(scope="module")
def registered():
    return program.run(CONFIG)


@pytest.mark.parametrize("type_", WHERE)
def test_everything_of_a_type_that_keeps_something_is_under_the_key(registered, type_):
    resources = registered.of_type(type_)

    assert {name: WHERE[type_](inputs) for name, inputs in resources.items()} == dict.fromkeys(resources, KEY)
    assert resources


def rights(registered):
    """{role: (what it may do, what it may do with the key)}."""
    found = {}
    for inputs in registered.of_type("aws:iam/rolePolicy:RolePolicy").values():
        for statement in json.loads(inputs["policy"])["Statement"]:
            other, with_key = found.setdefault(inputs["role"], (set(), set()))
            (with_key if statement["Resource"] == KEY else other).update(statement["Action"])
    return found


def test_who_writes_gets_a_data_key_and_nobody_else(registered):
    for role, (actions, with_key) in rights(registered).items():
        assert ("kms:GenerateDataKey" in with_key) == any(action in actions for action in PRODUCES), role


def test_who_writes_reads_or_has_an_environment_decrypts_and_nobody_else(registered):
    functions = registered.of_type("aws:lambda/function:Function")
    for role, (actions, with_key) in rights(registered).items():
        needs = role in functions or any(action in actions for action in (*PRODUCES, *CONSUMES))
        assert ("kms:Decrypt" in with_key) == needs, role
        assert with_key <= {"kms:Decrypt", "kms:GenerateDataKey"}


def test_without_a_key_nobody_uses_one():
    registered = program.run({"variants": ["sns"]})

    assert not any("kms:" in inputs["policy"] for inputs in registered.of_type("aws:iam/rolePolicy:RolePolicy").values())
