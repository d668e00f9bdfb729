"""Wrong arguments that a program gives to a component directly stop its preview, with the message that the configuration gives."""

from collections.abc import Callable
from typing import Any

import pulumi
import pytest

from components import (
    Alarms,
    DistributedMapProcessor,
    MapScatterGather,
    ParallelScatterGather,
    RequestApi,
    RequestStore,
    ResponderFleet,
    SnsScatterGather,
)
from tests import program

AVIS: Any = {"name": "avis", "settings": {"rate": "99"}}


def made_store(name: str, arguments: Any) -> RequestStore:
    return RequestStore(name, arguments)


def fleet(responders: Any, **store: Any) -> ResponderFleet:
    return ResponderFleet("fleet", {"store": made_store("quotes", store), "responders": responders})


def made_fleet(**own: Any) -> ResponderFleet:
    arguments: Any = {"store": made_store("quotes", {}), **own}
    return ResponderFleet("fleet", arguments)


def api(**arguments: Any) -> RequestApi:
    quotes = made_store("quotes", {})
    return RequestApi(
        "a", {"store": quotes, "fleet": ResponderFleet("fleet", {"store": quotes, "responders": [AVIS]}), "carriers": {}, **arguments}
    )


def alarms(**arguments: Any) -> Alarms:
    return Alarms("w", {"watches": [], **arguments})


def carrier(component: Any, arguments: Any, **store: Any) -> pulumi.ComponentResource:
    quotes = made_store("quotes", store)
    return component("carrier", {"store": quotes, "fleet": ResponderFleet("fleet", {"store": quotes, "responders": [AVIS]}), **arguments})


def without(arguments: Any) -> Any:
    """Arguments that lack a component, which a type checker would see."""
    return arguments


def misspelt_store(arguments: Any) -> ResponderFleet:
    return ResponderFleet("fleet", without({"stor": made_store("quotes", {}), **arguments}))


WRONG: list[tuple[Callable[[], object], str]] = [
    # RequestStore
    (lambda: made_store("s", {"selection": "cheapest"}), 'RequestStore s: selection is "cheapest"; allowed: lowest, highest'),
    (lambda: made_store("s", {"selecton": "lowest"}), "RequestStore s: selecton is not a known key; allowed: completion, selection"),
    (lambda: made_store("s", {"topK": 0}), "RequestStore s: topK is 0; allowed: a whole number from 1 to 100"),
    (lambda: made_store("s", {"topK": 1.5}), "RequestStore s: topK is 1.5; allowed: a whole number from 1 to 100"),
    (lambda: made_store("s", {"currency": "usd"}), 'RequestStore s: currency is "usd"; allowed: three capital letters'),
    (lambda: made_store("s", {"logRetentionDays": 2}), "RequestStore s: logRetentionDays is 2; allowed: 1, 3, 5, 7, 14"),
    (lambda: made_store("s", {"resultRetentionDays": 4000}), "resultRetentionDays is 4000; allowed: a whole number from 1 to 3650"),
    (lambda: made_store("s", {"completion": {"deadlineSeconds": -5}}), "completion.deadlineSeconds is -5; allowed: a number"),
    (lambda: made_store("s", {"completion": {"amountBelow": "cheap"}}), 'completion.amountBelow is "cheap"; allowed: a decimal above 0'),
    (lambda: made_store("s", {"completion": {"qorum": 1}}), "completion.qorum is not a known key; allowed: deadlineSeconds, quorum"),
    (lambda: made_store("s", {"retainData": "perhaps"}), "RequestStore s: retainData"),
    # ResponderFleet
    (lambda: misspelt_store({"responders": [AVIS]}), "ResponderFleet fleet: stor is not a known key; allowed: store, responders"),
    (lambda: ResponderFleet("fleet", without({"responders": [AVIS]})), "ResponderFleet fleet: store is missing"),
    (lambda: SnsScatterGather("sns", without({"store": made_store("quotes", {})})), "SnsScatterGather sns: fleet is missing"),
    (lambda: MapScatterGather("map", without({"store": made_store("quotes", {})})), "MapScatterGather map: fleet is missing"),
    (lambda: Alarms("w", without({})), "Alarms w: watches is missing"),
    (lambda: fleet([AVIS], completion={"quorum": 99}), "ResponderFleet fleet: completion.quorum is 99; allowed: a whole number"),
    (lambda: fleet([AVIS], completion={"required": ["sixt"]}), 'completion.required names "sixt"; allowed: avis'),
    (lambda: fleet([AVIS, AVIS]), 'ResponderFleet fleet: responders names "avis" more than once'),
    (lambda: fleet([{"settings": {"rate": "99"}}]), "responders[0].name is missing"),
    (lambda: fleet([{"name": "a b", "settings": {"rate": "99"}}]), 'responders[0].name is "a b"; allowed: 1 to 30 letters'),
    (lambda: fleet([{**AVIS, "timeoutSeconds": 61}]), "responders[0].timeoutSeconds is 61; allowed: a number from 1 to 60"),
    (lambda: fleet([{**AVIS, "memoryMb": 64}]), "responders[0].memoryMb is 64; allowed: a whole number from 128 to 10240"),
    (lambda: fleet([{**AVIS, "memorymb": 256}]), "responders[0]: memorymb is not a known key"),
    (lambda: fleet([{**AVIS, "retries": 6}]), "responders[0].retries is 6; allowed: a whole number from 0 to 5"),
    (lambda: fleet([{**AVIS, "circuitBreaker": {"failures": 0}}]), "responders[0].circuitBreaker.failures is 0; allowed: a whole number"),
    (lambda: fleet([{"name": "a", "functionArn": "quote"}]), 'responders[0].functionArn is "quote"; allowed: the ARN of a Lambda function'),
    (lambda: fleet([{"name": "a", "module": "no.such"}]), "there is no module no.such"),
    (lambda: fleet([{"name": "a"}]), "rate is null; allowed: a price per day"),
    (lambda: made_fleet(respondrs=[AVIS]), "respondrs is not a known key; allowed: store, responders; the nearest is responders"),
    (lambda: made_fleet(), "ResponderFleet fleet: responders is missing"),
    (lambda: made_fleet(responders=[AVIS], retrys=1), "ResponderFleet fleet: retrys is not a known key; allowed: store, responders"),
    # The carriers
    (
        lambda: carrier(SnsScatterGather, {"maxConcurrency": 1}),
        "SnsScatterGather carrier: maxConcurrency is not a known key; allowed: store, fleet",
    ),
    (lambda: carrier(MapScatterGather, {"maxConcurrency": 500}), "MapScatterGather carrier: maxConcurrency is 500; allowed: a"),
    (lambda: carrier(MapScatterGather, {"workflowType": "standard"}), 'workflowType is "standard"; allowed: STANDARD or EXPRESS'),
    (lambda: carrier(ParallelScatterGather, {"maxConcurrency": 1}), "ParallelScatterGather carrier: maxConcurrency is not a known key"),
    (
        lambda: carrier(ParallelScatterGather, {"workflowType": "EXPRESS"}, completion={"deadlineSeconds": 600}),
        "completion.deadlineSeconds is 600; allowed with workflowType EXPRESS",
    ),
    # DistributedMapProcessor
    (lambda: DistributedMapProcessor("d", {"source": "s4"}), 'DistributedMapProcessor d: source is "s4"; allowed: dynamodb or s3'),
    (lambda: DistributedMapProcessor("d", {"source": "s3", "table": "t12"}), "table would have no effect with source s3: leave it out"),
    (lambda: DistributedMapProcessor("d", {"mode": "INLINE", "maxConcurrency": 41}), "maxConcurrency is 41; allowed: a whole number"),
    (lambda: DistributedMapProcessor("d", {"batchSize": 0}), "batchSize is 0; allowed: a whole number from 1 to 10000"),
    (lambda: DistributedMapProcessor("d", {"module": "no.such"}), "there is no module no.such"),
    (lambda: DistributedMapProcessor("d", {"mode": "INLINE", "sizeHint": 9999}), "sizeHint is 9999; allowed in mode INLINE"),
    # RequestApi
    (lambda: api(auth="BASIC"), 'RequestApi a: auth is "BASIC"; allowed: AWS_IAM, JWT or NONE'),
    (lambda: api(auth="JWT"), "RequestApi a: auth JWT needs issuer, an https:// URL, and audience"),
    (lambda: api(issuer="https://example.com"), "issuer would have no effect with auth AWS_IAM"),
    (lambda: api(throttling={"burstLimit": 0}), "throttling.burstLimit is 0; allowed: a whole number from 1 to 5000"),
    (lambda: api(corsOrigins=["example.com"]), 'corsOrigins[0] is "example.com"; allowed: * or an origin'),
    # Alarms
    (lambda: alarms(topicArn="topic"), 'Alarms w: topicArn is "topic"; allowed: the ARN of an SNS topic'),
    (lambda: alarms(email="me"), 'Alarms w: email is "me"; allowed: an e-mail address'),
    (
        lambda: alarms(email="a@example.com", topicArn="arn:aws:sns:us-east-1:000000000000:t"),
        "Alarms w: topicArn and email exclude each other: give one of them",
    ),
]


@pytest.mark.parametrize(("build", "message"), WRONG, ids=[message[:50] for _, message in WRONG])
def test_a_wrong_argument_is_named_before_anything_is_made(build, message):
    with pytest.raises(pulumi.RunError) as refused:
        program.registered(build)

    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_whole_numbers_that_arrive_as_floats_stay_whole():
    made = program.registered(lambda: carrier(MapScatterGather, {"maxConcurrency": 3.0}, topK=2.0))

    [aggregator] = [each for name, each in made.of_type("aws:lambda/function:Function").items() if "aggregator" in name]
    [machine] = made.of_type("aws:sfn/stateMachine:StateMachine").values()
    assert aggregator["environment"]["variables"]["TOP_K"] == "2"
    assert '"MaxConcurrency":3,' in machine["definition"].replace(" ", "")


@pytest.mark.parametrize(
    ("component", "makes"), [(RequestStore, "aws:dynamodb/table:Table"), (DistributedMapProcessor, "aws:sfn/stateMachine:StateMachine")]
)
def test_a_component_needs_no_more_than_its_name(component, makes):
    assert program.registered(lambda: component("one")).of_type(makes)


def test_settings_beside_the_known_keys_of_responders_are_told_once(monkeypatch):
    told: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", lambda message, *_: told.append(message))

    program.registered(lambda: fleet([{"name": name, "rate": 9} for name in ("avis", "alamo")]))

    assert told == [
        "responders[0] 'avis': rate is read as a setting of its own; write it under settings: {rate: 9}; the same holds for alamo"
    ]
