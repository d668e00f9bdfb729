"""The properties of a resource type, as pulumi_aws declares them: names, types and which are required."""

import collections.abc
import difflib
import importlib
import inspect
import json
import re
import threading
import typing
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any

import pulumi_aws
from pulumi import _types
from pulumi.asset import Archive, Asset

from local.properties import ARCHIVE, ASSET, UNKNOWN, signature

Failure = tuple[str, str]
"""(property path, reason)."""


class JsonText:
    """A document that may be given as a string or as an object, and is kept as a string."""


@dataclass(frozen=True)
class Field:
    type: Any
    required: bool


@dataclass(frozen=True)
class Schema:
    """`inputs` is {property: Field}; `outputs` names every property that the resource has once it exists."""

    inputs: dict[str, Field]
    outputs: frozenset[str]


_loading = threading.Lock()


@cache
def schema(token: str) -> Schema:
    """Of a type token such as `aws:lambda/function:Function`."""
    module_path, name = token.removeprefix("aws:").split(":")
    package, module_name = module_path.split("/")
    # Lambda alone has a module name that is a word of Python's.
    package = {"lambda": "lambda_"}.get(package, package)
    with _loading:
        # pulumi_aws loads its packages lazily, and one stays without its names for good when a module of it is imported
        # first: the program, in this same process, wouldn't find `aws.dynamodb.Table` any more.
        getattr(getattr(pulumi_aws, package), name)
        module = importlib.import_module(f"pulumi_aws.{package}.{_snake(module_name)}")
    state = getattr(module, f"_{name}State")
    # Where a nested object has the name already, the resource's own arguments are called …InitArgs.
    arguments = getattr(module, f"{name}InitArgs", None) or getattr(module, f"{name}Args")
    return Schema(inputs=fields(arguments), outputs=frozenset(_types.input_type_py_to_pulumi_names(state).values()))


@cache
def fields(args: type) -> dict[str, Field]:
    """The properties of one of pulumi_aws' …Args classes."""
    names = _types.input_type_py_to_pulumi_names(args)
    types = _types.input_type_types(args)
    parameters = inspect.signature(args.__init__).parameters
    return {name: Field(types[name], parameters[python_name].default is inspect.Parameter.empty) for python_name, name in names.items()}


def conform(inputs: dict[str, Any], declared: dict[str, Field], path: str = "") -> tuple[dict[str, Any], list[Failure]]:
    """(the inputs with each value in its declared type, what is wrong with them or missing). Nulls are left out."""
    failures: list[Failure] = []
    result: dict[str, Any] = {}
    for name, value in inputs.items():
        inner = f"{path}.{name}" if path else name
        if name not in declared:
            failures.append((inner, _unknown_property(name, declared)))
        elif value is not None:
            result[name] = _convert(value, declared[name].type, inner, failures)
    lacking = (name for name, field in declared.items() if field.required and name not in result)
    failures.extend((f"{path}.{name}" if path else name, "is required") for name in lacking)
    return result, failures


def covers(found: Any, wanted: Any, kind: Any) -> bool:
    """Whether what was found says all that is wanted. Properties that nobody asked for don't count against it."""
    kind = _plain(kind)
    if _is_args(kind) and isinstance(wanted, dict) and isinstance(found, dict):
        declared = fields(kind)
        return all(covers(found.get(name), value, declared[name].type) for name, value in wanted.items())
    if isinstance(wanted, list) and isinstance(found, list) and typing.get_args(kind):
        element = typing.get_args(kind)[0]
        return len(wanted) == len(found) and all(map(lambda f, w: covers(f, w, element), found, wanted))
    return found == wanted or (not found and not wanted)


def _unknown_property(name: str, declared: dict[str, Field]) -> str:
    close = difflib.get_close_matches(name, declared, n=1)
    return "isn't a property of this type" + (f"; did you mean {close[0]}?" if close else "")


def _convert(value: Any, kind: Any, path: str, failures: list[Failure]) -> Any:
    kind = _plain(kind)
    if value == UNKNOWN or kind is Any:
        return value
    if kind is JsonText:
        return json.dumps(value) if isinstance(value, dict) else _convert_scalar(value, str, path, failures)
    if _is_args(kind):
        if not isinstance(value, dict):
            return _mismatch(value, "an object", path, failures)
        result, inner_failures = conform(value, fields(kind), path)
        failures.extend(inner_failures)
        return result
    origin = typing.get_origin(kind)
    if origin is collections.abc.Sequence:
        if not isinstance(value, list):
            return _mismatch(value, "a list", path, failures)
        element = typing.get_args(kind)[0]
        return [_convert(item, element, f"{path}[{index}]", failures) for index, item in enumerate(value)]
    if origin is collections.abc.Mapping:
        if not isinstance(value, dict):
            return _mismatch(value, "a map", path, failures)
        element = typing.get_args(kind)[1]
        return {key: _convert(item, element, f"{path}.{key}", failures) for key, item in value.items() if item is not None}
    return _convert_scalar(value, kind, path, failures)


def _convert_scalar(value: Any, kind: Any, path: str, failures: list[Failure]) -> Any:
    """Numbers and booleans may be written as strings and the other way round, as in the genuine provider."""
    if kind is bool:
        if value in ("true", "false"):
            return value == "true"
        return value if isinstance(value, bool) else _mismatch(value, "a boolean", path, failures)
    if kind in (int, float):
        if isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value):
            value = float(value) if "." in value else int(value)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return _mismatch(value, "a number", path, failures)
        if kind is int and value != int(value):
            return _mismatch(value, "a whole number", path, failures)
        return int(value) if value == int(value) else value
    if isinstance(kind, type) and issubclass(kind, (Asset, Archive)):
        return value if signature(value) in (ASSET, ARCHIVE) else _mismatch(value, "an asset", path, failures)
    if kind is str or (isinstance(kind, type) and issubclass(kind, Enum)):
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, (int, float)):
            return str(value)
        return value if isinstance(value, str) else _mismatch(value, "a string", path, failures)
    return value


def _mismatch(value: Any, expected: str, path: str, failures: list[Failure]) -> Any:
    failures.append((path, f"must be {expected}, not {_kind_of(value)}"))
    return value


def _kind_of(value: Any) -> str:
    if signature(value):
        return "an asset"
    kinds = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list", dict: "an object"}
    return kinds.get(type(value), type(value).__name__)


def _plain(kind: Any) -> Any:
    """`Input[Union[str, Enum, Resource]]`, `Optional[…]` and the like without their wrapping."""
    kind = _types.unwrap_type(kind) if kind is not None else Any
    if typing.get_origin(kind) is typing.Union:
        choices = [_plain(choice) for choice in typing.get_args(kind) if choice is not type(None)]
        if str in choices and any(map(_is_args, choices)):
            return JsonText
        return str if str in choices else choices[0]
    return kind


def _is_args(kind: Any) -> bool:
    return isinstance(kind, type) and _types.is_input_type(kind)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
