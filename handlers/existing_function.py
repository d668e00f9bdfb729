"""Asks an existing Lambda function as a responder.

The function receives {"requestId", "description", "data", "deadlineAt", "attempt"}, or what its `request` expression makes of that.
Whatever it returns or raises is its answer, and so is a crash; see `mapping` and `contract.normalise_answer`.
"""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from handlers import contract
from handlers.mapping import NotMapped, PartnerMapping
from handlers.quoting import TransientError


class ExistingFunction:
    def __init__(self, responder: str, function_arn: str, currency: str, timeout_seconds: float, mapping: PartnerMapping) -> None:
        self._responder, self._function_arn, self._currency, self._mapping = responder, function_arn, currency, mapping
        # A single try: a client that retries by itself would ask the function twice without anybody knowing.
        self._functions = boto3.client(
            "lambda", config=Config(read_timeout=math.ceil(timeout_seconds) + 1, retries={"total_max_attempts": 1})
        )

    def ask(self, question: Mapping[str, Any], attempt: int, details_limit: int) -> Callable[[], contract.Json]:
        """The work of one attempt, see `attempt.answer`."""
        payload = {key: question[key] for key in ("requestId", "description", "data", "deadlineAt")}
        return lambda: self._ask({**payload, "attempt": attempt}, details_limit)

    def _ask(self, payload: contract.Json, details_limit: int) -> contract.Json:
        try:
            asked = self._mapping.request(payload)
        except NotMapped as error:
            return contract.unsuccessful(self._responder, "FAILED", "NotMapped", str(error))
        try:
            response = self._functions.invoke(FunctionName=self._function_arn, Payload=json.dumps(asked))
        except ClientError as error:
            code, http = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
            if http == 429 or http >= 500:
                raise TransientError(f"{code}: {error}") from error
            return contract.unsuccessful(self._responder, "FAILED", f"Lambda.{code}", str(error))
        returned = json.loads(response["Payload"].read())
        if "FunctionError" in response:
            return self._failure(returned)
        return self._mapping.answer(self._responder, returned, self._currency, details_limit)

    def _failure(self, returned: Any) -> contract.Json:
        """The answer of a function that raised, crashed or ran out of time. Lambda reports this as {"errorType", "errorMessage"}."""
        raised = contract.present(returned) if isinstance(returned, dict) else {}
        kind, message = str(raised.get("errorType", "Lambda.Unknown")), str(raised.get("errorMessage", ""))
        if kind == "TransientError":
            raise TransientError(message)
        if kind == "Sandbox.Timedout" or "Task timed out" in message:
            return contract.unsuccessful(self._responder, "TIMED_OUT", "Timeout", message)
        return contract.unsuccessful(self._responder, "FAILED", kind, message)
