"""One history: callers, responders that answer in their way, and all that befalls them, as a seed has it; and what was left of it."""

import json
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from tests.simulation.build import DEAD, RESPONDERS, RESPONSES, TOPIC, Build
from tests.simulation.world import Mood, Queue, World

ID = "r1"
AGGREGATOR_SECONDS, REQUESTER_SECONDS, RESPONDER_SECONDS, VISIBILITY_MARGIN = 10, 10, 20, 5
RESPONSE_RECEIVES, ASK_RECEIVES = 12, 5
ASYNC_PAUSES = (60, 120)
"""Before Lambda repeats an asynchronous invocation that failed."""
WORKFLOW_PAUSES = (1, 2, 4, 5)
"""Before a state machine repeats a call that failed; the later ones as the last one."""
OPEN_RETRIES, GATHER_RETRIES = 4, 8

CALM = Mood()
ROUGH = Mood(fault_rate=0.06, slow_rate=0.02, duplicate_rate=0.1)
WILD = Mood(fault_rate=0.2, slow_rate=0.04, duplicate_rate=0.3)
MOODS = (CALM, ROUGH, ROUGH, WILD)
SKEWS = (0, 0, 0, 2, 600)


@dataclass(frozen=True)
class Habit:
    """How a responder answers. kind: quote, decline, broken, busy (a passing fault at first)."""

    seconds: float
    kind: str
    price: int


@dataclass(frozen=True)
class Caller:
    """kind: sync (calls again when it fails, as a new invocation), async (Lambda repeats it), execution (of a state machine)."""

    at: float
    kind: str
    body: Mapping[str, Any]
    stopped_at: float | None = None


@dataclass(frozen=True)
class Plan:
    carrier: str
    deadline_seconds: int
    completion: Mapping[str, Any]
    habits: Mapping[str, Habit]
    callers: tuple[Caller, ...]
    mood: Mood

    @property
    def recipients(self) -> list[str]:
        return list(self.habits)


@dataclass
class Evidence:
    """What a history left. asked: when the carriers were told to ask, and by whom. given: by
    responder, the answers that were sent to the aggregator. told: what the callers got: (time, caller, how, what, asked by then)."""

    plan: Plan
    world: World
    asked: list[tuple[float, str]] = field(default_factory=list)
    given: dict[str, list[tuple[float, Mapping[str, Any]]]] = field(default_factory=dict)
    dead: list[str] = field(default_factory=list)
    told: list[tuple[float, str, str, Any, int]] = field(default_factory=list)


def plan(seed: int) -> Plan:
    draw = random.Random(seed)
    carrier = draw.choice(("sns", "map"))
    recipients = RESPONDERS[: draw.choice((1, 2, 2, 3))]
    deadline = draw.choice((2, 5, 20, 60))
    completion: dict[str, Any] = {"deadlineSeconds": deadline}
    rule = draw.random()
    if rule < 0.3:
        completion["quorum"] = draw.randint(1, len(recipients))
    elif rule < 0.5:
        completion["amountBelow"] = 50
    habits = {
        name: Habit(
            draw.choice((0, 0.2, 1, 1, deadline - 0.01, deadline + 3)),
            draw.choice(("quote", "quote", "quote", "decline", "broken", "busy")),
            draw.choice((40, 60, 60, 80)),
        )
        for name in recipients
    }
    body = {"requestId": ID, "data": {"days": 3}, "recipients": list(recipients), "completion": completion}
    callers = []
    for number in range(draw.choice((1, 1, 2, 3))):
        kind = "execution" if carrier == "map" else draw.choice(("sync", "async"))
        at = 0.0 if number == 0 else draw.choice((0.0, 0.01, 0.5, 4.0, deadline + 10.0))
        its = {**body, "data": {"days": 4}} if number and draw.random() < 0.3 else body
        callers.append(Caller(at, kind, its, at + draw.random() * deadline if carrier == "map" and draw.random() < 0.1 else None))
    mood, skew = draw.choice(MOODS), draw.choice(SKEWS)
    return Plan(
        carrier,
        deadline,
        completion,
        habits,
        tuple(callers),
        Mood(mood.fault_rate, mood.slow_rate, mood.duplicate_rate, skew, quiet_after=deadline + 60.0),
    )


def simple(carrier: str, kind: str, deadline_seconds: int = 20, seconds: float = 0.2) -> Plan:
    """One caller, who asks two responders that take so many seconds, in a world where nothing goes wrong by itself."""
    completion = {"deadlineSeconds": deadline_seconds}
    habits = dict.fromkeys(RESPONDERS[:2], Habit(seconds, "quote", 60))
    body = {"requestId": ID, "data": {"days": 3}, "recipients": list(habits), "completion": completion}
    return Plan(carrier, deadline_seconds, completion, habits, (Caller(0, kind, body),), CALM)


class History:
    """Runs a plan in a world of its own."""

    def __init__(self, build: Build, its: Plan, world: World) -> None:
        self.build, self.plan, self.world = build, its, world
        build.world = world
        self.evidence = Evidence(its, world)
        self._numbers: Counter[str] = Counter()
        self._answers = 0
        Queue(world, RESPONSES, AGGREGATOR_SECONDS + VISIBILITY_MARGIN, RESPONSE_RECEIVES, self._aggregate, self.evidence.dead)
        Queue(world, DEAD, 1e9, 1, lambda batch, _: self.evidence.dead.extend(record["body"] for record in batch), [], batch=10)
        world.sent = self._sent
        world.published = self._published
        for name in its.recipients:
            Queue(
                world,
                f"ask-{name}",
                RESPONDER_SECONDS + 2 + VISIBILITY_MARGIN,
                ASK_RECEIVES,
                lambda batch, done, name=name: self._respond(name, {"Records": batch}, done),
                [],
                batch=1,
            )

    def run(self) -> Evidence:
        for number, caller in enumerate(self.plan.callers):
            start = self._execute if caller.kind == "execution" else self._invoke
            self.world.at(caller.at, lambda number=number, caller=caller, start=start: start(f"caller{number}", caller, 0))
        self.world.run()
        return self.evidence

    def _spawn(self, name: str, code: Any, seconds: float, on_end: Any) -> None:
        self._numbers[name] += 1
        self.world.spawn(f"{name}.{self._numbers[name]}", code, seconds, on_end)

    def _context(self, invocation: str = "") -> Any:
        return SimpleNamespace(aws_request_id=invocation, get_remaining_time_in_millis=self.world.remaining_ms)

    # The carrier sns

    def _invoke(self, name: str, caller: Caller, attempt: int) -> None:
        invocation = name if caller.kind == "async" else f"{name}-{attempt}"

        def ended(how: str, what: Any) -> None:
            self._tell(name, how, what)
            if how != "returned" and attempt < len(ASYNC_PAUSES):
                pause = ASYNC_PAUSES[attempt] if caller.kind == "async" else 1
                self.world.at(self.world.now + pause, lambda: self._invoke(name, caller, attempt + 1))

        self._spawn(
            f"requester.{name}", lambda: self.build.sns_requester.handler(caller.body, self._context(invocation)), REQUESTER_SECONDS, ended
        )

    def _published(self, call: Mapping[str, Any]) -> Any:
        assert call["TopicArn"] == TOPIC
        self.evidence.asked.append((self.world.now, self.world.actor.name))
        for name in json.loads(call["MessageAttributes"]["recipients"]["StringValue"]):
            self.world.queues[f"ask-{name}"].send(call["Message"])
        return {}

    # The carrier map

    def _execute(self, name: str, caller: Caller, attempt: int) -> None:
        event = {
            "variant": "map",
            "execution": {"id": f"arn:{name}", "name": name},
            "request": caller.body,
            "functions": {responder: f"arn:{responder}" for responder in RESPONDERS},
        }

        def opened(how: str, opening: Any) -> None:
            if self._is_stopped(caller):
                return
            if how != "returned":
                self._again(attempt, OPEN_RETRIES, lambda: self._execute(name, caller, attempt + 1), lambda: self._tell(name, how, opening))
            elif opening["outcome"] == "REJECTED":
                self._tell(name, "returned", {"error": opening["error"]})
            elif opening["outcome"] == "REPEATED":
                self._gather(name, caller, [], 0)
            else:
                self.evidence.asked.append((self.world.now, name))
                replies: dict[str, Any] = {}
                for ask in opening["asks"]:
                    self._ask(name, caller, opening, ask["responder"], replies, 0)

        self._spawn(f"requester.{name}", lambda: self.build.requester.handler(event, self._context()), REQUESTER_SECONDS, opened)

    def _again(self, attempt: int, most: int, again: Any, never: Any) -> None:
        if attempt < most:
            self.world.at(self.world.now + WORKFLOW_PAUSES[min(attempt, len(WORKFLOW_PAUSES) - 1)], again)
        else:
            never()

    def _is_stopped(self, caller: Caller) -> bool:
        return caller.stopped_at is not None and self.world.now >= caller.stopped_at

    def _ask(self, name: str, caller: Caller, opening: Any, responder: str, replies: dict[str, Any], attempt: int) -> None:
        def ended(how: str, what: Any) -> None:
            if how == "raised" and type(what).__name__ == "TransientError":
                self._again(attempt, 5, lambda: self._ask(name, caller, opening, responder, replies, attempt + 1), lambda: None)
                return
            replies[responder] = (
                what
                if how == "returned"
                else {"requestId": opening["requestId"], "responder": responder, "fault": {"Error": "Lambda.Unknown", "Cause": ""}}
            )
            if len(replies) == len(opening["asks"]) and not self._is_stopped(caller):
                self._gather(name, caller, [replies[ask["responder"]] for ask in opening["asks"]], 0)

        self._respond(responder, {"question": opening["question"], "retryCount": attempt}, ended)

    def _gather(self, name: str, caller: Caller, replies: list[Any], attempt: int) -> None:
        def ended(how: str, what: Any) -> None:
            if how == "returned":
                for reply in replies:
                    if "answer" in reply:
                        self._note(reply["answer"])
                self._tell(name, how, what)
            elif not self._is_stopped(caller):
                self._again(
                    attempt, GATHER_RETRIES, lambda: self._gather(name, caller, replies, attempt + 1), lambda: self._tell(name, how, what)
                )

        event = {"requestId": ID, "replies": replies}
        self._spawn("aggregator.gather", lambda: self.build.aggregator.handler(event, self._context()), AGGREGATOR_SECONDS, ended)

    # Both

    def _aggregate(self, batch: list[dict[str, Any]], done: Any) -> None:
        self._spawn("aggregator", lambda: self.build.aggregator.handler({"Records": batch}, self._context()), AGGREGATOR_SECONDS, done)

    def _respond(self, name: str, event: Any, done: Any) -> None:
        module, queue = self.build.responder, self.build.modules["responder_queue"].ResponderQueue(name, self.build.clients)
        limits = self.build.modules["attempt"].Limits(name, RESPONDER_SECONDS, 2)

        def respond() -> Any:
            module.RESPONDER, module.LIMITS, module.queue, module.source = name, limits, queue, SimpleNamespace(ask=self._work_of(name))
            return module.handler(event, self._context())

        self._spawn(f"responder.{name}", respond, RESPONDER_SECONDS + 2, done)

    def _work_of(self, name: str) -> Any:
        habit, contract = self.plan.habits[name], self.build.modules["contract"]

        def ask(question: Any, attempt: int, limit: int) -> Any:
            def work() -> Any:
                self.world.sleep(habit.seconds)
                number = self.world.logged("answer", self._next_answer)
                if habit.kind == "busy" and attempt == 1:
                    raise self.build.modules["quoting"].TransientError("busy")
                if habit.kind == "decline":
                    return contract.declined(name, f"token{number}.")
                if habit.kind == "broken":
                    return contract.unsuccessful(name, "FAILED", "Broken", f"token{number}.")
                return {"responder": name, "status": "QUOTED", "amount": f"{habit.price}.{number:03d}", "currency": "USD", "details": {}}

            return work

        return ask

    def _next_answer(self) -> int:
        self._answers += 1
        return self._answers

    def _sent(self, queue: str, body: str) -> None:
        if queue == RESPONSES and "answer" in (content := json.loads(body)):
            self._note(content["answer"])

    def _note(self, answer: Mapping[str, Any]) -> None:
        self.evidence.given.setdefault(answer["responder"], []).append((self.world.now, answer))

    def _tell(self, name: str, how: str, what: Any) -> None:
        self.evidence.told.append((self.world.now, name, how, what, len(self.evidence.asked)))


def run(build: Build, seed: int, dropped: frozenset[tuple[str, int]] = frozenset()) -> Evidence:
    """dropped: as in `World`."""
    its = plan(seed)
    return History(build, its, World(seed, its.mood, dropped)).run()
