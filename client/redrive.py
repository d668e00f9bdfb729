"""redrive: lists the dead letters, sends them once more to the queue that they came from, and shows what became of them."""

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from client import display
from client.errors import UsageError
from client.stack import Stack

WAIT_SECONDS = 20.0
POLL_SECONDS = 0.2
HELD_SECONDS = 30
"""How long a message that is looked at, or being moved, is kept from everybody else."""

LOOK_SECONDS = 1
"""Of each look for messages: only a long poll asks all of SQS's servers."""

SHOWN_CHARACTERS = 100
LISTED = 1_000
"""Dead letters of one queue that are looked at; the figures of AWS cover the rest."""

NOT_SUPPORTED = ("InvalidAction", "AWS.SimpleQueueService.UnsupportedOperation", "UnsupportedOperation", "UnknownOperationException")
"""What an emulator says to an operation that it does not have."""


@dataclass(frozen=True)
class Queue:
    """A queue that has a dead-letter queue. name: "responses", or "ask-" and a responder's name."""

    name: str
    dead_url: str
    source_url: str


@dataclass(frozen=True)
class Letter:
    """sent_at: epoch seconds."""

    message_id: str
    body: str
    reason: str
    sent_at: float


@dataclass(frozen=True)
class DeadLetters:
    """count: how many there are; letters: those that were looked at."""

    queue: Queue
    count: int
    letters: list[Letter]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--queue", metavar="NAME", help="only this one: responses, or ask- and a responder's name; default: all")
    parser.add_argument("--dry-run", action="store_true", help="list the dead letters and leave them where they are")
    parser.add_argument(
        "--wait",
        type=float,
        default=WAIT_SECONDS,
        metavar="SECONDS",
        help=f"how long to wait for what becomes of them; default: {WAIT_SECONDS:g}",
    )


def run(options: argparse.Namespace, stack: Stack) -> int:
    found = dead_letters(stack, options.queue)
    if not options.json:
        _print_found(found)
    moved, became = 0, {}
    if not options.dry_run and any(each.count for each in found):
        moved = move(stack, found)
        became = await_outcomes(stack, found, options.wait)
        if not options.json:
            print(f"{moved} sent once more: " + ", ".join(f"{count} {outcome}" for outcome, count in became.items()))
    if options.json:
        display.print_json({"queues": [_as_json(each) for each in found], "moved": moved, "became": became})
    return 1 if became.get("back in the dead-letter queue") else 0


def redrive(stack: Stack, name: str | None = None, wait_seconds: float = WAIT_SECONDS) -> dict[str, int]:
    """Sends the dead letters of the queue of that name, or of all, once more; how many came to which outcome."""
    found = dead_letters(stack, name)
    move(stack, found)
    return await_outcomes(stack, found, wait_seconds)


def queues(stack: Stack, name: str | None = None) -> list[Queue]:
    """The queues that have a dead-letter queue, or the one of that name. UsageError where there is none."""
    store = {"responses": stack.outputs["deadLetterQueueUrl"]} if "deadLetterQueueUrl" in stack.outputs else {}
    # Of each carrier that has queues of its own.
    own = [urls for output, urls in stack.outputs.items() if output.endswith("DeadLetterQueueUrls")]
    urls = {**store, **{of: url for urls in own for of, url in urls.items()}}
    if not urls:
        raise UsageError("the stack has no dead-letter queues: it was deployed by an earlier version, without variant sns")
    if name is not None and name not in urls:
        raise UsageError(f"there is no queue {name}; queues: {', '.join(urls)}")
    return [Queue(of, url, _source_url(stack, url)) for of, url in urls.items() if name in (None, of)]


def dead_letters(stack: Stack, name: str | None = None) -> list[DeadLetters]:
    """What lies in the dead-letter queues, or in the one of that name. Raises as `queues` does."""
    counted = ((queue, _count(stack, queue.dead_url)) for queue in queues(stack, name))
    return [DeadLetters(queue, count, _look(stack, queue.dead_url) if count else []) for queue, count in counted]


def move(stack: Stack, found: list[DeadLetters]) -> int:
    """Sends them back to where they came from; how many. What comes back meanwhile is not sent a second time."""
    return sum(_move(stack, each.queue, each.count) for each in found if each.count)


def await_outcomes(stack: Stack, found: list[DeadLetters], seconds: float) -> dict[str, int]:
    """How many of the letters that were moved came to which outcome, once that is known of all, or after so many seconds."""
    ends, known = time.monotonic() + seconds, {}
    while True:
        # What is back lies in the dead-letter queue under a new id.
        back = {each.queue.name: Counter(letter.body for letter in _look(stack, each.queue.dead_url)) for each in found if each.count}
        is_idle = {each.queue.name: _is_idle(stack, each.queue.source_url) for each in found if each.count}
        outcomes = [
            _outcome(stack, each.queue, letter, back[each.queue.name], is_idle[each.queue.name])
            for each in found
            if each.count
            for letter in each.letters
        ]
        known = dict(Counter(outcomes))
        if "under way" not in known or time.monotonic() > ends:
            return known
        time.sleep(POLL_SECONDS)


def _outcome(stack: Stack, queue: Queue, letter: Letter, back: Counter[str], is_idle: bool) -> str:
    if back[letter.body]:
        back[letter.body] -= 1
        return "back in the dead-letter queue"
    if not is_idle:
        return "under way"
    message = _json_object(letter.body)
    request_id, answer = message.get("requestId"), message.get("answer")
    responder = answer.get("responder") if isinstance(answer, dict) else queue.name.removeprefix("ask-")
    record = stack.record(request_id) if isinstance(request_id, str) and request_id else None
    if record is None:
        return "of no request"
    if responder in record.get("late", {}):
        return "late"
    if "respondedAt" in record["answers"].get(responder, {}):
        return "gathered"
    return "open" if record["status"] == "OPEN" else "closed"


def _move(stack: Stack, queue: Queue, count: int) -> int:
    from botocore.exceptions import ClientError

    sqs = stack.client("sqs")
    try:
        # Some were never in the source queue, so SQS must be told where they belong.
        started = sqs.start_message_move_task(SourceArn=_arn(stack, queue.dead_url), DestinationArn=_arn(stack, queue.source_url))
    except ClientError as error:
        if error.response["Error"]["Code"] not in NOT_SUPPORTED:
            raise
        return _move_one_by_one(sqs, queue, count)
    return _await_task(stack, queue, started["TaskHandle"], count)


def _await_task(stack: Stack, queue: Queue, handle: str, count: int) -> int:
    """Until SQS has moved as many as there were; then it is stopped, as it would go on with those that come back."""
    sqs, arn = stack.client("sqs"), _arn(stack, queue.dead_url)
    while True:
        task = sqs.list_message_move_tasks(SourceArn=arn, MaxResults=1)["Results"][0]
        moved = task.get("ApproximateNumberOfMessagesMoved", 0)
        if task["Status"] == "FAILED":
            raise UsageError(f"SQS moved {moved} of {count} messages of {queue.name}: {task.get('FailureReason', 'no reason given')}")
        if task["Status"] != "RUNNING":
            return moved
        if moved >= count:
            sqs.cancel_message_move_task(TaskHandle=handle)
            return moved
        time.sleep(POLL_SECONDS)


def _move_one_by_one(sqs: Any, queue: Queue, count: int) -> int:
    """Sends each before it is deleted: what is interrupted in between is there twice, never lost."""
    moved = 0
    for message in _received(sqs, queue.dead_url, count):
        sqs.send_message(
            QueueUrl=queue.source_url,
            MessageBody=message["Body"],
            **({"MessageAttributes": message["MessageAttributes"]} if "MessageAttributes" in message else {}),
        )
        sqs.delete_message(QueueUrl=queue.dead_url, ReceiptHandle=message["ReceiptHandle"])
        moved += 1
    return moved


def _look(stack: Stack, dead_url: str) -> list[Letter]:
    """The messages of a queue, left in it."""
    sqs, letters, handles = stack.client("sqs"), [], []
    try:
        for message in _received(sqs, dead_url, LISTED):
            handles.append(message["ReceiptHandle"])
            attributes = message["Attributes"]
            reason = message.get("MessageAttributes", {}).get("reason", {}).get("StringValue", "delivered too often without success")
            letters.append(Letter(message["MessageId"], message["Body"], reason, int(attributes["SentTimestamp"]) / 1000))
    finally:
        for handle in handles:
            sqs.change_message_visibility(QueueUrl=dead_url, ReceiptHandle=handle, VisibilityTimeout=0)
    return letters


def _received(sqs: Any, url: str, wanted: int) -> Iterator[dict[str, Any]]:
    """Messages, each once, until there are none, or as many as are wanted."""
    received = 0
    while received < wanted:
        messages = sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=min(10, wanted - received),
            VisibilityTimeout=HELD_SECONDS,
            WaitTimeSeconds=LOOK_SECONDS,
            MessageAttributeNames=["All"],
            AttributeNames=["SentTimestamp"],
        ).get("Messages", [])
        if not messages:
            return
        received += len(messages)
        yield from messages


def _attributes(stack: Stack, url: str, *names: str) -> dict[str, str]:
    return stack.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=list(names))["Attributes"]


def _count(stack: Stack, url: str) -> int:
    return int(_attributes(stack, url, "ApproximateNumberOfMessages")["ApproximateNumberOfMessages"])


def _is_idle(stack: Stack, url: str) -> bool:
    """Whether nothing waits in the queue or is being worked on. Deadlines to come are delayed, and do not count."""
    return not any(map(int, _attributes(stack, url, "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible").values()))


def _arn(stack: Stack, url: str) -> str:
    return _attributes(stack, url, "QueueArn")["QueueArn"]


def _source_url(stack: Stack, dead_url: str) -> str:
    """The one queue that the dead-letter queue takes from, by its own policy."""
    policy = json.loads(_attributes(stack, dead_url, "RedriveAllowPolicy")["RedriveAllowPolicy"])
    (source,) = policy["sourceQueueArns"]
    return stack.client("sqs").get_queue_url(QueueName=source.rpartition(":")[2])["QueueUrl"]


def _as_json(found: DeadLetters) -> dict[str, Any]:
    return {
        "queue": found.queue.name,
        "count": found.count,
        "oldestSeconds": _oldest(found),
        "letters": [{"reason": letter.reason, "body": letter.body} for letter in found.letters],
    }


def _oldest(found: DeadLetters) -> int | None:
    return round(time.time() - min(letter.sent_at for letter in found.letters)) if found.letters else None


def _print_found(found: list[DeadLetters]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading, side in (("queue", "left"), ("dead", "right"), ("oldest", "right"), ("why, and the first of them", "left")):
        table.add_column(heading, justify=side, overflow="fold")
    for each in found:
        age = _oldest(each)
        reasons = Counter(letter.reason for letter in each.letters)
        first = {letter.reason: letter.body for letter in reversed(each.letters)}
        lines = [display.visible(f"{count} {reason}: {first[reason][:SHOWN_CHARACTERS]}") for reason, count in reasons.most_common()]
        table.add_row(each.queue.name, str(each.count), "" if age is None else f"{age} s", Text("\n".join(lines)))
    display.console().print(table, crop=False)


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
