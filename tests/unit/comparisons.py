"""Results and comparisons as the client's tests need them."""

from typing import Any, cast

from client import costs
from client.comparison import Comparison, Run, summarise
from client.shapes import Answer, Result

HOSTILE = '<script>alert(1)</script><img src="https://evil.example/x.png" onerror=alert(2)> & \x1b[31m'


def answer(responder: str, latency_ms: int, status: str = "QUOTED", **more: Any) -> Answer:
    said = {"amount": "100", "currency": "USD", "details": {}} if status == "QUOTED" else {"error": {"type": "T", "message": "sold out"}}
    return cast(
        Answer,
        {
            "responder": responder,
            "status": status,
            "latencyMs": latency_ms,
            "respondedAt": f"2026-01-01T00:00:00.{latency_ms:03d}Z",
            **said,
            **more,
        },
    )


def silence(responder: str) -> Answer:
    return {"responder": responder, "status": "TIMED_OUT", "error": {"type": "Deadline", "message": "no answer by the deadline"}}


def result(variant: str = "map", answers: list[Answer] | None = None, **more: Any) -> Result:
    answers = [answer("avis", 40), answer("alamo", 90)] if answers is None else answers
    return {
        "requestId": "r1",
        "variant": variant,
        "status": "COMPLETE",
        "completedBy": "ALL",
        "expected": len(answers),
        "received": len(answers),
        "declined": 0,
        "failed": 0,
        "late": 0,
        "spared": 0,
        "missing": [],
        "best": answers[0] if answers else None,
        "top": [answer["responder"] for answer in answers[:1]],
        "answers": answers,
        "createdAt": "2026-01-01T00:00:00.000Z",
        "completedAt": "2026-01-01T00:00:00.200Z",
        **more,
    }


def comparison(
    latencies: dict[str, list[float]],
    *,
    on_aws: bool = True,
    per_month: int = 100_000,
    answers: list[Answer] | None = None,
    asked: int | None = None,
    early: bool = False,
) -> Comparison:
    """latencies: in ms, by variant. asked: responders, where more of them than have answered."""
    more = {} if asked is None else {"expected": asked}
    runs = [Run(variant, latency, result(variant, answers, **more)) for variant, each in latencies.items() for latency in each]
    types = {variant: costs.STANDARD if costs.KINDS[variant].is_workflow else None for variant in latencies}
    return summarise({"data": {}}, runs, types, {}, configured=runs[0].result["expected"], early=early, per_month=per_month, on_aws=on_aws)
