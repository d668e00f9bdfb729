"""Lambda adapter of the API: an HTTP API's event (payload format 2.0) becomes a `routes.Call`, its Reply the response.

Environment: CARRIERS (JSON: how a request is handed to each, by name, see `components.carriers`), AUTH, SAMPLE (JSON: a request without
its recipients), and see `handlers.environment`.
"""

import base64
import functools
import json
import os
from typing import Any

import boto3
from aws_lambda_powertools.logging import Logger
from botocore.config import Config
from botocore.exceptions import ClientError

from handlers import environment, openapi, records
from handlers.carriers import Requester, StateMachine
from handlers.routes import BOARD, ROUTES, Call, Carrier, Operations, Problem, Reply

logger = Logger(service="api")

THROTTLES = frozenset({
    "ThrottlingException", "TooManyRequestsException", "ExecutionLimitExceeded", "RequestLimitExceeded",
    "ProvisionedThroughputExceededException",
})
"""Errors of Step Functions, Lambda and DynamoDB that say: later."""

QUICK = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})
OPERATIONS = {route.key: route.operation for route in (*ROUTES, BOARD)}


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    logger.set_correlation_id(event["requestContext"]["requestId"])
    try:
        reply = respond(event)
    except Problem as problem:
        reply = _error(problem.status, problem.kind, str(problem))
    except ClientError as error:
        if error.response["Error"]["Code"] not in THROTTLES:
            return _response(event, _broken())
        logger.warning("throttled", extra={"reason": str(error)})
        reply = _error(429, "TooManyRequests", "too many requests at this moment: repeat it with the same requestId", retry_after=1)
    except Exception:  # noqa: BLE001 - whatever it was, the caller gets an answer and the log the reason
        reply = _broken()
    return _response(event, reply)


def respond(event: dict[str, Any]) -> Reply:
    """The reply to an event; raises Problem."""
    operation = OPERATIONS.get(event["routeKey"])
    if operation is None:
        raise Problem(404, "UnknownRoute", f"there is no {event['routeKey']}; there are {', '.join(OPERATIONS)}")
    return getattr(operations(), operation)(Call(
        path=event.get("pathParameters") or {},
        query=event.get("queryStringParameters") or {},
        body=_body(event),
        content_type=event["headers"].get("content-type"),
    ))


@functools.cache
def operations() -> Operations:
    """Made once, at the first request, from the environment."""
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
        store.read,
        known=known,
        policy=environment.policy(),
        selection=environment.selection(),
        document=openapi.document(list(carriers), os.environ["AUTH"], sample),
    )


def _body(event: dict[str, Any]) -> bytes | None:
    body = event.get("body")
    if body is None:
        return None
    return base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()


def _broken() -> Reply:
    logger.exception("failed")
    return _error(500, "InternalError", "the request could not be handled; the log has the reason")


def _error(status: int, kind: str, message: str, retry_after: int | None = None) -> Reply:
    headers = {"retry-after": str(retry_after)} if retry_after else {}
    return Reply(status, {"error": {"type": kind, "message": message}}, headers)


def _response(event: dict[str, Any], reply: Reply) -> dict[str, Any]:
    logger.info("answered", extra={"route": event["routeKey"], "status": reply.status, "path": event["rawPath"]})
    return {
        "statusCode": reply.status,
        "headers": {"content-type": "application/json", "cache-control": "no-store", **reply.headers},
        "body": reply.body if isinstance(reply.body, str) else json.dumps(reply.body),
    }

