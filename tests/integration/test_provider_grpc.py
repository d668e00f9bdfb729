"""The provider as the CLI uses it: a process of its own, called over gRPC, with the emulator behind it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import grpc
import pytest
from botocore.client import BaseClient
from google.protobuf.empty_pb2 import Empty  # ty: ignore[import-not-found]
from pulumi.runtime.proto import plugin_pb2, provider_pb2
from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderStub

from local.emulator import Emulator
from local.provider import AwsProvider, ProviderError
from local.provider.resource import implemented_types, resource_type
from tests.provider_cases import BY_TOKEN, CASES, FUNCTION, OTHER_DEFINITION, TRUST, Caller, Case, World, allow, archive

PROJECT = Path(__file__).parents[2]
END_SECONDS = 60
"""A process that was told to end has ended by then, whatever else the machine does."""

SERVICES = {resource_type(token).service for token in implemented_types()} | {"sts"}


class RealWorld(World):
    """What the examples refer to, made on the emulator by the provider itself when it is first asked for."""

    def __init__(self, caller: Caller, account: str) -> None:
        self.account = account
        self._caller = caller

    def _made(self, token: str, output: str, name: str = "world", **inputs: Any) -> str:
        return self._caller.create(token, inputs, name).outputs[output]

    @cached_property
    def role(self) -> str:
        return self._made("aws:iam/role:Role", "arn", assumeRolePolicy=TRUST)

    @cached_property
    def function(self) -> str:
        code = archive("def handler(event, context): return event")
        return self._made("aws:lambda/function:Function", "arn", role=self.role, code=code, **FUNCTION)

    @cached_property
    def queue_url(self) -> str:
        return self._made("aws:sqs/queue:Queue", "url")

    @cached_property
    def queue(self) -> str:
        return self.arn("sqs", self.queue_url.rpartition("/")[2])

    @cached_property
    def other_queue(self) -> str:
        return self._made("aws:sqs/queue:Queue", "arn", name="other")

    @cached_property
    def topic(self) -> str:
        return self._made("aws:sns/topic:Topic", "arn")

    @cached_property
    def bucket(self) -> str:
        return self._made("aws:s3/bucket:Bucket", "bucket", bucket=f"world-{self.account}")

    @cached_property
    def policy(self) -> str:
        return self._made("aws:iam/policy:Policy", "arn", policy=allow("sqs:SendMessage", self.queue))

    @cached_property
    def api(self) -> str:
        return self._made("aws:apigatewayv2/api:Api", "arn", protocolType="HTTP").rpartition("/")[2]


class Plugin:
    """`python -m local.provider` in a process of its own."""

    def __init__(self, **options: Any) -> None:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "local.provider"], cwd=PROJECT, env=environment, stdout=subprocess.PIPE, text=True, **options
        )
        assert self.process.stdout
        self.port = int(self.process.stdout.readline())
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.port}")
        self.stub = ResourceProviderStub(self.channel)

    def stop(self) -> None:
        self.channel.close()
        self.process.terminate()
        self.process.wait(timeout=END_SECONDS)


@pytest.fixture(scope="module")
def plugin() -> Iterator[Plugin]:
    running = Plugin()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def caller(plugin: Plugin, emulator: Emulator) -> Caller:
    caller = Caller(plugin.stub)
    # One account for the whole module: clients and the examples' surroundings are then made just once.
    configure(caller, emulator, f"7{os.getpid() % 10**11:011d}")
    return caller


@pytest.fixture(scope="module")
def world(caller: Caller) -> World:
    return RealWorld(caller, caller.invoke("aws:index/getCallerIdentity:getCallerIdentity")["accountId"])


@pytest.fixture(scope="module")
def aws(emulator: Emulator, world: World) -> Callable[[str], Any]:
    """The emulator behind the provider's back."""
    session = boto3.Session(
        aws_access_key_id=world.account, aws_secret_access_key="test", aws_session_token=emulator.session_token, region_name="us-east-1"
    )
    return lambda service: session.client(service, endpoint_url=emulator.endpoint)


def configure(caller: Caller, emulator: Emulator, account: str) -> None:
    endpoints = [dict.fromkeys(SERVICES, emulator.endpoint)]
    caller.configure(region="us-east-1", accessKey=account, secretKey="test", token=emulator.session_token, endpoints=endpoints)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.token.rpartition("/")[2])
def test_life_of_each_type(caller: Caller, world: World, case: Case) -> None:
    inputs = case.inputs(world)

    made = caller.create(case.token, inputs)
    assert made.id
    assert made.outputs.keys() <= resource_type(case.token).schema().outputs

    read = caller.read(made)
    assert read
    assert read.inputs == made.inputs
    assert caller.diff(read, inputs).changes == provider_pb2.DiffResponse.DIFF_NONE

    if case.change:
        made = caller.update(made, case.changed(world))
        read = caller.read(made)
        assert read
        assert read.inputs == made.inputs
        assert read.outputs == made.outputs
        assert caller.diff(read, case.changed(world)).changes == provider_pb2.DiffResponse.DIFF_NONE

    caller.delete(made)
    assert case.stays or caller.read(made) is None
    caller.delete(made)


def test_ids_are_those_of_the_genuine_provider(caller: Caller, world: World) -> None:
    role = caller.create("aws:iam/role:Role", {"assumeRolePolicy": TRUST}, "ids")
    queue = caller.create("aws:sqs/queue:Queue", {}, "ids")
    function = world.function.rpartition(":")[2]
    permission = {"action": "lambda:InvokeFunction", "function": function, "principal": "sns.amazonaws.com"}

    assert role.id == role.outputs["name"]
    assert queue.id == queue.outputs["url"]
    assert caller.create("aws:lambda/permission:Permission", permission | {"statementId": "sns"}).id == "sns"


def test_drift_is_found(caller: Caller, aws: Callable[[str], Any]) -> None:
    inputs = {"retentionInDays": 30, "tags": {"a": "b"}}
    group = caller.create("aws:cloudwatch/logGroup:LogGroup", inputs, "drifting")
    aws("logs").put_retention_policy(logGroupName=group.id, retentionInDays=7)

    found = caller.read(group)

    assert found
    assert found.inputs == group.inputs | {"retentionInDays": 7}
    assert list(caller.diff(found, inputs).detailedDiff) == ["retentionInDays"]


def test_replaced_key(caller: Caller) -> None:
    """The engine's order: a second resource under a new name, then the first goes."""
    token = "aws:dynamodb/table:Table"
    table = {"attributes": [{"name": "id", "type": "S"}], "billingMode": "PAY_PER_REQUEST", "hashKey": "id"}
    keyed_otherwise = table | {"attributes": [{"name": "key", "type": "S"}], "hashKey": "key"}
    old = caller.create(token, table, "first")
    assert caller.diff(old, keyed_otherwise).replaces == ["hashKey"]

    new = caller.create(token, keyed_otherwise, "second")
    caller.delete(old)

    assert caller.read(old) is None
    assert new.id != old.id
    assert new.outputs["hashKey"] == "key"


def test_preview_writes_nothing(caller: Caller, aws: Callable[[str], Any]) -> None:
    queue = caller.create("aws:sqs/queue:Queue", {"delaySeconds": 1}, "previewed")
    before = aws("sqs").list_queues()["QueueUrls"]

    caller.preview_create("aws:sqs/queue:Queue", {})
    caller.update(queue, {"delaySeconds": 2}, preview=True)

    assert aws("sqs").list_queues()["QueueUrls"] == before
    attributes = aws("sqs").get_queue_attributes(QueueUrl=queue.id, AttributeNames=["DelaySeconds"])["Attributes"]
    assert attributes == {"DelaySeconds": "1"}


def test_creation_that_fails_halfway_leaves_nothing_behind(emulator: Emulator, account: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise ProviderError("no retention today")

    in_process = Caller(AwsProvider())
    configure(in_process, emulator, account)
    with monkeypatch.context() as patch:
        patch.setattr("local.provider.cloudwatch.LogGroup.settle", refuse)
        with pytest.raises(ProviderError, match="no retention today"):
            in_process.create("aws:cloudwatch/logGroup:LogGroup", {"name": "halfway"})

    assert in_process.create("aws:cloudwatch/logGroup:LogGroup", {"name": "halfway"}).id == "halfway"


@pytest.mark.parametrize(
    ("token", "change", "operations"),
    [
        ("aws:sfn/stateMachine:StateMachine", {"definition": OTHER_DEFINITION}, ["UpdateStateMachine"]),
        ("aws:lambda/function:Function", {"memorySize": 256}, ["UpdateFunctionConfiguration"]),
        ("aws:lambda/function:Function", {"code": archive("def handler(event, context): return 3")}, ["UpdateFunctionCode"]),
        ("aws:lambda/function:Function", {"tags": {"a": "other"}}, ["TagResource"]),
        ("aws:dynamodb/table:Table", {"pointInTimeRecovery": {"enabled": False}}, ["UpdateContinuousBackups"]),
        ("aws:sqs/queue:Queue", {"delaySeconds": 7}, ["SetQueueAttributes"]),
        ("aws:iam/role:Role", {}, []),
    ],
)
def test_update_calls_only_what_the_change_takes(
    emulator: Emulator,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    token: str,
    change: dict[str, Any],
    operations: list[str],
) -> None:
    in_process = Caller(AwsProvider())
    configure(in_process, emulator, world.account)
    inputs = BY_TOKEN[token].inputs(world)
    made = in_process.create(token, inputs, "-".join(["narrow", *change]))
    called: list[str] = []
    call = BaseClient._make_api_call

    def record(self: Any, operation: str, arguments: Any) -> Any:
        called.append(operation)
        return call(self, operation, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", record)
    in_process.update(made, inputs | change)

    assert [name for name in called if not name.startswith(("Describe", "Get", "Head", "List"))] == operations


def test_what_aws_refuses_is_one_line(caller: Caller) -> None:
    caller.create("aws:cloudwatch/logGroup:LogGroup", {"name": "taken"})

    with pytest.raises(grpc.RpcError) as refusal:
        caller.create("aws:cloudwatch/logGroup:LogGroup", {"name": "taken"})

    message = refusal.value.details()  # ty: ignore[missing-attribute]
    assert message.startswith("CreateLogGroup: ResourceAlreadyExistsException: ")
    assert "\n" not in message


def test_answers_what_an_engine_asks_first(plugin: Plugin) -> None:
    handshake = plugin.stub.Handshake(provider_pb2.ProviderHandshakeRequest(engine_address="127.0.0.1:1"))
    plugin.stub.Attach(plugin_pb2.PluginAttach(address="127.0.0.1:1"))

    assert not handshake.accept_secrets
    assert plugin.stub.GetPluginInfo(Empty()).version.startswith("7.")
    assert json.loads(plugin.stub.GetSchema(provider_pb2.GetSchemaRequest()).schema) == {}


def test_ends_when_it_is_told_to() -> None:
    plugin = Plugin()

    plugin.process.send_signal(signal.SIGTERM)

    assert plugin.process.wait(timeout=END_SECONDS) == 0


def test_stays_without_any_input() -> None:
    plugin = Plugin(stdin=subprocess.DEVNULL)
    time.sleep(0.3)

    assert plugin.process.poll() is None
    plugin.stop()
