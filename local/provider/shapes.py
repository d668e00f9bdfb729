"""AWS spells its properties `LikeThis`, Pulumi `likeThis`."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any


def to_aws(value: Any, maps: Collection[str] = ()) -> Any:
    """With the first letter of every key capitalised, except below the keys in `maps`: the user's own."""
    return _renamed(value, lambda key: key[:1].upper() + key[1:], frozenset(maps))


def from_aws(value: Any, maps: Collection[str] = ()) -> Any:
    """With the first letter of every key in lower case, except below the keys in `maps`."""
    return _renamed(value, lambda key: key[:1].lower() + key[1:], frozenset(maps))


def _renamed(value: Any, rename: Callable[[str], str], maps: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {
            rename(key): item if key in maps else _renamed(item, rename, maps)
            for key, item in value.items()
            if item is not None
        }
    if isinstance(value, list):
        return [_renamed(item, rename, maps) for item in value]
    return value


def renamed(properties: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """The properties that `names` ({name here: name there}) mentions and that are set, under their other names."""
    return {there: properties[here] for here, there in names.items() if properties.get(here) is not None}


def tag_list(tags: dict[str, str] | None) -> list[dict[str, str]]:
    """[{"Key", "Value"}]."""
    return [{"Key": key, "Value": value} for key, value in (tags or {}).items()]


def tag_map(tags: Any) -> dict[str, str] | None:
    """{key: value} of [{"Key", "Value"}] or of a map already, without AWS's own tags; None for none."""
    pairs = tags.items() if isinstance(tags, dict) else ((_tag(tag, "key"), _tag(tag, "value")) for tag in tags or [])
    return {key: value for key, value in pairs if not key.startswith("aws:")} or None


def _tag(tag: dict[str, str], part: str) -> str:
    # KMS says TagKey, ECS and a few others say key.
    for name in (part.capitalize(), f"Tag{part.capitalize()}", part):
        if name in tag:
            return tag[name]
    raise KeyError(part)


def tag_changes(old: dict[str, str] | None, new: dict[str, str] | None) -> tuple[dict[str, str], list[str]]:
    """(tags to set, keys to remove) that lead from the old tags to the new ones."""
    old, new = old or {}, new or {}
    return {key: value for key, value in new.items() if old.get(key) != value}, sorted(old.keys() - new.keys())
