"""What alarms and dashboard watch: each component says what can fail in it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional, Protocol, TypedDict

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


class Watchable(Protocol):
    """A component that says what can fail in it."""

    @property
    def watched(self) -> Watched: ...


class Carrier(Watchable, Protocol):
    """A component that takes requests, see `components.carriers`."""

    @property
    def entrance(self) -> Mapping[str, pulumi.Input[Any]]: ...


def together(components: Iterable[Watchable]) -> Watched:
    parts = [component.watched for component in components]
    return Watched(
        [machine for part in parts for machine in part.machines],
        *({name: value for part in parts for name, value in getattr(part, kind).items()}
          for kind in ("functions", "responders", "dead_letter_queues")))
