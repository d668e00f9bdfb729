"""The emulator as its own process: MiniStack behind a door, with its writes to tables and queues one at a time, as atomic as they are on
AWS, with the names that Lambda gives to errors, with all of a Distributed Map, and with functions that start as forks of a warm process.

MiniStack works in a thread for each execution, iteration and batch, and read, change and write are separate steps there: two writes of
one item at the same moment lose one of them, and so does a message that is sent while others are taken out of its queue.

Run as a script; the environment says what MiniStack reads from it, and AWS_SESSION_TOKEN what the door asks for.
"""

import contextvars
import functools
import importlib.util
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ministack import app as ministack
from ministack.core import lambda_runtime
from ministack.services import dynamodb, eventbridge, lambda_svc, sns, sqs, sts


def _beside(name: str) -> Any:
    """A module of this folder by its file: on the path of imports, the project's modules could be in the way of what MiniStack imports."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


emulator_door, emulator_maps, forked_workers = _beside("emulator_door"), _beside("emulator_maps"), _beside("forked_workers")

STEPS = {
    dynamodb: ("_put_item", "_update_item", "_delete_item"),
    sqs: (
        "_act_send_message",
        "_act_delete_message",
        "_act_delete_message_batch",
        "_expire_retained",
        "_dlq_sweep",
        "_collect_msgs",
        "_receive_messages_for_esm",
        "_delete_messages_for_esm",
    ),
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


def name_errors() -> None:
    """State machines retry by an error's name, and to MiniStack all errors of a function are one."""
    for name in ("_execute_function_warm", "_throttle_response"):
        setattr(lambda_svc, name, _named_as_by_lambda(getattr(lambda_svc, name)))


def _named_as_by_lambda(execute: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    @functools.wraps(execute)
    def executed(*arguments: Any, **named: Any) -> dict[str, Any]:
        result = execute(*arguments, **named)
        if result.get("throttle"):
            result["body"]["errorType"] = "Lambda.TooManyRequestsException"
        elif result.get("error") and result["body"]["errorType"] == "Runtime.HandlerError":
            result["body"]["errorType"] = _error_type(result["body"]["errorMessage"].rstrip("\n"), result["log"].rstrip("\n"))
        return result

    return executed


def _error_type(message: str, log: str) -> str:
    """Of what a function raised, its class, which is in the last line of the log's traceback; else the name of an end without a reply."""
    if "Traceback (most recent call last)" not in log:
        return "Runtime.ExitError"
    return log.removesuffix(message).removesuffix(": ").rpartition("\n")[2].rpartition(".")[2]


def settle_soon() -> None:
    """A function that was made or changed is pending for a moment, as on AWS, but for no longer than it takes to see that it is."""
    lambda_svc._LAMBDA_STATE_TRANSITION_DELAY = 0.02


def fork_workers() -> None:
    """Where the system has what it takes (Linux): a cold start takes a tenth of the time."""
    if hasattr(os, "pidfd_open"):
        lambda_runtime.subprocess = forked_workers.Subprocess()


def start_what_is_updated() -> None:
    """New code starts while whoever updated it goes on, so that the first call need not wait for it. One function after the other."""
    update, starting = lambda_svc._update_code, ThreadPoolExecutor(1, "start")

    @functools.wraps(update)
    def updated(name: str, data: dict[str, Any]) -> Any:
        response = update(name, data)
        function = lambda_svc._functions.get(name, {})
        if function.get("code_zip"):
            starting.submit(contextvars.copy_context().run, _start, name, function)
        return response

    lambda_svc._update_code = updated


def _start(name: str, function: dict[str, Any]) -> None:
    worker, _ = lambda_runtime.acquire_worker(name, function["config"], function["code_zip"])
    try:
        lambda_runtime.ensure_spawned(worker)
    except (RuntimeError, OSError):
        # Whoever calls it is told.
        return
    finally:
        lambda_runtime.release_worker(worker)


def shut_the_door(session_token: str, port: int) -> None:
    """Before MiniStack serves: what lacks the token, or comes from a page that isn't its own, doesn't reach it."""
    # A function's session has no end, and a token that is made of its names, which can be guessed: it gets this one instead.
    ministack.app = emulator_door.Door(
        ministack.app,
        session_token,
        port,
        issued=lambda: [session["SessionToken"] for session in [*sts._sessions.values()] if "Expiration" in session],
    )
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


def take_for_secure() -> None:
    """Policies that refuse what comes in the clear mean networks, and nothing here leaves the machine."""
    pin = ministack.pin_request_origin

    def pinned(source_ip: str, secure_transport: bool) -> None:
        pin(source_ip, True)

    ministack.pin_request_origin = pinned  # ty: ignore[invalid-assignment]


if __name__ == "__main__":
    make_atomic()
    take_for_secure()
    name_errors()
    settle_soon()
    emulator_maps.complete()
    fork_workers()
    start_what_is_updated()
    shut_the_door(os.environ["AWS_SESSION_TOKEN"], int(os.environ["GATEWAY_PORT"]))
    ministack.main()
