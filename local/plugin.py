"""A resource provider called in process through Pulumi's own protocol, with plain values instead of messages."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pulumi.runtime.proto import provider_pb2
from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderServicer

from local.errors import LocalError
from local.properties import Properties, from_struct, to_struct, with_secrets_marked, without_secrets
from local.state import Resource


class PluginError(LocalError):
    """The provider refused or failed; the message is its own."""


@dataclass
class Diff:
    """What would have to happen to a resource. `detailed` is {property path: kind}, kinds as the CLI prints them."""

    changed: bool = False
    detailed: dict[str, str] = field(default_factory=dict)
    replace_keys: list[str] = field(default_factory=list)
    delete_before_replace: bool = False

    @property
    def replaces(self) -> bool:
        return bool(self.replace_keys) or any(kind.endswith("-replace") for kind in self.detailed.values())


@dataclass
class Found:
    """A resource as the provider sees it now."""

    id: str
    inputs: Properties
    outputs: Properties


class Plugin:
    """One configured provider of one package, which has previews and answers a diff in detail."""

    def __init__(self, package: str, servicer: ResourceProviderServicer) -> None:
        self.package = package
        self._servicer = servicer
        self._accept_secrets = False

    def configure(self, config: Mapping[str, str]) -> None:
        """`config`: the stack's `<package>:` configuration; objects and arrays as JSON texts, as the CLI sends them."""
        response = self._call("Configure", args=dict(config), acceptSecrets=True, sends_old_inputs=True, sends_old_inputs_to_delete=True)
        self._accept_secrets = response.acceptSecrets

    def check(self, resource: Resource, olds: Properties, news: Properties) -> Properties:
        """The inputs with the provider's defaults. PluginError names the properties that are wrong."""
        response = self._call("Check", resource, olds=olds, news=news, randomSeed=os.urandom(32))
        if response.failures:
            raise PluginError("; ".join(_failure(failure) for failure in response.failures))
        return with_secrets_marked(from_struct(response.inputs), news, [])

    def diff(self, old: Resource, news: Properties) -> Diff:
        response = self._call("Diff", old, id=old.id, olds=old.outputs, old_inputs=old.inputs, news=news)
        detailed = {path: _kind(change.kind) for path, change in response.detailedDiff.items()}
        changed = response.changes == provider_pb2.DiffResponse.DIFF_SOME
        return Diff(changed, detailed, list(response.replaces), response.deleteBeforeReplace)

    def create(self, new: Resource, *, preview: bool) -> tuple[str, Properties]:
        """(id, outputs); in a preview the id is empty and what can't be known yet is unknown or missing."""
        response = self._call("Create", new, properties=new.inputs, timeout=new.custom_timeouts.get("create", 0), preview=preview)
        if not response.id and not preview:
            raise PluginError("the provider returned no id")
        return "" if preview else response.id, from_struct(response.properties)

    def update(self, old: Resource, new: Resource, *, preview: bool) -> Properties:
        """The new outputs."""
        fields = {"id": old.id, "olds": old.outputs, "old_inputs": old.inputs, "news": new.inputs}
        timeout = new.custom_timeouts.get("update", 0)
        return from_struct(self._call("Update", new, **fields, timeout=timeout, preview=preview).properties)

    def delete(self, old: Resource) -> None:
        timeout = old.custom_timeouts.get("delete", 0)
        self._call("Delete", old, id=old.id, properties=old.outputs, old_inputs=old.inputs, timeout=timeout)

    def read(self, resource: Resource) -> Found | None:
        """The resource with `resource.id` as it is now, None when it isn't there."""
        response = self._call("Read", resource, id=resource.id, properties=resource.outputs, inputs=resource.inputs)
        return Found(response.id, from_struct(response.inputs), from_struct(response.properties)) if response.id else None

    def invoke(self, token: str, arguments: Properties, *, preview: bool) -> Properties:
        return from_struct(getattr(self._call("Invoke", tok=token, args=arguments, preview=preview), "return"))

    def _call(self, method: str, resource: Resource | None = None, **fields: Any) -> Any:
        """The provider's answer to a request with those fields, of which properties are plain dictionaries here."""
        identity = {"urn": resource.urn, "name": resource.name, "type": resource.type} if resource else {}
        plain = {name: self._struct(value) if isinstance(value, dict) else value for name, value in fields.items()}
        request = getattr(provider_pb2, f"{method}Request")(**plain, **identity)
        # Whatever goes wrong in a provider fails this step only, as it would with the provider in another process.
        try:
            return getattr(self._servicer, method)(request, None)
        except Exception as error:
            raise PluginError(str(error) or type(error).__name__) from error

    def _struct(self, properties: Properties) -> Any:
        return to_struct(properties if self._accept_secrets else without_secrets(properties))


def _failure(failure: provider_pb2.CheckFailure) -> str:
    return f"{failure.property}: {failure.reason}" if failure.property else failure.reason


def _kind(kind: Any) -> str:
    return provider_pb2.PropertyDiff.Kind.Name(kind).lower().replace("_", "-")
