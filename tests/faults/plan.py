"""What a fault run does: a pure function of its seed, so that a run that found something can be repeated."""

import random
from dataclasses import dataclass, field

CARRIERS = ("map", "parallel", "sns", "sns")
"""In turn. SNS twice: it is the carrier whose messages and writes can be tampered with from outside."""

RESPONDERS = ("avis", "alamo", "hertz", "europcar", "sixt")
THROTTLED = "sixt"
"""The responder whose function takes one call at a time for the whole run."""

BEHAVIOURS = {"quote": 10, "decline": 2, "throw": 3, "hang": 1, "garbage": 2, "huge": 1, "crash": 1}
MESSAGING = {"twice": 3, "poison": 1}
"""Behaviours (and how often they are taken) that need a queue to answer to."""

DEADLINE_SECONDS = 6
AFTER_THE_DEADLINE = DEADLINE_SECONDS + 2
DELAYS = (0, 0, 0, 0, 1, 2, 3, AFTER_THE_DEADLINE)
"""Seconds that the copies of an answer are held back: that reorders them, and makes some of them late."""

WRITE_FAULTS = ("refuse", "deny", "lose", "cut", "kill-before", "kill-after")
CALL_FAULTS = ("refuse", "lose", "cut")
"""The requester is not killed: what a caller then does is another matter (it sends the same request again)."""

SENT_BEFORE_A_RESTART = 6
RESTART_DELAY_SECONDS, RESTART_DEADLINE_SECONDS = 12, 30


@dataclass(frozen=True)
class Ask:
    """One responder of one request. delays: one entry for each copy of its answer's message, in seconds."""

    responder: str
    behaviour: str
    delays: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class Request:
    """faults: for the calls made for this request, by the point where they are made (`proxy.point_of`), one for each call in turn.
    copies: of the published message. submissions: how often the caller sends it, at once."""

    id: str
    variant: str
    asks: tuple[Ask, ...]
    submissions: int = 1
    quorum: int | None = None
    deadline_seconds: int = DEADLINE_SECONDS
    copies: int = 1
    faults: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Window:
    """For so many seconds after the request of that number was sent. kind: outage (the store refuses all writes) or throttle
    (the aggregator is not allowed to run)."""

    after: int
    kind: str
    seconds: float


@dataclass(frozen=True)
class Plan:
    """before_restart: sent and answered, but not gathered, when the emulator goes down; it comes after the first half."""

    requests: tuple[Request, ...]
    windows: tuple[Window, ...]
    before_restart: tuple[Request, ...]

    @property
    def all_requests(self) -> tuple[Request, ...]:
        return self.requests + self.before_restart


def plan(seed: int, requests: int, *, restart: bool = True) -> Plan:
    """The run of this seed. requests: how many in all."""
    chance = random.Random(seed)
    crossing = min(SENT_BEFORE_A_RESTART, requests // 4) if restart else 0
    ordinary = tuple(_request(chance, f"{seed}-{number}") for number in range(requests - crossing))
    # Every forty requests the store refuses writes, and every sixty the aggregator is throttled.
    windows = [Window(after, "outage", round(chance.uniform(1, 4), 1)) for after in range(15, len(ordinary), 40)]
    windows += [Window(after, "throttle", round(chance.uniform(1, 3), 1)) for after in range(30, len(ordinary), 60)]
    return Plan(ordinary, tuple(windows), tuple(_crossing(chance, f"{seed}-r{number}") for number in range(crossing)))


def _request(chance: random.Random, name: str) -> Request:
    variant = CARRIERS[int(name.rpartition("-")[2]) % len(CARRIERS)]
    by_queue = variant == "sns"
    asked = chance.sample(RESPONDERS, chance.randint(2, len(RESPONDERS)))
    behaviours = BEHAVIOURS | MESSAGING if by_queue else BEHAVIOURS
    asks = tuple(
        Ask(responder, chance.choices(list(behaviours), list(behaviours.values()))[0], _delays(chance) if by_queue else (0,))
        for responder in asked)
    if not by_queue:
        return Request(name, variant, asks, submissions=chance.choice((1, 1, 1, 2)))
    return Request(
        name, variant, asks,
        submissions=chance.choice((1, 1, 1, 2)),
        quorum=chance.choice((None, None, 1, len(asked) - 1)),
        copies=chance.choice((1, 1, 1, 2)),
        faults={
            "gather": _some(chance, WRITE_FAULTS, (0, 0, 1, 2, 3)),
            "announce": _some(chance, WRITE_FAULTS, (0, 0, 0, 1)),
            "create": _some(chance, CALL_FAULTS, (0, 0, 0, 1)),
            "publish": _some(chance, CALL_FAULTS, (0, 0, 0, 0, 1)),
            "published": _some(chance, CALL_FAULTS, (0, 0, 0, 0, 1)),
        })


def _crossing(chance: random.Random, name: str) -> Request:
    """Answered at once by everybody; the answers are on their way when everything stops."""
    asks = tuple(Ask(responder, "quote", (RESTART_DELAY_SECONDS,)) for responder in chance.sample(RESPONDERS, 3))
    return Request(name, "sns", asks, deadline_seconds=RESTART_DEADLINE_SECONDS)


def _delays(chance: random.Random) -> tuple[int, ...]:
    return tuple(chance.choice(DELAYS) for _ in range(chance.choice((1, 1, 1, 2, 3))))


def _some(chance: random.Random, kinds: tuple[str, ...], how_many: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(chance.choice(kinds) for _ in range(chance.choice(how_many)))
