"""A stack that 1.0.0 made is updated: what holds data stays, under whatever name it is registered now.

`tests/states/1.0.0.json` has what 1.0.0 left on the emulator with CONFIG, without definitions, bodies and the paths of assets; an
output that is as the input of its name is left out.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from local.engine import Deployment
from local.plugin import Plugin
from local.program import run_program
from local.provider import AwsProvider
from local.provider.aws import Aws
from local.state import VERSION, StateFile
from local.steps import Op, Step

PROJECT = Path(__file__).parents[2]
FIXTURE = PROJECT / "tests" / "states" / "1.0.0.json"
CONFIG = {
    "variants": ["map", "parallel", "sns", "distributed"],
    "responders": [
        {"name": "avis", "rate": "99"},
        {"name": "partner", "functionArn": "arn:aws:lambda:us-east-1:123456789012:function:partner"},
    ],
    "selection": "handlers.rankings.nearest",
    "completion": {"quorum": 2},
    "distributed": {"idempotent": True, "mode": "DISTRIBUTED"},
    "alarms": {"email": "a@example.com"},
}
HOLDS_DATA = {"aws:dynamodb/table:Table", "aws:sqs/queue:Queue", "aws:s3/bucket:Bucket", "aws:cloudwatch/logGroup:LogGroup"}
GONE = {"map-recorder", "parallel-recorder"}
"""State machines of 1.0.0 whose work the aggregator does now, with their roles, policies, logs and alarms."""
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def steps(tmp_path_factory) -> list[Step]:
    """Of a preview of the program over the state of 1.0.0."""
    folder = tmp_path_factory.mktemp("state")
    (folder / "dev.state.json").write_text(json.dumps({"version": VERSION, "resources": written()}))
    state = StateFile(folder, "dev").load()
    plugin = Plugin("aws", AwsProvider())
    plugin.configure(
        {
            "region": "us-east-1",
            "accessKey": "123456789012",
            "secretKey": "test",
            "skipCredentialsValidation": "true",
            "endpoints": json.dumps([dict.fromkeys(("sts", "iam"), NOWHERE)]),
        }
    )
    deployment = Deployment(project="scatter-gather", stack="dev", state=state, plugins={"aws": plugin}, folder=PROJECT, save=None)
    texts = {f"scatter-gather:{key}": value if isinstance(value, str) else json.dumps(value) for key, value in CONFIG.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Aws, "identity", {"Account": "123456789012", "Arn": "arn", "UserId": "user"})
        run_program(PROJECT, deployment, texts, [], lambda *_: None)
    deployment.finish()
    assert not deployment.failures, [str(failure) for failure in deployment.failures]
    return deployment.steps


def written() -> list[dict[str, Any]]:
    resources: list[dict[str, Any]] = json.loads(FIXTURE.read_text())
    return [{**each, "outputs": {**each.get("inputs", {}), **each.get("outputs", {})}} if each["custom"] else each for each in resources]


def test_nothing_is_replaced_but_the_layer_of_which_each_content_is_a_version(steps):
    replaced = {step.urn for step in steps if step.op in (Op.REPLACE, Op.CREATE_REPLACEMENT, Op.DELETE_REPLACED)}

    assert {urn for urn in replaced if not urn.endswith("aws:lambda/layerVersion:LayerVersion::layer")} == set()


@pytest.mark.parametrize("kind", sorted(HOLDS_DATA))
def test_what_holds_data_stays(steps, kind):
    stays = {step.old.id for step in steps if step.op in (Op.SAME, Op.UPDATE) and step.old}

    held = {each["id"] for each in written() if each["type"] == kind and not each["urn"].endswith(tuple(f"{name}-logs" for name in GONE))}

    assert held
    assert held <= stays


def test_only_the_recorders_go(steps):
    gone = {step.resource.name for step in steps if step.op is Op.DELETE}

    assert gone >= GONE
    assert {name for name in gone if not name.removeprefix("alarms-").startswith(tuple(GONE))} == set()


def test_what_is_new_is_made(steps):
    made = {step.resource.name for step in steps if step.op is Op.CREATE and step.resource.type == "aws:lambda/function:Function"}

    assert made == {"distributed-reader", "quotes-responder-requester"}
    assert {step.resource.name for step in steps if step.op is Op.CREATE and step.resource.type in HOLDS_DATA} == {
        "distributed-reader-logs",
        "quotes-responder-requester-logs",
    }


@pytest.mark.parametrize(
    ("type_", "name", "kept"),
    [
        ("aws:cloudwatch/dashboard:Dashboard", "dashboard", "scatter-gather-dev"),
        ("aws:cloudwatch/logGroup:LogGroup", "map-logs", "/aws/vendedlogs/states/scatter-gather-dev-map"),
        ("aws:cloudwatch/logGroup:LogGroup", "api-access", "/aws/vendedlogs/apis/scatter-gather-dev-api"),
    ],
)
def test_a_fixed_name_of_1_0_0_is_kept(steps, type_, name, kept):
    [step] = [step for step in steps if (step.resource.type, step.resource.name) == (type_, name)]

    assert step.op in (Op.SAME, Op.UPDATE)
    assert step.new.inputs.get("dashboardName", step.new.inputs.get("name")) == kept
