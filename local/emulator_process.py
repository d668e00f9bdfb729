"""The emulator as its own process: MiniStack, with its writes to tables and queues one at a time, as atomic as they are on AWS, and
with each expression of a workflow parsed once.

MiniStack works in a thread for each execution, iteration and batch, and read, change and write are separate steps there: two writes of
one item at the same moment lose one of them, and so does a message that is sent while others are taken out of its queue. It also
parses an expression anew whenever a state uses it, which was a third of its work. Run as a script; the environment says what MiniStack
reads from it.
"""

import functools
import threading
from collections.abc import Callable
from typing import Any

from jsonata.parser import Parser
from ministack.services import dynamodb, eventbridge, sns, sqs

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


if __name__ == "__main__":
    from ministack.app import main

    make_atomic()
    parse_once()
    main()
