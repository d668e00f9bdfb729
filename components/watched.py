"""What alarms and dashboard watch: each component says what can fail in it."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional, Protocol, TypedDict, TypeVar

import pulumi

from components.handler_function import HandlerFunction

T = TypeVar("T")


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
    def all_function_names(self) -> dict[str, pulumi.Input[str]]:
        """Of the responders' functions too."""
        return {name: function.functionName for name, function in self._all_functions().items()}

    @property
    def log_groups(self) -> dict[str, pulumi.Input[str]]:
        """By what writes there: functions, responders, and Express workflows."""
        machines = {machine["name"]: machine["logGroupName"] for machine in self.machines if machine["logGroupName"] is not None}
        functions = {name: function.logGroupName for name, function in self._all_functions().items()}
        return _beside(machines, functions, "function")

    def _all_functions(self) -> dict[str, HandlerFunction]:
        return _beside(self.functions, self.responders, "responder")


class Watchable(Protocol):
    """A component that says what can fail in it."""

    @property
    def watched(self) -> Watched: ...


class Carrier(Watchable, Protocol):
    """A component that takes requests, see `components.carriers`."""

    @property
    def entrance(self) -> Mapping[str, pulumi.Input[Any]]: ...


def together(components: Iterable[Watchable]) -> Watched:
    """All of them. Of two things with one name, such as the aggregators of two stores, the second is numbered."""
    parts = [component.watched for component in components]
    return Watched(
        [machine for part in parts for machine in part.machines],
        *(_merged(getattr(part, kind) for part in parts) for kind in ("functions", "responders", "dead_letter_queues")),
    )


def _beside(some: Mapping[str, T], others: Mapping[str, T], kind: str) -> dict[str, T]:
    """All of them. One of the others that has a name of the first is told from it by what it is."""
    return {**some, **{f"{kind} {name}" if name in some else name: value for name, value in others.items()}}


def _merged(parts: Iterable[Mapping[str, T]]) -> dict[str, T]:
    merged: dict[str, T] = {}
    for name, value in (item for part in parts for item in part.items()):
        # Two carriers may share a function, which is then the same object.
        keys = (name if number == 1 else f"{name} {number}" for number in itertools.count(1))
        merged[next(key for key in keys if merged.get(key, value) is value)] = value
    return merged
