"""The Lambda adapter: events of payload format 2.0, the AWS clients behind the carriers, and what goes wrong between."""

import base64
import importlib
import io
import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from components import code
from handlers import attribute_values, callers, clock, opening

ENVIRONMENT = {
    "TABLE_NAME": "quotes",
    "CARRIERS": '{"map": {"stateMachineArn": "arn:map"}, "sns": {"functionArn": "arn:requester"}}',
    "RESPONDERS": "avis,alamo",
    "COMPLETION": '{"deadlineSeconds": 60}',
    "SELECTION": "lowest",
    "TOP_K": "3",
    "RESULT_RETENTION_SECONDS": "2592000",
    "AUTH": "NONE",
    "OWNERSHIP": "{}",
    "SAMPLE": '{"data": {"days_rental": 30}}',
}
BODY = {"requestId": "trip-1", "data": {"days_rental": 30}}


class FakeAws:
    """DynamoDB, Step Functions and Lambda in one: what is called opens the record at once. Set `failure` to make all fail."""

    def __init__(self) -> None:
        self.items: dict[str, Any] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.failure: Exception | None = None
        self.returned: dict[str, Any] = {"Payload": b"{}"}

    def _called(self, name: str, arguments: dict[str, Any]) -> None:
        self.calls.append((name, arguments))
        if self.failure:
            raise self.failure

    def get_item(self, **arguments: Any) -> dict[str, Any]:
        self._called("get_item", arguments)
        item = self.items.get(arguments["Key"]["requestId"]["S"])
        return {"Item": item} if item else {}

    def query(self, **arguments: Any) -> dict[str, Any]:
        self._called("query", arguments)
        wanted = {arguments["ExpressionAttributeNames"]["#value"]: arguments["ExpressionAttributeValues"][":value"]}
        return {"Items": [item for item in self.items.values() if wanted.items() <= item.items()]}

    def batch_get_item(self, **arguments: Any) -> dict[str, Any]:
        self._called("batch_get_item", arguments)
        [(table, asked)] = arguments["RequestItems"].items()
        return {"Responses": {table: [self.items[key["requestId"]["S"]] for key in asked["Keys"]]}}

    def start_execution(self, **arguments: Any) -> None:
        self._called("start_execution", arguments)
        self._open("map", json.loads(arguments["input"]), closed=False)

    def invoke(self, **arguments: Any) -> dict[str, Any]:
        self._called("invoke", arguments)
        if self.returned["Payload"] == b"{}":
            self._open("sns", json.loads(arguments["Payload"]), closed=False)
        return {**self.returned, "Payload": io.BytesIO(self.returned["Payload"])}

    def _open(self, variant: str, asked: dict[str, Any], *, closed: bool) -> None:
        record = {
            "requestId": asked["requestId"],
            "variant": variant,
            "status": "COMPLETE" if closed else "OPEN",
            "request": {key: value for key, value in asked.items() if key not in ("requestId", *opening.OWNED)},
            **{key: asked[key] for key in opening.OWNED if key in asked},
            "recipients": ["avis"],
            "answers": {},
            "createdAt": clock.now(),
            "listed": clock.now()[:10],
            "deadlineAt": clock.now(),
        }
        if closed:
            record |= {"completedBy": "ALL", "completedAt": clock.now(), "top": []}
        self.items[asked["requestId"]] = attribute_values.encode_item(record)

    def names(self) -> list[str]:
        return [name for name, _ in self.calls]


@pytest.fixture
def aws(monkeypatch):
    fake = FakeAws()
    monkeypatch.setattr(boto3, "client", lambda service, config=None: fake)
    return fake


@pytest.fixture
def api(aws, monkeypatch):
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    module = importlib.import_module("handlers.api")
    module.operations.cache_clear()
    module.ownership.cache_clear()
    monkeypatch.setattr("handlers.routes.WAIT_SECONDS", 0.2)
    yield module
    module.operations.cache_clear()
    module.ownership.cache_clear()


@pytest.fixture
def tokens(api, monkeypatch):
    """The API with owners by the claim sub, and a scope that reads all."""
    monkeypatch.setenv("AUTH", "JWT")
    monkeypatch.setenv("OWNERSHIP", '{"claim": "sub", "readers": ["quotes.audit"]}')
    return api


def of(subject: str, **claims: str) -> dict[str, Any]:
    return {"requestContext": {"requestId": "r-1", "authorizer": {"jwt": {"claims": {"sub": subject, **claims}, "scopes": None}}}}


def read(request_id: str, **more: Any) -> dict[str, Any]:
    return event("GET /requests/{requestId}", None, pathParameters={"requestId": request_id}, **more)


def event(route: str = "POST /{variant}/requests", body: Any = BODY, variant: str = "map", **more: Any) -> dict[str, Any]:
    text = body if isinstance(body, str) or body is None else json.dumps(body)
    return {
        "version": "2.0",
        "routeKey": route,
        "rawPath": "/somewhere",
        "headers": {"content-type": "application/json"},
        "requestContext": {"requestId": "r-1"},
        "pathParameters": {"variant": variant},
        "isBase64Encoded": False,
        **({} if text is None else {"body": text}),
        **more,
    }


def call(api: Any, sent: dict[str, Any]) -> tuple[int, dict[str, Any], dict[str, str]]:
    response = api.handler(sent, None)
    return response["statusCode"], json.loads(response["body"]), response["headers"]


def throttled(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "Rate exceeded"}}, "StartExecution")


def test_a_request_starts_an_execution_under_a_name_of_its_own(api, aws):
    status, body, headers = call(api, event())

    assert (status, body["href"], headers["location"]) == (202, "/requests/trip-1", "../requests/trip-1")
    assert headers["content-type"] == "application/json"
    [(_, started)] = [made for made in aws.calls if made[0] == "start_execution"]
    assert started["stateMachineArn"] == "arn:map"
    assert started["name"].startswith("trip-1-")
    assert json.loads(started["input"]) == BODY


def test_the_longest_id_still_makes_a_name(api, aws):
    call(api, event(body={**BODY, "requestId": "x" * 64}))

    [(_, started)] = [made for made in aws.calls if made[0] == "start_execution"]
    assert len(started["name"]) <= 80


def test_a_request_for_sns_goes_through_the_requester(api, aws):
    status, body, _ = call(api, event(variant="sns"))

    assert (status, body["variant"]) == (202, "sns")
    [(_, invoked)] = [made for made in aws.calls if made[0] == "invoke"]
    assert (invoked["FunctionName"], json.loads(invoked["Payload"])) == ("arn:requester", BODY)


def test_what_the_requester_refuses_is_an_invalid_request(api, aws):
    aws.returned = {"Payload": b'{"error": {"type": "InvalidRequest", "message": "completion.quorum must be at most 1"}}'}

    assert call(api, event(variant="sns"))[:2] == (
        400,
        {"error": {"type": "InvalidRequest", "message": "completion.quorum must be at most 1"}},
    )


def test_a_requester_that_breaks_is_our_fault(api, aws):
    aws.returned = {"Payload": b'{"errorMessage": "secret"}', "FunctionError": "Unhandled"}

    status, body, _ = call(api, event(variant="sns"))

    assert (status, body["error"]["type"]) == (500, "InternalError")
    assert "secret" not in json.dumps(body)


def test_reading_by_id(api, aws):
    call(api, event())

    status, body, headers = call(api, event("GET /requests/{requestId}", None, pathParameters={"requestId": "trip-1"}))

    assert (status, body["request"], headers["cache-control"]) == (200, {"data": {"days_rental": 30}}, "no-store")


def test_an_unknown_id_has_a_reason(api):
    assert call(api, event("GET /requests/{requestId}", None, pathParameters={"requestId": "nobody"}))[:2] == (
        404,
        {"error": {"type": "UnknownRequest", "message": "there is no request nobody"}},
    )


def test_the_document_needs_no_aws(api, aws):
    status, body, _ = call(api, event("GET /openapi.json", None))

    assert (status, body["openapi"]) == (200, "3.1.0")
    assert body["paths"]["/{variant}/requests"]["post"]["parameters"][0]["schema"] == {"enum": ["map", "sns"]}
    asked = body["paths"]["/{variant}/requests"]["post"]["requestBody"]["content"]["application/json"]
    assert asked["example"] == {"data": {"days_rental": 30}, "recipients": ["avis", "alamo"]}
    assert not aws.calls


def test_the_board_is_a_page_that_runs_nothing_but_its_own_script(api, aws):
    response = api.handler(event("GET /", None), None)

    assert (response["statusCode"], response["headers"]["content-type"]) == (200, "text/html; charset=utf-8")
    assert response["body"].startswith("<!doctype html>")
    policy = dict(part.split(" ", 1) for part in response["headers"]["content-security-policy"].split("; "))
    assert (policy["default-src"], policy["connect-src"], policy["frame-ancestors"]) == ("'none'", "'self'", "'none'")
    assert policy["script-src"].startswith("'sha256-")
    assert "unsafe" not in response["headers"]["content-security-policy"]
    assert "innerHTML" not in response["body"]
    assert not aws.calls


def test_an_unknown_route_lists_those_there_are(api):
    status, body, _ = call(api, event("$default"))

    assert (status, body["error"]["type"]) == (404, "UnknownRoute")
    assert "POST /{variant}/requests" in body["error"]["message"]


def test_a_body_that_came_as_base64_is_read(api):
    assert call(api, event(body=base64.b64encode(json.dumps(BODY).encode()).decode(), isBase64Encoded=True))[0] == 202


def test_bytes_that_are_no_text_are_refused(api, aws):
    status, answered, _ = call(api, event(body=base64.b64encode(b"\xff\xfe{}").decode(), isBase64Encoded=True))

    assert (status, answered["error"]) == (400, {"type": "InvalidRequest", "message": "the body is not UTF-8 text"})
    assert not aws.calls


def test_a_missing_body_is_refused(api):
    assert call(api, event(body=None))[0] == 400


@pytest.mark.parametrize("code", ["ThrottlingException", "ExecutionLimitExceeded", "TooManyRequestsException"])
def test_a_throttle_of_aws_says_to_come_back(api, aws, code):
    aws.failure = throttled(code)

    status, body, headers = call(api, event())

    assert (status, body["error"]["type"], headers["retry-after"]) == (429, "TooManyRequests", "1")


@pytest.mark.parametrize("failure", [throttled("AccessDeniedException"), RuntimeError("secret")])
def test_what_is_our_fault_says_nothing_of_its_inside(api, aws, failure, caplog):
    aws.failure = failure

    status, body, _ = call(api, event())

    assert (status, body["error"]["type"]) == (500, "InternalError")
    assert "secret" not in json.dumps(body)
    assert str(failure) in caplog.text


@pytest.mark.parametrize(("variant", "called"), [("map", "start_execution"), ("sns", "invoke")])
@pytest.mark.parametrize(
    ("failure", "status"),
    [(throttled("ThrottlingException"), 429), (throttled("AccessDeniedException"), 500), (RuntimeError("secret"), 500)],
)
def test_an_error_after_the_hand_over_names_the_id_to_repeat_the_request_with(api, aws, monkeypatch, variant, called, failure, status):
    def broken(**arguments):
        raise failure

    monkeypatch.setattr(aws, called, broken)

    answered, body, _ = call(api, event(variant=variant, body={"data": {"days_rental": 30}}))

    assert answered == status
    named = body["error"]["requestId"]
    assert named in body["error"]["message"]
    monkeypatch.undo()
    assert call(api, event(variant=variant, body={"requestId": named, "data": {"days_rental": 30}}))[0] == 202


def test_an_error_before_the_hand_over_names_no_id(api, aws):
    aws.failure = throttled("ThrottlingException")

    assert "requestId" not in call(api, event())[1]["error"]


# Owners


def test_two_callers_with_the_same_id_have_a_request_each(tokens, aws):
    alices = call(tokens, event(**of("alice")))
    eves = call(tokens, event(body={**BODY, "data": {"days_rental": 1}}, **of("eve")))

    assert (alices[0], eves[0]) == (202, 202)
    assert alices[1]["requestId"] == eves[1]["requestId"] == "trip-1"
    assert call(tokens, read("trip-1", **of("alice")))[1]["request"] == {"data": {"days_rental": 30}}
    assert call(tokens, read("trip-1", **of("eve")))[1]["request"] == {"data": {"days_rental": 1}}
    assert "trip-1" not in aws.items
    assert len(aws.items) == 2


def test_nobody_else_reads_a_request_by_whatever_id(tokens, aws):
    _, taken, _ = call(tokens, event(body={"data": {}}, **of("alice")))
    [stored] = aws.items

    assert call(tokens, read(taken["requestId"], **of("alice")))[0] == 200
    for request_id in (taken["requestId"], stored):
        assert call(tokens, read(request_id, **of("eve")))[0] == 404
    refused = call(tokens, read(taken["requestId"], queryStringParameters={"owner": "alice"}, **of("eve")))
    assert (refused[0], refused[1]["error"]["type"]) == (403, "Forbidden")


def test_a_reader_reads_by_owner_and_by_the_stored_id(tokens, aws):
    call(tokens, event(**of("alice")))
    [stored] = aws.items
    reader = of("bob", scope="quotes.audit")

    by_owner = call(tokens, read("trip-1", queryStringParameters={"owner": "alice"}, **reader))
    by_stored_id = call(tokens, read(stored, **reader))

    assert (by_owner[0], by_owner[1]["requestId"]) == (200, "trip-1")
    assert (by_stored_id[0], by_stored_id[1]["requestId"]) == (200, stored)
    assert call(tokens, read("trip-1", **reader))[0] == 404


def test_a_caller_repeats_its_own_request_alone(tokens, aws):
    call(tokens, event(**of("alice")))
    again, other = call(tokens, event(**of("alice"))), call(tokens, event(body={**BODY, "data": {}}, **of("alice")))

    assert (again[0], again[1]["requestId"]) == (202, "trip-1")
    assert (other[0], other[1]["error"]["message"]) == (409, "requestId trip-1 was already used for another request")
    assert aws.names().count("start_execution") == 1


def test_a_token_that_names_no_owner_sends_and_reads_nothing(tokens, aws):
    nobody: dict[str, Any] = {"requestContext": {"requestId": "r-1", "authorizer": {"jwt": {"claims": {}, "scopes": None}}}}

    for sent in (event(**nobody), read("trip-1", **nobody)):
        assert call(tokens, sent)[:2] == (
            403,
            {"error": {"type": "Forbidden", "message": "the token has no claim sub, which says whose a request is"}},
        )
    assert call(tokens, event("GET /openapi.json", None, **nobody))[0] == 200
    assert not aws.calls


def history(api: Any, subject: str, scope: str = "", **query: str) -> tuple[int, Any]:
    status, body, _ = call(api, event("GET /requests", None, queryStringParameters=query, **of(subject, scope=scope)))
    return status, [request["requestId"] for request in body["requests"]] if status == 200 else body["error"]["message"]


def test_a_caller_s_history_has_its_own_requests_alone(tokens, aws):
    call(tokens, event(**of("alice")))
    call(tokens, event(body={**BODY, "data": {}}, **of("eve")))
    aws.calls.clear()

    assert history(tokens, "alice") == (200, ["trip-1"])
    assert history(tokens, "bob") == (200, [])
    assert {arguments["ExpressionAttributeValues"][":value"]["S"] for name, arguments in aws.calls if name == "query"} == {
        callers.digest("alice"),
        callers.digest("bob"),
    }
    assert history(tokens, "eve", owner="alice") == (403, "owner is for readers, whom the stack's api.readers names")


def test_a_reader_s_history_has_everybody_s_requests_or_those_of_one_owner(tokens, aws):
    call(tokens, event(**of("alice")))
    call(tokens, event(**of("eve")))

    status, everybodys = history(tokens, "bob", "quotes.audit")

    assert (status, set(everybodys)) == (200, set(aws.items))
    assert history(tokens, "bob", "quotes.audit", owner="eve") == (200, ["trip-1"])
    assert call(tokens, read(everybodys[0], **of("bob", scope="quotes.audit")))[0] == 200


def test_a_misspelt_query_parameter_of_a_read_is_refused(api):
    assert call(api, read("trip-1", queryStringParameters={"wait": "true"}))[1]["error"]["message"] == (
        "unknown query parameter wait; allowed: owner"
    )


# Every reply


@pytest.mark.parametrize(
    "sent",
    [event(), event(body="{"), event("GET /", None), event("GET /openapi.json", None), event("$default"), read("nobody")],
    ids=["taken", "refused", "board", "document", "no route", "unknown"],
)
def test_no_reply_is_taken_for_something_else_than_it_says(api, sent):
    assert api.handler(sent, None)["headers"]["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(("auth", "warned"), [("NONE", True), ("AWS_IAM", False)])
def test_an_api_that_asks_nobody_says_so_in_its_log(api, monkeypatch, caplog, auth, warned):
    monkeypatch.setenv("AUTH", auth)

    call(api, event())

    assert ("api.auth is NONE" in caplog.text) == warned


def test_the_schema_travels_with_the_function():
    assert "handlers/request.schema.json" in code.sources("handlers.api")


def test_requests_and_answers_stay_out_of_the_log(api, caplog):
    call(api, event(body={**BODY, "data": {"passport": "X123"}}))

    assert "answered" in caplog.text
    assert "X123" not in caplog.text + str([record.__dict__ for record in caplog.records])
