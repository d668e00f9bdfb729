"""The engine's vocabulary: what the program wants of a resource, what is done to it, and how that is told."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from local.errors import LocalError
from local.state import Resource, urn_name, urn_type


class Op(StrEnum):
    """What a step does, in Pulumi's words."""

    SAME = "same"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    REPLACE = "replace"
    CREATE_REPLACEMENT = "create-replacement"
    DELETE_REPLACED = "delete-replaced"
    READ = "read"
    DISCARD = "discard"
    REFRESH = "refresh"


NOT_COUNTED = (Op.CREATE_REPLACEMENT, Op.DELETE_REPLACED)
"""Parts of a replacement, which counts once as `replace`."""


class Stopped(Exception):
    """No further step is started: another one failed, or the user interrupted."""


class ProgramError(LocalError):
    """The program registered something that can't be; the message is for the user."""


@dataclass
class Alias:
    """Where a resource may have been before: a whole URN, or the parts of it that were different."""

    urn: str = ""
    name: str = ""
    type: str = ""
    stack: str = ""
    project: str = ""
    parent: str = ""
    no_parent: bool = False


@dataclass
class Goal:
    """What the program wants: the resource, which has a URN and sorted dependencies only once it is claimed, and how to come to it."""

    type: str
    name: str
    resource: Resource
    aliases: list[Alias] = field(default_factory=list)
    delete_before_replace: bool | None = None


@dataclass
class Step:
    """One thing done to one resource. `diff` is {property path: kind}."""

    op: Op
    urn: str
    old: Resource | None = None
    new: Resource | None = None
    diff: dict[str, str] = field(default_factory=dict)
    replace_keys: list[str] = field(default_factory=list)

    @property
    def resource(self) -> Resource:
        resource = self.new or self.old
        assert resource is not None
        return resource


@dataclass
class Event:
    """A step begins, is done after `seconds`, or has failed with `message`."""

    step: Step
    phase: Literal["begin", "done", "failed"]
    seconds: float = 0.0
    message: str = ""


@dataclass
class Failure:
    urn: str
    message: str

    def __str__(self) -> str:
        """One line, whatever the provider said."""
        return f"{urn_type(self.urn)} ({urn_name(self.urn)}): {' '.join(self.message.split())}"
