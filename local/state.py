"""What a stack's last update left: the resources, with the names and shapes of Pulumi's own checkpoints.

`.local/<stack>.state.json` holds the whole state. While an update runs, `<stack>.journal` beside it takes one line for each
change, synced before anything can depend on that change, so an end of the process at any moment loses nothing. The end of
the update writes the whole state and removes the journal. Secrets are encrypted with the key in `.local/secrets.key`.
"""

from __future__ import annotations

import copy
import fcntl
import json
import os
import re
import uuid
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
    external: bool = False
    """Read by the program, not made by it: never deleted."""
    delete: bool = False
    """Replaced already, its deletion is still to come."""
    pending_replacement: bool = False
    """Deleted already, its replacement is still to come."""
    ignore_changes: list[str] = field(default_factory=list)
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
        needed = {*self.dependencies, self.parent}
        needed.update(urn for urns in self.property_dependencies.values() for urn in urns)
        return needed - {""}

    def refer(self, current: Callable[[str], str]) -> None:
        """Puts `current(urn)` in the place of each reference to another resource; "" takes it away."""
        self.parent = current(self.parent)
        self.dependencies = list(filter(None, map(current, self.dependencies)))
        self.property_dependencies = {name: list(filter(None, map(current, urns))) for name, urns in self.property_dependencies.items()}


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
    pending_deletes: list[Resource] = field(default_factory=list)

    def outputs(self) -> Properties:
        """The stack's outputs; none before the first update."""
        stacks = (resource for resource in self.resources if resource.type == STACK_TYPE)
        return next(stacks, Resource("", custom=False)).outputs

    def copy(self) -> State:
        """A state of its own. The resources' properties are shared: nothing changes those in place."""
        lists = (self.resources, self.pending_creates, self.pending_deletes)
        resources, creates, deletes = ([copy.copy(resource) for resource in resources] for resources in lists)
        return State(resources, creates, self.emulator, deletes)


CREATING, DELETING = "creating", "deleting"

DONE, KEEP, DROP, PUT, BEGIN, END = "done", "keep", "drop", "put", "begin", "end"
Change = list[tuple[Any, ...]]
"""What happens to a state in one go, as an update sees it: resources that it has done, and those that are left to it.

(DONE, resource)        is done, in the place of an earlier one with its URN
(KEEP, place)           of those left, the one at that place is done as it is
(DROP, place)           of those left, the one at that place goes
(PUT, place, resource)  of those left, this is the one at that place now
(BEGIN, key, resource)  a creation or deletion is under way; (END, key) when it has ended
"""


def creation_of(resource: Resource) -> str:
    """The key of a creation that is under way."""
    return f"{CREATING} {resource.urn}"


def deletion_of(resource: Resource) -> str:
    """The key of a deletion that is under way."""
    return f"{DELETING} {resource.urn} {resource.id}"


def stack_names(project: Path) -> list[str]:
    """Of a project's folder: the stacks that have a configuration, an example of one, or a state."""
    found = [*project.glob("Pulumi.*.yaml"), *project.glob("Pulumi.*.yaml.example"), *(project / ".local").glob("*.state.json")]
    return sorted({re.sub(r"^Pulumi\.|\.yaml(\.example)?$|\.state\.json$", "", path.name) for path in found})


class StateFile:
    """A stack's state in a project's `.local` folder."""

    def __init__(self, folder: Path, stack: str) -> None:
        self.folder = folder
        self.stack = stack
        self.path = folder / f"{stack}.state.json"
        self.journal_path = folder / f"{stack}.journal"

    def exists(self) -> bool:
        return self.path.exists() or self.journal_path.exists()

    def load(self) -> State:
        """The state, with what an unfinished update changed. StateError names a file that can't be read."""
        # The journal first: an update that ends in between puts all of it into the state, which no longer names it then.
        try:
            lines = self.journal_path.read_bytes().split(b"\n")
        except FileNotFoundError:
            lines = []
        whole = self._read() if self.path.exists() else {"resources": []}
        with self._naming(self.path):
            state = State([self._resource_from_json(item) for item in whole["resources"]], emulator=whole.get("emulator"))
            for operation in whole.get("pendingOperations", []):
                pending = state.pending_deletes if operation["type"] == DELETING else state.pending_creates
                pending.append(self._resource_from_json(operation["resource"]))
        with self._naming(self.journal_path):
            # The last line is empty, or torn by an end of the process before it counted.
            if lines[:-1] and json.loads(lines[0])["continues"] == whole.get("journal", ""):
                self._replay(state, lines[1:-1])
        return state

    def save(self, state: State) -> None:
        """Writes the whole state, and ends the journal that led to it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        pending = [(CREATING, resource) for resource in state.pending_creates]
        pending += [(DELETING, resource) for resource in state.pending_deletes]
        content = {
            "version": VERSION,
            "stack": self.stack,
            "emulator": state.emulator,
            "journal": uuid.uuid4().hex,
            "resources": [self._resource_to_json(resource) for resource in state.resources],
            "pendingOperations": [{"type": type_, "resource": self._resource_to_json(resource)} for type_, resource in pending],
        }
        replace_text(self.path, json.dumps(content, indent=2) + "\n", mode=0o600)
        self.journal_path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Forgets the stack."""
        for path in (self.journal_path, self.path):
            path.unlink(missing_ok=True)

    def settle(self, state: State) -> None:
        """Ends an update, which has left `state`: writes the whole of it when anything has changed."""
        if self.journal_path.exists():
            self.save(state)

    def journal(self, state: State) -> Journal:
        """What takes the changes that an update is about to make to `state`, which is what `load` returned."""
        if self.journal_path.exists():
            self.save(state)
        continued = self._read().get("journal", "") if self.path.exists() else ""
        return Journal(self.journal_path, continued, self._resource_to_json)

    def _read(self) -> dict[str, Any]:
        with self._naming(self.path):
            content = json.loads(self.path.read_text())
            version = content["version"]
        if version != VERSION:
            raise StateError(f"{self.path} has version {version}; this engine reads version {VERSION}")
        return content

    def _replay(self, state: State, lines: list[bytes]) -> None:
        done: dict[str, Resource] = {}
        left = state.resources
        pending = {creation_of(resource): resource for resource in state.pending_creates}
        pending |= {deletion_of(resource): resource for resource in state.pending_deletes}
        for kind, *details in (step for line in lines for step in json.loads(line)):
            resource = self._resource_from_json(details.pop()) if isinstance(details[-1], dict) else None
            match kind:
                case "done" | "keep":
                    resource = resource or left.pop(details[0])
                    done[resource.urn] = resource
                case "drop" | "put":
                    left[details[0] : details[0] + 1] = [resource] if resource else []
                case "begin" | "end":
                    pending.pop(details[0], None)
                    pending |= {details[0]: resource} if resource else {}
        state.resources = [*done.values(), *left]
        state.pending_creates = [resource for key, resource in pending.items() if key.startswith(CREATING)]
        state.pending_deletes = [resource for key, resource in pending.items() if key.startswith(DELETING)]

    @contextmanager
    def _naming(self, path: Path) -> Generator[None]:
        try:
            yield
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            problem = f"{error} is missing" if isinstance(error, KeyError) else error
            raise StateError(f"{path} is not a state file: {problem}") from error

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

    def is_locked(self) -> bool:
        """Whether an update of the stack is under way."""
        try:
            with self.lock():
                return False
        except StateError:
            return True

    def _resource_to_json(self, resource: Resource) -> dict[str, Any]:
        return resource_to_json(resource, self._encrypt)

    def _resource_from_json(self, content: dict[str, Any]) -> Resource:
        values = {name: content[key] for name, key in _JSON_NAMES.items() if key in content}
        resource = Resource(**values)
        return replace(
            resource, inputs=replace_special(resource.inputs, self._decrypt), outputs=replace_special(resource.outputs, self._decrypt)
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
        try:
            return Fernet(path.read_text())
        except ValueError as error:
            raise StateError(f"{path} is not a key for secrets: {error}") from error


class Journal:
    """Takes changes, one line each. Whoever calls it calls it from one thread at a time."""

    def __init__(self, path: Path, continues: str, to_json: Callable[[Resource], dict[str, Any]]) -> None:
        self._path = path
        self._continues = continues
        self._to_json = to_json
        self._end = 0

    def __call__(self, change: Change) -> None:
        """Returns when the change is on the disk; OSError leaves the journal as it was."""
        line = [[self._to_json(part) if isinstance(part, Resource) else part for part in step] for step in change]
        lines = [line] if self._end else [{"continues": self._continues}, line]
        text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.ftruncate(descriptor, self._end)
            written = 0
            while written < len(text):
                written += os.pwrite(descriptor, text[written:], self._end + written)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self._end += len(text)
