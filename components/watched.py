"""What alarms and dashboard watch: each component says what can fail in it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional, Protocol, TypedDict

import pulumi

from components.handler_function import HandlerFunction


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
    functions: Mapping[str, HandlerFunction] = field(default_factory=dict)
    responders: Mapping[str, HandlerFunction] = field(default_factory=dict)
    dead_letter_queues: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)

    @property
    def function_names(self) -> dict[str, pulumi.Input[str]]:
        """Of the stack's own functions."""
        return {name: function.functionName for name, function in self.functions.items()}

    @property
    def responder_names(self) -> dict[str, pulumi.Input[str]]:
        return {name: function.functionName for name, function in self.responders.items()}

    @property
    def log_groups(self) -> dict[str, pulumi.Input[str]]:
        """By what writes there: functions, responders, and Express workflows."""
        machines = {machine["name"]: machine["logGroupName"] for machine in self.machines if machine["logGroupName"] is not None}
        return {**machines, **{name: function.logGroupName for name, function in {**self.functions, **self.responders}.items()}}


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
