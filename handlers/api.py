"""Lambda adapter of the API: turns an HTTP API's event (payload format 2.0) into a `routes.Call`, and its Reply into the response.

Environment: CARRIERS (JSON: how a request is handed to each, by name, see `components.carriers`), AUTH, OWNERSHIP (JSON: the fields of
`callers.Ownership`), SAMPLE (JSON: a request without its recipients), and see `handlers.environment`.
"""

import base64
import functools
import json
import os
from collections.abc import Mapping
from typing import Any

import boto3
from aws_lambda_powertools.logging import Logger
from botocore.config import Config
from botocore.exceptions import ClientError

from handlers import environment, openapi, records
from handlers.callers import Caller, Ownership, Unidentified
from handlers.carriers import Requester, StateMachine
from handlers.routes import BOARD, ROUTES, Call, Carrier, NotFinished, Operations, Problem, Reply

logger = Logger(service="api")

THROTTLES = frozenset(
    {
        "ThrottlingException",
        "TooManyRequestsException",
        "ExecutionLimitExceeded",
        "RequestLimitExceeded",
        "ProvisionedThroughputExceededException",
    }
)
"""Errors of Step Functions, Lambda and DynamoDB that mean "try again later"."""

QUICK = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})
BY_KEY = {route.key: route for route in (*ROUTES, BOARD)}
HEADERS = {"content-type": "application/json", "cache-control": "no-store", "x-content-type-options": "nosniff"}


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    logger.set_correlation_id(event["requestContext"]["requestId"])
    try:
        reply = respond(event)
    except Problem as problem:
        reply = _error(problem.status, problem.kind, str(problem))
    except NotFinished as error:
        reply = _broken(error.__cause__, error.request_id)
    except Exception as error:  # noqa: BLE001 - whatever it was, the caller gets an answer and the log the reason
        reply = _broken(error)
    return _response(event, reply)


def respond(event: dict[str, Any]) -> Reply:
    """The reply to an event. Raises Problem."""
    route = BY_KEY.get(event["routeKey"])
    if route is None:
        raise Problem(404, "UnknownRoute", f"there is no {event['routeKey']}; there are {', '.join(BY_KEY)}")
    return getattr(operations(), route.operation)(
        Call(
            path=event.get("pathParameters") or {},
            query=event.get("queryStringParameters") or {},
            body=_body(event),
            content_type=event["headers"].get("content-type"),
            caller=_caller(event) if route.has_owner else Caller(),
        )
    )


def _caller(event: dict[str, Any]) -> Caller:
    try:
        return ownership().caller(event["requestContext"].get("authorizer") or {})
    except Unidentified as reason:
        raise Problem(403, "Forbidden", str(reason)) from None


@functools.cache
def ownership() -> Ownership:
    """Read from the environment once, at the first request."""
    if os.environ["AUTH"] == "NONE":
        logger.warning("api.auth is NONE: whoever has the address can send requests and read every one")
    return Ownership(**json.loads(os.environ["OWNERSHIP"]))


@functools.cache
def operations() -> Operations:
    """Made from the environment once, at the first request."""
    states = boto3.client("stepfunctions", config=QUICK)
    store = records.Records.of_the_stack(boto3.client("dynamodb", config=QUICK))
    carriers: dict[str, Carrier] = {}
    for name, entrance in json.loads(os.environ["CARRIERS"]).items():
        if "stateMachineArn" in entrance:
            carriers[name] = StateMachine(states, entrance["stateMachineArn"])
        else:
            carriers[name] = Requester(boto3.client("lambda", config=QUICK), entrance["functionArn"])
    known = environment.responders()
    sample = {**json.loads(os.environ["SAMPLE"]), "recipients": known}
    return Operations(
        carriers,
        store,
        known=known,
        policy=environment.policy(),
        selection=environment.selection(),
        retention_seconds=int(os.environ["RESULT_RETENTION_SECONDS"]),
        document=openapi.document(list(carriers), os.environ["AUTH"], sample),
    )


def _body(event: dict[str, Any]) -> bytes | None:
    body = event.get("body")
    if body is None:
        return None
    return base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()


def _broken(error: BaseException | None, request_id: str | None = None) -> Reply:
    """request_id: the id of a request that may have been accepted."""
    named: dict[str, Any] = {"requestId": request_id} if request_id else {}
    again = f"repeat it with requestId {request_id}" if request_id else "repeat it"
    if isinstance(error, ClientError) and error.response["Error"]["Code"] in THROTTLES:
        logger.warning("throttled", extra={"reason": str(error)})
        return _error(429, "TooManyRequests", f"too many requests at this moment: {again}", {"retry-after": "1"}, **named)
    logger.error("failed", exc_info=error)
    known = f": {again}, and it is the same request" if request_id else ""
    return _error(500, "InternalError", f"the request could not be handled; the log has the reason{known}", **named)


def _error(status: int, kind: str, message: str, headers: Mapping[str, str] | None = None, **more: Any) -> Reply:
    return Reply(status, {"error": {"type": kind, "message": message, **more}}, headers or {})


def _response(event: dict[str, Any], reply: Reply) -> dict[str, Any]:
    logger.info("answered", extra={"route": event["routeKey"], "status": reply.status, "path": event["rawPath"]})
    return {
        "statusCode": reply.status,
        "headers": {**HEADERS, **reply.headers},
        "body": reply.body if isinstance(reply.body, str) else json.dumps(reply.body),
    }
