"""Every interleaving of the store calls of two and three aggregators at once, each run over the real code: none is left to chance.

A schedule says whose call is next. Where a crash is asked for, one of the aggregators may also die, right before or right after any of its
calls; whatever was not deleted comes again when everybody is done and the invocation is known to have ended, as the queue would have it.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from handlers import clock
from tests.simulation import model
from tests.simulation.build import RESPONSES, Build
from tests.simulation.history import AGGREGATOR_SECONDS, ID, Caller, Evidence, Habit, Plan
from tests.simulation.world import EPOCH, Actor, Crashed, Mood, World

DEADLINE_SECONDS = 60
STORE_CALLS = ("get_item", "update_item")


@dataclass(frozen=True)
class Case:
    """aggregators: the messages that each has. deadline: the responders' answers are (name, price); None is the deadline."""

    name: str
    recipients: tuple[str, ...]
    aggregators: tuple[tuple[tuple[str, int] | None, ...], ...]
    completion: dict[str, Any]
    crash: bool = False
    is_late: bool = False


AVIS, BUDGET, HERTZ = ("avis", 60), ("budget", 40), ("hertz", 80)
CASES = (
    Case("the last two answers", ("avis", "budget"), ((AVIS,), (BUDGET,)), {}),
    Case("the last answer and the deadline", ("avis", "budget"), ((AVIS,), (None,)), {}),
    Case("the same answer twice", ("avis",), ((AVIS,), (AVIS,)), {}),
    Case("two answers of one responder", ("avis", "budget"), ((AVIS,), (("avis", 61),)), {}),
    Case("two late answers of one responder", ("avis", "budget"), ((("avis", 60), None), (("avis", 61), None)), {}, is_late=True),
    Case("a quorum and one more", ("avis", "budget"), ((AVIS,), (BUDGET,)), {"quorum": 1}),
    Case("two deadlines", ("avis", "budget"), ((None,), (None,)), {}),
    Case("the last two answers, and a crash", ("avis", "budget"), ((AVIS,), (BUDGET, None)), {}, crash=True),
    Case("the last answer, the deadline, and a crash", ("avis", "budget"), ((AVIS,), (None,)), {}, crash=True),
    Case("two deadlines, and a crash", ("avis",), ((None,), (None,)), {}, crash=True),
    Case("the last three answers", ("avis", "budget", "hertz"), ((AVIS,), (BUDGET,), (HERTZ,)), {}),
    Case("two answers and the deadline", ("avis", "budget", "hertz"), ((AVIS,), (BUDGET,), (None,)), {}),
    Case("three deadlines", ("avis", "budget"), ((None,), (None,), (None,)), {}),
)
"""All of them take about five seconds."""

LARGE = (Case("two answers, the deadline, and a crash", ("avis", "budget"), ((AVIS,), (BUDGET,), (None,)), {}, crash=True),)
"""For `make simulate`."""


class _Scheduled(World):
    """Stops before each call of the store, and before nothing else; one actor may be told to die there."""

    def __init__(self) -> None:
        super().__init__(0, Mood(fault_rate=1e-9))
        self.dies: str | None = None

    def pause(self, actor: Actor) -> float:
        return 1.0

    def kind_of_fault(self, actor: Actor, op: str) -> str | None:
        kind, self.dies = self.dies, None
        return kind

    def call(self, op: str, effect: Callable[[], Any], attempts: int = 1) -> Any:
        if op not in STORE_CALLS and self.actor.at == len(self.actor.log):
            self.actor.may_go = True
        return super().call(op, effect, attempts)


def schedules(case: Case, build: Build) -> Iterator[tuple[list[tuple[int, str | None]], Evidence]]:
    """Each schedule, as (aggregator, how it dies there or None), and what it left."""
    prefix: list[int] = []
    while True:
        taken, options, evidence, schedule = _run(case, build, prefix)
        yield schedule, evidence
        while taken and taken[-1] + 1 == options[-1]:
            taken.pop()
            options.pop()
        if not taken:
            return
        prefix = [*taken[:-1], taken[-1] + 1]


def _run(case: Case, build: Build, prefix: Sequence[int]) -> tuple[list[int], list[int], Evidence, list[tuple[int, str | None]]]:
    world = _Scheduled()
    build.world = world
    body = {
        "requestId": ID,
        "data": {},
        "recipients": list(case.recipients),
        "completion": {"deadlineSeconds": DEADLINE_SECONDS, **case.completion},
    }
    evidence = Evidence(
        Plan(
            "sns",
            DEADLINE_SECONDS,
            body["completion"],
            {name: Habit(0, "quote", 1) for name in case.recipients},
            (Caller(0, "sync", body),),
            world.mood,
        ),
        world,
    )
    evidence.asked.append((0.0, "requester"))
    _open(build, world, body)
    results: dict[int, tuple[str, Any]] = {}
    batches, actors = [], []
    for number, messages in enumerate(case.aggregators):
        # Whoever has only answers has begun before the deadline, and is under way when it comes.
        world.now = DEADLINE_SECONDS + (1 if case.is_late else 0.4 if None in messages else -0.1)
        batches.append(_batch(number, messages, world, evidence))
        actors.append(_start(build, world, number, batches[-1], results))
    taken: list[int] = []
    options: list[int] = []
    schedule: list[tuple[int, str | None]] = []
    may_crash = case.crash
    while running := [number for number in range(len(actors)) if number not in results]:
        choices: list[tuple[int, str | None]] = [(number, None) for number in running]
        if may_crash:
            choices += [(number, kind) for number in running for kind in ("crash before", "crash after")]
        choice = prefix[len(taken)] if len(taken) < len(prefix) else 0
        taken.append(choice)
        options.append(len(choices))
        number, world.dies = choices[choice]
        schedule.append((number, world.dies))
        may_crash = may_crash and world.dies is None
        actors[number].may_go = True
        world.go(actors[number])
    _come_again(build, world, batches, results)
    return taken, options, evidence, schedule


def _open(build: Build, world: World, body: dict[str, Any]) -> None:
    def opened() -> None:
        opening = build.modules["opening"]
        opening.open_request(
            build.records,
            lambda record, seconds: None,
            build.sns_requester.RULES,
            body,
            variant="sns",
            own_id=ID,
            opened_by="caller",
            now=build.modules["clock"].now(),
            gathered_at_the_end=False,
        )

    _to_its_end(world, Actor("requester", opened, world.random, 0, 1e9, lambda how, what: None))


def _batch(number: int, messages: Sequence[tuple[str, int] | None], world: World, evidence: Evidence) -> list[dict[str, Any]]:
    batch = []
    for place, content in enumerate(messages):
        if content is None:
            body: dict[str, Any] = {"requestId": ID, "deadlineAt": _written(DEADLINE_SECONDS)}
        else:
            name, price = content
            answer = {
                "responder": name,
                "status": "QUOTED",
                "amount": f"{price}",
                "currency": "USD",
                "details": {},
                "respondedAt": _written(world.now - 0.5),
            }
            evidence.given.setdefault(name, []).append((world.now, answer))
            body = {"requestId": ID, "answer": answer}
        batch.append(
            {
                "messageId": f"m{number}.{place}",
                "body": json.dumps(body),
                "receiptHandle": f"m{number}.{place}/1",
                "attributes": {"ApproximateReceiveCount": "1"},
            }
        )
    return batch


def _written(seconds: float) -> str:
    return clock.text(EPOCH + timedelta(seconds=seconds))


class _Ignores:
    def send(self, body: str, delay: float = 0) -> None:
        raise AssertionError(f"a dead letter: {body}")

    def hide(self, receipt: str, seconds: float) -> None:
        pass


def _start(build: Build, world: World, number: int, batch: list[dict[str, Any]], results: dict[int, tuple[str, Any]]) -> Actor:
    world.queues[RESPONSES] = world.queues["dead"] = _Ignores()
    context = SimpleNamespace(get_remaining_time_in_millis=world.remaining_ms)

    def ended(how: str, what: Any) -> None:
        results[number] = (how, what)

    actor = Actor(
        f"aggregator.{len(world.schedule)}.{number}",
        lambda: build.aggregator.handler({"Records": batch}, context),
        world.random,
        0,
        world.now + AGGREGATOR_SECONDS,
        ended,
    )
    world.go(actor)
    return actor


def _to_its_end(world: World, actor: Actor) -> None:
    ended: list[str] = []
    its_end = actor.on_end

    def end(how: str, what: Any) -> None:
        ended.append(how)
        its_end(how, what)

    actor.on_end = end
    while not ended:
        actor.may_go = True
        world.go(actor)


def _come_again(build: Build, world: World, batches: Sequence[list[dict[str, Any]]], results: dict[int, tuple[str, Any]]) -> None:
    """Whatever was not dealt with, until it is."""
    waiting = [record for number, batch in enumerate(batches) for record in batch if _is_back(results[number], record)]
    for _ in range(3):
        if not waiting:
            return
        world.now += AGGREGATOR_SECONDS + 2
        again: dict[int, tuple[str, Any]] = {}
        actor = _start(build, world, 0, waiting, again)
        if 0 not in again:
            _to_its_end(world, actor)
        waiting = [record for record in waiting if _is_back(again[0], record)]
    raise AssertionError(f"never dealt with: {waiting}")


def _is_back(result: tuple[str, Any], record: dict[str, Any]) -> bool:
    how, what = result
    return how != "returned" or {"itemIdentifier": record["messageId"]} in what["batchItemFailures"]


def violations(case: Case, build: Build, most: int | None = None) -> tuple[int, list[str]]:
    """How many schedules there are, and what is wrong, with its schedule; ends at the first that is wrong."""
    count = 0
    try:
        for schedule, evidence in schedules(case, build):
            count += 1
            found = [
                wrong
                for wrong in model.violations(evidence)
                if not (wrong.startswith("left open") and None not in sum(case.aggregators, ()))
            ]
            if found:
                return count, [f"{case.name}: {wrong}; schedule {schedule}" for wrong in found]
            if count == most:
                break
    except (AssertionError, Crashed) as wrong:
        return count, [f"{case.name}: {wrong}"]
    return count, []
