"""Where the resources of a component are, and what cannot be used from there."""

import json

import pulumi
import pulumi_aws as aws
import pytest

from components import MapScatterGather, RequestStore, ResponderFleet
from components.responder_fleet import ResponderArgs
from tests import program

ELSEWHERE = "arn:aws:{}:eu-west-1:000000000000:{}"
THEIRS = "arn:aws:{}:us-east-1:111122223333:{}"
CHINESE = "arn:aws-cn:{}:us-east-1:000000000000:{}"
KEY = ("kms", "key/11111111-2222-3333-4444-555555555555")


def responder(**given):
    return {"responders": [{"name": "theirs", **given}]}


USES = {
    "responder theirs: functionArn": (lambda arn: responder(functionArn=arn("lambda", "function:quote")), "call it"),
    "responder theirs: secrets": (lambda arn: responder(rate=1, secrets={"key": arn("secretsmanager", "secret:key-a1b2c3")}), "read it"),
    "responder theirs: secretsKmsKeyArn": (lambda arn: responder(rate=1, secrets={"key": "keys"}, secretsKmsKeyArn=arn(*KEY)), "use it"),
    "alarms.topicArn": (lambda arn: {"alarms": {"topicArn": arn("sns", "pager")}}, "publish to it"),
    "kmsKeyArn": (lambda arn: {"kmsKeyArn": arn(*KEY)}, "use it"),
    "distributed.sourceKmsKeyArn": (
        lambda arn: {"variants": ["distributed"], "distributed": {"table": "lists", "sourceKmsKeyArn": arn(*KEY)}},
        "use it",
    ),
}


@pytest.mark.parametrize("elsewhere", [ELSEWHERE, CHINESE], ids=["region", "partition"])
@pytest.mark.parametrize("what", [*USES, "responder theirs: layers", "responder theirs: model"])
def test_what_is_in_another_region_or_partition_is_refused(what, elsewhere):
    uses = {
        **{what: config for what, (config, _) in USES.items()},
        "responder theirs: layers": lambda arn: responder(module="handlers.quotes.flight", layers=[arn("lambda", "layer:pandas:3")]),
        "responder theirs: model": lambda arn: responder(
            model=arn("bedrock", "application-inference-profile/abc"), inference={"inputPrice": 1, "outputPrice": 2}
        ),
    }

    allowed = r"one in us-east-1 \(partition aws\), where the stack is"
    with pytest.raises(pulumi.RunError, match=rf"^{what} is arn:\S+, in \S+; allowed: {allowed}"):
        program.run(uses[what](elsewhere.format))


@pytest.mark.parametrize("what", USES)
def test_what_belongs_to_another_account_is_warned_of(what, caplog):
    config, does = USES[what]

    program.run(config(THEIRS.format))

    [said] = {record.message for record in caplog.records if record.levelname == "WARNING" and what in record.message}
    assert said.startswith(f"{what} belongs to account 111122223333, not to the stack's: its owner must let ")
    assert said.endswith(does)


def test_a_component_is_where_its_provider_is():
    def main():
        there = pulumi.ResourceOptions(provider=aws.Provider("eu-west-1", region="eu-west-1"))
        for name, opts in (("here", None), ("there", there)):
            store = RequestStore(f"{name}-store", {}, opts)
            avis: ResponderArgs = {"name": "avis", "settings": {"rate": 1}, "secrets": {"key": "/keys/avis"}}
            fleet = ResponderFleet(name, {"store": store, "responders": [avis]}, opts)
            MapScatterGather(f"{name}-map", {"store": store, "fleet": fleet}, opts)

    found = program.registered(main)

    trusted = {
        name: json.loads(role["assumeRolePolicy"])["Statement"][0]["Condition"]["StringEquals"]["aws:SourceAccount"]
        for name, role in found.of_type("aws:iam/role:Role").items()
    }
    assert trusted and trusted == {name: program.ANOTHER_ACCOUNT if name.startswith("there") else "000000000000" for name in trusted}
    rights = found.of_type("aws:iam/rolePolicy:RolePolicy")
    assert "arn:aws:ssm:us-east-1:000000000000:parameter/keys/avis" in rights["here-avis-runs"]["policy"]
    assert f"arn:aws:ssm:eu-west-1:{program.ANOTHER_ACCOUNT}:parameter/keys/avis" in rights["there-avis-runs"]["policy"]
    assert set(found.of_type("aws:lambda/layerVersion:LayerVersion")) == {"layer", "layer-2"}
    layers = {name: function["layers"] for name, function in found.of_type("aws:lambda/function:Function").items()}
    assert layers["here-avis"] != layers["there-avis"]
