"""The client's verbs on a whole stack: each carrier, as a user types it, with the outputs from a file."""

import asyncio
import io
import json
import uuid
from argparse import Namespace

import pytest

from client import AsyncStack, completion
from client.__main__ import main

RESPONDERS = [
    {"name": "avis", "module": "tests.responders", "behaviour": "quote", "amount": 99},
    {"name": "hertz", "module": "tests.responders", "behaviour": "decline"},
    {"name": "crash", "module": "tests.responders", "behaviour": "throw"},
    {"name": "late", "module": "tests.gate"},
]
QUICK = {"data": {}, "recipients": ["avis", "hertz"]}
VARIANTS = ["map", "parallel", "sns"]


@pytest.fixture(scope="module")
def stack(deployed):
    return deployed(variants=VARIANTS, responders=RESPONDERS)


@pytest.fixture
def client(stack, tmp_path, monkeypatch, capsys):
    """`client("get", "r1")` is what `python -m client get r1` does: its exit code and what it printed."""
    file = tmp_path / "outputs.json"
    file.write_text(json.dumps(stack.outputs))
    monkeypatch.setenv("AWS_ENDPOINT_URL", stack.endpoint)
    monkeypatch.setenv("AWS_SESSION_TOKEN", stack.session_token)

    def run(verb: str, *arguments: str, stdin: str | None = None) -> tuple[int, str, str]:
        if stdin is not None:
            monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        code = main([verb, "--outputs", str(file), *arguments])
        return code, *capsys.readouterr()

    return run


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_request_shows_its_answers_and_can_be_read_again(client, variant):
    body = {"requestId": uuid.uuid4().hex, **QUICK}

    code, shown, _ = client("request", variant, "--input", "-", stdin=json.dumps(body))

    assert code == 0
    assert "avis quoted 99 USD" in shown
    assert "hertz declined sold out" in shown
    assert f"{variant} request {body['requestId']} is complete (closed by all): 2 of 2 answered, best avis: 99 USD" in shown
    code, stored, _ = client("get", body["requestId"], "--json")
    assert (code, json.loads(stored)["request"]) == (0, QUICK)
    assert json.loads(stored)["best"]["responder"] == "avis"
    assert "* avis" in client("get", body["requestId"])[1].replace("  ", " ")


def test_tab_offers_the_newest_requests(client, stack, tmp_path):
    first, second = (client("request", "sns", "--no-wait")[1].strip() for _ in range(2))

    offered = completion.COMPLETIONS["id"](Namespace(stack=None, outputs=tmp_path / "outputs.json"))

    assert {first, second} <= set(offered)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_request_need_not_be_waited_for(client, variant):
    code, shown, _ = client("request", variant, "--no-wait", "--json", "--input", "-", stdin=json.dumps(QUICK))
    request_id = json.loads(shown)["requestId"]

    watched, lines, _ = client("watch", request_id, "--json")

    assert (code, watched) == (0, 0)
    assert json.loads(lines.splitlines()[-1])["status"] == "COMPLETE"


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_api_shows_the_same(client, variant):
    body = {"requestId": uuid.uuid4().hex, **QUICK}

    code, shown, _ = client("request", variant, "--api", "--input", "-", stdin=json.dumps(body))

    assert code == 0
    assert f"{variant} request {body['requestId']} is complete (closed by all): 2 of 2 answered, best avis: 99 USD" in shown
    by_api, directly = (json.loads(client("get", body["requestId"], "--json", *how)[1]) for how in (["--api"], []))
    assert by_api == directly


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    ("body", "reason"),
    [({"data": {}, "recipients": ["fax"]}, "unknown recipient"), ({"data": 1}, "data must be an object"), ([], "must be a JSON object")],
)
def test_a_broken_request_is_one_line_and_exit_code_2(client, variant, body, reason):
    code, shown, error = client("request", variant, "--input", "-", stdin=json.dumps(body))

    assert (code, shown) == (2, "")
    assert error.startswith("error: ")
    assert reason in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_request_that_fails_is_exit_code_1(client, variant):
    body = {"requestId": uuid.uuid4().hex, "data": {}, "recipients": ["crash"]}

    code, shown, _ = client("request", variant, "--input", "-", stdin=json.dumps(body))

    assert code == 1
    assert f"request {body['requestId']} is failed (closed by all): 1 of 1 answered, no quote" in shown
    assert client("watch", body["requestId"])[0] == 1


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_request_that_is_open_at_the_timeout_goes_on(client, stack, variant, tmp_path):
    body = {"requestId": uuid.uuid4().hex, "data": {"gate": str(tmp_path / "gate")}, "recipients": ["late"]}

    code, _, error = client("request", variant, "--timeout", "0.1", "--input", "-", stdin=json.dumps(body))
    (tmp_path / "gate").touch()

    assert code == 5
    assert "still open after 0.1 seconds" in error
    assert stack.wait(body["requestId"])["status"] == "COMPLETE"


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_request_ends_with_enough_quotes_while_another_responder_is_still_at_work(stack, variant, tmp_path):
    _ends_early(stack, variant, tmp_path / "gate")


def test_with_express_too(deployed, tmp_path):
    express = deployed(variants=["map"], workflowType="EXPRESS", responders=RESPONDERS, api={"enabled": False})

    _ends_early(express, "map", tmp_path / "gate")


def _ends_early(stack, variant, gate):
    body = {"requestId": uuid.uuid4().hex, "data": {"gate": str(gate)}, "recipients": ["avis", "late"], "completion": {"quorum": 1}}
    try:
        result = stack.request(variant, body, timeout=60)
        again = stack.request(variant, body, timeout=60)
    finally:
        gate.touch()

    assert (result["completedBy"], [answer["responder"] for answer in result["answers"]]) == ("QUORUM", ["avis"])
    assert again == result


def test_an_unknown_request_is_exit_code_3(client):
    assert client("get", "nobody-sent-this") == (3, "", "error: there is no request nobody-sent-this\n")


def test_with_sns_answers_are_seen_before_all_have_come(stack, tmp_path):
    gate, counts = tmp_path / "gate", []

    for result in stack.follow("sns", {"data": {"gate": str(gate)}, "recipients": ["avis", "late"]}):
        counts.append(len(result["answers"]))
        if counts[-1] == 1:
            gate.touch()

    assert sorted({*counts} - {0}) == [1, 2]


def test_several_requests_at_once(stack):
    async def send() -> list[str]:
        several = AsyncStack(stack)
        results = await asyncio.gather(*(several.request(variant, QUICK) for variant in VARIANTS * 2))
        return [result["status"] for result in results]

    assert asyncio.run(send()) == ["COMPLETE"] * 6


def test_the_log_of_a_request_has_the_traceback_of_what_was_raised(client):
    body = {"requestId": uuid.uuid4().hex, "data": {}, "recipients": ["crash"]}
    client("request", "map", "--input", "-", stdin=json.dumps(body))

    code, shown, _ = client("logs", body["requestId"], "--traceback")

    assert code == 0
    assert f"crash  ERROR  {body['requestId']}  its code raised: RuntimeError: out of cars" in shown
    assert "in quote" in shown
    assert "aggregator  INFO" in shown
