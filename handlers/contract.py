"""The two contracts that every variant keeps: the request that a caller writes and the result that it reads.

Pure: no AWS, no clock, no environment. In both contracts a field that is null is a field that is absent, and a size is a number of
bytes of JSON in UTF-8.

Request   {"requestId"?, "description"?, "data": {}, "recipients"?: [name],
           "completion"?: {"quorum"?, "deadlineSeconds"?, "amountBelow"?, "required"?: [name]}; see `completion`}
Answer    {"responder", "status": QUOTED | DECLINED | FAILED | TIMED_OUT,
           "amount", "currency", "details"    when QUOTED,
           "error": {"type", "message", "at"?}    otherwise; at: the line of the responder's own code that raised, "acme.py:12"
           "latencyMs", "respondedAt"         unless the responder stayed silent}
Result    {"requestId", "variant", "status": OPEN | COMPLETE | PARTIAL | FAILED, "completedBy": ALL | CONDITION | QUORUM | DEADLINE,
           "expected", "received", "declined", "failed", "late", "spared", "best": Answer | null, "top": [name], best first,
           "missing": [name of who was asked and gave no answer of its own], "answers": [Answer], "createdAt", "completedAt",
           "reasons": {name: text}                when the user's own selection gave reasons
           "selectionError": {"type", "message"}  when the user's own selection failed}
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from handlers import json_limits
from handlers.json_limits import byte_size

Json = dict[str, Any]

MAX_REQUEST_BYTES = 65_536
"""A request travels beside all its answers, and together they must fit into the 262,144 bytes that Step Functions carries per state."""

DETAILS_BUDGET_BYTES = 120_000
"""The limit on the details of all answers of one request together. With the request, 100 answers and a copy of the best one, they
stay under the 262,144 bytes of a state and, with the late answers, under the 400 KB of a DynamoDB item."""

MAX_TYPE_BYTES, MAX_MESSAGE_BYTES, MAX_PLACE_BYTES = 100, 500, 100
"""Of an error."""

REASONS_BUDGET_BYTES = 10_000
"""The limit on all reasons of a selection together."""

MAX_AMOUNT_DIGITS = json_limits.MAX_DIGITS
"""With so many digits, an amount stays exact wherever it is read as a number."""

REQUEST_KEYS = ("requestId", "description", "data", "recipients", "completion")
REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
AMOUNT = re.compile(r"(0|[1-9][0-9]*)(\.[0-9]+)?")
CURRENCY = re.compile(r"[A-Z]{3}")
NO_REASON = "no reason given"
ANSWERED = ("QUOTED", "DECLINED", "FAILED")


class InvalidRequest(ValueError):
    """The caller's request breaks the contract; the message says how, and what is allowed."""


class RequestTooLarge(InvalidRequest):
    """The request is larger than MAX_REQUEST_BYTES."""


def check_request(body: Any, known: Sequence[str]) -> Json:
    """The request without its null fields. Raises InvalidRequest. `completion.check` checks its `completion`.

    known: the responders of the stack, in order. Nothing is filled in: see `recipients_of` for the default of `recipients`.
    """
    if not isinstance(body, dict):
        raise InvalidRequest(f"the request must be a JSON object, not {kind(body)}")
    refuse_unknown(body, REQUEST_KEYS, "the request")
    try:
        # The size comes first, because every other check costs more for each byte.
        check_size(body)
        json_limits.check(body, "the request")
    except json_limits.NotCarried as error:
        raise InvalidRequest(str(error)) from None
    except RecursionError:
        raise InvalidRequest(json_limits.too_deep("the request")) from None
    request = present(body)
    request_id = request.get("requestId", "r")
    if not (isinstance(request_id, str) and REQUEST_ID.fullmatch(request_id)):
        raise InvalidRequest(f"requestId must be 1 to 64 letters, digits, _ or -, not {show(request_id)}")
    if not isinstance(request.get("description", ""), str):
        raise InvalidRequest(f"description must be a string, not {kind(request['description'])}")
    if not isinstance(request.get("data"), dict):
        raise InvalidRequest(f"data must be an object, not {kind(request.get('data'))}")
    if "recipients" in request:
        _check_recipients(request["recipients"], known)
    return request


def present(fields: Mapping[str, Any]) -> Json:
    """The fields that are present: a null field is absent."""
    return {key: value for key, value in fields.items() if value is not None}


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
    twice = repeated(recipients)
    if twice is not None:
        raise InvalidRequest(f"recipient {show(twice)} is named more than once; {allowed}")


def repeated(names: Iterable[str]) -> str | None:
    """The first name that occurs more than once."""
    return next((name for name, count in Counter(names).items() if count > 1), None)


def refuse_unknown(found: Mapping[str, Any], allowed: Sequence[str], where: str) -> None:
    for key in found:
        if key not in allowed:
            raise InvalidRequest(f"{where} has an unknown key {show(key)}; allowed: {', '.join(allowed)}")


def normalise_answer(responder: str, payload: Any, *, currency: str, details_limit: int) -> Json:
    """What a responder sent, as an Answer without times; a payload that breaks the contract becomes a FAILED answer.

    payload: {"amount", "currency"?, "details"?} for a quote, {"declined": reason} for a decline, or an Answer.
    currency: the only one in which the stack compares amounts. details_limit: bytes. Details that are larger or cannot be stored are
    replaced by a note that says so, and the quote itself survives.
    """
    if not isinstance(payload, dict):
        return invalid_answer(responder, f"the answer must be a JSON object, not {kind(payload)}")
    answer = present(payload)
    if "declined" in answer:
        return declined(responder, answer["declined"])
    status = answer.get("status", "QUOTED")
    if status in ("DECLINED", "FAILED", "TIMED_OUT"):
        error = answer.get("error")
        error = present(error) if isinstance(error, dict) else {}
        at = error.get("at")
        return unsuccessful(
            responder,
            status,
            str(error.get("type", status.title())),
            str(error.get("message", NO_REASON)),
            at if isinstance(at, str) else None,
        )
    if status != "QUOTED":
        return invalid_answer(responder, "status must be QUOTED, DECLINED, FAILED or TIMED_OUT")
    amount = amount_text(answer.get("amount"))
    if amount is None:
        return invalid_answer(responder, f"amount must be a decimal of 0 or more with at most {MAX_AMOUNT_DIGITS} digits")
    if answer.get("currency", currency) != currency:
        return invalid_answer(responder, f"currency must be {currency}")
    details = answer.get("details", {})
    if not isinstance(details, dict):
        return invalid_answer(responder, f"details must be an object, not {kind(details)}")
    return {
        "responder": responder,
        "status": "QUOTED",
        "amount": amount,
        "currency": currency,
        "details": fitting_details(details, details_limit),
    }


def fitting_details(details: Json, limit: int) -> Json:
    """The details, or {"omitted": why} if they cannot be stored or take more bytes than `limit`."""
    try:
        kept = json_limits.plain(details)
        json_limits.check(kept, "it")
    except (ValueError, TypeError, RecursionError) as error:
        return {"omitted": f"details cannot be kept: {json_limits.cut(str(error), MAX_MESSAGE_BYTES)}"}
    size = byte_size(kept)
    return kept if size <= limit else {"omitted": f"details take {size} bytes; at most {limit} fit beside the other answers"}


def unsuccessful(responder: str, status: str, kind: str, message: str, at: str | None = None) -> Json:
    return {"responder": responder, "status": status, "error": error_of(kind, message, at)}


def error_of(kind: str, message: str, at: str | None = None) -> Json:
    """{"type", "message", "at"?}, each cut to the length that a record has room for. at: a file and line such as "acme.py:12"."""
    error = {"type": json_limits.cut(kind, MAX_TYPE_BYTES), "message": json_limits.cut(message, MAX_MESSAGE_BYTES)}
    return {**error, "at": json_limits.cut(at, MAX_PLACE_BYTES)} if at else error


def declined(responder: str, reason: Any) -> Json:
    """reason: a text; any other value is converted to one."""
    text = reason if isinstance(reason, str) else NO_REASON if reason is None else show(reason)
    return unsuccessful(responder, "DECLINED", "Declined", text)


def invalid_answer(responder: str, message: str) -> Json:
    return unsuccessful(responder, "FAILED", "InvalidAnswer", message)


def silent(responder: str) -> Json:
    """The slot of a responder that had not answered when the deadline closed the request."""
    return unsuccessful(responder, "TIMED_OUT", "Deadline", "no answer before the deadline")


def is_silent(answer: Json) -> bool:
    """Whether the answer says only that the responder stopped at the deadline of its question, or, if the request was opened anew
    since, at the deadline of an earlier question."""
    return answer.get("status") == "TIMED_OUT" and answer["error"]["type"] == "Deadline"


def not_begun(responder: str) -> Json:
    """The answer of a responder whose turn came after the request had closed early."""
    return unsuccessful(responder, "TIMED_OUT", "NotBegun", "not begun: the request had closed before its turn came")


def is_not_begun(answer: Json) -> bool:
    return answer.get("status") == "TIMED_OUT" and answer["error"]["type"] == "NotBegun"


def overdue(responder: str, seconds: float) -> Json:
    """The slot of a responder that took longer than its own time limit."""
    return unsuccessful(responder, "TIMED_OUT", "Timeout", f"no answer within {seconds:g} seconds")


def amount_text(value: Any) -> str | None:
    """A Decimal, int, float or decimal string as plain digits ("2970", "99.50"), or None if it is not a valid amount."""
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
    """The bytes that the details of one answer may take if `asked` responders share the budget. One more share is reserved for the
    copy of the best answer in the result."""
    return DETAILS_BUDGET_BYTES // (asked + 1)


def result(record: Mapping[str, Any], top: Sequence[str]) -> Json:
    """The Result of a stored record: {"requestId", "variant", "recipients", "answers": {name: Answer}, "late"?: {…},
    "completedBy"?, "createdAt", "completedAt"?, "selectionError"?, "reasons"?}. An open record lists the answers so far. top: names, best
    first."""
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
        "spared": len(spared(record)),
        "best": record["answers"][top[0]] if top else None,
        "top": list(top),
        "missing": [name for name in record["recipients"] if record["answers"].get(name, {}).get("status") not in ANSWERED],
        "answers": answers,
        "createdAt": record["createdAt"],
        "completedAt": record.get("completedAt"),
        **{key: record[key] for key in ("selectionError", "reasons") if record.get(key)},
    }


def spared(record: Mapping[str, Any]) -> list[str]:
    """The responders that had not begun when the record closed. If a message came twice, one of its deliveries may have begun."""
    return [
        name
        for name in record.get("spared", {})
        if name not in record.get("late", {}) and record["answers"].get(name, {}).get("status") not in ANSWERED
    ]


def status_of(statuses: Iterable[str], completed_by: str | None) -> str:
    """OPEN until the record is closed; COMPLETE if answers met the policy (a decline is an answer); PARTIAL if at least one quote
    came but a responder failed or stayed silent; FAILED if no quote came."""
    statuses = list(statuses)
    if completed_by is None:
        return "OPEN"
    if completed_by in ("CONDITION", "QUORUM") or all(status in ("QUOTED", "DECLINED") for status in statuses):
        return "COMPLETE"
    return "PARTIAL" if "QUOTED" in statuses else "FAILED"


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
