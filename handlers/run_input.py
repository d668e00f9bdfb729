"""The input of an execution of the list machines, checked and merged over the stack's configuration.

    {"key": "incoming/today.jsonl", "tolerance": {"percentage": 1}, "maxConcurrency": 200, "label": "2027-01-03"}

A source in S3 allows `bucket`, and `key` or `prefix`; a source in DynamoDB allows `keyValue`. Every source allows `tolerance` ({"count"?,
"percentage"?}), `maxConcurrency`, `label` (1 to 80 letters, digits, _ or -) and, if rows and results are kept in S3, `again` (the name of
an earlier run, whose failed and unreached rows are processed). {} means the stack's own configuration. Anything else is refused.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

OF_SOURCE = {"s3": ("bucket", "key", "prefix"), "dynamodb": ("keyValue",)}
OF_ALL = ("tolerance", "maxConcurrency", "label")
NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
MOST_AT_ONCE = {"INLINE": 40, "DISTRIBUTED": 10_000}


class InvalidInput(ValueError):
    """The input of an execution has something that is not allowed; the message says what is."""


@dataclass(frozen=True)
class RunInput:
    """source: see `handlers.sources`. label: None if the run's own name is its label. again: an earlier run, or None."""

    source: dict[str, Any]
    max_concurrency: int
    label: str | None
    again: str | None


def checked(given: Any, source: Mapping[str, Any], mode: str, max_concurrency: int) -> RunInput:
    """source, max_concurrency: from the stack's configuration. mode: INLINE or DISTRIBUTED. Raises InvalidInput."""
    if not isinstance(given, dict):
        raise InvalidInput(f"the input is {json.dumps(given)[:100]}; allowed: an object, such as {{}}")
    again = ("again",) if mode == "DISTRIBUTED" else ()
    allowed = (*OF_SOURCE[source["source"]], *OF_ALL, *again)
    for name in given:
        if name not in allowed:
            why = " (again needs mode DISTRIBUTED, whose rows and results are kept)" if name == "again" else ""
            raise InvalidInput(f"the input has {name}; allowed with source {source['source']}: {', '.join(allowed)}{why}")
    if "again" in given:
        beside = [name for name in OF_SOURCE[source["source"]] if name in given]
        if beside:
            raise InvalidInput(f"the input has again and {', '.join(beside)}: the rows are those of the earlier run; leave one out")
    tolerance_of(given, {})
    at_once = given.get("maxConcurrency", max_concurrency)
    _check("maxConcurrency", at_once, _whole(0, MOST_AT_ONCE[mode]), f"a whole number from 0 to {MOST_AT_ONCE[mode]}")
    for name in {"label", "again"} & given.keys():
        _check(name, given[name], _is_name, "1 to 80 letters, digits, _ or -")
    return RunInput(_source(given, source), at_once, given.get("label"), given.get("again"))


def tolerance_of(given: Mapping[str, Any], configured: Mapping[str, float]) -> dict[str, float]:
    """{"count"?, "percentage"?} from the input, or else from the stack's configuration. Raises InvalidInput."""
    if "tolerance" not in given:
        return dict(configured)
    tolerance = given["tolerance"]
    known = {"count": (_whole(0, 100_000_000), "a whole number of 0 or more"), "percentage": (_is_percentage, "a number from 0 to 100")}
    _check(
        "tolerance",
        tolerance,
        lambda value: isinstance(value, dict) and value.keys() <= known.keys(),
        'like {"count": 10} or {"percentage": 1}',
    )
    for name, value in tolerance.items():
        _check(f"tolerance.{name}", value, *known[name])
    return dict(tolerance)


def _source(given: Mapping[str, Any], source: Mapping[str, Any]) -> dict[str, Any]:
    if source["source"] == "dynamodb":
        return _list(given, source)
    if not {"bucket", "key", "prefix"} & given.keys():
        return dict(source)
    if {"key", "prefix"} <= given.keys():
        raise InvalidInput("the input has key and prefix; allowed: one of them")
    for name in {"bucket", "key", "prefix"} & given.keys():
        _check(name, given[name], lambda value: isinstance(value, str) and value, "a text")
    named = {name: given[name] for name in ("key", "prefix") if name in given} or {
        name: source[name] for name in ("key", "prefix") if name in source
    }
    found = {**{name: value for name, value in source.items() if name not in ("key", "prefix")}, **named}
    found["bucket"] = given.get("bucket", source["bucket"])
    ((kind, path),) = named.items()
    wanted = f"s3://{found['bucket']}/{path}"
    if not any(wanted == each if kind == "key" and not each.endswith("/") else _is_below(wanted, each) for each in source["readable"]):
        readable = ", ".join(source["readable"])
        raise InvalidInput(f"the input names {wanted}, which this stack may not read; allowed: {readable} (runSources adds to them)")
    return found


def _is_below(wanted: str, readable: str) -> bool:
    return readable.endswith("/") and wanted.startswith(readable)


def _list(given: Mapping[str, Any], source: Mapping[str, Any]) -> dict[str, Any]:
    if "keyValue" not in given:
        return dict(source)
    if source["read"] == "scan":
        raise InvalidInput("the input has keyValue; a scan has none: leave it out")
    kind: Callable[[Any], Any] = _whole(-(10**38), 10**38) if source["keyType"] == "N" else lambda value: isinstance(value, str) and value
    _check("keyValue", given["keyValue"], kind, "a whole number" if source["keyType"] == "N" else "a text")
    return {**source, "keyValue": str(given["keyValue"])}


def _check(name: str, value: Any, is_allowed: Callable[[Any], Any], allowed: str) -> None:
    if not is_allowed(value):
        raise InvalidInput(f"the input's {name} is {json.dumps(value)[:100]}; allowed: {allowed}")


def _whole(least: int, most: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_percentage(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 100


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and NAME.fullmatch(value) is not None
