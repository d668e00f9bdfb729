"""The two contracts that every variant keeps: the request that a caller writes and the result that it reads.

Pure: no AWS, no clock, no environment. The state machines evaluate the same rules in JSONata (`statemachines/jsonata`);
`tests/unit/test_contract_parity.py` holds the two to the same answers.

Request   {"requestId"?, "description"?, "data": {}, "recipients"?: [name],
           "completion"?: {"quorum"?, "deadlineSeconds"?, "amountBelow"?, "required"?: [name]}; see `completion`}
Answer    {"responder", "status": QUOTED | DECLINED | FAILED | TIMED_OUT,
           "amount", "currency", "details"    when QUOTED,
           "error": {"type", "message"}       otherwise,
           "latencyMs", "respondedAt"         unless the responder stayed silent}
Result    {"requestId", "variant", "status": OPEN | COMPLETE | PARTIAL | FAILED, "completedBy": ALL | CONDITION | QUORUM | DEADLINE,
           "expected", "received", "declined", "failed", "late", "best": Answer | null, "top": [name], best first,
           "answers": [Answer], "createdAt", "completedAt",
           "selectionError": {"type", "message"}  when the user's own selection failed}
"""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from handlers import storable

Json = dict[str, Any]

MAX_REQUEST_BYTES = 65_536
"""A request travels inside every item of a Map and beside the answers, under Step Functions' 262,144 bytes per state."""

DETAILS_BUDGET_BYTES = 120_000
"""What the details of all answers of one request may take together: half of what a state may carry, because storing
them as DynamoDB attribute values at least doubles their size."""

MAX_TYPE_CHARS, MAX_MESSAGE_CHARS = 100, 500

MAX_AMOUNT_DIGITS = 15
"""Two decimals of up to 15 significant digits never share a double (DBL_DIG of IEEE 754), so JSONata, which only has
doubles, orders amounts exactly as Decimal does."""

REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
AMOUNT = re.compile(r"(0|[1-9][0-9]*)(\.[0-9]+)?")
CURRENCY = re.compile(r"[A-Z]{3}")
ANSWERED = ("QUOTED", "DECLINED", "FAILED")


class InvalidRequest(ValueError):
    """The caller's request breaks the contract; the message says how and what is allowed."""


class RequestTooLarge(InvalidRequest):
    """It takes more than MAX_REQUEST_BYTES."""


def check_request(body: Any, known: Sequence[str]) -> Json:
    """The request as a dict, or InvalidRequest; `completion.check` sees to its `completion`.

    known: the responders of the stack, in order. Nothing is filled in: see `recipients_of` for the default of `recipients`.
    """
    if not isinstance(body, dict):
        raise InvalidRequest(f"the request must be a JSON object, not {kind(body)}")
    refuse_unknown(body, ("requestId", "description", "data", "recipients", "completion"), "the request")
    request_id = body.get("requestId")
    if "requestId" in body and not (isinstance(request_id, str) and REQUEST_ID.fullmatch(request_id)):
        raise InvalidRequest(f"requestId must be 1 to 64 letters, digits, _ or -, not {show(request_id)}")
    if "description" in body and not isinstance(body["description"], str):
        raise InvalidRequest(f"description must be a string, not {kind(body['description'])}")
    if not isinstance(body.get("data"), dict):
        raise InvalidRequest(f"data must be an object, not {kind(body.get('data'))}")
    if "recipients" in body:
        _check_recipients(body["recipients"], known)
    check_size(body)
    return body


def check_size(request: Mapping[str, Any]) -> None:
    """Raises RequestTooLarge."""
    size = byte_size(request)
    if size > MAX_REQUEST_BYTES:
        raise RequestTooLarge(f"the request takes {size} bytes as JSON; at most {MAX_REQUEST_BYTES} are allowed")


def recipients_of(request: Mapping[str, Any], known: Sequence[str]) -> list[str]:
    return list(request.get("recipients", known))


def _check_recipients(recipients: Any, known: Sequence[str]) -> None:
    allowed = f"known responders: {', '.join(known)}"
    if not isinstance(recipients, list):
        raise InvalidRequest(f"recipients must be a list of names, not {kind(recipients)}; {allowed}")
    if not recipients:
        raise InvalidRequest(f"recipients must not be empty; {allowed}")
    for name in recipients:
        if not isinstance(name, str):
            raise InvalidRequest(f"recipients must be names, not {kind(name)}; {allowed}")
        if name not in known:
            raise InvalidRequest(f"unknown recipient {show(name)}; {allowed}")
    repeated = next((name for name in recipients if recipients.count(name) > 1), None)
    if repeated is not None:
        raise InvalidRequest(f"recipient {show(repeated)} is named more than once; {allowed}")


def refuse_unknown(found: Mapping[str, Any], allowed: Sequence[str], where: str) -> None:
    for key in found:
        if key not in allowed:
            raise InvalidRequest(f"{where} has an unknown key {show(key)}; allowed: {', '.join(allowed)}")


def normalise_answer(responder: str, payload: Any, *, currency: str, details_limit: int) -> Json:
    """What a responder sent, as an Answer without times; a payload that breaks the contract becomes a FAILED answer.

    payload: {"amount", "currency"?, "details"?} for a quote, {"declined": reason} for a refusal, or an Answer.
    currency: the only one in which the stack compares amounts. details_limit: bytes; larger details, and those that the store
    would refuse, are left out, and their place says so, so that the quote itself survives.
    """
    if not isinstance(payload, dict):
        return invalid_answer(responder, f"the answer must be a JSON object, not {kind(payload)}")
    if "declined" in payload:
        return declined(responder, payload["declined"] if isinstance(payload["declined"], str) else "no reason given")
    status = payload.get("status", "QUOTED")
    if status in ("DECLINED", "FAILED", "TIMED_OUT"):
        error = payload.get("error")
        error = error if isinstance(error, dict) else {}
        its_type, message = error.get("type"), error.get("message")
        return unsuccessful(responder, status, its_type if isinstance(its_type, str) else status.title(),
                            message if isinstance(message, str) else "no reason given")
    if status != "QUOTED":
        return invalid_answer(responder, "status must be QUOTED, DECLINED, FAILED or TIMED_OUT")
    amount = amount_text(payload.get("amount"))
    if amount is None:
        return invalid_answer(
            responder, f"amount must be a decimal of 0 or more with at most {MAX_AMOUNT_DIGITS} digits")
    if payload.get("currency", currency) != currency:
        return invalid_answer(responder, f"currency must be {currency}")
    details = payload.get("details", {})
    if not isinstance(details, dict):
        return invalid_answer(responder, "details must be an object")
    try:
        storable.check(details, "it")
    except (storable.Unstorable, RecursionError) as error:
        details = {"omitted": f"details cannot be kept: {error}"}
    return fit({"responder": responder, "status": "QUOTED", "amount": amount, "currency": currency, "details": details},
               details_limit)


def unsuccessful(responder: str, status: str, kind: str, message: str) -> Json:
    return {"responder": responder, "status": status,
            "error": {"type": _clean(kind)[:MAX_TYPE_CHARS], "message": _clean(message)[:MAX_MESSAGE_CHARS]}}


def _clean(text: str) -> str:
    """Without halves of surrogate pairs, which Python has for what it cannot decode, and no store keeps."""
    return text.encode(errors="replace").decode()


def declined(responder: str, reason: str) -> Json:
    return unsuccessful(responder, "DECLINED", "Declined", reason)


def invalid_answer(responder: str, message: str) -> Json:
    return unsuccessful(responder, "FAILED", "InvalidAnswer", message)


def silent(responder: str) -> Json:
    """The slot of a responder that had not answered when the deadline closed the request."""
    return unsuccessful(responder, "TIMED_OUT", "Deadline", "no answer before the deadline")


def overdue(responder: str, seconds: float) -> Json:
    """The slot of a responder that took longer than its own time limit."""
    return unsuccessful(responder, "TIMED_OUT", "Timeout", f"no answer within {seconds:g} seconds")


def amount_text(value: Any) -> str | None:
    """A Decimal, int, float or decimal string as plain digits ("2970", "99.50"), or None where it is no valid amount."""
    if isinstance(value, bool):
        return None
    if isinstance(value, Decimal):
        text = format(value, "f") if value.is_finite() else ""
    elif isinstance(value, float):
        text = format(Decimal(f"{value:.15g}"), "f") if 1e-6 <= value < 1e15 else "0" if value == 0 else ""
    elif isinstance(value, (int, str)):
        text = str(value)
    else:
        return None
    return text if AMOUNT.fullmatch(text) and len(text.replace(".", "")) <= MAX_AMOUNT_DIGITS else None


def details_limit(asked: int) -> int:
    """Bytes that the details of one answer may take when `asked` responders share the budget; one more share is for
    the copy of the best answer in the result."""
    return DETAILS_BUDGET_BYTES // (asked + 1)


def fit(answer: Json, limit: int) -> Json:
    size = attribute_size(answer.get("details", {}))
    if size <= limit:
        return answer
    return {**answer, "details": {"omitted": f"details take {size} bytes; at most {limit} fit beside the other answers"}}


def attribute_size(value: Any) -> int:
    """Bytes of `value` as DynamoDB attribute-value JSON: an upper bound, three bytes for each UTF-16 unit as soon as one
    character is not ASCII (as the state machines count, which cannot see bytes)."""
    text = json.dumps(attribute_value(value), ensure_ascii=False, separators=(",", ":"))
    return len(text) if text.isascii() else 3 * len(text)


def attribute_value(value: Any) -> Json:
    """JSON as a DynamoDB attribute value."""
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, (int, float, Decimal)):
        return {"N": str(value)}
    if isinstance(value, dict):
        return {"M": {key: attribute_value(item) for key, item in value.items()}}
    if isinstance(value, list):
        return {"L": [attribute_value(item) for item in value]}
    return {"NULL": True}


def result(record: Mapping[str, Any], top: Sequence[str]) -> Json:
    """The Result of a stored record: {"requestId", "variant", "recipients", "answers": {name: Answer}, "late"?: {…},
    "completedBy"?, "createdAt", "completedAt"?, "selectionError"?}. An open record lists the answers so far. top: names, best first."""
    answers = [record["answers"][name] for name in record["recipients"] if name in record["answers"]]
    statuses = [answer["status"] for answer in answers]
    return {
        "requestId": record["requestId"],
        "variant": record["variant"],
        "status": status_of(statuses, record.get("completedBy")),
        "completedBy": record.get("completedBy"),
        "expected": len(record["recipients"]),
        "received": sum(status in ANSWERED for status in statuses),
        "declined": statuses.count("DECLINED"),
        "failed": statuses.count("FAILED"),
        "late": len(record.get("late", {})),
        "best": record["answers"][top[0]] if top else None,
        "top": list(top),
        "answers": answers,
        "createdAt": record["createdAt"],
        "completedAt": record.get("completedAt"),
        **({"selectionError": record["selectionError"]} if record.get("selectionError") else {}),
    }


def status_of(statuses: Iterable[str], completed_by: str | None) -> str:
    """OPEN until closed; COMPLETE when the policy was met by answers (a refusal is one); PARTIAL when at least one quote
    came, but a responder failed or stayed silent; FAILED when none came."""
    statuses = list(statuses)
    if completed_by is None:
        return "OPEN"
    if completed_by in ("CONDITION", "QUORUM") or all(status in ("QUOTED", "DECLINED") for status in statuses):
        return "COMPLETE"
    return "PARTIAL" if "QUOTED" in statuses else "FAILED"


def byte_size(value: Any) -> int:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    return len(text) if text.isascii() else 3 * len(text)


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool) and abs(value) < math.inf


def kind(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "a boolean"
    if is_number(value):
        return "a number"
    return {str: "a string", list: "a list", dict: "an object"}.get(type(value), type(value).__name__)


def show(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else text[:77] + "..."
