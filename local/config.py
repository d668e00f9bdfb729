"""The project and its configuration: `Pulumi.yaml` and `Pulumi.<stack>.yaml`, read and written as the CLI does.

A key without a namespace belongs to the project: `maxConcurrency` stands for `<project>:maxConcurrency`.
"""

from __future__ import annotations

import copy
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from local.errors import LocalError
from local.files import replace_text
from local.properties import PathKey, parse_path

_STACK_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
_TYPE_NAMES = {"string": "a string", "integer": "an integer", "boolean": "true or false", "array": "an array", "object": "an object"}


class ConfigError(LocalError):
    """The project or its configuration is wrong; the message names the key, the value and what is allowed."""


@dataclass(frozen=True)
class Declaration:
    """A key that `Pulumi.yaml` declares. `type` is "" where it doesn't say; `items` is an array's declaration."""

    type: str = ""
    items: Declaration | None = None
    default: Any = None
    secret: bool = False

    def allowed(self) -> str:
        if self.type == "array" and self.items is not None and self.items.type:
            return f"an array whose items are each {self.items.allowed()}"
        return _TYPE_NAMES.get(self.type, "any value")

    def allows(self, value: Any) -> bool:
        """Numbers and booleans may be written as strings, which is how the CLI itself saves them; arrays and objects may not."""
        match self.type:
            case "string":
                return isinstance(value, str | int | float)
            case "integer":
                return _is_integer(value)
            case "boolean":
                return isinstance(value, bool) or value in ("true", "false")
            case "array":
                items = self.items or Declaration()
                return isinstance(value, list) and all(items.allows(item) for item in value)
            case "object":
                return isinstance(value, dict)
        return True


@dataclass(frozen=True)
class Project:
    """What `Pulumi.yaml` says. Keys are whole: `<namespace>:<key>`."""

    folder: Path
    name: str
    main: str = ""
    declarations: Mapping[str, Declaration] = field(default_factory=dict)

    @property
    def local_folder(self) -> Path:
        """Where everything of running locally is kept; git ignores it."""
        return self.folder / ".local"

    @property
    def program_folder(self) -> Path:
        return self.folder / self.main

    def whole_key(self, key: str) -> str:
        return key if ":" in key else f"{self.name}:{key}"

    def short_key(self, key: str) -> str:
        return key.removeprefix(f"{self.name}:")


def load_project(start: Path) -> Project:
    """The project that `start` or the nearest folder above it belongs to."""
    for folder in [start, *start.parents]:
        for name in ("Pulumi.yaml", "Pulumi.yml"):
            if (folder / name).is_file():
                return _read_project(folder / name)
    raise ConfigError("no Pulumi.yaml project file found in this folder or above it")


def _read_project(path: Path) -> Project:
    content = _load_yaml(path)
    if not isinstance(content, dict) or not isinstance(content.get("name"), str):
        raise ConfigError(f"{path} must have a name")
    runtime = content.get("runtime")
    language = runtime.get("name") if isinstance(runtime, dict) else runtime
    if language != "python":
        raise ConfigError(f"{path}: runtime {language!r} isn't supported by the local engine, which runs python")
    declarations = content.get("config") or {}
    return Project(
        path.parent,
        content["name"],
        main=content.get("main") or "",
        declarations={
            (key if ":" in key else f"{content['name']}:{key}"): _declaration(f"{path}: config {key}", declared)
            for key, declared in declarations.items()
        },
    )


def _declaration(where: str, declared: Any) -> Declaration:
    if not isinstance(declared, dict):
        return Declaration(default=declared)
    type_ = declared.get("type", "")
    if type_ not in ("", *_TYPE_NAMES):
        raise ConfigError(f"{where}: type {type_!r} must be one of {', '.join(_TYPE_NAMES)}")
    items = _declaration(f"{where} items", declared["items"]) if "items" in declared else None
    if type_ == "array" and items is None:
        raise ConfigError(f"{where}: an array must say what its items are")
    declaration = Declaration(type_, items, declared.get("value", declared.get("default")), bool(declared.get("secret")))
    if declaration.default is not None and not declaration.allows(declaration.default):
        raise ConfigError(f"{where}: default {declaration.default!r} must be {declaration.allowed()}")
    return declaration


class StackConfig:
    """One stack's configuration: `Pulumi.<stack>.yaml`, or another `file`, over the defaults of the project. Where there is none, what
    `Pulumi.<stack>.yaml.example` has, until a value is set: then the file is made from it."""

    def __init__(self, project: Project, stack: str, file: Path | None = None) -> None:
        if not _STACK_NAME.fullmatch(stack):
            raise ConfigError(f"stack name {stack!r} may only have letters, digits, '-', '_' and '.', at most 100")
        self.project = project
        self.stack = stack
        self.path = file or project.folder / f"Pulumi.{stack}.yaml"
        if file is not None and not file.is_file():
            raise ConfigError(f"there is no configuration file {file}")
        example = self.path.with_name(f"{self.path.name}.example")
        found = next((each for each in (self.path, example) if each.exists()), None)
        self._document = _load_yaml(found) if found else {}
        if self._document is None:
            self._document = {}
        if not isinstance(self._document, dict) or not isinstance(self._document.get("config") or {}, dict):
            raise ConfigError(f"{self.path} must have a map under config")

    def document(self) -> dict[str, Any]:
        """A copy of what the file has, comments and all."""
        return copy.deepcopy(self._document)

    def values(self) -> dict[str, Any]:
        """Every key that has a value, the stack's before the project's."""
        defaults = {key: declared.default for key, declared in self.project.declarations.items() if declared.default is not None}
        own = {self.project.whole_key(key): value for key, value in self._own().items()}
        return dict(sorted((defaults | own).items()))

    def validate(self) -> None:
        """Raises ConfigError for the first value that the project's declarations don't allow."""
        values = self.values()
        for key, value in values.items():
            self._refuse_encrypted(key, value)
        for key in self._own():
            self._refuse_in_clear(self.project.whole_key(key))
        for key, declared in self.project.declarations.items():
            name = self.project.short_key(key)
            if key not in values:
                raise ConfigError(f"stack {self.stack} is missing configuration value {name!r}: {declared.allowed()}")
            self._check(key, values[key])

    def texts(self) -> dict[str, str]:
        """The values as the program receives them: objects and arrays as JSON."""
        return {key: text(value) for key, value in self.values().items()}

    def secret_keys(self) -> list[str]:
        return [key for key, declared in self.project.declarations.items() if declared.secret]

    def provider_config(self, package: str) -> dict[str, str]:
        """{"region": "us-east-1"} of `aws:region`, for package "aws"."""
        prefix = f"{package}:"
        values = {key: value for key, value in self.values().items() if key.startswith(prefix)}
        for key, value in values.items():
            self._refuse_encrypted(key, value)
        return {key.removeprefix(prefix): text(value) for key, value in values.items()}

    def get(self, key: str, *, path: bool = False) -> str:
        first, rest = self._split(key, path)
        value = self.values().get(first)
        for part in rest:
            value = _child(_parsed(value), part)
        if value is None:
            raise ConfigError(f"configuration key {key!r} not found for stack {self.stack!r}")
        self._refuse_encrypted(first, value)
        return text(value)

    def set(self, key: str, value: str, *, path: bool = False) -> None:
        """Saves the value, after checking it when the key is declared. Comments in the file stay."""
        first, rest = self._split(key, path)
        self._refuse_in_clear(first)
        own = self._own()
        stored = next((name for name in own if self.project.whole_key(name) == first), first)
        new = _with_child(_copy(_parsed(own.get(stored))), rest, _typed(value), key) if rest else value
        self._check(first, new)
        own[stored] = _as_yaml(new)
        self._document["config"] = own
        self._save()

    def remove(self, key: str, *, path: bool = False) -> None:
        """Removes the stack's own value, if it has one."""
        first, rest = self._split(key, path)
        own = self._own()
        for name in [name for name in own if self.project.whole_key(name) == first]:
            container: Any = own
            last: PathKey = name
            for part in rest:
                container, last = container[last], part
                if _child(container, part) is None:
                    return
            del container[last]
            self._save()

    def _own(self) -> dict[str, Any]:
        config = self._document.get("config")
        return {} if config is None else config

    def _split(self, key: str, path: bool) -> tuple[str, list[PathKey]]:
        if not path:
            return self.project.whole_key(key), []
        try:
            first, *rest = parse_path(key)
        except ValueError as error:
            raise ConfigError(f"invalid configuration key: {error}") from error
        return self.project.whole_key(str(first)), rest

    def _check(self, key: str, value: Any) -> None:
        declared = self.project.declarations.get(key)
        if declared is not None and not declared.allows(value):
            shown = "[secret]" if declared.secret else text(value)
            name = self.project.short_key(key)
            raise ConfigError(f"configuration key {name!r} of stack {self.stack!r} is {shown!r}, but must be {declared.allowed()}")

    def _refuse_encrypted(self, key: str, value: Any) -> None:
        if isinstance(value, dict) and set(value) == {"secure"}:
            raise ConfigError(
                f"configuration key {self.project.short_key(key)!r} is encrypted (secure:), which the local engine can't open; use --cli"
            )

    def _refuse_in_clear(self, key: str) -> None:
        if key in self.secret_keys():
            raise ConfigError(
                f"configuration key {self.project.short_key(key)!r} of stack {self.stack!r} must be encrypted as it's secret, which "
                "the local engine can't do; use --cli"
            )

    def _save(self) -> None:
        stream = io.StringIO()
        _yaml().dump(self._document, stream)
        replace_text(self.path, stream.getvalue())


def text(value: Any) -> str:
    """A value as one string: strings as they are, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _load_yaml(path: Path) -> Any:
    try:
        return _yaml().load(path)
    except YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from error


def _is_integer(value: Any) -> bool:
    if isinstance(value, str):
        return re.fullmatch(r"[+-]?\d+", value) is not None
    return isinstance(value, int) and not isinstance(value, bool)


def _parsed(value: Any) -> Any:
    """Arrays and objects may be saved as JSON text, as the CLI does without `--path`."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _typed(value: str) -> Any:
    """A value inside an array or object: `true`, `false` and integers are such, everything else is a string."""
    if value in ("true", "false"):
        return value == "true"
    return int(value) if re.fullmatch(r"-?(0|[1-9]\d*)", value) else value


def _as_yaml(value: Any) -> Any:
    # A string that YAML would read as something else has to be quoted.
    if isinstance(value, str) and not isinstance(YAML(typ="safe").load(value or "null"), str):
        return DoubleQuotedScalarString(value)
    return value


def _child(container: Any, key: PathKey) -> Any:
    if isinstance(container, dict):
        return container.get(key)
    if isinstance(container, list) and isinstance(key, int) and key < len(container):
        return container[key]
    return None


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def _with_child(container: Any, path: list[PathKey], value: Any, whole_path: str) -> Any:
    key, rest = path[0], path[1:]
    new = _with_child(_child(container, key), rest, value, whole_path) if rest else value
    if isinstance(key, int):
        items = container if isinstance(container, list) else []
        if key > len(items):
            raise ConfigError(f"could not set config: {whole_path}: array index out of range")
        return [*items[:key], new, *items[key + 1 :]]
    return {**(container if isinstance(container, dict) else {}), key: new}
