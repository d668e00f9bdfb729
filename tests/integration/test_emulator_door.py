"""What a web page, or a name that was rebound to this machine, can do with the running emulator: nothing.

Each attack is the request that a browser sends, and is tried against the emulator as anybody starts it. It would leave a function, a
queue or a bucket, and the function a file on this machine.
"""

import http.client
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest

from local import emulator as emulator_control
from local.emulator import ACCOUNT, Emulator
from tests import attacker

EVIL = "http://evil.example"
CROSS_SITE = {"Sec-Fetch-Site": "cross-site"}
WEBSOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
ASKS = """
import boto3

def handler(event, context):
    return boto3.client("sts").get_caller_identity()["Account"]
"""

Send = Callable[..., tuple[int, dict[str, str], bytes]]


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """One of the module's own, so that what is found in it is the attacker's."""
    with emulator_control.start(tmp_path_factory.mktemp("emulator")) as running:
        yield running


@pytest.fixture
def address(emulator: Emulator) -> str:
    return emulator.endpoint.removeprefix("http://")


@pytest.fixture
def send(address: str) -> Send:
    """`send("POST", path, body, headers)` is the status, the headers and the body of the answer; the Host is ours unless it is given."""

    def send(method: str, path: str, body: str = "", headers: dict[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(address, timeout=60)
        try:
            connection.request(method, path, body or None, {"Host": address, **(headers or {})})
            answer = connection.getresponse()
            got = b"" if answer.status == http.HTTPStatus.SWITCHING_PROTOCOLS else answer.read()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, got
        finally:
            connection.close()

    return send


@pytest.fixture
def trace(emulator: Emulator, tmp_path: Path) -> Iterator[Path]:
    """The file that the attacker's function would write. Fails the test where anything was left behind."""
    with attacker.leaves_nothing(emulator, tmp_path / "the-machine-is-mine") as file:
        yield file


def run_code(send: Send, trace: Path, headers: dict[str, str]) -> list[tuple[int, dict[str, str], bytes]]:
    """Makes a function and calls it, as any page can: no header here is one that a browser asks about first."""
    return [
        send("POST", attacker.FUNCTIONS, attacker.function(trace), {"Content-Type": "text/plain;charset=UTF-8", **headers}),
        send("POST", f"{attacker.FUNCTIONS}/evil/invocations", "{}", {"Content-Type": "text/plain;charset=UTF-8", **headers}),
    ]


def refused(answers: list[tuple[int, dict[str, str], bytes]]) -> bool:
    return all(status == 403 and not any(name.startswith("access-control-") for name in headers) for status, headers, _ in answers)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Origin": EVIL, **CROSS_SITE, "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}, id="fetch"),
        pytest.param({"Origin": EVIL, **CROSS_SITE, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "empty"}, id="fetch without CORS"),
        pytest.param({"Origin": "null", **CROSS_SITE, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "empty"}, id="sandboxed frame"),
        pytest.param(
            {"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"}, id="other local port"
        ),
        pytest.param({"Origin": EVIL}, id="browser without fetch metadata"),
        pytest.param({}, id="no browser at all"),
    ],
)
def test_a_page_cannot_run_code_here(send, trace, headers):
    assert refused(run_code(send, trace, headers))


def test_a_page_cannot_ask_for_leave_either(send):
    asked = send(
        "OPTIONS",
        attacker.FUNCTIONS,
        headers={
            "Origin": EVIL,
            **CROSS_SITE,
            "Sec-Fetch-Mode": "cors",
            "Access-Control-Request-Method": "PUT",
            "Access-Control-Request-Headers": "x-amz-target",
        },
    )

    assert refused([asked])


def test_a_form_cannot_run_code_here(send, trace):
    # A form of plain text is name=value, which a page makes JSON of.
    body = f'{attacker.function(trace)[:-1]}, "Description": "="}}'
    headers = {"Origin": EVIL, **CROSS_SITE, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Content-Type": "text/plain"}

    assert refused([send("POST", attacker.FUNCTIONS, body, headers)])


def test_a_form_cannot_call_a_service(send, trace):
    headers = {
        "Origin": EVIL,
        **CROSS_SITE,
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "iframe",
        "Content-Type": "application/x-www-form-urlencoded",
    }

    assert refused([send("POST", "/", "Action=CreateQueue&QueueName=evil", headers)])


@pytest.mark.parametrize(
    "headers", [{**CROSS_SITE, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, {}], ids=["image", "image in an old browser"]
)
def test_an_image_cannot_call_a_service(send, trace, headers):
    assert refused([send("GET", "/?Action=CreateQueue&QueueName=evil", headers=headers)])


def test_a_rebound_name_cannot_run_code_here(send, trace, address):
    rebound = f"rebound.example:{address.rpartition(':')[2]}"

    answers = run_code(send, trace, {"Host": rebound, "Origin": f"http://{rebound}", "Sec-Fetch-Site": "same-origin"})

    assert refused(answers)


@pytest.mark.parametrize("path", ["/_ministack/health", "/_ministack/reset", "/_ministack/config", "/evil"])
def test_a_rebound_name_reads_nothing(send, address, path):
    rebound = f"rebound.example:{address.rpartition(':')[2]}"

    assert refused([send(method, path, headers={"Host": rebound, "Sec-Fetch-Site": "same-origin"}) for method in ("GET", "POST")])


@pytest.fixture
def websocket_path(clients) -> str:
    apis = clients("apigatewayv2")
    api = apis.create_api(Name="talk", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action")["ApiId"]
    apis.create_stage(ApiId=api, StageName="live")
    return f"/_aws/execute-api/{api}/live"


@pytest.mark.parametrize("origin", [EVIL, "null", "http://localhost:3000"])
def test_a_websocket_of_another_page_is_not_opened(send, websocket_path, origin):
    assert send("GET", websocket_path, headers={**WEBSOCKET, "Origin": origin, **CROSS_SITE, "Sec-Fetch-Mode": "websocket"})[0] == 403


def test_a_websocket_of_ones_own_page_is_opened(send, websocket_path, emulator):
    assert send("GET", websocket_path, headers={**WEBSOCKET, "Origin": emulator.endpoint, "Sec-Fetch-Site": "same-origin"})[0] == 101


def test_what_somebody_with_the_token_is_issued_is_good_too(emulator, clients):
    issued = clients("sts").assume_role(RoleArn=f"arn:aws:iam::{ACCOUNT}:role/any", RoleSessionName="me")["Credentials"]
    session = boto3.Session(issued["AccessKeyId"], issued["SecretAccessKey"], issued["SessionToken"], "us-east-1")

    assert session.client("sqs", endpoint_url=emulator.endpoint).list_queues()["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_a_function_calls_the_emulator_with_what_it_is_given(clients, account):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("asks.py", ASKS)
    functions = clients("lambda")
    functions.create_function(
        FunctionName="asks",
        Runtime="python3.13",
        Handler="asks.handler",
        Code={"ZipFile": packed.getvalue()},
        Role=f"arn:aws:iam::{account}:role/asks",
    )

    answer = functions.invoke(FunctionName="asks")

    assert json.load(answer["Payload"]) == account


def test_a_presigned_address_works(send, clients, address):
    s3 = clients("s3")
    s3.create_bucket(Bucket="kept")
    s3.put_object(Bucket="kept", Key="text", Body=b"hello")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "kept", "Key": "text"})

    assert send("GET", url.partition(address)[2])[2] == b"hello"
