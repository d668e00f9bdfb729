"""What the emulator does otherwise than MiniStack: its queues lose no message, and an expression is parsed once."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ministack.services import sqs

from local import emulator_process

MAX_WAIT_SECONDS = 0.3


class Interrupted(list[Any]):
    """Messages; while they are looked through, another thread does something, as far as it is let."""

    def __init__(self, messages: list[Any], interruption: Callable[[], Any]) -> None:
        super().__init__(messages)
        self.thread: threading.Thread | None = threading.Thread(target=interruption)

    def __iter__(self) -> Iterator[Any]:
        yield from super().__iter__()
        if self.thread and not self.thread.ident:
            self.thread.start()
            self.thread.join(MAX_WAIT_SECONDS)


@pytest.fixture(scope="module", autouse=True)
def atomic():
    emulator_process.make_atomic()


@pytest.fixture(autouse=True)
def queues():
    yield
    sqs.reset()


@pytest.mark.parametrize(
    "take_out",
    [
        lambda url: sqs._delete_messages_for_esm(url, {"handle"}),
        lambda url: sqs._HANDLERS["DeleteMessage"]({"QueueUrl": url, "ReceiptHandle": "handle"}, url),
        lambda url: sqs._dlq_sweep(sqs._queues[url]),
    ],
    ids=["by a mapping", "by a caller", "to the dead letters"],
)
def test_a_message_that_is_sent_meanwhile_is_kept(take_out):
    for name in ("dead", "work"):
        sqs._HANDLERS["CreateQueue"]({"QueueName": name}, "")
    url = sqs._HANDLERS["GetQueueUrl"]({"QueueName": "work"}, "")["QueueUrl"]
    queue = sqs._queues[url]
    arn = queue["attributes"]["QueueArn"]
    queue["attributes"]["RedrivePolicy"] = f'{{"maxReceiveCount": 1, "deadLetterTargetArn": "{arn.replace("work", "dead")}"}}'
    sqs._HANDLERS["SendMessage"]({"QueueUrl": url, "MessageBody": "old"}, url)
    queue["messages"][0].update(receipt_handle="handle", receive_count=1, visible_at=time.time())
    queue["messages"] = messages = Interrupted(
        queue["messages"], lambda: sqs._HANDLERS["SendMessage"]({"QueueUrl": url, "MessageBody": "new"}, url)
    )

    take_out(url)

    assert messages.thread is not None
    messages.thread.join()
    assert [message["body"] for message in queue["messages"]] == ["new"]
