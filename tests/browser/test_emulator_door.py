"""A page of somebody else's, in a real browser, and the emulator that runs beside it."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from local import emulator as emulator_control
from local.emulator import Emulator
from tests import attacker

ANSWERS_SECONDS = 120
TRY_EVERYTHING = """
const [emulator, functions, body, socket, done] = arguments;
const anything = promise => promise.then(answer => [answer.type, answer.status], error => error.name);
const plain = {method: "POST", headers: {"Content-Type": "text/plain"}};

function submit(action, type, fields) {
    const frame = document.createElement("iframe");
    frame.name = type;
    document.body.appendChild(frame);
    const form = document.body.appendChild(document.createElement("form"));
    Object.assign(form, {method: "POST", enctype: type, target: type, action});
    for (const [name, value] of fields)
        form.appendChild(Object.assign(document.createElement("input"), {name, value}));
    form.submit();
    return new Promise(ended => frame.onload = () => ended("loaded"));
}

(async () => ({
    fetch: await anything(fetch(emulator + functions, {...plain, body})),
    call: await anything(fetch(emulator + functions + "/evil/invocations", {...plain, body: "{}"})),
    blind: await anything(fetch(emulator + functions, {...plain, body, mode: "no-cors"})),
    blindCall: await anything(fetch(emulator + functions + "/evil/invocations", {...plain, body: "{}", mode: "no-cors"})),
    preflight: await anything(fetch(emulator, {method: "POST", headers: {"X-Amz-Target": "AmazonSQS.ListQueues"}, body: "{}"})),
    health: await anything(fetch(emulator + "/_ministack/health")),
    reset: await anything(fetch(emulator + "/_ministack/reset", {method: "POST"})),
    form: await submit(emulator + functions, "text/plain", [[body.slice(0, -1) + ', "Description": "', '"}']]),
    action: await submit(emulator + "/", "application/x-www-form-urlencoded", [["Action", "CreateQueue"], ["QueueName", "form"]]),
    image: await new Promise(ended => Object.assign(new Image(), {
        onload: () => ended("loaded"), onerror: () => ended("failed"), src: emulator + "/?Action=CreateQueue&QueueName=image"})),
    webSocket: await new Promise(ended => Object.assign(new WebSocket(socket), {
        onopen: () => ended("opened"), onerror: () => ended("failed")})),
}))().then(done, error => done(String(error)));
"""


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """One of the module's own, so that what is found in it is the attacker's."""
    with emulator_control.start(tmp_path_factory.mktemp("emulator")) as running:
        yield running


@pytest.fixture
def trace(emulator: Emulator, tmp_path: Path) -> Iterator[Path]:
    with attacker.leaves_nothing(emulator, tmp_path / "the-machine-is-mine") as file:
        yield file


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>Evil</title>")

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""


@pytest.fixture
def evil_port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture
def websocket_url(emulator: Emulator, clients: Any) -> str:
    apis = clients("apigatewayv2")
    api = apis.create_api(Name="talk", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action")["ApiId"]
    apis.create_stage(ApiId=api, StageName="live")
    return f"{emulator.endpoint.replace('http', 'ws')}/_aws/execute-api/{api}/live"


@pytest.fixture
def browser(chromium: Any) -> Iterator[Any]:
    chromium.set_script_timeout(ANSWERS_SECONDS)
    yield chromium
    chromium.get("about:blank")
    chromium.get_log("browser")  # what it was refused is no complaint of the next page


@pytest.mark.parametrize("site", ["evil.example", "localhost"])
def test_a_page_of_another_origin_gets_nothing(browser, emulator, evil_port, websocket_url, trace, site):
    browser.get(f"http://{site}:{evil_port}/")

    got = browser.execute_async_script(TRY_EVERYTHING, emulator.endpoint, attacker.FUNCTIONS, attacker.function(trace), websocket_url)

    refused = dict.fromkeys(("fetch", "call", "preflight", "health", "reset"), "TypeError")
    unread = ["opaque", 0]
    assert got == {
        **refused,
        "blind": unread,
        "blindCall": unread,
        "form": "loaded",
        "action": "loaded",
        "image": "failed",
        "webSocket": "failed",
    }


def test_a_page_whose_name_was_rebound_gets_nothing(browser, emulator, trace):
    browser.get(f"http://rebound.example:{emulator.endpoint.rpartition(':')[2]}/")

    read = browser.find_element("tag name", "body").text
    made = browser.execute_async_script(
        "fetch(arguments[0], {method: 'POST', body: arguments[1]}).then(answer => arguments[2](answer.status), arguments[2])",
        attacker.FUNCTIONS,
        attacker.function(trace),
    )

    assert json.loads(read)["message"] == "the emulator is at 127.0.0.1, and at no other name"
    assert made == 403


def test_its_own_page_opens_a_websocket(browser, emulator, websocket_url):
    browser.get(f"{emulator.endpoint}/_aws/execute-api/none/none/")

    opened = browser.execute_async_script(
        "const socket = new WebSocket(arguments[0]); socket.onopen = () => arguments[1](true); socket.onerror = () => arguments[1](false)",
        websocket_url,
    )

    assert opened
