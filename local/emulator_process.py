"""The emulator as its own process: MiniStack behind a door, with its writes to tables and queues one at a time, as atomic as they are on
AWS, and with each expression of a workflow parsed once.

MiniStack works in a thread for each execution, iteration and batch, and read, change and write are separate steps there: two writes of
one item at the same moment lose one of them, and so does a message that is sent while others are taken out of its queue. It also
parses an expression anew whenever a state uses it, which was a third of its work. Run as a script; the environment says what MiniStack
reads from it, and AWS_SESSION_TOKEN what the door asks for.
"""

import functools
import os
import runpy
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jsonata.parser import Parser
from ministack import app as ministack
from ministack.core import lambda_runtime
from ministack.services import dynamodb, eventbridge, lambda_svc, sns, sqs, sts

# By its file: nothing of the project's is in the way of what MiniStack imports.
Door = runpy.run_path(str(Path(__file__).with_name("emulator_door.py")))["Door"]

STEPS = {
    dynamodb: ("_put_item", "_update_item", "_delete_item"),
    sqs: ("_act_send_message", "_act_delete_message", "_act_delete_message_batch", "_expire_retained", "_dlq_sweep", "_collect_msgs",
          "_receive_messages_for_esm", "_delete_messages_for_esm"),
    sns: ("_deliver_to_sqs",),
    eventbridge: ("_dispatch_to_sqs",),
}
# Some of them take others.
_one_at_a_time = threading.RLock()


def _atomic(step: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(step)
    def locked(*arguments: Any, **named: Any) -> Any:
        with _one_at_a_time:
            return step(*arguments, **named)

    return locked


def make_atomic() -> None:
    for service, names in STEPS.items():
        for name in names:
            setattr(service, name, _atomic(getattr(service, name)))
    for action, step in sqs._HANDLERS.items():
        sqs._HANDLERS[action] = getattr(sqs, step.__name__)


def parse_once() -> None:
    """What a parser makes of an expression is only read afterwards, so all who evaluate it share it."""
    parse = Parser.parse
    parsed: dict[tuple[Any, ...], Any] = {}

    def once(parser: Parser, *expression: Any) -> Any:
        if expression not in parsed:
            parsed[expression] = parse(parser, *expression)
        return parsed[expression]

    Parser.parse = once  # ty: ignore[invalid-assignment]


def shut_the_door(session_token: str, port: int) -> None:
    """Before MiniStack serves: what lacks the token, or comes from a page that isn't its own, doesn't reach it."""
    # A function's session has no end, and a token that is made of its names, which can be guessed: it gets this one instead.
    ministack.app = Door(  # ty: ignore[invalid-assignment]
        ministack.app, session_token, port,
        issued=lambda: [session["SessionToken"] for session in [*sts._sessions.values()] if "Expiration" in session])
    credentials_of = _with_token(lambda_runtime.execution_credentials, session_token)
    lambda_runtime.execution_credentials = lambda_svc.execution_credentials = credentials_of  # ty: ignore[invalid-assignment]


def _with_token(credentials_of: Callable[[dict[str, Any]], dict[str, str]], session_token: str) -> Callable[..., dict[str, str]]:
    @functools.wraps(credentials_of)
    def credentials_with_token(function: dict[str, Any]) -> dict[str, str]:
        credentials = credentials_of(function)
        session = sts._sessions.get(credentials["AWS_ACCESS_KEY_ID"])
        if session is not None:
            session["SessionToken"] = session_token
        return {**credentials, "AWS_SESSION_TOKEN": session_token}

    return credentials_with_token


if __name__ == "__main__":
    make_atomic()
    parse_once()
    shut_the_door(os.environ["AWS_SESSION_TOKEN"], int(os.environ["GATEWAY_PORT"]))
    ministack.main()
