"""What a stack's last update left: the resources, with the names and shapes of Pulumi's own checkpoints.

`.local/<stack>.state.json` is replaced as a whole after every step, so an interrupt at any moment loses nothing.
Secrets in it are encrypted with the key in `.local/secrets.key`.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from local.errors import LocalError
from local.files import replace_text
from local.properties import SECRET, SIGNATURE, Properties, is_secret, replace_special

VERSION = 1
STACK_TYPE = "pulumi:pulumi:Stack"


class StateError(LocalError):
    """The state can't be read, or another update holds it; the message is for the user."""


# URNs


def make_urn(stack: str, project: str, parent: str, type_: str, name: str) -> str:
    if parent and urn_type(parent) != STACK_TYPE:
        type_ = f"{parent.split('::')[2]}${type_}"
    return f"urn:pulumi:{stack}::{project}::{type_}::{name}"


def urn_type(urn: str) -> str:
    return urn.split("::")[2].rpartition("$")[2]


def urn_name(urn: str) -> str:
    return urn.split("::", 3)[3]


def root_urn(stack: str, project: str) -> str:
    return make_urn(stack, project, "", STACK_TYPE, f"{project}-{stack}")


@dataclass
class Resource:
    """One resource, as it was last registered and made."""

    urn: str
    custom: bool
    id: str = ""
    parent: str = ""
    inputs: Properties = field(default_factory=dict)
    outputs: Properties = field(default_factory=dict)
    dependencies: list[str] = field(default_factory=list)
    property_dependencies: dict[str, list[str]] = field(default_factory=dict)
    protect: bool = False
    retain_on_delete: bool = False
    deleted_with: str = ""
    external: bool = False
    """Read by the program, not made by it: never deleted."""
    delete: bool = False
    """Replaced already, its deletion is still to come."""
    pending_replacement: bool = False
    """Deleted already, its replacement is still to come."""
    ignore_changes: list[str] = field(default_factory=list)
    replace_on_changes: list[str] = field(default_factory=list)
    additional_secret_outputs: list[str] = field(default_factory=list)
    custom_timeouts: dict[str, float] = field(default_factory=dict)
    """Seconds per operation: create, update, delete."""

    @property
    def type(self) -> str:
        return urn_type(self.urn)

    @property
    def name(self) -> str:
        return urn_name(self.urn)

    @property
    def package(self) -> str:
        return self.type.partition(":")[0]

    def needs(self) -> set[str]:
        """The URNs that have to be there before this resource and may go only after it."""
        needed = {*self.dependencies, self.parent, self.deleted_with}
        needed.update(urn for urns in self.property_dependencies.values() for urn in urns)
        return needed - {""}


_JSON_NAMES = {
    name: "".join([first, *(part.capitalize() for part in rest)])
    for name in Resource.__dataclass_fields__
    for first, *rest in [name.split("_")]
}


def resource_to_json(resource: Resource, replace_secret: Callable[[Any], Any]) -> dict[str, Any]:
    """The resource under the names that Pulumi's checkpoints use, without what is empty."""
    shown: dict[str, Any] = {"urn": resource.urn, "type": resource.type, "custom": resource.custom}
    for name, json_name in _JSON_NAMES.items():
        value = getattr(resource, name)
        if value:
            shown[json_name] = replace_special(value, replace_secret) if name in ("inputs", "outputs") else value
    return shown


@dataclass
class State:
    """All of a stack: its resources in the order of their dependencies, and what was under way when it was saved."""

    resources: list[Resource] = field(default_factory=list)
    pending_creates: list[Resource] = field(default_factory=list)
    emulator: str | None = None
    """The instance of the emulator that holds these resources; None when that can't be told."""

    def outputs(self) -> Properties:
        """The stack's outputs; none before the first update."""
        stacks = (resource for resource in self.resources if resource.type == STACK_TYPE)
        return next(stacks, Resource("", custom=False)).outputs


class StateFile:
    """A stack's state in a project's `.local` folder."""

    def __init__(self, folder: Path, stack: str) -> None:
        self.folder = folder
        self.stack = stack
        self.path = folder / f"{stack}.state.json"

    def exists(self) -> bool:
        return self.path.exists()

    def load(self) -> State:
        if not self.exists():
            return State()
        try:
            content = json.loads(self.path.read_text())
            version = content["version"]
        except (ValueError, KeyError, TypeError) as error:
            raise StateError(f"{self.path} is not a state file: {error}") from error
        if version != VERSION:
            raise StateError(f"{self.path} has version {version}; this engine reads version {VERSION}")
        return State(
            [self._resource_from_json(item) for item in content["resources"]],
            [self._resource_from_json(item["resource"]) for item in content.get("pendingOperations", [])],
            content.get("emulator"),
        )

    def save(self, state: State) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        content = {
            "version": VERSION,
            "stack": self.stack,
            "emulator": state.emulator,
            "resources": [self._resource_to_json(resource) for resource in state.resources],
            "pendingOperations": [
                {"type": "creating", "resource": self._resource_to_json(resource)}
                for resource in state.pending_creates
            ],
        }
        replace_text(self.path, json.dumps(content, indent=2) + "\n", mode=0o600)

    @contextmanager
    def lock(self) -> Generator[None]:
        """Held by one update of the stack at a time; StateError names the process that holds it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f"{self.stack}.lock").open("a+") as file:
            os.fchmod(file.fileno(), 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                holder = file.read().strip() or "unknown"
                message = f"stack {self.stack} is locked by another update (pid {holder}); wait until it has ended"
                raise StateError(message) from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def _resource_to_json(self, resource: Resource) -> dict[str, Any]:
        return resource_to_json(resource, self._encrypt)

    def _resource_from_json(self, content: dict[str, Any]) -> Resource:
        values = {name: content[key] for name, key in _JSON_NAMES.items() if key in content}
        resource = Resource(**values)
        return replace(
            resource,
            inputs=replace_special(resource.inputs, self._decrypt),
            outputs=replace_special(resource.outputs, self._decrypt),
        )

    def _encrypt(self, special: Any) -> Any:
        if not is_secret(special):
            return special
        ciphertext = self._cipher().encrypt(json.dumps(special["value"]).encode())
        return {SIGNATURE: SECRET, "ciphertext": ciphertext.decode()}

    def _decrypt(self, special: Any) -> Any:
        if not is_secret(special):
            return special
        from cryptography.fernet import InvalidToken

        try:
            value = self._cipher().decrypt(special["ciphertext"])
        except InvalidToken:
            raise StateError(f"{self.path} has secrets that {self.folder / 'secrets.key'} doesn't open") from None
        return {SIGNATURE: SECRET, "value": json.loads(value)}

    def _cipher(self) -> Any:
        # Only stacks with secrets pay for this import.
        from cryptography.fernet import Fernet

        path = self.folder / "secrets.key"
        if not path.exists():
            replace_text(path, Fernet.generate_key().decode(), mode=0o600)
        return Fernet(path.read_text())
