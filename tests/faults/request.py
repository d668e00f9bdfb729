"""One request of a fault run: what is asked of whom, what is to go wrong with it, and what that alone decides about its end."""

import math
from dataclasses import dataclass, field

THROTTLED = "sixt"
"""The responder whose function takes one call at a time for the whole run: what it answers, the plan does not decide."""

EXISTING = "legacy"
"""The responder that is an existing function of the account, behind one of ours."""

SLOW_SECONDS = 10
"""What everything that is to be done for a request may take on a busy machine, beside what the plan holds up."""

VISIBILITY_SECONDS = 15
"""After which the response queue delivers again what a killed aggregator had: 5 s more than the aggregator may take."""

PAUSE_SECONDS = {"kill-before": VISIBILITY_SECONDS, "kill-after": VISIBILITY_SECONDS}
"""For how long a fault of one call holds its request up, at the most; each other one for FAULT_SECONDS."""

FAULT_SECONDS = 2

BARGAIN_BELOW = 10**13
"""A bargain costs less than that, every other quote more."""

OUTCOMES: dict[str, str | None] = {
    "quote": "QUOTED",
    "bargain": "QUOTED",
    "huge": "QUOTED",
    "busy": "QUOTED",
    "twice": "QUOTED",
    "poison": "QUOTED",
    "decline": "DECLINED",
    "throw": "FAILED",
    "garbage": "FAILED",
    "tired": "FAILED",
    "crash": "FAILED",
    "hang": "TIMED_OUT",
    "held": None,
}
"""What becomes of a responder with this behaviour; None: as long as its request is open, nothing."""

BENIGN = ("quote", "bargain", "decline", "held")


@dataclass(frozen=True)
class Ask:
    """One responder of one request. delays: one entry for each copy of its answer's message, in seconds."""

    responder: str
    behaviour: str
    delays: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class Request:
    """submissions: how often the caller sends it, at once. wants_bargain: a quote below BARGAIN_BELOW closes it. copies: of the
    published message. faults: for the calls made for this request, by the point where they are made (see `proxy` and
    `faulty_emulator`), one for each call in turn. is_stopped: its execution is stopped from outside once a responder is held.
    is_repeated_when_closed: the caller sends it once more then."""

    id: str
    variant: str
    asks: tuple[Ask, ...]
    submissions: int = 1
    quorum: int | None = None
    wants_bargain: bool = False
    required: tuple[str, ...] = ()
    deadline_seconds: int = 20
    copies: int = 1
    faults: dict[str, tuple[str, ...]] = field(default_factory=dict)
    is_stopped: bool = False
    is_repeated_when_closed: bool = False

    def behaviour(self, responder: str) -> str:
        return next(ask.behaviour for ask in self.asks if ask.responder == responder)

    def outcome(self, ask: Ask) -> str | None:
        # A queue delivers again what crashed its reader, long after the deadline; a workflow has its failure at once.
        return None if ask.behaviour == "crash" and self.variant == "sns" else OUTCOMES[ask.behaviour]

    def rules(self) -> frozenset[str]:
        """By which rules (`completedBy`) it may close, as long as nothing stalls for seconds. One: the plan decides it."""
        outcomes = {ask.responder: self.outcome(ask) for ask in self.asks}
        found = self._rules(outcomes)
        if THROTTLED in outcomes:
            found |= self._rules({**outcomes, THROTTLED: "FAILED"})
        if self.is_stopped:
            return frozenset({"DEADLINE"})
        if self.held_up_seconds + SLOW_SECONDS >= self.deadline_seconds:
            found |= {"DEADLINE"}
        return frozenset(found)

    @property
    def held_up_seconds(self) -> float:
        """For how long its faults and delays may keep it from closing. What hits it before it has a record, or after it is closed, holds
        nothing up; a message that is received twice neither."""
        faults = [
            fault
            for point, faults in self.faults.items()
            if point not in ("deadline", "create", "announce", "receive")
            for fault in faults
            if fault != "none"
        ]
        return sum(PAUSE_SECONDS.get(fault, FAULT_SECONDS) for fault in faults) + max(max(ask.delays) for ask in self.asks)

    def _rules(self, outcomes: dict[str, str | None]) -> set[str]:
        early = set()
        if all(outcomes[name] in ("QUOTED", "DECLINED") for name in self.required):
            if self.wants_bargain and any(ask.behaviour == "bargain" and outcomes[ask.responder] == "QUOTED" for ask in self.asks):
                early.add("CONDITION")
            if list(outcomes.values()).count("QUOTED") >= (self.quorum or math.inf):
                early.add("QUORUM")
        if None in outcomes.values():
            return early or {"DEADLINE"}
        # The last answers may come together with the one that would have been enough.
        return early | {"ALL"}

    @property
    def is_untouched(self) -> bool:
        """Whether nothing that happens to it makes anybody ask again."""
        return not any(self.faults.values()) and self.copies == 1 and not self.is_stopped

    @property
    def expected_answers(self) -> int:
        """How many responders answer, as long as nothing stalls for seconds. One that is held answers once the request is closed,
        unless that was the deadline."""
        lets_go = "DEADLINE" not in self.rules()
        return sum(
            lets_go if ask.behaviour == "held" else ask.behaviour != "crash" and self.outcome(ask) in ("QUOTED", "DECLINED", "FAILED")
            for ask in self.asks
        )

    @property
    def planned_duplicates(self) -> int:
        return (
            self.submissions
            - 1
            + self.is_repeated_when_closed
            + self.copies
            - 1
            + sum(len(ask.delays) - 1 for ask in self.asks)
            + sum(ask.behaviour == "twice" for ask in self.asks)
        )

    @property
    def planned_faults(self) -> int:
        return (
            self.is_stopped
            + sum(kind != "none" for kinds in self.faults.values() for kind in kinds)
            + sum(delay > 0 for ask in self.asks for delay in ask.delays)
            + sum(ask.behaviour not in (*BENIGN, "twice") for ask in self.asks)
        )
