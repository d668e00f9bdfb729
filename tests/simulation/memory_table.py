"""A table in memory with DynamoDB's conditional writes, as far as the handlers use them: put, get, update, delete, one write at a time.

`tests/integration/test_memory_table.py` holds it to the emulator's DynamoDB. Items are attribute values, as in the API. They are never
changed in place, so an item that was handed out stays as it was.
"""

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

Item = dict[str, Any]
Condition = Callable[[Item, "Terms"], Any]

TOKEN = re.compile(r"\s*(AND|OR|NOT|SET|REMOVE|attribute_not_exists|attribute_exists|if_not_exists|size|<>|<=|>=|[=<>(),.+-]|[#:]?\w+)")


class ConditionalCheckFailed(ClientError):
    """The condition of a write did not hold; nothing was written."""


class Invalid(ClientError):
    """DynamoDB refuses the call as it stands."""

    def __init__(self, message: str) -> None:
        super().__init__({"Error": {"Code": "ValidationException", "Message": message}}, "Write")


class Terms:
    """What the `#names` and `:values` of one call stand for."""

    def __init__(self, call: Mapping[str, Any]) -> None:
        self.names: Mapping[str, str] = call.get("ExpressionAttributeNames", {})
        self.values: Mapping[str, Any] = call.get("ExpressionAttributeValues", {})


class Table:
    def __init__(self, key: str, changed: Callable[[str, Item | None, Item | None], None] = lambda *_: None) -> None:
        """changed: told of each write: the key, the item before and after it."""
        self.key = key
        self.items: dict[str, Item] = {}
        self._changed = changed

    def get_item(self, call: Mapping[str, Any]) -> dict[str, Any]:
        found = self.items.get(call["Key"][self.key]["S"])
        return {} if found is None else {"Item": found}

    def put_item(self, call: Mapping[str, Any]) -> dict[str, Any]:
        key = call["Item"][self.key]["S"]
        self._check(key, call)
        self._write(key, dict(call["Item"]))
        return {}

    def delete_item(self, call: Mapping[str, Any]) -> dict[str, Any]:
        key = call["Key"][self.key]["S"]
        self._check(key, call)
        self._write(key, None)
        return {}

    def update_item(self, call: Mapping[str, Any]) -> dict[str, Any]:
        key = call["Key"][self.key]["S"]
        self._check(key, call)
        before = self.items.get(key, {self.key: {"S": key}})
        after = update(call["UpdateExpression"])(before, Terms(call))
        self._write(key, after)
        return {"Attributes": after} if call.get("ReturnValues") == "ALL_NEW" else {}

    def _check(self, key: str, call: Mapping[str, Any]) -> None:
        _check_terms(call)
        expression = call.get("ConditionExpression")
        found = self.items.get(key)
        if expression is None or condition(expression)(found or {}, Terms(call)):
            return
        error: dict[str, Any] = {"Error": {"Code": "ConditionalCheckFailedException", "Message": "The conditional request failed"}}
        if call.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" and found is not None:
            error["Item"] = found
        raise ConditionalCheckFailed(error, "Write")  # type: ignore[arg-type]

    def _write(self, key: str, after: Item | None) -> None:
        before = self.items.get(key)
        if after is None:
            self.items.pop(key, None)
        else:
            self.items[key] = after
        self._changed(key, before, after)


def _check_terms(call: Mapping[str, Any]) -> None:
    used = _used(call.get("ConditionExpression", ""), call.get("UpdateExpression", ""))
    given = {*call.get("ExpressionAttributeNames", ()), *call.get("ExpressionAttributeValues", ())}
    if used != given:
        raise Invalid(f"not used, or not given, in expressions: {', '.join(sorted(used ^ given))}")


@functools.lru_cache(4096)
def _used(*expressions: str) -> frozenset[str]:
    return frozenset(re.findall(r"[#:]\w+", " ".join(expressions)))


class _Parser:
    def __init__(self, expression: str) -> None:
        self.tokens, at = [], 0
        text = expression.rstrip()
        while at < len(text):
            found = TOKEN.match(text, at)
            if found is None:
                raise Invalid(f"syntax error in {expression}")
            self.tokens.append(found[1])
            at = found.end()
        self.at = 0

    @property
    def next(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, *expected: str) -> str:
        token = self.next
        if expected and token not in expected:
            raise Invalid(f"syntax error: {token or 'the end'} where {' or '.join(expected)} is expected")
        self.at += 1
        return token

    def path(self) -> tuple[str, ...]:
        parts = [self.take()]
        while self.next == ".":
            self.take()
            parts.append(self.take())
        return tuple(parts)

    def either(self) -> Condition:
        parts = [self.both()]
        while self.next == "OR":
            self.take()
            parts.append(self.both())
        return parts[0] if len(parts) == 1 else lambda item, terms: any(part(item, terms) for part in parts)

    def both(self) -> Condition:
        parts = [self.one()]
        while self.next == "AND":
            self.take()
            parts.append(self.one())
        return parts[0] if len(parts) == 1 else lambda item, terms: all(part(item, terms) for part in parts)

    def one(self) -> Condition:
        if self.next == "NOT":
            self.take()
            inner = self.one()
            return lambda item, terms: not inner(item, terms)
        if self.next == "(":
            self.take()
            found = self.either()
            self.take(")")
            return found
        if self.next in ("attribute_exists", "attribute_not_exists"):
            wanted = self.take() == "attribute_exists"
            self.take("(")
            path = self.path()
            self.take(")")
            return lambda item, terms: (_at(item, path, terms) is not None) == wanted
        left, sign, right = self.operand(), self.take("=", "<>", "<", "<=", ">", ">="), self.operand()
        return lambda item, terms: _compare(left(item, terms), sign, right(item, terms))

    def operand(self) -> Condition:
        if self.next == "size":
            self.take()
            self.take("(")
            path = self.path()
            self.take(")")
            return lambda item, terms: _size(_at(item, path, terms))
        if self.next == "if_not_exists":
            self.take()
            self.take("(")
            path = self.path()
            self.take(",")
            other = self.operand()
            self.take(")")

            def kept_or_other(item: Item, terms: Terms) -> Any:
                found = _at(item, path, terms)
                return other(item, terms) if found is None else found

            return kept_or_other
        if self.next.startswith(":"):
            name = self.take()
            return lambda item, terms: terms.values[name]
        path = self.path()
        return lambda item, terms: _at(item, path, terms)

    def value(self) -> Condition:
        """An operand, or the sum of two numbers."""
        left = self.operand()
        if self.next != "+":
            return left
        self.take()
        right = self.operand()

        def total(item: Item, terms: Terms) -> Any:
            found = left(item, terms)
            return None if found is None else {"N": str(int(found["N"]) + int(right(item, terms)["N"]))}

        return total


@functools.lru_cache(4096)
def condition(expression: str) -> Condition:
    parser = _Parser(expression)
    found = parser.either()
    parser.take("")
    return found


@functools.lru_cache(4096)
def update(expression: str) -> Callable[[Item, Terms], Item]:
    """The item after it. Every value is computed from the item before it."""
    parser = _Parser(expression)
    sets: list[tuple[tuple[str, ...], Condition]] = []
    removes: list[tuple[str, ...]] = []
    while parser.next:
        clause = parser.take("SET", "REMOVE")
        while True:
            path = parser.path()
            if clause == "SET":
                parser.take("=")
                sets.append((path, parser.value()))
            else:
                removes.append(path)
            if parser.next != ",":
                break
            parser.take()

    def changed(item: Item, terms: Terms) -> Item:
        after = dict(item)
        own: set[tuple[str, ...]] = set()
        for path, value in sets:
            found = value(item, terms)
            if found is None:
                raise Invalid("The provided expression refers to an attribute that does not exist in the item")
            _place(after, path, terms, own)[_name(path[-1], terms)] = found
        for path in removes:
            _place(after, path, terms, own).pop(_name(path[-1], terms), None)
        return after

    return changed


def _place(item: Item, path: tuple[str, ...], terms: Terms, own: set[tuple[str, ...]]) -> Item:
    """The map that holds the end of the path, copied once for each update. own: the paths of the copies."""
    place = item
    for depth, part in enumerate(path[:-1], 1):
        name = _name(part, terms)
        if "M" not in place.get(name, {}):
            raise Invalid("The document path provided in the update expression is invalid for update")
        if path[:depth] not in own:
            place[name] = {"M": dict(place[name]["M"])}
            own.add(path[:depth])
        place = place[name]["M"]
    return place


def _name(part: str, terms: Terms) -> str:
    return terms.names[part] if part.startswith("#") else part


def _at(item: Item, path: tuple[str, ...], terms: Terms) -> Any:
    place: Any = {"M": item}
    for part in path:
        if place is None or "M" not in place:
            return None
        place = place["M"].get(_name(part, terms))
    return place


def _size(value: Any) -> Any:
    if value is None:
        return None
    ((kind, content),) = value.items()
    return {"N": str(len(content.encode() if kind == "S" else content))} if kind in ("S", "M", "L") else None


def _compare(left: Any, sign: str, right: Any) -> bool:
    if left is None or right is None:
        return sign == "<>"
    (kind, one), (other_kind, other) = *left.items(), *right.items()
    if sign in ("=", "<>"):
        same = kind == other_kind and (float(one) == float(other) if kind == "N" else one == other)
        return same == (sign == "=")
    if kind != other_kind or kind not in ("N", "S"):
        return False
    if kind == "N":
        one, other = float(one), float(other)
    return {"<": one < other, "<=": one <= other, ">": one > other, ">=": one >= other}[sign]
