"""What alarms and dashboard watch: each component says what can fail in it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Optional, TypedDict

import pulumi


class Machine(TypedDict):
    name: str
    """Of the variant."""
    arn: pulumi.Input[str]
    logGroupName: Optional[pulumi.Input[str]]
    """Of an Express workflow, whose executions are found nowhere else; None for a Standard one."""


@dataclass(frozen=True)
class Watched:
    """functions: the stack's own, whose errors are faults; responders: those whose failures are answers; both, and the dead-letter queues,
    by the name that a person reads."""

    machines: Sequence[Machine] = ()
    functions: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    responders: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    dead_letter_queues: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)


def together(parts: Iterable[Watched]) -> Watched:
    machines: list[Machine] = []
    functions: dict[str, pulumi.Input[str]] = {}
    responders: dict[str, pulumi.Input[str]] = {}
    queues: dict[str, pulumi.Input[str]] = {}
    for part in parts:
        machines += part.machines
        functions |= part.functions
        responders |= part.responders
        queues |= part.dead_letter_queues
    return Watched(machines, functions, responders, queues)
