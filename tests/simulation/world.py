"""The world that the handlers run in: a clock, an agenda, and actors whose every call of AWS is a step that a seed decides.

An actor is ordinary code of the handlers. It runs until its next call; then it is set aside, and begins anew when its turn has come, with
the results of the calls that it has made already, up to the call that is next. So it needs no thread, and nothing ever sleeps.

Whatever an actor cannot know by itself is such a result: what AWS replies, the time by its own clock, a token, how long it slept.
"""

import heapq
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from tests.simulation.memory_table import ConditionalCheckFailed, Table

EPOCH = datetime(2027, 1, 1, tzinfo=UTC)
SDK_ATTEMPTS = 3
LOST = object()
FAULTS = ("crash before", "crash after", "refused", "reply lost", "all replies lost")


class Suspended(BaseException):
    """The actor waits for its turn."""


class Crashed(BaseException):
    """The actor's process is gone."""


class Endless(BaseException):
    """An actor has done more than any that comes to an end."""


ENDLESS_STEPS = 300
"""In 4,000 histories no actor took more than 58."""


class OutOfTime(BaseException):
    """The alarm of `handlers.clock.within`."""


class Refused(ClientError):
    def __init__(self, op: str) -> None:
        super().__init__({"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}, op)


Planned = Mapping[tuple[str, str], str]
"""The kind of a fault, by its actor and the call that it hits, the first of its kind."""


@dataclass(frozen=True)
class Mood:
    """fault_rate: of calls. slow_rate: of calls that take from a second to longer than the function may. duplicate_rate: of messages.
    skew_seconds: how far a machine's clock is off at the most. quiet_after: when the faults end, in seconds."""

    fault_rate: float = 0.0
    slow_rate: float = 0.0
    duplicate_rate: float = 0.0
    skew_seconds: float = 0.0
    quiet_after: float = 300.0


@dataclass
class Actor:
    name: str
    code: Callable[[], Any]
    random: random.Random
    skew: float
    ends: float
    on_end: Callable[[str, Any], None]
    log: list[tuple[str, Any]] = field(default_factory=list)
    at: int = 0
    calls: int = 0
    may_go: bool = False
    pause: float = 0.0
    alarm: float | None = None


class World:
    """now: seconds since the beginning, by the only clock that is right. schedule: a line for each step. faults: (time, actor, call,
    kind)."""

    actor: Actor
    """The one that runs."""

    def __init__(self, seed: int, mood: Mood, dropped: frozenset[tuple[str, int]] = frozenset(), planned: Planned | None = None) -> None:
        """dropped: faults that do not happen, each by its actor and the number of its call. planned: faults beside those of the mood."""
        self.seed, self.mood, self.dropped, self.planned = seed, mood, dropped, dict(planned or {})
        self.is_calm = not (mood.fault_rate or planned)
        self.random = random.Random(seed)
        self.now = 0.0
        self.schedule: list[tuple[float, str, str, str]] = []
        self.faults: list[tuple[float, str, int, str]] = []
        self.counts: Counter[str] = Counter()
        self.changes: list[tuple[float, str, Any, Any]] = []
        self.requests = Table("requestId", lambda *change: self.changes.append((self.now, *change)))
        self.claims = Table("id", lambda *change: self.changes.append((self.now, *change)))
        self.events: list[tuple[float, str, str]] = []
        self.queues: dict[str, Any] = {}
        self.published: Callable[[Mapping[str, Any]], None] = lambda call: None
        self.sent: Callable[[str, str], None] = lambda queue, body: None
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0

    def at(self, when: float, what: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._agenda, (when, self._number, what))

    def run(self, most: int = 50_000) -> None:
        for _ in range(most):
            if not self._agenda:
                return
            self.now, _, what = heapq.heappop(self._agenda)
            what()
        raise AssertionError(f"seed {self.seed}: it comes to no rest")

    def spawn(self, name: str, code: Callable[[], Any], seconds: float, on_end: Callable[[str, Any], None]) -> Actor:
        """on_end: told "returned", "raised" or "crashed", and what."""
        its = random.Random(hash((self.seed, *name.encode())))
        skew = its.uniform(-self.mood.skew_seconds, self.mood.skew_seconds)
        actor = Actor(name, code, its, skew, self.now + seconds, on_end)
        self.go(actor)
        return actor

    def go(self, actor: Actor) -> None:
        self.actor, actor.at = actor, 0
        try:
            returned = actor.code()
        except Suspended:
            self._wait(actor)
        except Crashed:
            self._end(actor, "crashed", None)
        except Exception as error:  # noqa: BLE001 - the caller of a function sees whatever it raises
            self._end(actor, "raised", error)
        else:
            self._end(actor, "returned", returned)

    def _wait(self, actor: Actor) -> None:
        if self.now + actor.pause >= actor.ends:

            def timed_out() -> None:
                self.fault(actor, "timed out", actor.name)
                self._end(actor, "crashed", None)

            self.at(actor.ends, timed_out)
        else:

            def resume() -> None:
                actor.may_go = True
                self.go(actor)

            self.at(self.now + actor.pause, resume)

    def _end(self, actor: Actor, how: str, what: Any) -> None:
        self.schedule.append((self.now, actor.name, "", how if what is None or how == "returned" else f"{how} {what}"))
        actor.on_end(how, what)

    def fault(self, actor: Actor, kind: str, op: str) -> None:
        self.faults.append((self.now, actor.name, actor.calls, kind))
        self.counts[kind] += 1

    def logged(self, op: str, value: Callable[[], Any]) -> Any:
        """The same value again when the actor begins anew."""
        actor = self.actor
        if actor.at == len(actor.log):
            if actor.at == ENDLESS_STEPS:
                raise Endless(actor.name)
            actor.log.append((op, value()))
        found, kept = actor.log[actor.at]
        assert found == op, f"{actor.name} made another call than before: {op} rather than {found}"
        actor.at += 1
        return kept

    def sleep(self, seconds: float) -> None:
        actor = self.actor
        if actor.at == len(actor.log):
            if not actor.may_go:
                actor.pause = seconds if actor.alarm is None else min(seconds, actor.alarm - self.now)
                raise Suspended
            actor.may_go = False
        if self.logged("sleep", lambda: actor.alarm is not None and self.now >= actor.alarm - 1e-6):
            raise OutOfTime

    def call(self, op: str, effect: Callable[[], Any], attempts: int = SDK_ATTEMPTS) -> Any:
        """What the SDK returns or raises for one call; it repeats the call when the reply is lost."""
        for _ in range(attempts):
            outcome = self._attempt(op, effect)
            if outcome is not LOST:
                break
        if outcome is LOST:
            raise ReadTimeoutError(endpoint_url=op)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _attempt(self, op: str, effect: Callable[[], Any]) -> Any:
        actor = self.actor
        if actor.at == len(actor.log):
            if not actor.may_go:
                actor.calls += 1
                pause = self.pause(actor)
                if pause:
                    actor.pause = pause
                    raise Suspended
            actor.may_go = False
            outcome = self._outcome(actor, op, effect)
            return self.logged(op, lambda: outcome)
        return self.logged(op, lambda: None)

    def pause(self, actor: Actor) -> float:
        """How long until a call has its turn; 0 for at once."""
        chance, length = actor.random.random(), actor.random.random()
        if chance < self.mood.slow_rate and self._may_fail(actor):
            self.fault(actor, "slow", "")
            return 1 + 14 * length
        return 0.05 * length if chance < 0.3 + self.mood.slow_rate else 0.0

    def _may_fail(self, actor: Actor) -> bool:
        return self.now < self.mood.quiet_after and (actor.name, actor.calls) not in self.dropped

    def kind_of_fault(self, actor: Actor, op: str) -> str | None:
        if (actor.name, op) in self.planned:
            return self.planned.pop((actor.name, op))
        chance, kind = actor.random.random(), actor.random.random()
        if chance < self.mood.fault_rate and self._may_fail(actor):
            return FAULTS[int(kind * len(FAULTS))]
        return None

    def _outcome(self, actor: Actor, op: str, effect: Callable[[], Any]) -> Any:
        kind = self.kind_of_fault(actor, op)
        self.counts["steps"] += 1
        self.schedule.append((self.now, actor.name, op, kind or ""))
        if kind:
            self.fault(actor, kind, op)
        if kind == "crash before":
            raise Crashed
        if kind == "refused":
            if op == "put_events" and actor.random.random() < 0.5:
                return {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "ThrottlingException"}]}
            return Refused(op)
        try:
            outcome = effect()
        except ClientError as refusal:
            outcome = refusal
        if kind == "crash after":
            raise Crashed
        if kind == "reply lost":
            return LOST
        if kind == "all replies lost":
            return ReadTimeoutError(endpoint_url=op)
        return outcome

    def local_now(self) -> float:
        return self.logged("now", lambda: self.now + self.actor.skew)

    def remaining_ms(self) -> int:
        return self.logged("remaining", lambda: int(1000 * (self.actor.ends - self.now)))


class Clients:
    """boto3's clients for DynamoDB, SQS, SNS and EventBridge, as far as the handlers use them."""

    exceptions = SimpleNamespace(ConditionalCheckFailedException=ConditionalCheckFailed)

    def __init__(self, world: Callable[[], World], attempts: int = SDK_ATTEMPTS) -> None:
        self._world, self._attempts = world, attempts

    def _call(self, op: str, effect: Callable[[World], Any]) -> Any:
        world = self._world()
        return world.call(op, lambda: effect(world), self._attempts)

    def get_item(self, **call: Any) -> Any:
        return self._call("get_item", lambda world: self._table(world, call).get_item(call))

    def put_item(self, **call: Any) -> Any:
        return self._call("put_item", lambda world: self._table(world, call).put_item(call))

    def update_item(self, **call: Any) -> Any:
        return self._call("update_item", lambda world: self._table(world, call).update_item(call))

    def delete_item(self, **call: Any) -> Any:
        return self._call("delete_item", lambda world: self._table(world, call).delete_item(call))

    def _table(self, world: World, call: Mapping[str, Any]) -> Table:
        return world.claims if call["TableName"] == "claims" else world.requests

    def send_message(self, **call: Any) -> Any:
        def effect(world: World) -> Any:
            world.sent(call["QueueUrl"], call["MessageBody"])
            world.queues[call["QueueUrl"]].send(call["MessageBody"], call.get("DelaySeconds", 0))
            return {}

        return self._call("send_message", effect)

    def change_message_visibility(self, **call: Any) -> Any:
        def effect(world: World) -> Any:
            world.queues[call["QueueUrl"]].hide(call["ReceiptHandle"], call["VisibilityTimeout"])
            return {}

        return self._call("change_message_visibility", effect)

    def get_queue_url(self, QueueName: str) -> Any:
        return {"QueueUrl": QueueName}

    def publish(self, **call: Any) -> Any:
        return self._call("publish", lambda world: world.published(call))

    def put_events(self, **call: Any) -> Any:
        def effect(world: World) -> Any:
            world.events.append((world.now, world.actor.name, call["Entries"][0]["Detail"]))
            return {"FailedEntryCount": 0, "Entries": [{}]}

        return self._call("put_events", effect)


def clocks(world: Callable[[], World]) -> SimpleNamespace:
    """datetime, time and uuid as the handlers use them, and `within` of `handlers.clock`, by the running actor's own clock."""

    def within(seconds: float, work: Callable[[], Any]) -> Any:
        actor = world().actor
        actor.alarm = world().logged("alarm", lambda: world().now + seconds)
        try:
            return work()
        finally:
            actor.alarm = None

    return SimpleNamespace(
        within=within,
        datetime=SimpleNamespace(now=lambda zone: EPOCH + timedelta(seconds=world().local_now()), fromisoformat=datetime.fromisoformat),
        time=SimpleNamespace(time=lambda: EPOCH.timestamp() + world().local_now(), sleep=lambda seconds: world().sleep(seconds)),
        uuid=SimpleNamespace(
            uuid4=lambda: SimpleNamespace(hex=world().logged("token", lambda: f"{world().actor.name}/{world().actor.at}"))
        ),
    )


@dataclass
class _Message:
    id: str
    body: str
    visible: float
    receives: int = 0


class Queue:
    """A queue of SQS before a function: at least once, in no order. What its function gave back `receives` times is dead."""

    def __init__(
        self,
        world: World,
        name: str,
        visibility: float,
        receives: int,
        deliver: Callable[[list[dict[str, Any]], Callable[[str, Any], None]], None],
        dead: list[str],
        batch: int = 10,
    ) -> None:
        self.world, self.name, self.visibility, self.receives = world, name, visibility, receives
        self.deliver, self.dead, self.batch = deliver, dead, batch
        self.messages: dict[str, _Message] = {}
        self._sent = 0
        self._random = random.Random(hash((world.seed, *name.encode())))
        world.queues[name] = self

    def send(self, body: str, delay: float = 0) -> None:
        self._sent += 1
        message = _Message(f"{self.name}-{self._sent}", body, self.world.now + delay + self._latency())
        self.messages[message.id] = message
        self.world.at(message.visible, self._poll)

    def hide(self, receipt: str, seconds: float) -> None:
        message = self.messages.get(receipt.rpartition("/")[0])
        if message is not None:
            message.visible = self.world.now + seconds
            self.world.at(message.visible, self._poll)

    def _latency(self) -> float:
        slow = self.world.mood.slow_rate and self._random.random() < 0.1 and self.world.now < self.world.mood.quiet_after
        if slow:
            self.world.counts["reordered"] += 1
        return self._random.random() * (5 if slow else 0.1)

    def _poll(self) -> None:
        visible = [message for message in self.messages.values() if message.visible <= self.world.now]
        if not visible:
            return
        self._random.shuffle(visible)
        taken = visible[: self._random.randint(1, self.batch)]
        if len(taken) < len(visible):
            self.world.at(self.world.now + 0.01 * self._random.random(), self._poll)
        batch = []
        for message in taken:
            message.receives += 1
            if message.receives > self.receives:
                self.dead.append(self.messages.pop(message.id).body)
                continue
            again = self._random.random() < self.world.mood.duplicate_rate and self.world.now < self.world.mood.quiet_after
            self.world.counts["duplicates"] += again
            message.visible = self.world.now + (0.2 * self._random.random() if again else self.visibility)
            self.world.at(message.visible, self._poll)
            batch.append(
                {
                    "messageId": message.id,
                    "body": message.body,
                    "receiptHandle": f"{message.id}/{message.receives}",
                    "attributes": {"ApproximateReceiveCount": str(message.receives)},
                    "eventSourceARN": f"arn:aws:sqs:r:1:{self.name}",
                }
            )
        if batch:
            self.deliver(batch, lambda how, returned: self._settle(batch, how, returned))

    def _settle(self, batch: list[dict[str, Any]], how: str, returned: Any) -> None:
        if how != "returned":
            return
        failed = {failure["itemIdentifier"] for failure in returned["batchItemFailures"]}
        for record in batch:
            if record["messageId"] not in failed:
                self.messages.pop(record["messageId"], None)
