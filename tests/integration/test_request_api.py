"""The API on the emulator, through real HTTP."""

import contextlib
import http.client
import json
import time
import urllib.parse
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, assume, given, settings

from client import Stack
from client.api_url import api_url
from handlers import callers, completion, contract
from tests.request_strategies import requests

pytestmark = pytest.mark.usefixtures("emulator")
SAMPLE = {"description": "A large car", "data": {"days_rental": 30}}
ATTEMPTS = 10
WITHOUT_SEARCH = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))


@dataclass(frozen=True)
class Answered:
    status: int
    headers: dict[str, str]
    body: Any

    @property
    def reason(self) -> str:
        """Why it was refused; every refusal has one."""
        return self.body["error"]["message"] if "error" in self.body else self.body["message"]


class Caller:
    """A client of one stack's API."""

    def __init__(self, stack: Stack, account: str) -> None:
        url = api_url(stack.outputs, stack.endpoint)
        assert url is not None
        self.url = url
        where = urllib.parse.urlsplit(url)
        self._host, self._path = where.netloc, where.path
        # The emulator finds the account of the API in it, and verifies nothing.
        self.authorization = f"AWS4-HMAC-SHA256 Credential={account}/20270101/us-east-1/execute-api/aws4_request"

    def __call__(self, method: str, path: str, body: Any = None, **headers: str | None) -> Answered:
        """body: JSON, or bytes as they are. headers: with _ for -; None leaves one out."""
        sent = {"content_type": "application/json", "authorization": self.authorization, **headers}
        payload = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        with contextlib.closing(http.client.HTTPConnection(self._host, timeout=120)) as connection:
            connection.request(
                method, self._path + path, payload, {name.replace("_", "-"): value for name, value in sent.items() if value is not None}
            )
            response = connection.getresponse()
            text = response.read()
        return Answered(response.status, {name.lower(): value for name, value in response.getheaders()}, json.loads(text))

    def send(self, variant: str, body: Any = SAMPLE, query: str = "", **headers: str | None) -> Answered:
        return self("POST", f"/{variant}/requests{query}", body, **headers)

    def taken(self, variant: str, query: str = "") -> Answered:
        """A request of its own, sent as a client does: once more with the same id when the API broke under the load."""
        body = {**SAMPLE, "requestId": uuid.uuid4().hex}
        for _ in range(ATTEMPTS):
            reply = self.send(variant, body, query)
            if reply.status < 500:
                break
        return reply

    def read(self, request_id: str) -> Answered:
        return self("GET", f"/requests/{request_id}")

    def closed(self, request_id: str, seconds: float = 300) -> dict[str, Any]:
        ends = time.monotonic() + seconds
        while (found := self.read(request_id)).status != 200 or found.body["status"] == "OPEN":
            assert time.monotonic() < ends, f"{request_id} is still open after {seconds} seconds"
            time.sleep(0.2)
        return found.body

    def warm_up(self, stack: Stack) -> "Caller":
        """Sends a request through each carrier, lest a test waits for functions that start up."""
        for variant in stack.variants:
            self.closed(self.taken(variant).body["requestId"])
        return self


@pytest.fixture(scope="module")
def stack(deployed) -> Stack:
    return deployed(variants=["map", "parallel"], responderCount=3, api={"auth": "NONE"})


@pytest.fixture(scope="module")
def api(stack, module_account) -> Caller:
    return Caller(stack, module_account).warm_up(stack)


@pytest.fixture
def nothing_stored(stack) -> Iterator[None]:
    """The test leaves no record behind."""
    before = _stored(stack)
    yield
    assert _stored(stack) == before


def _stored(stack: Stack) -> set[str]:
    pages = stack.client("dynamodb").get_paginator("scan").paginate(TableName=stack.outputs["quoteTableName"])
    return {item["requestId"]["S"] for page in pages for item in page["Items"]}


def _executions(stack: Stack, variant: str) -> int:
    listed = stack.client("stepfunctions").list_executions(stateMachineArn=stack.outputs[f"{variant}StateMachineArn"], maxResults=1000)
    return len(listed["executions"])


# One request


@pytest.mark.parametrize("variant", ["map", "parallel"])
def test_a_request_is_taken_and_read_until_it_is_closed(api, variant):
    taken = api.send(variant)

    assert taken.status == 202
    assert taken.body["variant"] == variant
    location = urllib.parse.urljoin(f"{api.url}/{variant}/requests", taken.headers["location"])
    assert location == api.url + taken.body["href"]
    assert api.read(taken.body["requestId"]).status == 200
    result = api.closed(taken.body["requestId"])
    assert result["request"] == SAMPLE
    assert (result["status"], result["expected"], result["received"]) == ("COMPLETE", 3, 3)
    assert result["best"] == {**result["answers"][0], "amount": "2970"}


@pytest.mark.parametrize("workflow_type", ["STANDARD", "EXPRESS"])
@pytest.mark.parametrize("variant", ["map", "parallel"])
def test_waiting_returns_the_result(deployed, module_account, variant, workflow_type):
    config = {} if workflow_type == "STANDARD" else {"workflowType": workflow_type}
    api = Caller(deployed(variants=["map", "parallel"], responderCount=3, api={"auth": "NONE"}, **config), module_account)

    answered = api.send(variant, query="?wait=true")

    assert answered.status == 200
    assert (answered.body["status"], answered.body["best"]["amount"]) == ("COMPLETE", "2970")
    stored = api.read(answered.body["requestId"]).body
    assert {key: stored[key] for key in answered.body} == answered.body


# The same id again


def test_the_history_has_the_last_requests_page_by_page(api):
    sent = [api.closed(api.taken("map").body["requestId"])["requestId"] for _ in range(3)]

    listed = api("GET", "/requests?limit=2&status=COMPLETE").body
    behind = api("GET", f"/requests?limit=50&before={listed['next']}").body

    assert [one["requestId"] for one in (*listed["requests"], *behind["requests"])][:3] == sent[::-1]
    assert api("GET", "/requests?limit=all").status == 400


def test_the_same_request_again_is_not_scattered_again(api, stack):
    body = {**SAMPLE, "requestId": uuid.uuid4().hex, "data": {"days_rental": 3, "nothing": None, "deep": [{"x": 0.1}, []], "é": "ü"}}
    before = _executions(stack, "map")

    first, again = api.send("map", body), api.send("map", body)
    closed = api.closed(body["requestId"])
    at_last = api.send("map", body)

    assert (first.status, at_last.status) == (202, 200)
    assert again.status in (200, 202)
    assert at_last.body == {key: closed[key] for key in at_last.body}
    assert _executions(stack, "map") == before + 1


def test_the_same_id_for_another_request_or_variant_is_a_conflict(api):
    body = {**SAMPLE, "requestId": uuid.uuid4().hex}
    api.send("map", body)

    for variant, other in (("map", {**body, "data": {"days_rental": 31}}), ("parallel", body)):
        refused = api.send(variant, other)
        assert (refused.status, refused.body["error"]["type"]) == (409, "Conflict")
    assert api.closed(body["requestId"])["request"] == SAMPLE


def test_the_same_request_many_times_at_once_is_one_request(api):
    body = {**SAMPLE, "requestId": uuid.uuid4().hex}

    with ThreadPoolExecutor(6) as threads:
        replies = list(threads.map(lambda _: api.send("map", body, "?wait=true"), range(6)))

    assert {reply.status for reply in replies} == {200}
    assert all(reply.body == replies[0].body for reply in replies)
    assert replies[0].body["received"] == 3


def test_of_different_requests_at_once_with_one_id_exactly_one_is_taken(api):
    request_id = uuid.uuid4().hex
    bodies = [{"requestId": request_id, "data": {"days_rental": days}} for days in range(1, 7)]

    with ThreadPoolExecutor(6) as threads:
        replies = list(threads.map(api.send, ["map", "parallel"] * 3, bodies))

    assert sorted(reply.status for reply in replies) == [202, 409, 409, 409, 409, 409]
    taken = next(body for body, reply in zip(bodies, replies, strict=True) if reply.status == 202)
    assert api.closed(request_id)["request"] == {"data": taken["data"]}


# What is refused


@pytest.mark.parametrize(
    ("body", "headers", "status", "reason"),
    [
        (None, {}, 400, "the body is empty"),
        (b"{", {}, 400, "not JSON"),
        (b"\xff\xfe", {}, 400, "not "),
        (b'{"data": {"a": NaN}}', {}, 400, "NaN"),
        (b'{"data": {"a": 1e999}}', {}, 400, "out of range"),
        (b'{"data": {}, "data": {}}', {}, 400, "more than once"),
        (b'{"data": {"a": "\\ud800"}}', {}, 400, "surrogate"),
        (b'{"data":' + b'{"a":' * 40 + b"1" + b"}" * 41, {}, 400, "nested too deep"),
        (b"[" * 50_000, {}, 400, "nested too deep"),
        ({"data": {"": 1}}, {}, 400, "a key is empty"),
        ({}, {}, 400, "data must be an object"),
        ({"data": {}, "recipients": ["nobody"]}, {}, 400, "known responders: avis, alamo, hertz"),
        ({"data": {}, "completion": {"quorum": 4}}, {}, 400, "from 1 to 3"),
        ({"data": {"a": "x" * 70_000}}, {}, 413, "at most 65536"),
        (b" " * 300_000 + b'{"data": {}}', {}, 413, "at most 65536"),
        (SAMPLE, {"content_type": "text/plain"}, 415, "must be application/json, not text/plain"),
        (b"\x89PNG", {"content_type": "image/png"}, 415, "not image/png"),
    ],
)
def test_a_malformed_request_is_refused_with_the_reason(api, nothing_stored, body, headers, status, reason):
    refused = api.send("map", body, **headers)

    assert refused.status == status
    assert reason in refused.reason


def test_an_unknown_variant_lists_those_that_are_deployed(api, nothing_stored):
    refused = api.send("sns")

    assert (refused.status, refused.reason) == (404, "variant sns is not deployed here; deployed: map, parallel")


@pytest.mark.parametrize("path", ["/requests/nobody", "/requests/%00", "/requests/" + "x" * 500, "/requests/%C3%A9", "/requests/a%2Fb"])
def test_an_unknown_id_is_not_found(api, path):
    found = api("GET", path)

    assert found.status == 404
    assert found.reason


@pytest.mark.parametrize("query", ["?wait=", "?wait=maybe", "?wait=true&wait=true"])
def test_wait_is_true_or_false(api, nothing_stored, query):
    assert api.send("map", query=query).status == 400


def test_sixty_malformed_bodies_are_refused_and_leave_nothing(api, nothing_stored):
    statuses: list[int] = []

    @settings(WITHOUT_SEARCH, max_examples=60)
    @given(requests)
    def refuse(body):
        assume(_is_malformed(body))
        refused = api.send("map", body)
        assert 400 <= refused.status < 500
        assert refused.reason
        statuses.append(refused.status)

    refuse()
    assert len(statuses) >= 50
    print(f"\n{len(statuses)} malformed bodies: {_counted(statuses)}")


def _is_malformed(body: Any) -> bool:
    try:
        completion.check_request(body, ["avis", "alamo", "hertz"], completion.Policy(60))
    except contract.InvalidRequest:
        return True
    return False


def _counted(statuses: list[int]) -> str:
    return ", ".join(f"{statuses.count(status)} x {status}" for status in sorted(set(statuses)))


# The document


def test_the_document_is_open_api(api):
    document = api("GET", "/openapi.json").body

    assert document["openapi"].startswith("3.1")
    assert document["components"]["schemas"]["Request"]["required"] == ["data"]
    assert document["paths"]["/{variant}/requests"]["post"]["parameters"][0]["schema"] == {"enum": ["map", "parallel"]}


def test_replies_keep_the_document(api):
    document = api("GET", "/openapi.json").body

    def check(schema: str, body: Any) -> None:
        whole = {"$ref": f"#/components/schemas/{schema}", "components": document["components"]}
        jsonschema_rs.Draft202012Validator(whole).validate(body)

    taken = api.send("map")
    check("Taken", taken.body)
    check("StoredRequest", api.read(taken.body["requestId"]).body)
    check("Result", api.send("parallel", query="?wait=true").body)
    check("StoredRequest", api.closed(taken.body["requestId"]))
    check("Error", api.send("map", {}).body)


@pytest.mark.parametrize(("method", "path"), [("POST", "/{variant}/requests"), ("GET", "/requests/{requestId}")])
def test_a_fuzzer_that_knows_the_document_meets_no_server_error(api, nothing_stored, method, path):
    import schemathesis

    document = api("GET", "/openapi.json").body
    schema = schemathesis.openapi.from_dict(document)
    statuses: list[int] = []

    @settings(WITHOUT_SEARCH, max_examples=60)
    @given(schema[path][method].as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE))
    def fuzz(case):
        # An empty list is nothing in a query, and the request is right without it.
        assume(all(value not in ([], {}) for value in (case.query or {}).values()))
        response = case.call(base_url=api.url, headers={"authorization": api.authorization}, allow_redirects=False)
        assert 400 <= response.status_code < 500, case.as_curl_command()
        told = response.json()
        assert told["error"]["message"] if "error" in told else told["message"]
        statuses.append(response.status_code)

    fuzz()
    print(f"\n{len(statuses)} from the fuzzer: {_counted(statuses)}")


# Who may call


def test_iam_is_asked_for_by_default(deployed, module_account):
    api = Caller(deployed(variants=["map"], responderCount=1), module_account)

    assert api.send("map", query="?wait=true").status == 200
    assert api("GET", "/openapi.json").body["security"] == [{"AWS_IAM": []}]


def test_tokens_are_asked_for_where_that_is_configured(deployed, module_account):
    jwt = {"auth": "JWT", "issuer": "https://login.example.com", "audience": ["scatter-gather"]}
    api = Caller(deployed(variants=["map"], responderCount=1, api=jwt), module_account)

    assert api.send("map").status == 401


@pytest.fixture(scope="module")
def as_caller(deployed) -> Callable[..., tuple[int, Any]]:
    """`as_caller("alice", route, …)`: what the API's function answers to a token of hers. Nobody issues tokens to the emulator, so the
    event is made here as an HTTP API makes it."""
    jwt = {"auth": "JWT", "issuer": "https://login.example.com", "audience": ["scatter-gather"], "readers": ["quotes.audit"]}
    stack: Stack = deployed(variants=["map", "sns"], responderCount=1, api=jwt)
    functions = stack.client("lambda")
    [function] = [
        found["FunctionName"]
        for found in functions.list_functions()["Functions"]
        if found["FunctionName"].startswith("api-handler")
        and found["Environment"]["Variables"]["TABLE_NAME"] == stack.outputs["quoteTableName"]
    ]

    def call(subject: str, route: str, body: Any = None, scope: str = "", **parts: dict[str, str]) -> tuple[int, Any]:
        claims = {"sub": subject, "scope": scope}
        event = {
            "version": "2.0",
            "routeKey": route,
            "rawPath": "/",
            "headers": {"content-type": "application/json"},
            "requestContext": {"requestId": "r", "authorizer": {"jwt": {"claims": claims, "scopes": None}}},
            "isBase64Encoded": False,
            **({} if body is None else {"body": json.dumps(body)}),
            **parts,
        }
        answered = json.loads(functions.invoke(FunctionName=function, Payload=json.dumps(event))["Payload"].read())
        return answered["statusCode"], json.loads(answered["body"])

    return call


@pytest.mark.parametrize("variant", ["map", "sns"])
def test_the_same_id_of_two_callers_is_two_requests(as_caller, variant):
    request_id = f"trip-{variant}"
    days = {"alice": 7, "eve": 8}

    def read(caller: str, scope: str = "", **query: str) -> tuple[int, Any]:
        return as_caller(
            caller, "GET /requests/{requestId}", None, scope, pathParameters={"requestId": request_id}, queryStringParameters=query
        )

    results = {
        name: as_caller(
            name,
            "POST /{variant}/requests",
            {"requestId": request_id, "data": {"days_rental": days[name]}},
            pathParameters={"variant": variant},
            queryStringParameters={"wait": "true"},
        )
        for name in days
    }

    assert {name: (status, body["requestId"], body["best"]["amount"]) for name, (status, body) in results.items()} == {
        "alice": (200, request_id, "693"),
        "eve": (200, request_id, "792"),
    }
    assert {name: read(name)[1]["request"]["data"] for name in days} == {name: {"days_rental": days[name]} for name in days}
    assert read("bob")[0] == 404
    assert read("eve", owner="alice")[0] == 403
    assert read("bob", "quotes.audit", owner="alice")[1]["request"]["data"] == {"days_rental": 7}
    assert {name: ids(as_caller(name, "GET /requests"))[0] for name in days} == dict.fromkeys(days, request_id)
    assert ids(as_caller("bob", "GET /requests")) == []
    everybodys = ids(as_caller("bob", "GET /requests", None, "quotes.audit"))
    assert {callers.stored_id(name, request_id) for name in days} <= set(everybodys)


def ids(answered: tuple[int, Any]) -> list[str]:
    assert answered[0] == 200
    return [request["requestId"] for request in answered[1]["requests"]]


# Ten responders, three carriers


@pytest.fixture(scope="module")
def ten(deployed) -> Stack:
    # Two at a time for each request (map) or responder (sns): the emulator makes a process of every call that runs beside another.
    # The longest deadline: two thousand answers take as long as the machine needs.
    return deployed(
        variants=["map", "parallel", "sns"],
        maxConcurrency=2,
        api={"auth": "NONE"},
        completion={"deadlineSeconds": 300},
        responders=[{"name": f"r{number}", "settings": {"rate": 90 + number}, "queueConcurrency": 2} for number in range(10)],
    )


@pytest.fixture(scope="module")
def api_of_ten(ten, module_account) -> Caller:
    return Caller(ten, module_account).warm_up(ten)


def test_the_carrier_is_one_word_of_the_address(api_of_ten):
    results = [api_of_ten.send(variant, query="?wait=true").body for variant in ("map", "parallel", "sns")]

    assert [result["variant"] for result in results] == ["map", "parallel", "sns"]
    told = [
        {
            **result,
            "variant": "",
            "requestId": "",
            "createdAt": "",
            "completedAt": "",
            "best": result["best"]["responder"],
            "answers": [_timeless(answer) for answer in result["answers"]],
        }
        for result in results
    ]
    assert told[0] == told[1] == told[2]


def test_a_request_for_sns_keeps_the_same_rules(api_of_ten):
    api, request_id = api_of_ten, uuid.uuid4().hex
    body = {**SAMPLE, "requestId": request_id}

    assert api.send("sns", body).status == 202
    assert api.send("sns", {**body, "data": {}}).status == 409
    assert api.send("map", body).status == 409
    closed = api.closed(request_id)
    again = api.send("sns", body)
    assert (again.status, again.body) == (200, {key: closed[key] for key in again.body})


@pytest.mark.parametrize(
    ("variant", "count", "query", "threads"),
    [
        ("sns", 30, "", 4),
        # The workflows do not queue: the client waits for them, lest the emulator runs all at once.
        ("map", 10, "?wait=true", 2),
        ("parallel", 10, "?wait=true", 2),
    ],
)
def test_many_requests_to_ten_responders_all_close(ten, api_of_ten, variant, count, query, threads):
    api, names = api_of_ten, ten.outputs["responderNames"]
    began = time.monotonic()

    with ThreadPoolExecutor(threads) as pool:
        taken = list(pool.map(lambda _: api.taken(variant, query), range(count)))
        sent = time.monotonic() - began
        results = list(pool.map(lambda reply: api.closed(reply.body["requestId"]), taken))
    closed = time.monotonic() - began

    assert {reply.status for reply in taken} <= {200, 202}
    assert len({reply.body["requestId"] for reply in taken}) == count
    assert [[answer["responder"] for answer in result["answers"]] for result in results] == [names] * count
    answers = [answer for result in results for answer in result["answers"]]
    assert (len(answers), {answer["status"] for answer in answers}) == (count * len(names), {"QUOTED"})
    assert {(result["status"], result["completedBy"], result["late"]) for result in results} == {("COMPLETE", "ALL", 0)}
    assert _dead_letters(ten) == 0
    print(f"\n{variant}: {count} requests x {len(names)} responders: taken {count / sent:.1f}/s, closed {count / closed:.1f}/s")


def _timeless(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in answer.items() if key not in ("latencyMs", "respondedAt")}


def _dead_letters(stack: Stack) -> int:
    queues = stack.client("sqs")
    return sum(
        int(
            queues.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])["Attributes"][
                "ApproximateNumberOfMessages"
            ]
        )
        for url in stack.outputs["snsDeadLetterQueueUrls"].values()
    )
