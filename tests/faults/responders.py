"""A responder that does to each request what the request's data tells it to, and notes in the ledger what it did.

data: {"ledger": its file, "behaviours": {responder: behaviour}, "replyTo": the response queue's URL}
"""

import json
import os
import signal
import time
from typing import Any

import boto3

from handlers import clock
from handlers.quoting import Decline, Quote, QuoteRequest
from tests.faults import ledger

sqs = boto3.client("sqs")

HUGE_BYTES = 200_000
MARGIN_SECONDS = 0.3
"""With less than that left it does not begin to answer: it could be cut off between its note and its answer."""


def quote(request: QuoteRequest) -> Quote | Decline:
    behaviour = request.data["behaviours"][request.responder]
    _note(request, kind="asked")
    if behaviour == "crash":
        os._exit(1)
    if behaviour == "hang" or clock.seconds_until(request.deadline_at or "") < MARGIN_SECONDS:
        time.sleep(60)
    if behaviour == "twice":
        _send(request, json.dumps({"requestId": request.request_id, "answer": {
            "responder": request.responder, "status": "QUOTED", "amount": _answering(request, "QUOTED"), "currency": "USD",
            "details": {}, "respondedAt": clock.now()}}))
    if behaviour == "poison":
        signal.setitimer(signal.ITIMER_REAL, 0)
        token = ledger.new_token()
        _note(request, kind="poison", token=token)
        _send(request, f"no JSON {token}")
    if behaviour == "throw":
        raise RuntimeError(f"out of cars {_answering(request, 'FAILED')}")
    if behaviour == "decline":
        return Decline(f"sold out {_answering(request, 'DECLINED')}")
    if behaviour == "garbage":
        return Quote(f"about {_answering(request, 'GARBAGE')}")
    return Quote(_answering(request, "QUOTED"), details={"padding": "x" * HUGE_BYTES} if behaviour == "huge" else {})


def _answering(request: QuoteRequest, outcome: str) -> str:
    # An answer that is begun is finished: its time limit must not fall between the note and the answer.
    signal.setitimer(signal.ITIMER_REAL, 0)
    token = ledger.new_token()
    _note(request, kind="answered", outcome=outcome, token=token)
    return token


def _note(request: QuoteRequest, **entry: Any) -> None:
    ledger.note(request.data["ledger"], requestId=request.request_id, responder=request.responder, **entry)


def _send(request: QuoteRequest, body: str) -> None:
    sqs.send_message(QueueUrl=request.data["replyTo"], MessageBody=body)
