"""One request, answered by every kind of responder there is, and the same by every carrier."""

import json
import time

import boto3
import pytest

from client import display
from handlers import clock
from tests.integration.beside_the_stack import existing_function
from tests.partner_server import reply, serving
from tests.results import without_times
from tests.wheels import wheel

KINDS = ["plain", "packaged", "ours", "gateway", "foreign", "url", "model"]
REQUEST = {"data": {"days": 7}, "recipients": KINDS}
SECRET = "sesame-open-4711"
SHAPES = {
    "ours": 'return {"amount": 10 * event["data"]["days"]}',
    "gateway": 'return {"statusCode": 200, "body": json.dumps({"amount": 11 * event["data"]["days"]})}',
    "foreign": 'return json.dumps({"offer": {"total": 12 * event["days"]}, "car": "Yaris"})',
}
MAPPED = {"request": "{days: data.days}", "answer": {"amount": "offer.total", "details": "{car: car}"}}


@pytest.fixture(scope="module")
def partner():
    with serving({"/quotes": reply({"offer": {"total": "99.50"}, "car": "Micra"})}) as server:
        yield server


@pytest.fixture(scope="module")
def stack(emulator, deployed, module_account, partner, tmp_path_factory):
    index = tmp_path_factory.mktemp("index")
    wheel(index, "plainprices", "py3-none-any", {"plainprices.py": b"RATE = 13"})
    functions = {
        name: existing_function(emulator, module_account, f"import json\n\ndef handler(event, context):\n    {body}", name)
        for name, body in SHAPES.items()
    }
    boto3.client(
        "secretsmanager",
        endpoint_url=emulator.endpoint,
        region_name="us-east-1",
        aws_access_key_id=module_account,
        aws_secret_access_key="test",
        aws_session_token=emulator.session_token,
    ).create_secret(Name="partners/key", SecretString=SECRET)
    secrets = {"apiKey": "partners/key"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(index))
        return deployed(
            variants=["map", "parallel", "sns"],
            api={"enabled": False},
            alarms={"enabled": False},
            completion={"deadlineSeconds": 120},
            responders=[
                {"name": "plain", "module": "tests.responders", "behaviour": "quote", "amount": 80, "timeoutSeconds": 60},
                {
                    "name": "packaged",
                    "module": "tests.packaged",
                    "packages": "tests/packaged.txt",
                    "secrets": secrets,
                    "environment": {"PRICE_ZONE": "west"},
                    "timeoutSeconds": 60,
                },
                {"name": "ours", "functionArn": functions["ours"], "timeoutSeconds": 60},
                {"name": "gateway", "functionArn": functions["gateway"], "timeoutSeconds": 60},
                {"name": "foreign", "functionArn": functions["foreign"], "timeoutSeconds": 60, **MAPPED},
                {
                    "name": "url",
                    "url": f"{partner.url}/quotes",
                    "secrets": secrets,
                    "timeoutSeconds": 60,
                    **MAPPED,
                    "http": {"headers": {"x-key": "${apiKey}"}, "privateHosts": ["127.0.0.1"]},
                },
                {"name": "model", "model": "amazon.nova-lite-v1:0", "request": "to_string(data.days)", "timeoutSeconds": 60},
                {"name": "capped", "module": "tests.responders", "behaviour": "quote", "requestsPerSecond": 0.1},
            ],
        )


def test_every_kind_of_responder_gives_every_carrier_the_same_answer(stack, partner):
    results = {carrier: stack.request(carrier, REQUEST, timeout=120) for carrier in stack.variants}

    found = {carrier: without_times(result) for carrier, result in results.items()}
    assert set(found) == {"map", "parallel", "sns"}
    assert found["parallel"] == found["sns"] == found["map"]
    amounts = {answer["responder"]: answer.get("amount", answer.get("error")) for answer in found["map"]["answers"]}
    assert {name: amount for name, amount in amounts.items() if name != "model"} == {
        "plain": "80",
        "packaged": "91",
        "ours": "70",
        "gateway": "77",
        "foreign": "84",
        "url": "99.50",
    }
    details = {answer["responder"]: answer["details"] for answer in found["map"]["answers"]}
    assert details["packaged"] == {"signed": len(SECRET), "zone": "west"}
    assert (details["foreign"], details["url"]) == ({"car": "Yaris"}, {"car": "Micra"})
    assert (details["model"]["stopReason"], found["map"]["best"]["responder"]) == ("end_turn", "model")
    head, _, body = partner.asked[0].partition(b"\r\n\r\n")
    assert (f"x-key: {SECRET}".encode() in head, json.loads(body)) == (True, {"days": 7})


def test_what_waits_for_its_cap_when_a_quorum_closes_the_request_is_not_begun_and_counted(stack):
    closed = _closed_before_the_next_turn(stack)

    assert (closed["completedBy"], closed["top"], closed["missing"]) == ("QUORUM", ["ours", "plain"], ["capped"])
    until = time.monotonic() + 60
    while (result := stack.result(closed["requestId"]))["spared"] < 1 and time.monotonic() < until:
        time.sleep(0.1)
    assert {key: result[key] for key in closed if key != "spared"} == {key: closed[key] for key in closed if key != "spared"}
    assert (result["spared"], result["late"]) == (1, 0)
    assert "2 of 3 answered, 1 not begun, without capped, best ours: 70 USD" in display.summary(result).plain


def _closed_before_the_next_turn(stack):
    """What a quorum closed before the next turn of the one that is capped, which comes ten seconds after its answer at the earliest."""
    for _ in range(6):
        [turn] = stack.request("sns", {"data": {}, "recipients": ["capped"]}, timeout=120)["answers"]
        closed = stack.request("sns", {"data": {"days": 7}, "recipients": ["plain", "ours", "capped"], "completion": {"quorum": 2}})
        if (clock.moment(closed["completedAt"]) - clock.moment(turn["respondedAt"])).total_seconds() < 10:
            return closed
    raise AssertionError("functions that have run already took ten seconds for an answer, six times")
