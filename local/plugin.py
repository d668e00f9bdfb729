"""A resource provider called in process through Pulumi's own protocol, with plain values instead of messages."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pulumi.runtime.proto import provider_pb2
from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderServicer

from local.errors import LocalError
from local.properties import Properties, changed_paths, from_struct, to_struct, with_secrets_marked, without_secrets
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
    """One configured provider of one package."""

    def __init__(self, package: str, servicer: ResourceProviderServicer) -> None:
        self.package = package
        self._servicer = servicer
        self._accept_secrets = False
        self._supports_preview = False

    def configure(self, config: Mapping[str, str]) -> None:
        """`config`: the stack's `<package>:` configuration; objects and arrays as JSON texts, as the CLI sends them."""
        request = provider_pb2.ConfigureRequest(
            variables={f"{self.package}:config:{key}": value for key, value in config.items()},
            args=to_struct(config),
            acceptSecrets=True,
            acceptResources=False,
            sends_old_inputs=True,
            sends_old_inputs_to_delete=True,
        )
        response = self._call(self._servicer.Configure, request)
        self._accept_secrets = response.acceptSecrets
        self._supports_preview = response.supportsPreview

    def check(self, resource: Resource, olds: Properties, news: Properties) -> Properties:
        """The inputs with the provider's defaults. PluginError names the properties that are wrong."""
        response = self._call(
            self._servicer.Check,
            provider_pb2.CheckRequest(olds=self._struct(olds), news=self._struct(news), randomSeed=os.urandom(32), **_identity(resource)),
        )
        if response.failures:
            raise PluginError("; ".join(_failure(failure) for failure in response.failures))
        return with_secrets_marked(from_struct(response.inputs), news, [])

    def diff(self, old: Resource, news: Properties, ignore_changes: list[str]) -> Diff:
        response = self._call(
            self._servicer.Diff,
            provider_pb2.DiffRequest(
                id=old.id,
                olds=self._struct(old.outputs),
                old_inputs=self._struct(old.inputs),
                news=self._struct(news),
                ignoreChanges=ignore_changes,
                **_identity(old),
            ),
        )
        if response.changes == provider_pb2.DiffResponse.DIFF_UNKNOWN:
            detailed = changed_paths(old.inputs, news)
            return Diff(bool(detailed), detailed, list(response.replaces), response.deleteBeforeReplace)
        detailed = {path: _kind(change.kind) for path, change in response.detailedDiff.items()}
        if not detailed:
            detailed = {
                name: "update-replace" if name in response.replaces else "update"
                for name in dict.fromkeys([*response.diffs, *response.replaces])
            }
        changed = response.changes == provider_pb2.DiffResponse.DIFF_SOME
        return Diff(changed, detailed, list(response.replaces), response.deleteBeforeReplace)

    def create(self, new: Resource, *, preview: bool) -> tuple[str, Properties]:
        """(id, outputs); in a preview the id is empty and what can't be known yet is unknown or missing."""
        if preview and not self._supports_preview:
            return "", new.inputs
        response = self._call(
            self._servicer.Create,
            provider_pb2.CreateRequest(
                properties=self._struct(new.inputs), timeout=new.custom_timeouts.get("create", 0), preview=preview, **_identity(new)
            ),
        )
        if not response.id and not preview:
            raise PluginError("the provider returned no id")
        return "" if preview else response.id, from_struct(response.properties)

    def update(self, old: Resource, new: Resource, *, preview: bool) -> Properties:
        """The new outputs."""
        if preview and not self._supports_preview:
            return old.outputs | new.inputs
        response = self._call(
            self._servicer.Update,
            provider_pb2.UpdateRequest(
                id=old.id,
                olds=self._struct(old.outputs),
                old_inputs=self._struct(old.inputs),
                news=self._struct(new.inputs),
                timeout=new.custom_timeouts.get("update", 0),
                ignoreChanges=new.ignore_changes,
                preview=preview,
                **_identity(new),
            ),
        )
        return from_struct(response.properties)

    def delete(self, old: Resource) -> None:
        self._call(
            self._servicer.Delete,
            provider_pb2.DeleteRequest(
                id=old.id,
                properties=self._struct(old.outputs),
                old_inputs=self._struct(old.inputs),
                timeout=old.custom_timeouts.get("delete", 0),
                **_identity(old),
            ),
        )

    def read(self, resource: Resource) -> Found | None:
        """The resource with `resource.id` as it is now, None when it isn't there."""
        response = self._call(
            self._servicer.Read,
            provider_pb2.ReadRequest(
                id=resource.id, properties=self._struct(resource.outputs), inputs=self._struct(resource.inputs), **_identity(resource)
            ),
        )
        if not response.id:
            return None
        inputs = from_struct(response.inputs) if response.HasField("inputs") else resource.inputs
        return Found(response.id, inputs, from_struct(response.properties))

    def invoke(self, token: str, arguments: Properties, *, preview: bool) -> Properties:
        response = self._call(self._servicer.Invoke, provider_pb2.InvokeRequest(tok=token, args=self._struct(arguments), preview=preview))
        if response.failures:
            raise PluginError("; ".join(_failure(failure) for failure in response.failures))
        return from_struct(getattr(response, "return"))

    def _struct(self, properties: Properties) -> Any:
        return to_struct(properties if self._accept_secrets else without_secrets(properties))

    def _call(self, method: Callable[[Any, Any], Any], request: Any) -> Any:
        # Whatever goes wrong in a provider fails this step only, as it would with the provider in another process.
        try:
            return method(request, None)
        except Exception as error:
            raise PluginError(str(error) or type(error).__name__) from error


def _identity(resource: Resource) -> dict[str, Any]:
    return {"urn": resource.urn, "name": resource.name, "type": resource.type}


def _failure(failure: provider_pb2.CheckFailure) -> str:
    return f"{failure.property}: {failure.reason}" if failure.property else failure.reason


def _kind(kind: Any) -> str:
    return provider_pb2.PropertyDiff.Kind.Name(kind).lower().replace("_", "-")
