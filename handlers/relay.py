"""Asks an existing function on behalf of its queue, as the state machines ask it, and sends back what it says as an Answer.

Event    SQS messages with requests, see `handlers.replying`
Environment: RESPONDER (its name), FUNCTION_ARN, CURRENCY, TIMEOUT_SECONDS, RETRIES.
"""

import json
import math
import os
from typing import Any

import boto3
from aws_lambda_powertools.logging import Logger
from botocore.config import Config
from botocore.exceptions import ClientError

from handlers import asking, contract, replying
from handlers.quoting import TransientError

logger = Logger(service="responder")
RESPONDER = os.environ["RESPONDER"]
FUNCTION_ARN = os.environ["FUNCTION_ARN"]
CURRENCY = os.environ["CURRENCY"]
LIMITS = asking.Limits(RESPONDER, float(os.environ["TIMEOUT_SECONDS"]), int(os.environ["RETRIES"]))

# One try: a client that tries again on its own would ask the function twice without anybody knowing.
functions = boto3.client("lambda", config=Config(read_timeout=math.ceil(LIMITS.timeout_seconds) + 1, retries={"total_max_attempts": 1}))


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return replying.reply_to_each(event, RESPONDER, respond)


def respond(request: dict[str, Any]) -> contract.Json:
    """The function's answer to one request, see `asking.answer`."""
    return asking.answer(request, LIMITS, lambda: _ask(request))


def _ask(request: dict[str, Any]) -> contract.Json:
    try:
        response = functions.invoke(FunctionName=FUNCTION_ARN, Payload=json.dumps(request))
    except ClientError as error:
        code, http = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
        if http == 429 or http >= 500:
            raise TransientError(f"{code}: {error}") from error
        return contract.unsuccessful(RESPONDER, "FAILED", f"Lambda.{code}", str(error))
    payload = json.loads(response["Payload"].read())
    if "FunctionError" in response:
        return _failure(payload)
    return contract.normalise_answer(RESPONDER, payload, currency=CURRENCY, details_limit=contract.details_limit(1))


def _failure(payload: Any) -> contract.Json:
    """What Lambda reports of a function that raised, crashed or ran out of time: {"errorType", "errorMessage"}."""
    raised = payload if isinstance(payload, dict) else {}
    kind, message = str(raised.get("errorType", "Lambda.Unknown")), str(raised.get("errorMessage", ""))
    if kind == "TransientError":
        raise TransientError(message)
    if kind == "Sandbox.Timedout" or "Task timed out" in message:
        return _timed_out(message)
    return contract.unsuccessful(RESPONDER, "FAILED", kind, message)


def _timed_out(message: str) -> contract.Json:
    return contract.unsuccessful(RESPONDER, "TIMED_OUT", "Timeout", message)
