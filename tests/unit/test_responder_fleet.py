"""What ResponderFleet and the variants make of a responder's retries and circuit breaker."""

import json

import pulumi
import pytest

from components import packages
from components.packages import Packages
from tests import program
from tests.program import Registered

ARN = "arn:aws:lambda:us-east-1:000000000000:function:prices"
TABLE = "arn:aws:dynamodb:us-east-1:000000000000:quotes"
LOOKS = {
    "Effect": "Allow",
    "Action": ["dynamodb:GetItem"],
    "Resource": TABLE,
    "Condition": {
        "ForAllValues:StringEquals": {"dynamodb:Attributes": ["requestId", "status"]},
        "StringEquals": {"dynamodb:Select": "SPECIFIC_ATTRIBUTES"},
    },
}
ANSWERS = {"Effect": "Allow", "Action": ["sqs:SendMessage"], "Resource": "arn:aws:sqs:us-east-1:000000000000:quotes-responses"}


@pytest.fixture(scope="module")
def registered() -> Registered:
    return program.run(
        {
            "variants": ["map", "parallel", "sns"],
            "api": {"enabled": False},
            "responders": [
                {"name": "plain", "settings": {"rate": 99}},
                {"name": "once", "settings": {"rate": 99}, "retries": 0},
                {"name": "stubborn", "settings": {"rate": 99}, "retries": 5},
                {"name": "guarded", "settings": {"rate": 99}, "circuitBreaker": {"failures": 3, "pauseSeconds": 7.5}},
                {"name": "foreign", "functionArn": ARN, "retries": 3},
            ],
        }
    )


def environment(registered, function):
    return registered.of_type("aws:lambda/function:Function")[function]["environment"]["variables"]


def rights(registered, function):
    document = json.loads(registered.of_type("aws:iam/rolePolicy:RolePolicy")[f"{function}-runs"]["policy"])
    every = ("logs:PutLogEvents", "xray:PutTraceSegments")
    return [statement for statement in document["Statement"] if not {*every} & {*statement["Action"]} and statement != LOOKS]


def test_a_circuit_breaker_may_read_and_change_its_own_circuit_and_nothing_else(registered):
    assert rights(registered, "responder-guarded") == [
        ANSWERS,
        {
            "Effect": "Allow",
            "Action": ["dynamodb:GetItem", "dynamodb:UpdateItem"],
            "Resource": TABLE,
            "Condition": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["circuit/guarded"]}},
        },
    ]
    assert json.loads(environment(registered, "responder-guarded")["CIRCUIT_BREAKER"]) == {"failures": 3, "pauseSeconds": 7.5}
    assert environment(registered, "responder-guarded")["TABLE_NAME"] == "quotes"


def test_without_one_there_is_nothing_of_it(registered):
    assert rights(registered, "responder-plain") == [ANSWERS]
    assert "CIRCUIT_BREAKER" not in environment(registered, "responder-plain")


def test_who_counts_the_attempts_knows_the_retries(registered):
    functions = ["responder-plain", "responder-once", "responder-stubborn", "responder-foreign"]

    assert [environment(registered, function)["RETRIES"] for function in functions] == ["2", "0", "5", "3"]


def test_a_queue_delivers_more_often_than_its_responder_is_asked(registered):
    queues = registered.of_type("aws:sqs/queue:Queue")

    received = {name: json.loads(queues[f"sns-ask-{name}"]["redrivePolicy"])["maxReceiveCount"] for name in ("once", "plain", "stubborn")}
    assert received == {"once": 5, "plain": 5, "stubborn": 8}


def test_a_partner_over_http_has_no_right_but_to_its_secrets():
    made = program.run(
        {
            "variants": ["map"],
            "api": {"enabled": False},
            "responders": [
                {"name": "acme", "url": "https://partner.example", "secrets": {"key": "/acme"}, "http": {"headers": {"x-key": "${key}"}}}
            ],
        }
    )

    variables = environment(made, "responder-acme")
    assert (variables["URL"], json.loads(variables["SECRETS"])) == ("https://partner.example", {"key": "/acme"})
    assert json.loads(variables["HTTP"]) == {"method": "POST", "headers": {"x-key": "${key}"}, "maxBytes": 1_000_000, "privateHosts": []}
    assert rights(made, "responder-acme") == [
        ANSWERS,
        {"Effect": "Allow", "Action": ["ssm:GetParameter"], "Resource": ["arn:aws:ssm:us-east-1:000000000000:parameter/acme"]},
    ]


def test_a_module_has_the_rights_variables_layers_and_network_that_it_asks_for():
    layer = "arn:aws:lambda:us-east-1:000000000000:layer:routes:3"
    made = program.run(
        {
            "variants": ["map"],
            "api": {"enabled": False},
            "responders": [
                {
                    "name": "acme",
                    "settings": {"rate": 9},
                    "environment": {"TZ": "UTC"},
                    "layers": [layer],
                    "vpc": {"subnetIds": ["subnet-0a1b"], "securityGroupIds": ["sg-0a1b"]},
                    "permissions": [
                        {"actions": ["s3:GetObject"], "resources": ["arn:aws:s3:::rates/*"], "wildcards": ["arn:aws:s3:::rates/*"]}
                    ],
                }
            ],
        }
    )

    function = made.of_type("aws:lambda/function:Function")["responder-acme"]
    assert environment(made, "responder-acme")["TZ"] == "UTC"
    assert function["layers"][1:] == [layer]
    assert function["vpcConfig"] == {"subnetIds": ["subnet-0a1b"], "securityGroupIds": ["sg-0a1b"]}
    looks, network, not_its_code, answers, own = rights(made, "responder-acme")
    assert (looks["Resource"], network["Resource"]) == ("*", "arn:aws:ec2:us-east-1:000000000000:*/*")
    assert not_its_code["Action"] == [*looks["Action"], *network["Action"]]
    assert (not_its_code["Effect"], not_its_code["Condition"]) == ("Deny", {"Null": {"lambda:SourceFunctionArn": "false"}})
    assert (answers, own) == (ANSWERS, {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::rates/*"]})


def test_packages_are_one_layer_for_all_who_have_the_same(monkeypatch):
    built = Packages(".build/packages/0123456789abcdef.zip", frozenset({"orjson"}))
    monkeypatch.setattr(packages, "built", lambda file: built)
    made = program.run(
        {
            "variants": ["map"],
            "api": {"enabled": False},
            "responders": [{"name": name, "settings": {"rate": 9}, "packages": "requirements.txt"} for name in ("acme", "other")],
        }
    )

    layers = made.of_type("aws:lambda/layerVersion:LayerVersion")
    assert set(layers) == {"layer", "responder-packages-012345"}
    assert len(made.of_type("aws:lambda/function:Function")["responder-acme"]["layers"]) == 2


def with_sample(sample):
    return {
        "variants": ["map"],
        "api": {"enabled": False},
        "responders": [{"name": "acme", "functionArn": ARN, "answer": {"amount": "offer.total", "sample": sample}}],
    }


def test_a_mapping_is_its_functions_and_its_sample_is_not():
    made = program.run(with_sample({"offer": {"total": 3}}))

    assert json.loads(environment(made, "responder-acme")["MAPPING"]) == {"answer": {"amount": "offer.total"}}


def test_a_sample_that_would_fail_ends_a_preview():
    with pytest.raises(pulumi.RunError, match=r"responder acme: its answer.sample would be FAILED: answer.amount \(offer.total\) finds"):
        program.run(with_sample({"total": 3}))
