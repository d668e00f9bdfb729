"""What AWS accepts, as functions from a value to the reason why it is refused, or None."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from local.properties import UNKNOWN, PathKey, has_unknown, parse_path

Rule = Callable[[Any], str | None]

NOT_IMPLEMENTED = "isn't implemented by the local provider"


def between(low: float, high: float) -> Rule:
    """A number from `low` to `high`, both included."""
    return lambda value: None if low <= value <= high else f"must be between {low} and {high}, not {value!r}"


def one_of(*allowed: Any) -> Rule:
    return lambda value: None if value in allowed else f"must be one of {', '.join(map(str, allowed))}, not {value!r}"


def at_most(longest: int, what: str) -> Rule:
    """A list of no more items."""
    return lambda value: None if len(value) <= longest else f"may hold {longest} {what} at most, not {len(value)}"


def text(pattern: str = r"[\s\S]*", shortest: int = 0, longest: int | None = None, what: str = "") -> Rule:
    """A string that matches the whole `pattern`, described to the reader by `what`."""

    def rule(value: Any) -> str | None:
        if len(value) < shortest or (longest is not None and len(value) > longest):
            return f"must have {shortest} to {longest} characters, not {len(value)}: {_shortened(value)!r}"
        if not re.fullmatch(pattern, value):
            return f"{what or f'must match {pattern}'}, not {_shortened(value)!r}"
        return None

    return rule


def arn(service: str = "[a-z0-9-]+") -> Rule:
    return text(rf"arn:aws[a-z-]*:{service}:[^:]*:[^:]*:.+", what=f"must be {_article(service)} ARN")


def json_document(longest: int | None = None) -> Rule:
    """A JSON object written as a string."""

    def rule(value: Any) -> str | None:
        try:
            document = json.loads(value)
        except ValueError as error:
            return f"isn't valid JSON: {error}"
        if not isinstance(document, dict):
            return "must be a JSON object"
        if longest is not None and len(value) > longest:
            return f"must have at most {longest} characters, not {len(value)}"
        return None

    return rule


def policy_document(longest: int | None = None) -> Rule:
    """An IAM policy: a JSON object with statements, each of which allows or denies something."""
    is_json = json_document(longest)

    def rule(value: Any) -> str | None:
        if reason := is_json(value):
            return reason
        document = json.loads(value)
        if document.get("Version") not in (None, "2012-10-17", "2008-10-17"):
            return f"has Version {document['Version']!r}; IAM knows 2012-10-17 and 2008-10-17"
        for statement in statements(document):
            if not isinstance(statement, dict) or statement.get("Effect") not in ("Allow", "Deny"):
                return "needs a Statement whose every entry has an Effect of Allow or Deny"
            if "Action" not in statement and "NotAction" not in statement:
                return "has a statement without Action"
        return None

    return rule


def statements(policy: dict[str, Any]) -> list[Any]:
    """What a policy has under Statement: a list, or one of them alone."""
    found = policy.get("Statement")
    return found if isinstance(found, list) else [found]


def period(value: Any) -> str | None:
    """Of a metric."""
    if value in (10, 20, 30) or (isinstance(value, int) and value > 0 and value % 60 == 0):
        return None
    return f"must be 10, 20, 30 or a multiple of 60 seconds, not {value!r}"


def state_machine_definition(value: Any) -> str | None:
    """The shape that every Amazon States Language document has; the states are AWS's to judge."""
    if reason := json_document(1024 * 1024)(value):
        return reason
    document = json.loads(value)
    states, start = document.get("States"), document.get("StartAt")
    if not isinstance(states, dict) or not states:
        return "needs States, an object with at least one state"
    if start not in states:
        return f"has StartAt {start!r}, which is none of its states"
    for name, state in states.items():
        if not isinstance(state, dict) or "Type" not in state:
            return f"has a state {name!r} without Type"
        following = state.get("Next")
        if following is not None and following not in states:
            return f"has a state {name!r} whose Next, {following!r}, is none of its states"
    return None


def redrive_policy(value: Any) -> str | None:
    if reason := json_document()(value):
        return reason
    policy = json.loads(value)
    if not policy.get("deadLetterTargetArn"):
        return "needs a deadLetterTargetArn"
    count = policy.get("maxReceiveCount")
    # AWS takes the number as a string, too.
    if not str(count).isdigit() or not 1 <= int(count) <= 1000:
        return f"needs a maxReceiveCount between 1 and 1000, not {count!r}"
    return None


def check_tags(tags: Any) -> Iterator[tuple[str, str]]:
    """(property path, reason) for the tags that no service of AWS takes."""
    if not isinstance(tags, dict):
        return
    if len(tags) > 50:
        yield "tags", f"may hold 50 tags at most, not {len(tags)}"
    for key, value in tags.items():
        if key.lower().startswith("aws:"):
            yield f"tags.{key}", "begins with aws:, which is AWS's own"
        if not 1 <= len(key) <= 128 or len(value) > 256:
            yield f"tags.{key}", "is too long: 128 characters for a key, 256 for a value"


def broken(inputs: dict[str, Any], rules: Mapping[str, Rule]) -> Iterator[tuple[str, str]]:
    """(property path, reason) for each value that its rule refuses. Values that aren't known yet pass."""
    for pattern, rule in rules.items():
        for path, value in values_at(inputs, parse_path(pattern)):
            if not has_unknown(value) and (reason := rule(value)):
                yield path, reason


def values_at(value: Any, keys: list[PathKey], path: str = "") -> Iterator[tuple[str, Any]]:
    """(path, value) of everything that a property path with `*` for every element leads to."""
    if not keys:
        yield path, value
        return
    key, rest = keys[0], keys[1:]
    if isinstance(value, list) and key == "*":
        for index, item in enumerate(value):
            yield from values_at(item, rest, f"{path}[{index}]")
    elif isinstance(value, dict) and key == "*":
        for name, item in value.items():
            yield from values_at(item, rest, f"{path}.{name}")
    elif isinstance(value, dict) and key in value and value[key] != UNKNOWN:
        yield from values_at(value[key], rest, f"{path}.{key}" if path else str(key))


def _shortened(value: str) -> str:
    return value if len(value) <= 80 else value[:79] + "…"


def _article(service: str) -> str:
    if not service.isalpha():
        return "an"
    return ("an " if service[0] in "aeiou" else "a ") + service
