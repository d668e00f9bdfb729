"""Check: names, defaults, and what is refused before AWS would refuse it."""

import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pulumi.runtime.proto import provider_pb2

from local.properties import SECRET, SIGNATURE, UNKNOWN, Properties, from_struct
from local.provider import AwsProvider
from local.provider.resource import implemented_types
from tests.provider_cases import BY_TOKEN, METRIC, TRUST, Caller, World, allow, archive

ROLE = "aws:iam/role:Role"
FUNCTION = "aws:lambda/function:Function"
QUEUE = "aws:sqs/queue:Queue"
TABLE = "aws:dynamodb/table:Table"
MACHINE = "aws:sfn/stateMachine:StateMachine"
SUBSCRIPTION = "aws:sns/topicSubscription:TopicSubscription"
WORLD = World()

Autonaming = provider_pb2.CheckRequest.AutonamingOptions


@pytest.fixture(scope="module")
def provider() -> Caller:
    caller = Caller(AwsProvider())
    caller.configure(region="us-east-1", endpoints=[{"sts": "http://127.0.0.1:9"}])
    return caller


def example(token: str, **changes: Any) -> Properties:
    """The type's example with these properties, without those that are None."""
    return {key: value for key, value in (BY_TOKEN[token].inputs(WORLD) | changes).items() if value is not None}


class TestNames:
    def test_made_of_the_logical_name_and_seven_hex_digits(self, provider: Caller) -> None:
        inputs = provider.check(ROLE, {"assumeRolePolicy": TRUST}, name="worker")

        assert re.fullmatch(r"worker-[0-9a-f]{7}", inputs["name"])

    def test_same_seed_gives_the_same_name(self, provider: Caller) -> None:
        first, second = (provider.check(ROLE, {"assumeRolePolicy": TRUST}) for _ in range(2))
        other = provider.check(ROLE, {"assumeRolePolicy": TRUST}, randomSeed=b"another")

        assert first["name"] == second["name"] != other["name"]

    def test_kept_on_an_update(self, provider: Caller) -> None:
        old = provider.check(ROLE, {"assumeRolePolicy": TRUST}, randomSeed=b"one")

        new = provider.check(ROLE, {"assumeRolePolicy": TRUST, "tags": {"a": "b"}}, old, randomSeed=b"two")

        assert new["name"] == old["name"]

    def test_made_anew_where_the_program_no_longer_gives_one(self, provider: Caller) -> None:
        old = provider.check(ROLE, {"assumeRolePolicy": TRUST, "name": "mine"})

        new = provider.check(ROLE, {"assumeRolePolicy": TRUST}, old)

        assert new["name"].startswith("thing-")

    def test_given_one_is_left_alone(self, provider: Caller) -> None:
        assert provider.check(ROLE, {"assumeRolePolicy": TRUST, "name": "mine"})["name"] == "mine"

    @pytest.mark.parametrize(
        ("token", "property", "expected"),
        [
            ("aws:s3/bucket:Bucket", "bucket", r"mixed-case-[0-9a-f]{7}"),
            ("aws:lambda/permission:Permission", "statementId", r"Mixed-Case-[0-9a-f]{7}"),
        ],
    )
    def test_each_type_has_its_own_property_and_shape(self, provider: Caller, token: str, property: str, expected: str) -> None:
        inputs = provider.check(token, example(token, **{property: None}), name="Mixed-Case")

        assert re.fullmatch(expected, inputs[property])

    def test_too_long_a_logical_name_is_refused(self, provider: Caller) -> None:
        response = provider.check_response(ROLE, {"assumeRolePolicy": TRUST}, name="n" * 57)

        assert [failure.property for failure in response.failures] == ["name"]
        assert "longer than the 64 characters allowed" in response.failures[0].reason

    def test_engine_may_propose_one(self, provider: Caller) -> None:
        options = Autonaming(proposed_name="proposed", mode=Autonaming.PROPOSE)

        assert provider.check(ROLE, {"assumeRolePolicy": TRUST}, autonaming=options)["name"] == "proposed"

    def test_engine_may_forbid_making_one(self, provider: Caller) -> None:
        options = Autonaming(mode=Autonaming.DISABLE)
        response = provider.check_response(ROLE, {"assumeRolePolicy": TRUST}, autonaming=options)

        assert response.failures[0].property == "name"


class TestDefaults:
    def test_are_those_of_the_genuine_provider(self, provider: Caller) -> None:
        inputs = provider.check(FUNCTION, example(FUNCTION))

        assert {name: inputs[name] for name in ("memorySize", "reservedConcurrentExecutions", "timeout")} == {
            "memorySize": 128,
            "reservedConcurrentExecutions": -1,
            "timeout": 3,
        }

    def test_are_listed_as_such(self, provider: Caller) -> None:
        inputs = provider.check(FUNCTION, example(FUNCTION, timeout=10))

        assert "memorySize" in inputs["__defaults"]
        assert "timeout" not in inputs["__defaults"]

    def test_tags_of_the_provider_lie_beneath_those_of_the_resource(self) -> None:
        provider = Caller(AwsProvider())
        provider.configure(endpoints=[{"sts": "http://127.0.0.1:9"}], defaultTags={"tags": {"project": "quotes", "stage": "dev"}})

        inputs = provider.check(QUEUE, {"tags": {"stage": "prod"}})

        assert inputs["tags"] == {"project": "quotes", "stage": "prod"}

    def test_stay_defaults_where_the_old_inputs_come_back(self, provider: Caller) -> None:
        old = provider.check(ROLE, {"assumeRolePolicy": TRUST})

        kept = provider.check(ROLE, old, old)

        assert kept == old


class TestValues:
    def test_take_their_declared_types(self, provider: Caller) -> None:
        inputs = provider.check(FUNCTION, example(FUNCTION, timeout="10", memorySize=256.0))
        subscription = provider.check(SUBSCRIPTION, example(SUBSCRIPTION, rawMessageDelivery="false"))

        assert (inputs["timeout"], inputs["memorySize"], subscription["rawMessageDelivery"]) == (10, 256, False)

    def test_document_given_as_an_object_becomes_a_string(self, provider: Caller) -> None:
        inputs = provider.check(ROLE, {"assumeRolePolicy": json.loads(TRUST)})

        assert json.loads(inputs["assumeRolePolicy"]) == json.loads(TRUST)

    def test_secrets_are_taken_as_what_they_hide(self, provider: Caller) -> None:
        hidden = {SIGNATURE: SECRET, "value": {"variables": {"TOKEN": "t"}}}

        assert provider.check(FUNCTION, example(FUNCTION, environment=hidden))["environment"] == hidden["value"]

    def test_unknown_ones_pass(self, provider: Caller) -> None:
        unknown = {"assumeRolePolicy": UNKNOWN, "name": UNKNOWN, "tags": UNKNOWN}

        assert provider.check(ROLE, unknown).items() >= unknown.items()


REFUSED: list[tuple[str, Properties, str, str]] = [
    (FUNCTION, {"timout": 5}, "timout", "did you mean timeout"),
    (FUNCTION, {"environment": {"vars": {}}}, "environment.vars", "did you mean variables"),
    (FUNCTION, {"role": None}, "role", "is required"),
    (FUNCTION, {"handler": None}, "handler", "is required"),
    (FUNCTION, {"timeout": 901}, "timeout", "between 1 and 900, not 901"),
    (FUNCTION, {"timeout": 1.5}, "timeout", "a whole number"),
    (FUNCTION, {"timeout": "soon"}, "timeout", "a number, not a string"),
    (FUNCTION, {"memorySize": 127}, "memorySize", "between 128 and 10240"),
    (FUNCTION, {"name": "a b"}, "name", "letters, digits"),
    (FUNCTION, {"name": "n" * 65}, "name", "1 to 64 characters, not 65"),
    (FUNCTION, {"role": "worker"}, "role", "an iam ARN"),
    (FUNCTION, {"code": None}, "code", "is required"),
    (FUNCTION, {"publish": True}, "publish", "isn't implemented"),
    (FUNCTION, {"snapStart": {"applyOn": "None"}}, "snapStart", "isn't implemented"),
    (FUNCTION, {"code": "x.zip"}, "code", "an asset"),
    (FUNCTION, {"environment": {"variables": {"AWS_REGION": "x"}}}, "environment.variables.AWS_REGION", "reserves"),
    (FUNCTION, {"environment": {"variables": {"A-B": "x"}}}, "environment.variables.A-B", "refuses"),
    (FUNCTION, {"tracingConfig": {"mode": "On"}}, "tracingConfig.mode", "one of Active, PassThrough, not 'On'"),
    (FUNCTION, {"layers": ["layer"]}, "layers[0]", "a layer version's ARN"),
    (FUNCTION, {"architectures": "arm64"}, "architectures", "a list, not a string"),
    (FUNCTION, {"fileSystemConfig": {"arn": "a", "localMountPath": "/mnt/a"}}, "fileSystemConfig", "isn't implemented"),
    (FUNCTION, {"tags": {"aws:x": "y"}}, "tags.aws:x", "AWS's own"),
    ("aws:lambda/eventSourceMapping:EventSourceMapping", {"batchSize": 11}, "batchSize", "between 1 and 10, not 11"),
    (
        "aws:lambda/eventSourceMapping:EventSourceMapping",
        {"scalingConfig": {"maximumConcurrency": 1}},
        "scalingConfig.maximumConcurrency",
        "between 2 and 1000",
    ),
    (ROLE, {"assumeRolePolicy": "{"}, "assumeRolePolicy", "isn't valid JSON"),
    (ROLE, {"assumeRolePolicy": "[]"}, "assumeRolePolicy", "a JSON object"),
    (ROLE, {"assumeRolePolicy": allow("sts:AssumeRole", "*")}, "assumeRolePolicy", "Principal"),
    (ROLE, {"assumeRolePolicy": TRUST.replace("Allow", "allow")}, "assumeRolePolicy", "Allow or Deny"),
    (ROLE, {"maxSessionDuration": 60}, "maxSessionDuration", "isn't implemented"),
    (QUEUE, {"delaySeconds": 901}, "delaySeconds", "between 0 and 900"),
    (QUEUE, {"visibilityTimeoutSeconds": 43201}, "visibilityTimeoutSeconds", "between 0 and 43200"),
    (QUEUE, {"messageRetentionSeconds": 59}, "messageRetentionSeconds", "between 60 and 1209600"),
    (QUEUE, {"redrivePolicy": '{"deadLetterTargetArn": "arn"}'}, "redrivePolicy", "maxReceiveCount"),
    (QUEUE, {"fifoQueue": True}, "fifoQueue", "isn't implemented"),
    (QUEUE, {"namePrefix": "quotes"}, "namePrefix", "isn't implemented"),
    ("aws:cloudwatch/logGroup:LogGroup", {"retentionInDays": 8}, "retentionInDays", "one of 0, 1, 3, 5, 7, 14"),
    (TABLE, {"attributes": [{"name": "id", "type": "S"}, {"name": "x", "type": "S"}]}, "attributes", "declares 'x'"),
    (TABLE, {"rangeKey": "at"}, "attributes", "doesn't declare 'at'"),
    (TABLE, {"attributes": [{"name": "id"}]}, "attributes[0].type", "is required"),
    (TABLE, {"billingMode": None}, "billingMode", "one of PAY_PER_REQUEST, not 'PROVISIONED'"),
    (
        TABLE,
        {
            "globalSecondaryIndexes": [
                {"name": "listed", "projectionType": "ALL", "keySchemas": [{"attributeName": "id", "keyType": "HASH"}]}
            ]
        },
        "globalSecondaryIndexes[0].keySchemas",
        "isn't implemented",
    ),
    (TABLE, {"streamEnabled": True}, "streamEnabled", "isn't implemented"),
    (MACHINE, {"definition": "nope"}, "definition", "isn't valid JSON"),
    (MACHINE, {"definition": '{"StartAt": "A", "States": {}}'}, "definition", "at least one state"),
    (MACHINE, {"definition": '{"StartAt": "B", "States": {"A": {"Type": "Pass", "End": true}}}'}, "definition", "StartAt 'B'"),
    (MACHINE, {"type": "FAST"}, "type", "one of STANDARD, EXPRESS"),
    (MACHINE, {"loggingConfiguration": {"level": "ALL"}}, "loggingConfiguration.logDestination", "is required"),
    (
        MACHINE,
        {"loggingConfiguration": {"level": "ALL", "logDestination": "arn:aws:logs:us-east-1:111122223333:log-group:x"}},
        "loggingConfiguration.logDestination",
        ":* appended",
    ),
    (
        SUBSCRIPTION,
        {"filterPolicy": json.dumps({k: [1] for k in "abcdef"})},
        "filterPolicy",
        "5 keys at most, not 6",
    ),
    (
        SUBSCRIPTION,
        {"filterPolicy": json.dumps({"a": list(range(151))})},
        "filterPolicy",
        "150 combinations",
    ),
    (SUBSCRIPTION, {"filterPolicy": json.dumps({"a": {"b": [1]}})}, "filterPolicy", "a list of values for each attribute"),
    (SUBSCRIPTION, {"protocol": "lambda"}, "endpoint", "a lambda ARN"),
    ("aws:s3/bucket:Bucket", {"bucket": "My_Bucket"}, "bucket", "lower-case"),
    ("aws:s3/bucket:Bucket", {"versioning": {"enabled": True}}, "versioning", "isn't implemented"),
    ("aws:apigatewayv2/route:Route", {"routeKey": "FETCH /x"}, "routeKey", "a method and a path"),
    ("aws:apigatewayv2/route:Route", {"authorizationType": "JWT"}, "authorizerId", "is required"),
    (
        "aws:cloudwatch/metricAlarm:MetricAlarm",
        {"metricQueries": [{"id": "e", "metric": METRIC | {"period": 45}}]},
        "metricQueries[0].metric.period",
        "of 60",
    ),
    ("aws:cloudwatch/metricAlarm:MetricAlarm", {"metricName": "Errors"}, "metricName", "isn't implemented"),
    ("aws:cloudwatch/metricAlarm:MetricAlarm", {"metricQueries": None}, "metricQueries", "is required"),
    ("aws:cloudwatch/metricAlarm:MetricAlarm", {"threshold": None}, "threshold", "is required"),
]


@pytest.mark.parametrize(("token", "changes", "property", "reason"), REFUSED, ids=[f"{t.rpartition(':')[2]} {p}" for t, _, p, _ in REFUSED])
def test_refuses(provider: Caller, token: str, changes: Properties, property: str, reason: str) -> None:
    refused = provider.refused(token, example(token, **changes))

    assert reason in refused[property]


def test_a_rule_that_is_not_known_yet_is_not_judged(provider: Caller) -> None:
    rules = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"

    response = provider.check_response(rules, example(rules, rules=[UNKNOWN]))

    assert not response.failures


def test_names_every_wrong_property_at_once(provider: Caller) -> None:
    refused = provider.refused(FUNCTION, example(FUNCTION, timeout=0, memorySize=1, tracingConfig={"mode": "x"}))

    assert refused.keys() == {"timeout", "memorySize", "tracingConfig.mode"}


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**7) | st.text(max_size=9) | st.sampled_from([UNKNOWN, "{}", "[1]", "arn:"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=9), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(token=st.sampled_from(implemented_types()), data=st.data())
def test_answers_any_input_with_reasons(provider: Caller, token: str, data: st.DataObject) -> None:
    base = BY_TOKEN[token].inputs(WORLD)
    property = data.draw(st.sampled_from([*base, "name", "tags", "policy", "junk"]))

    response = provider.check_response(token, base | {property: data.draw(JUNK)})

    assert response.failures or from_struct(response.inputs)


def test_archive_is_kept_as_it_came(provider: Caller) -> None:
    code = archive("x = 1")

    assert provider.check(FUNCTION, example(FUNCTION, code=code))["code"] == code
