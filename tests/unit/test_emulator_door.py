"""Which requests the emulator's door lets through, and how it refuses the others."""

import asyncio
import json
from typing import Any

import pytest
from ministack.services import sts

from local import emulator_process
from local.emulator_door import Door

OWN = {"host": "127.0.0.1:8080", "x-amz-security-token": "token"}
API = "/_aws/execute-api/abc123/$default/map/requests"


def ask(
    headers: dict[str, str] | list[tuple[str, str]], path: str = "/", query: str = "", scheme: str = "http", issued: tuple[str, ...] = ()
) -> list[dict[str, Any]]:
    """What the door answers; what is behind it answers "reached"."""
    answers: list[dict[str, Any]] = []

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "reached"})

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        answers.append(message)

    pairs = headers.items() if isinstance(headers, dict) else headers
    scope = {
        "type": "websocket" if scheme.startswith("ws") else "http",
        "scheme": scheme,
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in pairs],
    }
    asyncio.run(Door(behind, "token", 8080, issued=lambda: issued)(scope, receive, send))
    return answers


def passes(*arguments: Any, **named: Any) -> bool:
    return ask(*arguments, **named) == [{"type": "reached"}]


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "LOCALHOST:8080"])
def test_the_token_opens_it_at_its_own_names(host):
    assert passes({**OWN, "host": host})


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8080",
        "127.0.0.1",
        "localhost",
        "127.0.0.1:8081",
        "localhost.evil.example:8080",
        "127.0.0.1.:8080",
        "127.0.0.1:8080@evil.example",
        "abc123.execute-api.localhost:8080",
        "[::1]:8080",
        "",
    ],
)
@pytest.mark.parametrize("path", ["/", API])
def test_another_name_is_refused_whatever_it_brings(host, path):
    assert not passes({**OWN, "host": host}, path)


def test_one_name_is_needed_and_no_more():
    assert not passes({"x-amz-security-token": "token"})
    assert not passes([*OWN.items(), ("host", "evil.example:8080")])


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://127.0.0.1:8081",
        "http://localhost:8080",
        "https://127.0.0.1:8080",
        "http://127.0.0.1",
        "null",
        "",
    ],
)
@pytest.mark.parametrize("path", ["/", API])
def test_another_origin_is_refused_whatever_it_brings(origin, path):
    assert not passes({**OWN, "origin": origin}, path)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "same-origin, cross-site"])
@pytest.mark.parametrize("path", ["/", API])
def test_another_site_is_refused_whatever_it_brings(site, path):
    assert not passes({**OWN, "sec-fetch-site": site}, path)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://127.0.0.1:8080", "sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
    ],
)
def test_an_api_is_open_to_its_own_pages_and_to_programs(headers):
    assert passes({"host": "127.0.0.1:8080", **headers}, API)


def test_an_api_over_tls_has_an_origin_of_its_own():
    assert passes({"host": "127.0.0.1:8080", "origin": "https://127.0.0.1:8080"}, API, scheme="https")
    assert not passes({"host": "127.0.0.1:8080", "origin": "http://127.0.0.1:8080"}, API, scheme="https")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/2015-03-31/functions",
        "/_ministack/health",
        "/_ministack/reset",
        "/_aws/execute-api/",
        "/_aws/execute-api/abc123",
        "/_aws/sqs/messages",
        "/x/_aws/execute-api/abc123/$default/",
        "//_aws/execute-api/abc123/$default/",
        "/_aws/execute-api//x",
    ],
)
def test_all_else_needs_the_token(path):
    assert not passes({"host": "127.0.0.1:8080"}, path)
    assert passes(OWN, path)


@pytest.mark.parametrize("token", ["", "Token", "token ", "tokén", "000000000000"])
def test_another_token_is_refused(token):
    assert not passes({**OWN, "x-amz-security-token": token})


def test_a_token_that_comes_twice_is_refused():
    assert not passes([*OWN.items(), ("x-amz-security-token", "token")])


@pytest.mark.parametrize("name", ["X-Amz-Security-Token", "x-amz-security-token"])
def test_a_presigned_address_has_the_token_in_its_query(name):
    assert passes({"host": "127.0.0.1:8080"}, "/bucket/key", f"{name}=token")
    assert not passes({"host": "127.0.0.1:8080"}, "/bucket/key", f"{name}=other")


def test_the_token_of_a_session_that_was_issued_is_as_good():
    assert passes({**OWN, "x-amz-security-token": "session"}, issued=("another", "session"))


def test_a_websocket_is_closed_before_it_is_accepted():
    answers = ask({"host": "127.0.0.1:8080", "origin": "http://evil.example"}, API, scheme="ws")

    assert answers == [{"type": "websocket.close", "code": 1008}]
    assert passes({"host": "127.0.0.1:8080", "origin": "http://127.0.0.1:8080"}, API, scheme="ws")


def test_the_refusal_says_why_and_lets_no_page_read_it():
    start, body = ask({"host": "127.0.0.1:8080", "origin": "http://evil.example"})

    headers = dict(start["headers"])
    assert start["status"] == 403
    assert not [name for name in headers if name.startswith(b"access-control-")]
    assert json.loads(body["body"]) == {
        "__type": "UnrecognizedClientException",
        "message": "the emulator takes no requests from pages of another origin",
    }


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "application/x-www-form-urlencoded; charset=utf-8"},
        {"authorization": "AWS4-HMAC-SHA256 Credential=000000000000/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=x"},
    ],
)
def test_sdks_that_read_xml_get_xml(headers):
    _, body = ask({"host": "127.0.0.1:8080", **headers})

    assert body["body"].startswith(b"<ErrorResponse><Error><Code>UnrecognizedClientException</Code><Message>the emulator takes ")


def test_there_is_no_door_without_a_token():
    with pytest.raises(ValueError, match="needs a session token"):
        Door(lambda *_: pytest.fail("reached"), "", 8080)


def test_a_function_under_a_policy_gets_the_token_instead_of_one_that_can_be_guessed(monkeypatch):
    monkeypatch.setattr(sts, "_sessions", {"ASIAEXAMPLE": {"SessionToken": "guessable"}})
    credentials_of = emulator_process._with_token(
        lambda function: {"AWS_ACCESS_KEY_ID": "ASIAEXAMPLE", "AWS_SESSION_TOKEN": "guessable"}, "token"
    )

    assert credentials_of({})["AWS_SESSION_TOKEN"] == "token"
    assert sts._sessions["ASIAEXAMPLE"]["SessionToken"] == "token"
