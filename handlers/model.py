"""Asks a language model as a responder, by the Converse operation of Amazon Bedrock.

The model receives the request's description and data as JSON, or what its `request` expression makes of the question. The amount of its
answer is the price of the tokens; the details are {"text", "inputTokens", "outputTokens", "stopReason", "truncated"?: true if the text was
cut to the length that an answer has room for}. If a guardrail or filter stopped the model, the answer is a decline.
"""

import json
import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from handlers import contract, json_limits
from handlers.mapping import NotMapped, PartnerMapping
from handlers.quoting import TransientError

PASSING = (
    "ThrottlingException",
    "ModelTimeoutException",
    "InternalServerException",
    "ServiceUnavailableException",
    "ModelNotReadyException",
    "ModelStreamErrorException",
)
STOPPED = ("guardrail_intervened", "content_filtered")
MILLION = 1_000_000
PLACES = Decimal("1e-9")
"""The precision of an amount: a token costs no less than that."""


def runtime(timeout_seconds: float) -> Any:
    # A single try: a client that retries by itself would pay twice without anybody knowing.
    return boto3.client("bedrock-runtime", config=Config(read_timeout=math.ceil(timeout_seconds) + 1, retries={"total_max_attempts": 1}))


def converse(client: Any, model: str, inference: Mapping[str, Any], text: str) -> contract.Json:
    """Bedrock's response. inference: {"system"?, "temperature"?, "maxTokens"}. Raises TransientError, or ClientError."""
    settings = {key: inference[key] for key in ("temperature", "maxTokens") if key in inference}
    system = {"system": [{"text": inference["system"]}]} if inference.get("system") else {}
    try:
        return client.converse(modelId=model, messages=[{"role": "user", "content": [{"text": text}]}], inferenceConfig=settings, **system)
    except ClientError as error:
        if (code := error.response["Error"]["Code"]) in PASSING:
            raise TransientError(f"{code}: {error}") from None
        raise
    except BotoCoreError as error:
        raise TransientError(f"Bedrock cannot be reached: {type(error).__name__}") from None


def text_of(response: Mapping[str, Any]) -> str:
    return "".join(block.get("text", "") for block in response["output"]["message"]["content"])


class Model:
    """inference: as of `converse`, with {"inputPrice", "outputPrice"}: decimal strings, of a million tokens in the stack's currency."""

    def __init__(
        self, responder: str, model: str, inference: Mapping[str, Any], currency: str, timeout_seconds: float, mapping: PartnerMapping
    ) -> None:
        self._responder, self._model, self._inference, self._currency, self._mapping = responder, model, inference, currency, mapping
        self._client = runtime(timeout_seconds)

    def ask(self, question: Mapping[str, Any], attempt: int, details_limit: int) -> Callable[[], contract.Json]:
        """The work of one attempt, see `attempt.answer`."""
        keys = ("requestId", "description", "data", "deadlineAt")
        return lambda: self._ask({**{key: question[key] for key in keys}, "attempt": attempt}, details_limit)

    def _ask(self, payload: contract.Json, details_limit: int) -> contract.Json:
        try:
            asked = self._mapping.request(payload) if self._mapping.has_request else {key: payload[key] for key in ("description", "data")}
            text = asked if isinstance(asked, str) else json.dumps(asked, ensure_ascii=False)
            response = converse(self._client, self._model, self._inference, text)
        except NotMapped as error:
            return contract.unsuccessful(self._responder, "FAILED", "NotMapped", str(error))
        except ClientError as error:
            return contract.unsuccessful(self._responder, "FAILED", f"Bedrock.{error.response['Error']['Code']}", str(error))
        if response["stopReason"] in STOPPED:
            return contract.declined(self._responder, response["stopReason"])
        usage = response["usage"]
        details = {
            "text": text_of(response),
            "inputTokens": usage["inputTokens"],
            "outputTokens": usage["outputTokens"],
            "stopReason": response["stopReason"],
        }
        quote = {"amount": self._cost(usage), "details": _fitting(details, details_limit)}
        return contract.normalise_answer(self._responder, quote, currency=self._currency, details_limit=details_limit)

    def _cost(self, usage: Mapping[str, int]) -> Decimal:
        cost = sum(usage[f"{way}Tokens"] * Decimal(self._inference[f"{way}Price"]) for way in ("input", "output"))
        return (Decimal(cost) / MILLION).quantize(PLACES).normalize()


def _fitting(details: contract.Json, limit: int) -> contract.Json:
    """The details, with as much of the text as there is room for."""
    while (size := json_limits.byte_size(details)) > limit and details["text"]:
        text = details["text"]
        details = {**details, "text": text[: min(len(text) - 1, len(text) * limit // size)], "truncated": True}
    return details
