"""What a fault run does: a pure function of its seed, so that a run that found something can be repeated.

Of two runs with one seed the same are: the requests in their order, with their responders, policies and deadlines; what each
responder does; how often a request, a published message and an answer are repeated, and how long each copy of an answer is held
back; which of the calls made for a request fails, and how; which of its messages are received twice; between which requests the store
is out, the aggregator throttled and the emulator restarted. What depends on timing: which of the aggregator's invocations meets a
fault, whether an answer in its last moment comes before the close or after it, and so how many faults are met at all.
"""

import random
from dataclasses import dataclass, replace

from tests.faults.request import EXISTING, OUTCOMES, THROTTLED, Ask, Request

CARRIERS = ("map", "parallel", "sns")
POLICIES = ("all", "quorum", "all", "bargain", "required", "deadline")
"""In turn, each with each carrier. `deadline`: nothing else can close it."""

HASTY = ("avis", "alamo", "hertz", "europcar", THROTTLED, EXISTING)
"""Responders with a time limit of a few seconds."""

PATIENT = ("budget", "thrifty")
"""Responders that may be held until their request is closed, so that their answers are late whatever the time."""

BEHAVIOURS = {"quote": 10, "decline": 2, "throw": 3, "hang": 1, "garbage": 2, "huge": 1, "crash": 1, "busy": 2, "tired": 1}
MESSAGING = {"twice": 3, "poison": 1}
"""Behaviours (and how often they are taken) that send messages of their own to the response queue."""

SHORT_SECONDS, DEADLINE_SECONDS, LONG_SECONDS = 4, 6, 30
"""Deadlines: of what only the deadline can close; of what all are to answer, though its messages are held back; of what it should not
close."""

AFTER_THE_DEADLINE = DEADLINE_SECONDS + 2
DELAYS = (0, 0, 0, 0, 1, 2, 3, AFTER_THE_DEADLINE)
"""Seconds that the copies of an answer are held back: that reorders them, and makes some of them late."""

CALL_FAULTS = ("refuse", "deny", "lose", "cut", "kill-before", "kill-after")
"""Of a function's call."""

WITHOUT_DEATH = ("refuse", "deny", "lose", "cut")
"""Of a responder's call for a workflow, which takes its death for its answer."""

INVOKE_FAULTS = ("refuse", "lose")
"""Of the call of an existing function: those after which it is called again."""

WORKFLOW_FAULTS = ("throttle", "refuse", "lose")
"""Of a workflow's call."""

MOST_OF_A_CALL = 4
"""How often a workflow repeats its calls of the requester and the aggregator; after more faults it fails, as it should."""

UNTAMPERED = 0.25
"""The share of the requests whose messages and calls are left alone, so that more of their end is decided."""

REPEATED_WHEN_CLOSED, STOPPED = 0.1, 0.5
"""The share of the requests that are sent once more when they are closed, and, of those by a workflow that only their deadline closes, of
those whose execution is stopped from outside."""

LONGEST_OUTAGE_SECONDS = 6
"""In which the store refuses all writes."""

SENT_BEFORE_A_RESTART = 6
RESTART_DELAY_SECONDS, RESTART_DEADLINE_SECONDS = 12, 30


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
    ordinary = tuple(_request(chance, seed, number) for number in range(requests - crossing))
    # Every forty requests the store refuses writes, and every sixty the aggregator is throttled.
    windows = [Window(after, "outage", round(chance.uniform(1, LONGEST_OUTAGE_SECONDS), 1)) for after in range(15, len(ordinary), 40)]
    windows += [Window(after, "throttle", round(chance.uniform(1, 3), 1)) for after in range(30, len(ordinary), 60)]
    return Plan(ordinary, tuple(windows), tuple(_crossing(chance, f"{seed}-r{number}") for number in range(crossing)))


def _request(chance: random.Random, seed: int, number: int) -> Request:
    variant = CARRIERS[number % len(CARRIERS)]
    policy = POLICIES[number // len(CARRIERS) % len(POLICIES)]
    is_tampered = chance.random() > UNTAMPERED
    asks = _asks(chance, policy, is_tampered)
    request = Request(
        f"{seed}-{number}",
        variant,
        asks,
        submissions=chance.choice((1, 1, 1, 2)),
        quorum={"quorum": _quorum(chance, asks), "required": 1}.get(policy),
        wants_bargain=policy == "bargain",
        required=(chance.choice([ask.responder for ask in asks if ask.behaviour != "held"]),) if policy == "required" else (),
        deadline_seconds=DEADLINE_SECONDS if is_tampered and policy == "all" else LONG_SECONDS,
    )
    if is_tampered:
        faults = _sns_faults(chance) if variant == "sns" else _workflow_faults(chance, asks)
        request = replace(request, copies=chance.choice((1, 1, 1, 2)) if variant == "sns" else 1, faults=faults)
    if variant == "sns":
        request = replace(request, is_repeated_when_closed=chance.random() < REPEATED_WHEN_CLOSED)
    elif policy == "deadline":
        request = replace(request, is_stopped=chance.random() < STOPPED)
    # Where nothing but the deadline can close it, nobody need wait long for that.
    return replace(request, deadline_seconds=SHORT_SECONDS) if request.rules() == {"DEADLINE"} else request


def _asks(chance: random.Random, policy: str, is_tampered: bool) -> tuple[Ask, ...]:
    hasty, behaviours = chance.sample(HASTY, chance.randint(2, len(HASTY))), {}
    for name in hasty:
        weights = BEHAVIOURS if name == EXISTING else BEHAVIOURS | MESSAGING
        [behaviours[name]] = chance.choices(list(weights), list(weights.values()))
    if policy == "bargain" and chance.random() < 0.75:
        behaviours[chance.choice(hasty)] = "bargain"
    if policy != "all":
        behaviours |= dict.fromkeys(chance.sample(PATIENT, chance.randint(1, len(PATIENT))), "held")
    shuffled = chance.sample(list(behaviours), len(behaviours))
    return tuple(Ask(name, behaviours[name], _delays(chance) if is_tampered else (0,)) for name in shuffled)


def _quorum(chance: random.Random, asks: tuple[Ask, ...]) -> int:
    """Mostly one that is reached, though not by those that are held."""
    quotes = sum(OUTCOMES[ask.behaviour] == "QUOTED" for ask in asks)
    return chance.randint(1, max(1, quotes if chance.random() < 0.75 else len(asks) - 1))


def _sns_faults(chance: random.Random) -> dict[str, tuple[str, ...]]:
    return _faults_of_all(chance) | {
        "publish": _some(chance, CALL_FAULTS, (0, 0, 0, 1)),
        "published": _some(chance, CALL_FAULTS, (0, 0, 0, 1)),
        "answer": _some(chance, CALL_FAULTS, (0, 0, 0, 1)),
        "gather": _some(chance, CALL_FAULTS, (0, 0, 1, 2, 3, 4)),
        "announce": _some(chance, CALL_FAULTS, (0, 0, 1)),
    }


def _workflow_faults(chance: random.Random, asks: tuple[Ask, ...]) -> dict[str, tuple[str, ...]]:
    faults = _faults_of_all(chance) | {
        "workflow opens": _some(chance, WORKFLOW_FAULTS, (0, 0, 0, 1)),
        # Who is throttled for the whole run has used its workflow's patience up.
        "workflow asks": _some(chance, WORKFLOW_FAULTS, (0,) if THROTTLED in {ask.responder for ask in asks} else (0, 0, 1, 2)),
        "answer": _some(chance, WITHOUT_DEATH, (0, 0, 0, 1)),
        "workflow gathers": _some(chance, WORKFLOW_FAULTS, (0, 0, 0, 1)),
        "announce": _some(chance, CALL_FAULTS, (0, 0, 1)),
    }
    spent = len(faults["workflow gathers"]) + len(faults["announce"])
    return faults | {"gather": _some(chance, CALL_FAULTS, (0, 0, 1, 2, 3))[: MOST_OF_A_CALL - spent]}


def _faults_of_all(chance: random.Random) -> dict[str, tuple[str, ...]]:
    return {
        "deadline": _some(chance, CALL_FAULTS, (0, 0, 0, 0, 1)),
        "create": _some(chance, CALL_FAULTS, (0, 0, 0, 1)),
        "invoke": _some(chance, INVOKE_FAULTS, (0, 0, 1)),
        "receive": _some(chance, ("again", "none"), (0, 2, 4, 6)),
    }


def _crossing(chance: random.Random, name: str) -> Request:
    """Answered at once by everybody; the answers are on their way when everything stops."""
    asks = tuple(Ask(responder, "quote", (RESTART_DELAY_SECONDS,)) for responder in chance.sample(HASTY, 3))
    return Request(name, "sns", asks, deadline_seconds=RESTART_DEADLINE_SECONDS)


def _delays(chance: random.Random) -> tuple[int, ...]:
    return tuple(chance.choice(DELAYS) for _ in range(chance.choice((1, 1, 1, 2, 3))))


def _some(chance: random.Random, kinds: tuple[str, ...], how_many: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(chance.choice(kinds) for _ in range(chance.choice(how_many)))
