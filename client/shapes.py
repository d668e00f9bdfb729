"""The two contracts as types, for programs that import the client; `handlers.contract` says what each field means."""

from typing import Any, Literal, NotRequired, TypedDict

Status = Literal["OPEN", "COMPLETE", "PARTIAL", "FAILED"]


class Completion(TypedDict, total=False):
    """amountBelow: a decimal, as a string or a number."""

    quorum: int
    deadlineSeconds: float
    amountBelow: str | float
    required: list[str]


class Request(TypedDict):
    requestId: NotRequired[str]
    description: NotRequired[str]
    data: dict[str, Any]
    recipients: NotRequired[list[str]]
    completion: NotRequired[Completion]


class AnswerError(TypedDict):
    """at: the line of the responder's own code that raised, "acme.py:12"."""

    type: str
    message: str
    at: NotRequired[str]


class Answer(TypedDict):
    """amount (decimal digits), currency and details where it QUOTED, else error; no times where it stayed silent."""

    responder: str
    status: Literal["QUOTED", "DECLINED", "FAILED", "TIMED_OUT"]
    amount: NotRequired[str]
    currency: NotRequired[str]
    details: NotRequired[dict[str, Any]]
    error: NotRequired[AnswerError]
    latencyMs: NotRequired[int]
    respondedAt: NotRequired[str]


class Result(TypedDict):
    """Times are ISO 8601 in UTC. top: the responders of the best quotes, best first. missing: who was asked and gave no answer of its
    own. selectionError: why there is no best although somebody quoted. reasons: by responder, what the stack's own selection says of its
    quote."""

    requestId: str
    variant: str
    status: Status
    completedBy: Literal["ALL", "CONDITION", "QUORUM", "DEADLINE"] | None
    expected: int
    received: int
    declined: int
    failed: int
    late: int
    spared: int
    best: Answer | None
    top: list[str]
    missing: list[str]
    answers: list[Answer]
    createdAt: str
    completedAt: str | None
    selectionError: NotRequired[AnswerError]
    reasons: NotRequired[dict[str, str]]


class StoredResult(Result):
    """What the stack keeps of a request: its result so far, what was asked (without the id), and what came too late to count."""

    request: Request
    lateAnswers: list[Answer]


def reason(answer: Answer) -> str:
    """Why there is no quote, in one line; "" where there is one."""
    if "error" not in answer:
        return ""
    error = answer["error"]
    where = f" ({error['at']})" if "at" in error else ""
    return f"{error['type']}: {error['message']}{where}" if answer["status"] == "FAILED" else error["message"]
