"""What every resource type has in common, and the list of them.

A type is a class that says in tables how its properties behave and in methods which calls of AWS it takes. The
methods get and return properties by their names in Pulumi; what they raise is botocore's.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from typing import Any, ClassVar

from local.properties import ARCHIVE, ASSET, SIGNATURE, UNKNOWN, Properties, changed_paths, signature
from local.provider.aws import Aws
from local.provider.errors import ProviderError
from local.provider.naming import Name
from local.provider.rules import NOT_IMPLEMENTED, Rule, broken, check_tags
from local.provider.schema import Failure, Schema, conform, covers, schema
from local.provider.shapes import TAGGING, Tagging, from_aws, to_aws

# Named after the module in a type token.
MODULES = ("apigatewayv2", "cloudwatch", "dynamodb", "iam", "lambda_", "s3", "sfn", "sns", "sqs")

_types: dict[str, type[Resource]] = {}

Names = frozenset[str]


class Resource:
    """One resource type on one connection. Its tables go by the names of properties."""

    token: ClassVar[str] = ""
    service: ClassVar[str] = ""  # the boto3 client behind `api`, where it isn't called like the module in the token
    kind: ClassVar[str] = ""  # what the operations are called after: create_role, get_role, update_role, delete_role
    verbs: ClassVar[Mapping[str, str]] = {}  # those that begin otherwise: {"create", "read", "update" or "delete": the word}
    key: ClassVar[str] = ""  # what these operations call the id
    tagging: ClassVar[Tagging | None] = None  # how its tags are told and changed, where not as the service's others
    name: ClassVar[Name | None] = None  # the property that holds the physical name, when the provider makes it up
    fields: ClassVar[Mapping[str, str]] = {}  # {property: what the service calls it}, for those that it takes and tells alike
    outputs: ClassVar[Mapping[str, str]] = {}  # the same, of what it only tells
    others: ClassVar[Names] = frozenset()  # further properties that the type implements; what no table names is refused
    spelled: ClassVar[Mapping[str, str]] = {}  # {key: what the service calls it}, where that is not the key with a capital
    maps: ClassVar[Names] = frozenset()  # keys below which the keys are the user's own
    empty: ClassVar[Properties] = {}  # what the service takes to mean that there is none any more
    defaults: ClassVar[Properties] = {}  # values that the provider writes into the inputs
    required: ClassVar[Names] = frozenset()  # what AWS needs although pulumi_aws calls it optional
    replaces: ClassVar[Names] = frozenset()  # inputs that can't be changed in place
    kept: ClassVar[Names] = frozenset()  # inputs that AWS chooses, or keeps as they were, where the program says nothing
    volatile: ClassVar[Names] = frozenset()  # outputs that any change but one of tags may change
    documents: ClassVar[Names] = frozenset()  # JSON texts, compared by what they say
    policies: ClassVar[Names] = frozenset()  # IAM policies, compared by what they allow
    unordered: ClassVar[Names] = frozenset()  # lists whose order means nothing
    rules: ClassVar[Mapping[str, Rule]] = {}  # {property path: what AWS accepts there, of what is implemented here}

    def __init_subclass__(cls) -> None:
        if cls.token:
            cls.service = cls.service or cls.token.removeprefix("aws:").partition("/")[0]
            cls.tagging = cls.tagging or TAGGING.get(cls.service)
            _types[cls.token] = cls

    def __init__(self, aws: Aws) -> None:
        self.aws = aws

    @property
    def api(self) -> Any:
        return self.aws.client(self.service)

    @classmethod
    def schema(cls) -> Schema:
        return schema(cls.token)

    # What a type says in its own way, where the tables don't say it all

    def check(self, inputs: Properties) -> Iterator[Failure]:
        """What is wrong with the properties as a whole. Each of them alone is judged by `rules`."""
        return iter(())

    def create(self, inputs: Properties) -> str:
        """Make the resource; its id."""
        arguments = self.arguments(inputs)
        return self.call("create", **arguments, **self.tags(inputs)).get(self.key) or arguments[self.key]

    def settle(self, id: str, inputs: Properties) -> None:
        """What has to follow a creation: further settings, waiting until it can be used. A failure undoes it."""

    def read(self, id: str, known: Properties) -> Properties | None:
        """Its properties as they are now, None for those that aren't set; None altogether when it is gone.

        `known` is what is known already: the inputs of a resource just made, the last outputs, nothing in an import.
        """
        return self.properties(self.call("read", **self.target(id, known)))

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """Bring the properties named in `changed` to what the inputs `new` say. `old` are the last outputs."""
        names = None if self.verbs.get("update") == "put" else changed
        if arguments := self.arguments({**self.empty, **new}, names):
            self.call("update", **(self.target(id, new) | arguments))

    def delete(self, id: str, known: Properties) -> None:
        self.call("delete", **self.target(id, known))

    def target(self, id: str, known: Properties) -> dict[str, Any]:
        """What the operations take to know the resource."""
        return {self.key: id}

    def tags(self, inputs: Properties) -> dict[str, Any]:
        """The tags, where there are any, as the creation takes them."""
        return self.tagging.arguments(inputs["tags"]) if self.tagging and inputs.get("tags") else {}

    def read_tags(self, id: str, found: Properties) -> dict[str, str] | None:
        return self.tagging.read(self.api, found) if self.tagging else found.get("tags")

    def change_tags(self, id: str, old: Properties, new: Properties) -> None:
        assert self.tagging
        self.tagging.change(self.api, old, new.get("tags") or {})

    def unsure(self, new: Properties, changed: set[str]) -> set[str]:
        """The outputs that the change of those properties may change in turn."""
        return set(self.volatile) if changed - {"tags"} else set()

    def id_of(self, id: str, found: Properties) -> str:
        """The id of what was found under `id`, which may be its name: all that is known of a creation that was interrupted."""
        return id

    # What all types share

    @classmethod
    def implemented(cls) -> set[str]:
        """The properties that a program may set."""
        named = {*cls.fields, *cls.others, *cls.defaults, *cls.replaces, "region", "tags"} | ({cls.name.key} if cls.name else set())
        return named & cls.schema().inputs.keys()

    def call(self, verb: str, **arguments: Any) -> dict[str, Any]:
        """The answer to `verb`, which is create, read, update or delete."""
        return getattr(self.api, f"{({'read': 'get'} | dict(self.verbs)).get(verb, verb)}_{self.kind}")(**arguments)

    def arguments(self, inputs: Properties, names: Collection[str] | None = None) -> dict[str, Any]:
        """The `fields` that are set, of all or of those `names`, as the service takes them."""
        return {
            theirs: to_aws(inputs[name], self.maps, self.spelled) if theirs[0].isupper() else inputs[name]
            for name, theirs in self.fields.items()
            if inputs.get(name) is not None and (names is None or name in names)
        }

    def properties(self, found: Mapping[str, Any]) -> Properties:
        """The `fields` and `outputs` as the service tells them, in their declared types; None for what is empty."""
        told = {name: self._told(name, found.get(theirs)) for name, theirs in self.fields.items()}
        present = {name: value for name, value in told.items() if pruned(value) not in (None, "", [], {})}
        outputs = {name: _time(found.get(theirs)) for name, theirs in self.outputs.items()}
        return dict.fromkeys(told) | conform(present, self.schema().inputs)[0] | outputs

    def _told(self, name: str, value: Any) -> Any:
        is_ours = name in self.policies or not self.fields[name][0].isupper()
        return value if is_ours else from_aws(value, self.maps, self.spelled)

    def problems(self, inputs: Properties) -> Iterator[Failure]:
        """Everything that AWS would refuse."""
        rules = dict(self.rules)
        if self.name:
            rules[self.name.key] = self.name.rule
        failures = [
            *((property, "is required") for property in sorted(self.required - inputs.keys())),
            *((property, NOT_IMPLEMENTED) for property in sorted(inputs.keys() - self.implemented())),
            *broken(inputs, rules),
            *check_tags(inputs.get("tags")),
        ]
        # What the properties say together can be judged only once each of them is right.
        yield from failures or self.check(inputs)

    def changes(self, old: Properties, new: Properties) -> dict[str, str]:
        """{property path: "add" | "delete" | "update"} from the old to the new inputs."""
        old, new = self._comparable(old), self._comparable(new)
        for property in self.kept:
            if property not in new:
                old.pop(property, None)
        return changed_paths(old, new)

    def _comparable(self, inputs: Properties) -> Properties:
        return {
            name: self._comparable_value(name, value)
            for name, value in inputs.items()
            if not name.startswith("__") and value not in (None, "", [], {})
        }

    def _comparable_value(self, name: str, value: Any) -> Any:
        if name in self.policies:
            return canonical(value, _canonical_policy)
        if name in self.documents:
            return canonical(value)
        if name in self.unordered and isinstance(value, list):
            return json.dumps(sorted(json.dumps(pruned(item), sort_keys=True) for item in value))
        return pruned(value)

    def refreshed(self, inputs: Properties, found: Properties) -> Properties:
        """The inputs that would lead to what was found: `inputs` where it says the same, what was found elsewhere."""
        result: Properties = {key: value for key, value in inputs.items() if key.startswith("__")}
        declared = self.schema().inputs
        importing = not inputs
        for name in declared:
            if name in inputs and name not in found:
                result[name] = inputs[name]
            elif found.get(name) is not None and (importing or name in inputs or (name == "tags" and found[name])):
                result[name] = inputs[name] if self._says_the_same(name, inputs.get(name), found[name]) else found[name]
        return result

    def _says_the_same(self, name: str, wanted: Any, found: Any) -> bool:
        if wanted is None:
            return False
        if name in self.unordered and isinstance(wanted, list) and isinstance(found, list):
            wanted, found = (sorted(items, key=lambda item: json.dumps(item, sort_keys=True)) for items in (wanted, found))
        if not self.changes({name: wanted}, {name: found}):
            return True
        return covers(found, wanted, self.schema().inputs[name].type)

    def unknown_outputs(self, inputs: Properties) -> Properties:
        """The outputs before there is a resource: its inputs, and what AWS will choose unknown."""
        chosen = (self.schema().outputs - self.schema().inputs.keys()) | self.kept
        return dict.fromkeys(sorted(chosen), UNKNOWN) | inputs


def _time(value: Any) -> Any:
    return value.strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(value, datetime) else value


def pruned(value: Any) -> Any:
    """Without the nulls and empty objects that mean the same as nothing; assets and archives by their hash alone."""
    if signature(value) in (ASSET, ARCHIVE) and "hash" in value:
        return {SIGNATURE: value[SIGNATURE], "hash": value["hash"]}
    if isinstance(value, dict):
        return {key: pruned(item) for key, item in value.items() if item not in (None, [], {})}
    if isinstance(value, list):
        return [pruned(item) for item in value]
    return value


def canonical(text: Any, normal: Callable[[Any], Any] = lambda document: document) -> Any:
    """One form for all JSON texts that say the same. What isn't known yet, or no JSON, stays as it is."""
    try:
        return json.dumps(normal(json.loads(text)), sort_keys=True)
    except (TypeError, ValueError):
        return text


def _canonical_policy(value: Any) -> Any:
    """With `["x"]` the same as `"x"`, and no order among actions, resources and principals."""
    if isinstance(value, dict):
        return {key: _canonical_policy(item) for key, item in value.items()}
    if isinstance(value, list):
        items = [_canonical_policy(item) for item in value]
        if all(isinstance(item, str) for item in items):
            items.sort()
        return items[0] if len(items) == 1 else items
    return value


def resource_type(token: str) -> type[Resource]:
    """The class behind a type token. ProviderError for a type that isn't implemented."""
    implemented = implemented_types()
    if token in implemented:
        return _types[token]
    raise ProviderError(f"the local provider doesn't implement {token}; it implements {', '.join(implemented)}")


def implemented_types() -> list[str]:
    for module in MODULES:
        importlib.import_module(f"{__package__}.{module}")
    return sorted(_types)
