"""ApiStack against a small HTTP server: what it sends, signs and repeats, and what it makes of the answers."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from client import ApiStack, InvalidRequest, RequestFailed, UnknownVariant, UsageError, api_stack
from client.__main__ import main
from tests.unit.comparisons import result

TAKEN = (202, {"requestId": "r1", "variant": "map", "status": "OPEN", "href": "/requests/r1"})
OPEN = (200, {**result(status="OPEN", completedBy=None), "request": {"data": {}}, "recipients": ["avis"], "deadlineAt": "later"})
CLOSED = (200, {**OPEN[1], **result()})
UNKNOWN = (404, {"error": {"type": "UnknownRequest", "message": "there is no request r1"}})
SECRET = "not-a-real-secret"

MACHINE = "arn:aws:states:eu-west-1:111111111111:stateMachine:map"


class FakeApi(ThreadingHTTPServer):
    """Gives its answers one after the other, the last one for ever. received: (method, path, headers, body)."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[tuple[int, Any]] = []
        self.received: list[tuple[str, str, dict[str, str], bytes]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        api = cast(FakeApi, self.server)
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        api.received.append((self.command, self.path, headers, body))
        answers = api.answers
        status, answer = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(status)
        self.end_headers()
        self.wfile.write(answer if isinstance(answer, bytes) else json.dumps(answer).encode())

    do_POST = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def outputs(api: FakeApi) -> dict[str, Any]:
    return {
        "apiUrl": api.url,
        "apiId": "abc",
        "quoteTableName": "quotes",
        "sampleInput": '{"data": {}}',
        "mapStateMachineArn": MACHINE,
        "carriers": {"map": {"stateMachineArn": MACHINE, "workflowType": "STANDARD"}},
    }


@pytest.fixture
def stack(outputs, monkeypatch) -> ApiStack:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of-a-role")
    monkeypatch.delenv(api_stack.TOKEN, raising=False)
    monkeypatch.setattr(api_stack, "FIRST_PAUSE", 0.001)
    return ApiStack(outputs)


def test_a_request_is_sent_and_read_until_it_is_closed(api, stack):
    api.answers = [TAKEN, UNKNOWN, OPEN, CLOSED]

    assert stack.request("map", {"requestId": "r1", "data": {"days": 3}}) == result()

    assert [(method, path) for method, path, _, _ in api.received] == [("POST", "/map/requests"), *[("GET", "/requests/r1")] * 3]
    assert json.loads(api.received[0][3]) == {"requestId": "r1", "data": {"days": 3}}
    assert api.received[0][2]["content-type"] == "application/json"


def test_answers_are_followed_as_they_come(api, stack):
    api.answers = [TAKEN, OPEN, OPEN, CLOSED]

    changes = list(stack.follow("map", {"data": {}}))

    assert [change["status"] for change in changes] == ["OPEN", "COMPLETE"]
    assert changes[-1]["request"] == {"data": {}}


def test_who_was_asked_and_until_when_can_be_read(api, stack):
    api.answers = [OPEN]

    record = stack.record("r1")

    assert (record["recipients"], record["deadlineAt"]) == (["avis"], "later")
    assert "recipients" not in stack.result("r1")


def test_calls_are_signed_with_the_credentials_of_the_chain(api, stack):
    api.answers = [TAKEN]

    stack.send("map", {"data": {}})

    [(method, path, headers, body)] = api.received
    claimed = headers["authorization"]
    assert f"Credential=AKIDEXAMPLE/{headers['x-amz-date'][:8]}/eu-west-1/execute-api/aws4_request" in claimed
    signer = SigV4Auth(Credentials("AKIDEXAMPLE", SECRET, "of-a-role"), "execute-api", "eu-west-1")
    names = claimed.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    arrived = AWSRequest(method, api.url + path, {name: headers[name] for name in names}, body)
    arrived.context["timestamp"] = headers["x-amz-date"]
    expected = signer.signature(signer.string_to_sign(arrived, signer.canonical_request(arrived)), arrived)
    assert claimed.endswith(f"Signature={expected}")


def test_a_token_takes_the_place_of_the_signature(api, stack, monkeypatch):
    monkeypatch.setenv(api_stack.TOKEN, "a.b.c")
    api.answers = [OPEN]

    stack.result("r1")

    assert api.received[0][2]["authorization"] == "Bearer a.b.c"


def test_without_credentials_a_call_goes_out_as_it_is(api, stack, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    api.answers = [OPEN]

    assert stack.result("r1")
    assert "authorization" not in api.received[0][2]


@pytest.mark.parametrize("status", api_stack.LATER)
def test_what_may_be_better_later_is_tried_again(api, stack, status):
    api.answers = [(status, {"message": "later"}), (status, b"<html>"), TAKEN]

    assert stack.send("map", {"requestId": "r1", "data": {}}) == "r1"
    assert len(api.received) == 3
    assert {json.loads(body)["requestId"] for *_, body in api.received} == {"r1"}


@pytest.mark.parametrize(
    ("answer", "error", "reason"),
    [
        ((400, {"error": {"type": "InvalidRequest", "message": "data must be an object"}}), InvalidRequest, "data must be an object"),
        ((409, {"error": {"type": "Conflict", "message": "already used"}}), InvalidRequest, "already used"),
        ((413, {"error": {"type": "RequestTooLarge", "message": "too large"}}), InvalidRequest, "too large"),
        ((404, {"error": {"type": "UnknownVariant", "message": "variant fax is not deployed here"}}), UnknownVariant, "variant fax"),
        ((401, {"message": "Unauthorized"}), RequestFailed, "refused the caller: Unauthorized; sign in"),
        ((403, {"message": "Forbidden"}), RequestFailed, f"set {api_stack.TOKEN}"),
        ((503, {"message": "Service Unavailable"}), RequestFailed, "answered 503 4 times: Service Unavailable"),
        ((418, b"<html>"), RequestFailed, "answered 418: <html>"),
    ],
)
def test_refusals_say_why(api, stack, answer, error, reason):
    api.answers = [answer]

    with pytest.raises(error, match=reason):
        stack.send("map", {"data": {}})


def test_an_id_that_none_can_have_is_unknown_without_a_call(api, stack):
    assert stack.result("../openapi.json") is None
    assert not api.received


def test_a_stack_without_an_api_is_wrong_use(outputs):
    del outputs["apiId"]

    with pytest.raises(UsageError, match=r"the stack has no API: set api\.enabled"):
        ApiStack(outputs).send("map", {"data": {}})


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize(
    ("answers", "arguments", "code"),
    [
        ([TAKEN, CLOSED], ["request", "map"], 0),
        ([CLOSED], ["get", "r1"], 0),
        ([CLOSED], ["watch", "r1"], 0),
        ([UNKNOWN], ["get", "r1"], 3),
        ([(403, {"message": "Forbidden"})], ["request", "map"], 1),
    ],
)
def test_the_command_line_takes_the_api(api, outputs, tmp_path, capsys, answers, arguments, code):
    api.answers = answers
    (tmp_path / "outputs.json").write_text(json.dumps(outputs))

    assert main([*arguments, "--api", "--outputs", str(tmp_path / "outputs.json")]) == code

    shown = capsys.readouterr()
    assert ("is complete (closed by all)" in shown.out) == (code == 0)
    assert shown.err.count("\n") == (code != 0)


def test_an_api_that_cannot_be_reached_is_exit_code_4(stack, outputs, tmp_path, capsys):
    outputs["apiUrl"] = "http://127.0.0.1:1"
    (tmp_path / "outputs.json").write_text(json.dumps(outputs))

    assert main(["get", "r1", "--api", "--outputs", str(tmp_path / "outputs.json")]) == 4
    assert "http://127.0.0.1:1" in capsys.readouterr().err
