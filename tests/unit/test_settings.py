"""The stack's configuration: defaults, and one clear message for what is not allowed."""

import json
from pathlib import Path

import pytest
import yaml

from components.settings import Settings, SettingsError, load, parse

PROJECT = yaml.safe_load((Path(__file__).parents[2] / "Pulumi.yaml").read_text())


def test_the_defaults_of_pulumi_yaml_are_those_of_the_program():
    declared = {key: spec["default"] for key, spec in PROJECT["config"].items()}

    assert set(declared) == set(Settings.model_fields)
    assert parse(declared) == parse({})


def test_sample_responders_are_made_up_to_the_count():
    settings = parse({"responderCount": 7})

    assert [responder.name for responder in settings.responders] == [
        "avis",
        "alamo",
        "hertz",
        "europcar",
        "sixt",
        "responder-6",
        "responder-7",
    ]
    assert settings.responders[0].own == {"rate": "99"}


def test_responders_win_over_the_count():
    settings = parse({"responderCount": 7, "responders": [{"name": "acme", "settings": {"rate": 12}}]})

    assert [responder.name for responder in settings.responders] == ["acme"]


def test_values_arrive_as_the_text_that_pulumi_gives():
    texts = {"maxConcurrency": "3", "workflowType": "EXPRESS", "responders": json.dumps([{"name": "acme", "settings": {"rate": 12}}])}

    settings = load(texts.get)

    assert (settings.maxConcurrency, settings.workflowType, settings.responders[0].name) == (3, "EXPRESS", "acme")


URL = "https://partner.example/quotes"
VPC = {"subnetIds": ["subnet-0a1b"], "securityGroupIds": ["sg-0a1b"]}
ACME = "arn:aws:lambda:us-east-1:000000000000:function:acme"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"responderCount": 0}, "responderCount is 0; allowed: a whole number from 1 to 100"),
        ({"maxConcurrency": -1}, "maxConcurrency is -1; allowed: a whole number from 0 to"),
        ({"maxConcurrency": "many"}, 'maxConcurrency is "many"; allowed: a whole number from 0 to'),
        ({"maxConcurrency": True}, "maxConcurrency is true; allowed: a whole number"),
        ({"maxConcurrency": 2.5}, "maxConcurrency is 2.5; allowed: a whole number"),
        ({"variants": ["fax"]}, 'variants[0] is "fax"; allowed: map'),
        ({"variants": []}, "variants is []; allowed: one or more of map"),
        ({"variants": ["map", "map"]}, 'variants names "map" more than once'),
        ({"workflowType": "express"}, 'workflowType is "express"; allowed: STANDARD or EXPRESS'),
        (
            {"selection": "cheapest"},
            'selection is "cheapest"; allowed: lowest, highest, first, median, or a dotted Python module of your own with rank',
        ),
        ({"currency": "usd"}, 'currency is "usd"; allowed: three capital letters such as USD'),
        ({"completion": {"deadlineSeconds": 901}}, "completion.deadlineSeconds is 901; allowed: a number from"),
        ({"variants": ["sns"], "completion": {"quorum": 0}}, "completion.quorum is 0; allowed: a whole number from 1 to"),
        (
            {"variants": ["sns"], "completion": {"quorum": 6}},
            "completion.quorum is 6; allowed: a whole number from 1 to 5, the number of the responders",
        ),
        (
            {"completion": {"quorum": 8, "weights": {"avis": 3}}},
            "completion.quorum is 8; allowed: a whole number from 1 to 7, the sum of the weights of the responders",
        ),
        ({"completion": {"amountBelow": 0}}, "completion.amountBelow is 0; allowed: a decimal above 0 with at most 15 digits"),
        ({"completion": {"quorum": 2, "required": ["zipcar"]}}, 'completion.required names "zipcar"; allowed: avis, alamo'),
        ({"completion": {"weights": {"zipcar": 2}}}, 'completion.weights names "zipcar"; allowed: avis, alamo'),
        (
            {"workflowType": "EXPRESS", "completion": {"deadlineSeconds": 291}},
            "completion.deadlineSeconds is 291; allowed with workflowType EXPRESS: a number from 1 to 290",
        ),
        ({"topK": 0}, "topK is 0; allowed: a whole number from 1 to 100"),
        (
            {"completion": {"quota": 3}},
            "completion.quota is not a known key; allowed: deadlineSeconds, quorum, amountBelow, required, weights",
        ),
        (
            {"responders": [{"name": "a", "settings": {"rate": 1}, "timoutSeconds": 3}]},
            "responders[0]: timoutSeconds is not a known key; allowed: name, module, functionArn, ",
        ),
        (
            {"responders": [{"name": "a", "settings": {"rate": 1}, "circuitBreaker": {"pause": 3}}]},
            "responders[0].circuitBreaker.pause is not a known key; allowed: failures, pauseSeconds",
        ),
        ({"logRetentionDays": 2}, "logRetentionDays is 2; allowed: 1, 3, 5, 7, 14, 30"),
        (
            {"responders": [{"name": "a", "settings": {"rate": 1}}, {"name": "a", "settings": {"rate": 2}}]},
            'responders names "a" more than once',
        ),
        ({"responders": [{"name": "a b", "settings": {"rate": 1}}]}, 'responders[0].name is "a b"; allowed: 1 to 30 letters'),
        ({"responders": [{"settings": {"rate": 1}}]}, "responders[0].name is missing"),
        ({"responders": [{"name": "acme"}]}, "responders[0]: rate is null; allowed: a price per day"),
        ({"responders": [{"name": "acme", "settings": {"rate": -2}}]}, "responders[0]: rate is -2; allowed: a price per day"),
        ({"responders": [{"name": "acme", "functionArn": "acme"}]}, "allowed: the ARN of a Lambda function"),
        (
            {"responders": [{"name": "acme", "functionArn": "arn:aws:lambda:us-east-1:000000000000:function:acme", "module": "acme"}]},
            "module and functionArn exclude each other",
        ),
        (
            {"responders": [{"name": "acme", "functionArn": ACME, "request": "{days: "}]},
            'responders[0].request is "{days: "; Invalid jmespath expression: Incomplete expression; allowed: a JMESPath expression such as',
        ),
        ({"responders": [{"name": "acme", "functionArn": ACME, "answer": {"details": "@"}}]}, "responders[0].answer.amount is missing"),
        (
            {"responders": [{"name": "acme", "module": "acme", "answer": {"amount": "total"}}]},
            "responders[0]: answer would have no effect with module: leave it out, or give functionArn or url; a setting of its own with such",
        ),
        ({"responders": [{"name": "acme", "url": URL, "functionArn": ACME}]}, "functionArn and url exclude each other: give one of them"),
        ({"responders": [{"name": "acme", "url": URL, "rate": 3}]}, "rate would have no effect with url: leave it out, or give module"),
        (
            {"responders": [{"name": "acme", "functionArn": ACME, "secrets": {"key": "acme"}}]},
            "secrets would have no effect with functionArn: leave it out, or give module or url",
        ),
        (
            {"responders": [{"name": "acme", "url": "ftp://partner.example"}]},
            'responders[0].url is "ftp://partner.example"; allowed: an https:// URL without user and fragment',
        ),
        (
            {"responders": [{"name": "acme", "url": "https://user:pass@partner.example"}]},
            "allowed: an https:// URL without user and fragment",
        ),
        ({"responders": [{"name": "acme", "url": "http://partner.example"}]}, "allowed: https://, or a host that http.privateHosts names"),
        (
            {"responders": [{"name": "acme", "url": "https://169.254.169.254/"}]},
            "allowed: a public host, or one that http.privateHosts names",
        ),
        (
            {"responders": [{"name": "acme", "url": URL, "http": {"headers": {"x-key": "${key}"}}}]},
            'http needs the secret "key"; allowed: what secrets names',
        ),
        (
            {"responders": [{"name": "acme", "url": URL, "http": {"hmac": {"secret": "sign"}}, "secrets": {"key": "acme"}}]},
            'http needs the secret "sign"; allowed: key',
        ),
        ({"responders": [{"name": "acme", "url": URL, "http": {"method": "GET"}}]}, "http.method GET needs request"),
        (
            {"responders": [{"name": "acme", "url": URL, "packages": "requirements.txt", "vpc": VPC}]},
            "packages would have no effect with url: leave it out, or give module",
        ),
        (
            {
                "responders": [
                    {
                        "name": "acme",
                        "settings": {"rate": 1},
                        "permissions": [{"actions": ["s3:Get*"], "resources": ["arn:aws:s3:::rates"]}],
                    }
                ]
            },
            '"s3:Get*" is more than one; allowed: exact actions and resources, and what wildcards repeats',
        ),
        (
            {"responders": [{"name": "acme", "settings": {"rate": 1}, "permissions": [{"actions": ["s3:GetObject"], "resources": ["*"]}]}]},
            '"*" is more than one; allowed: exact actions and resources',
        ),
        (
            {"responders": [{"name": "acme", "settings": {"rate": 1}, "environment": {"AWS_REGION": "x"}}]},
            "allowed: a name of 2 to 64 letters, digits or _ that neither Lambda nor the stack gives a meaning",
        ),
        (
            {"responders": [{"name": "acme", "settings": {"rate": 1}, "environment": {"RETRIES": "x"}}]},
            "that neither Lambda nor the stack gives a meaning",
        ),
        (
            {"responders": [{"name": "acme", "settings": {"rate": 1}, "retries": 6}]},
            "responders[0].retries is 6; allowed: a whole number from 0 to 5",
        ),
        (
            {"responders": [{"name": "acme", "settings": {"rate": 1}, "circuitBreaker": {"failures": 0}}]},
            "responders[0].circuitBreaker.failures is 0; allowed: a whole number from 1 to 100",
        ),
        (
            {"responders": [{"name": "acme", "settings": {"rate": 1}, "circuitBreaker": {"pause": 3}}]},
            "responders[0].circuitBreaker.pause is not a known key",
        ),
        (
            {
                "responders": [
                    {"name": "acme", "settings": {"rate": 1}, "reservedConcurrency": 20},
                    {"name": "avis", "settings": {"rate": 1}},
                ],
                "reservedConcurrency": 9,
            },
            "reservedConcurrency is 9; allowed with responders[1].queueConcurrency 10: 0, or a whole number that is no less",
        ),
        (
            {"responders": [{"name": "acme", "settings": {"rate": 1}, "reservedConcurrency": 9}]},
            "responders[0]: reservedConcurrency is 9; allowed with queueConcurrency 10: 0, or a whole number that is no less",
        ),
        (
            {"responders": [{"name": "acme", "settings": {"rate": 1}, "timeoutSeconds": 0}]},
            "responders[0].timeoutSeconds is 0; allowed: a number",
        ),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(values, message):
    with pytest.raises(SettingsError) as error:
        parse(values)

    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_misspelt_key_is_named_with_the_known_ones():
    with pytest.raises(
        SettingsError, match=r"configuration key maxConcurency is not a known key; allowed: .*; the nearest is maxConcurrency$"
    ):
        load({}.get, ["maxConcurency"])


@pytest.mark.parametrize(
    ("values", "key", "nearest"),
    [
        ({"completion": {"quorom": 2}}, "completion.quorom", "quorum"),
        ({"api": {"auht": "NONE"}}, "api.auht", "auth"),
        ({"distributed": {"kmsKeyArn": "key"}}, "distributed.kmsKeyArn", "sourceKmsKeyArn"),
        ({"responders": [{"name": "a", "module": "acme", "timoutSeconds": 3}]}, "responders[0]: timoutSeconds", "timeoutSeconds"),
    ],
)
def test_a_misspelt_key_is_told_with_the_one_that_is_nearest(values, key, nearest):
    with pytest.raises(SettingsError) as error:
        parse(values)

    assert str(error.value).startswith(f"{key} is not a known key; allowed: ")
    assert f"; the nearest is {nearest}" in str(error.value)


def test_a_setting_beside_the_known_keys_is_read_with_a_notice():
    responders = [{"name": "avis", "settings": {"rate": 1}}, {"name": "acme", "rate": 3}, {"name": "sixt", "rate": 4}]

    settings = parse({"responders": responders})

    assert settings.responders[1].own == {"rate": 3}
    assert settings.notice == (
        "responders[1] 'acme': rate is read as a setting of its own; write it under settings: {rate: 3}; the same holds for sixt"
    )


def test_a_notice_keeps_what_looks_like_a_credential_to_itself():
    settings = parse({"responders": [{"name": "acme", "module": "acme", "apiKey": "xyz", "days": 3}]})

    assert settings.notice == (
        "responders[0] 'acme': apiKey, days are read as settings of its own; write them under settings: {apiKey: …, days: 3}"
    )


def test_settings_under_their_key_are_given_no_notice():
    assert parse({}).notice is None
