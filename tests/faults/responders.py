"""A responder that does to each request what the request's data tells it to, and notes in the ledger what it did.

data: {"ledger": its file, "behaviours": {responder: behaviour}, "replyTo": the response queue's URL, "gate": a file; it is there
once those that are held may answer, "busy": a file that one who is busy makes, to be followed by its name}
"""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import boto3

from handlers import clock
from handlers.quoting import Decline, Quote, QuoteRequest, TransientError
from tests.faults import ledger

sqs = boto3.client("sqs")

HUGE_BYTES = 200_000
MARGIN_SECONDS = 0.3
"""With less than that left it does not begin to answer: it could be cut off between its note and its answer."""

GATE_POLL_SECONDS = 0.05


def quote(request: QuoteRequest) -> Quote | Decline:
    behaviour = request.data["behaviours"][request.responder]
    _note(request, kind="asked")
    if behaviour == "crash":
        os._exit(1)
    if behaviour == "held":
        _await_gate(Path(request.data["gate"]))
    if behaviour == "hang" or clock.seconds_until(request.deadline_at or "") < MARGIN_SECONDS:
        time.sleep(60)
    if behaviour == "tired" or (behaviour == "busy" and _is_first_time(request)):
        raise TransientError(f"ask again {_noting(request, kind='busy')}")
    if behaviour == "twice":
        _send(
            request,
            json.dumps(
                {
                    "requestId": request.request_id,
                    "answer": {
                        "responder": request.responder,
                        "status": "QUOTED",
                        "amount": _answering(request, "QUOTED"),
                        "currency": "USD",
                        "details": {},
                        "respondedAt": clock.now(),
                    },
                }
            ),
        )
    if behaviour == "poison":
        _send(request, f"no JSON {_noting(request, kind='poison')}")
    if behaviour == "throw":
        raise RuntimeError(f"out of cars {_answering(request, 'FAILED')}")
    if behaviour == "decline":
        return Decline(f"sold out {_answering(request, 'DECLINED')}")
    if behaviour == "garbage":
        return Quote(f"about {_answering(request, 'GARBAGE')}")
    return Quote(
        _answering(request, "QUOTED", is_bargain=behaviour == "bargain"),
        details={"padding": "x" * HUGE_BYTES} if behaviour == "huge" else {},
    )


def _await_gate(gate: Path) -> None:
    while not gate.exists():
        time.sleep(GATE_POLL_SECONDS)


def _is_first_time(request: QuoteRequest) -> bool:
    try:
        Path(f"{request.data['busy']}-{request.responder}").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _answering(request: QuoteRequest, outcome: str, *, is_bargain: bool = False) -> str:
    return _noting(request, kind="answered", outcome=outcome, is_bargain=is_bargain)


def _noting(request: QuoteRequest, *, is_bargain: bool = False, **entry: Any) -> str:
    """The token of a new entry."""
    # What is begun is finished: the time limit must not fall between the note and what it speaks of.
    signal.setitimer(signal.ITIMER_REAL, 0)
    token = ledger.new_token(is_bargain=is_bargain)
    _note(request, token=token, **entry)
    return token


def _note(request: QuoteRequest, **entry: Any) -> None:
    ledger.note(request.data["ledger"], requestId=request.request_id, responder=request.responder, **entry)


def _send(request: QuoteRequest, body: str) -> None:
    sqs.send_message(
        QueueUrl=request.data["replyTo"],
        MessageBody=body,
        MessageAttributes={"fromQuote": {"DataType": "String", "StringValue": request.responder}},
    )
