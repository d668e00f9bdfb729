"""Translates between a partner's JSON and ours, by JMESPath expressions of the configuration. Pure.

`request` selects what a partner receives from {"requestId", "description", "data", "deadlineAt", "attempt"}. `answer` says where its reply
has the amount, the currency, the details and a decline. A reply that is a JSON text, or has the shape that API Gateway expects from a
function ({"statusCode", "body"}), is unwrapped first, with or without a mapping.
"""

import base64
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

from handlers import clock, contract, json_limits
from handlers.quoting import TransientError

PLACES = ("amount", "currency", "details", "decline")
API_GATEWAY = {"statusCode", "body", "headers", "multiValueHeaders", "cookies", "isBase64Encoded"}

SAID_BYTES = 200
"""How much of a partner's own words about an error an answer quotes."""


class NotMapped(Exception):
    """The reply or the question lacks what an expression looks for; the message names the expression."""


class Refused(Exception):
    """The partner's status is an error. kind: the type of the answer's error, such as "Http404"."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.kind = f"Http{status}"


class PartnerMapping:
    """request: an expression, or None to send the question as it is. answer: expressions by PLACES; empty if the reply has our shape."""

    def __init__(self, request: str | None = None, answer: Mapping[str, str] | None = None) -> None:
        self._request = jmespath.compile(request) if request else None
        self._answer = {place: jmespath.compile(expression) for place, expression in (answer or {}).items() if place in PLACES}

    @property
    def has_request(self) -> bool:
        return self._request is not None

    def request(self, question: contract.Json) -> Any:
        """What the partner gets. Raises NotMapped."""
        return question if self._request is None else _found("request", self._request, question)

    def answer(self, responder: str, reply: Any, currency: str, details_limit: int) -> contract.Json:
        """The Answer (without times) that a reply gives. Raises TransientError for a status that may pass."""
        try:
            payload = self._payload(unwrapped(reply))
        except Refused as refusal:
            return contract.unsuccessful(responder, "FAILED", refusal.kind, str(refusal))
        except NotMapped as error:
            return contract.invalid_answer(responder, str(error))
        return contract.normalise_answer(responder, payload, currency=currency, details_limit=details_limit)

    def _payload(self, reply: Any) -> Any:
        if not self._answer:
            return reply
        found = {place: _found(f"answer.{place}", expression, reply) for place, expression in self._answer.items()}
        decline = found.pop("decline", None)
        if decline not in (None, False, ""):
            return {"declined": contract.NO_REASON if decline is True else decline}
        for place in ("amount", "currency"):
            if place in found and found[place] is None:
                raise NotMapped(f"answer.{place} ({self._answer[place].expression}) finds nothing in the reply")
        return found


def unwrapped(reply: Any) -> Any:
    """Unwraps a JSON text, or a reply in API Gateway's shape. Raises Refused or TransientError, depending on its status."""
    if isinstance(reply, dict) and isinstance(reply.get("statusCode"), int) and set(reply) <= API_GATEWAY:
        body = reply.get("body")
        if reply.get("isBase64Encoded") and isinstance(body, str):
            with suppress(ValueError):
                body = base64.b64decode(body).decode()
        headers = reply.get("headers")
        check_status(reply["statusCode"], body if isinstance(body, str) else json.dumps(body), headers if isinstance(headers, dict) else {})
        reply = body
    if isinstance(reply, str):
        try:
            return json.loads(reply)
        except (ValueError, RecursionError):
            return reply
    return reply


def check_status(status: int, said: str, headers: Mapping[str, Any]) -> None:
    """Raises TransientError for a status that may pass (429, and 5xx except 501), and Refused for any other that is not a success.
    headers: may include Retry-After."""
    if 200 <= status < 300:
        return
    names = {each.value: f" {each.phrase}" for each in HTTPStatus}
    message = f"it replied {status}{names.get(status, '')}: {json_limits.cut(said, SAID_BYTES)}".rstrip(": ")
    if status == 429 or (status >= 500 and status != 501):
        after = next((str(value) for name, value in headers.items() if name.lower() == "retry-after"), "")
        raise TransientError(message, after=_seconds(after))
    raise Refused(status, message)


def _seconds(retry_after: str) -> float:
    """The seconds of a Retry-After (RFC 9110: a number or a date); 0 if it is neither."""
    if re.fullmatch(r"[0-9]{1,9}", retry_after.strip()):
        return float(retry_after)
    with suppress(ValueError, TypeError):
        return max(clock.seconds_until(parsedate_to_datetime(retry_after).astimezone(UTC).isoformat()), 0)
    return 0.0


def _found(name: str, expression: Any, value: Any) -> Any:
    try:
        return expression.search(value)
    except (JMESPathError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise NotMapped(f"{name} ({expression.expression}) cannot be evaluated: {error}") from None
