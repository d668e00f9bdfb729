"""AWS spells its properties `LikeThis`, Pulumi `likeThis`."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any


def to_aws(value: Any, maps: Collection[str] = (), spelled: Mapping[str, str] = {}) -> Any:
    """With each key as `spelled` has it, else with a capital; except below the keys in `maps`, which are the user's own."""
    return _renamed(value, lambda key: spelled.get(key) or key[:1].upper() + key[1:], maps)


def from_aws(value: Any, maps: Collection[str] = (), spelled: Mapping[str, str] = {}) -> Any:
    """The other way round."""
    back = {theirs: ours for ours, theirs in spelled.items()}
    return _renamed(value, lambda key: back.get(key) or key[:1].lower() + key[1:], maps)


def _renamed(value: Any, rename: Callable[[str], str], maps: Collection[str]) -> Any:
    if isinstance(value, dict):
        return {rename(key): item if key in maps else _renamed(item, rename, maps) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_renamed(item, rename, maps) for item in value]
    return value


def renamed(properties: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """The properties that `names` ({name here: name there}) mentions and that are set, under their other names."""
    return {there: properties[here] for here, there in names.items() if properties.get(here) is not None}


def capitalised(names: str) -> dict[str, str]:
    """{property: its name in an API that spells it with a capital}, of names with blanks between them."""
    return {name: name[:1].upper() + name[1:] for name in names.split()}


def same(names: str) -> dict[str, str]:
    """{property: its name in an API that spells it alike}, of names with blanks between them."""
    return {name: name for name in names.split()}


def words(value: Any) -> str:
    """A value as SQS and SNS take all attributes."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def tag_list(tags: dict[str, str] | None, key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    """[{"Key", "Value"}], under other names where the service has others."""
    return [{key: name, value: text} for name, text in (tags or {}).items()]


def tag_map(tags: Any) -> dict[str, str] | None:
    """{key: value} of a list of tags or of a map already, without AWS's own tags; None for none."""
    pairs = tags.items() if isinstance(tags, dict) else (tuple(tag[name] for name in sorted(tag)) for tag in tags or [])
    return {key: value for key, value in pairs if not key.startswith("aws:")} or None


@dataclass(frozen=True)
class Tagging:
    """How the tags of what exists are told and changed: the operations, and what these call their arguments."""

    resource: str
    list: str = "list_tags_for_resource"
    add: str = "tag_resource"
    remove: str = "untag_resource"
    tags: str = "Tags"
    keys: str = "TagKeys"
    spelling: tuple[str, str] | None = ("Key", "Value")
    """None where the tags are a map."""
    by: str = "arn"
    """The output that names the resource there."""

    def arguments(self, tags: dict[str, str]) -> dict[str, Any]:
        return {self.tags: tag_list(tags, *self.spelling) if self.spelling else tags}

    def read(self, api: Any, found: dict[str, Any]) -> dict[str, str] | None:
        """The tags of what was found, which has them already where no operation lists them."""
        return tag_map(getattr(api, self.list)(**{self.resource: found[self.by]}).get(self.tags)) if self.list else found["tags"]

    def change(self, api: Any, old: dict[str, Any], new: dict[str, str]) -> None:
        """From the outputs `old` to the tags `new`."""
        target, former = {self.resource: old[self.by]}, old.get("tags") or {}
        if added := {key: value for key, value in new.items() if former.get(key) != value}:
            getattr(api, self.add)(**target, **self.arguments(added))
        if removed := sorted(former.keys() - new.keys()):
            getattr(api, self.remove)(**target, **{self.keys: removed})


TAGGING = {
    "apigatewayv2": Tagging("ResourceArn", "get_tags", spelling=None),
    "cloudwatch": Tagging("ResourceARN"),
    "dynamodb": Tagging("ResourceArn", "list_tags_of_resource"),
    "events": Tagging("ResourceARN"),
    "lambda": Tagging("Resource", "list_tags", spelling=None),
    "logs": Tagging("resourceArn", tags="tags", keys="tagKeys", spelling=None),
    "sns": Tagging("ResourceArn"),
    "sqs": Tagging("QueueUrl", "list_queue_tags", "tag_queue", "untag_queue", spelling=None, by="url"),
    "stepfunctions": Tagging("resourceArn", tags="tags", keys="tagKeys", spelling=("key", "value")),
}
"""Of each service whose resources are tagged alike."""
