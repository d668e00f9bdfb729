"""Pulumi's resource-provider protocol for the `aws` package."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable, Collection
from dataclasses import fields
from importlib import metadata
from pathlib import Path
from typing import Any

import grpc
from botocore.exceptions import BotoCoreError, ClientError
from google.protobuf.empty_pb2 import Empty  # ty: ignore[import-not-found]
from pulumi.runtime.proto import plugin_pb2, provider_pb2
from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderServicer

from local.properties import UNKNOWN, Properties, from_struct, to_struct, without_secrets
from local.provider import functions
from local.provider.aws import Aws, Settings
from local.provider.errors import ProviderError, is_gone, one_line
from local.provider.naming import Name
from local.provider.resource import Resource, resource_type
from local.provider.schema import Failure, conform

Method = Callable[[Any, Any], Any]
Kind = provider_pb2.PropertyDiff.Kind

log = logging.getLogger(__name__)


def rpc(method: Method) -> Callable[..., Any]:
    """Errors as the caller can use them: an exception in process, a status with one line over gRPC."""

    @functools.wraps(method)
    def call(self: AwsProvider, request: Any, context: grpc.ServicerContext | None = None) -> Any:
        try:
            return method(self, request)
        except Exception as error:
            message = one_line(error)
            if not isinstance(error, (ProviderError, ClientError, BotoCoreError)):
                message = f"the local provider failed: {type(error).__name__}: {message}"
            if context is None:
                raise ProviderError(message) from error
            log.debug("%s", message, exc_info=error)
            return context.abort(grpc.StatusCode.UNKNOWN, message)

    return call


class AwsProvider(ResourceProviderServicer):
    """The `aws` package on one emulator. Over gRPC, and in process with `context` None; safe for several threads."""

    def __init__(self) -> None:
        self._aws: Aws | None = None

    # Start-up

    @rpc
    def Handshake(self, request: provider_pb2.ProviderHandshakeRequest) -> provider_pb2.ProviderHandshakeResponse:
        if request.program_directory and Path(request.program_directory).is_dir():
            # The paths in assets are relative to the program.
            os.chdir(request.program_directory)
        return provider_pb2.ProviderHandshakeResponse(supports_autonaming_configuration=True)

    Attach = Cancel = rpc(lambda self, request: Empty())

    @rpc
    def GetPluginInfo(self, request: Empty) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=metadata.version("pulumi-aws"))

    @rpc
    def GetSchema(self, request: provider_pb2.GetSchemaRequest) -> provider_pb2.GetSchemaResponse:
        return provider_pb2.GetSchemaResponse(schema="{}")

    @rpc
    def CheckConfig(self, request: provider_pb2.CheckRequest) -> provider_pb2.CheckResponse:
        return provider_pb2.CheckResponse(inputs=request.news)

    @rpc
    def DiffConfig(self, request: provider_pb2.DiffRequest) -> provider_pb2.DiffResponse:
        old, new = from_struct(request.old_inputs), from_struct(request.news)
        changed = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
        return provider_pb2.DiffResponse(changes=_some(changed), diffs=changed)

    @rpc
    def Configure(self, request: provider_pb2.ConfigureRequest) -> provider_pb2.ConfigureResponse:
        settings = Settings.parse(_inputs(request.args))
        if self._aws is not None:
            # The CLI configures the one process that it is attached to once for each provider of the program.
            _refuse_another(self._aws.settings, settings)
        self._aws = Aws(settings)
        return provider_pb2.ConfigureResponse(supportsPreview=True, supports_autonaming_configuration=True)

    # Resources

    @rpc
    def Check(self, request: provider_pb2.CheckRequest) -> provider_pb2.CheckResponse:
        resource = self._resource(request)
        olds, news = _inputs(request.olds), _inputs(request.news)
        declared = resource.schema().inputs
        # Where all changes are ignored, the old inputs come back with the names of those that nobody gave.
        given = set(news.pop("__defaults", []))
        inputs, failures = conform(news, declared)
        defaulted = resource.defaults.keys() - inputs.keys() | {name for name in given if inputs.get(name) == olds.get(name)}
        inputs = {**resource.defaults, **inputs}
        if "tags" in declared and self._default_tags:
            inputs["tags"] = dict(self._default_tags) | inputs.get("tags", {})
        if resource.name and resource.name.key not in inputs:
            failures.extend(self._fill_name(resource.name, request, olds, inputs, defaulted))
        if not failures:
            failures.extend(dict.fromkeys(resource.problems(inputs)))
        return provider_pb2.CheckResponse(
            inputs=to_struct(inputs | {"__defaults": sorted(defaulted)}),
            failures=[provider_pb2.CheckFailure(property=path, reason=reason) for path, reason in failures],
        )

    @rpc
    def Diff(self, request: provider_pb2.DiffRequest) -> provider_pb2.DiffResponse:
        resource = self._resource(request)
        old, outputs, new = _inputs(request.old_inputs), _inputs(request.olds), _inputs(request.news)
        changes = self._changes(resource, old, outputs, new)
        changed = {_top(path) for path in changes}
        replaces = changed & {*resource.replaces, "region"}
        return provider_pb2.DiffResponse(
            changes=_some(changes),
            diffs=sorted(changed),
            replaces=sorted(replaces),
            detailedDiff={
                path: provider_pb2.PropertyDiff(
                    kind=Kind.Value(f"{kind.upper()}_REPLACE" if _top(path) in replaces else kind.upper()), inputDiff=True
                )
                for path, kind in changes.items()
            },
            hasDetailedDiff=True,
            deleteBeforeReplace=bool(replaces) and _keeps_fixed_name(resource, old, new),
        )

    @rpc
    def Create(self, request: provider_pb2.CreateRequest) -> provider_pb2.CreateResponse:
        inputs = _without_internals(_inputs(request.properties))
        resource = self._resource(request, inputs)
        if request.preview:
            return provider_pb2.CreateResponse(properties=to_struct(self._with_all_tags(resource, resource.unknown_outputs(inputs))))
        id = resource.create(inputs)
        try:
            resource.settle(id, inputs)
            outputs = self._outputs(resource, id, inputs)
        except Exception:
            # Half a resource that no state knows of would be in the way of the next try.
            self._delete(resource, id, inputs)
            raise
        return provider_pb2.CreateResponse(id=id, properties=to_struct(outputs))

    @rpc
    def Update(self, request: provider_pb2.UpdateRequest) -> provider_pb2.UpdateResponse:
        old, outputs, new = _inputs(request.old_inputs), _inputs(request.olds), _inputs(request.news)
        resource = self._resource(request, outputs)
        changed = {_top(path) for path in self._changes(resource, old, outputs, new)}
        inputs = _without_internals(new)
        if request.preview:
            removed = old.keys() - new.keys() - resource.kept
            stable = {key: value for key, value in outputs.items() if key not in removed}
            unsure = dict.fromkeys(sorted(resource.unsure(new, changed)), UNKNOWN) if changed else {}
            return provider_pb2.UpdateResponse(properties=to_struct(self._with_all_tags(resource, stable | unsure | inputs)))
        if "tags" in changed:
            resource.change_tags(request.id, outputs, inputs)
        if changed - {"tags"}:
            resource.update(request.id, outputs, inputs, changed - {"tags"})
        return provider_pb2.UpdateResponse(properties=to_struct(self._outputs(resource, request.id, inputs)))

    @rpc
    def Read(self, request: provider_pb2.ReadRequest) -> provider_pb2.ReadResponse:
        known, inputs = _without_internals(_inputs(request.properties)), _inputs(request.inputs)
        resource = self._resource(request, known)
        found = self._read(resource, request.id, known)
        if found is None:
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(
            id=resource.id_of(request.id, found),
            properties=to_struct(self._with_all_tags(resource, _merged(known, found))),
            inputs=to_struct(resource.refreshed(inputs, found)),
        )

    @rpc
    def Delete(self, request: provider_pb2.DeleteRequest) -> Empty:
        known = _without_internals(_inputs(request.properties))
        self._delete(self._resource(request, known), request.id, known)
        return Empty()

    @rpc
    def Invoke(self, request: provider_pb2.InvokeRequest) -> provider_pb2.InvokeResponse:
        result = functions.call(request.tok, _inputs(request.args), self._connection())
        response = provider_pb2.InvokeResponse()
        # The field's name is a word of Python's.
        getattr(response, "return").CopyFrom(to_struct(result))
        return response

    # Their parts

    def _connection(self) -> Aws:
        if self._aws is None:
            raise ProviderError("the local provider isn't configured yet")
        return self._aws

    @property
    def _default_tags(self) -> dict[str, str]:
        return dict(self._aws.settings.default_tags) if self._aws else {}

    def _resource(self, request: Any, known: Properties | None = None) -> Resource:
        token = request.type or request.urn.split("::")[2].rpartition("$")[2]
        return resource_type(token)(self._connection().in_region((known or {}).get("region")))

    def _fill_name(
        self, name: Name, request: provider_pb2.CheckRequest, olds: Properties, inputs: Properties, defaulted: set[str]
    ) -> list[Failure]:
        options = request.autonaming if request.HasField("autonaming") else None
        if name.key in olds.get("__defaults", []) and name.key in olds:
            inputs[name.key] = olds[name.key]
        elif options and options.mode == provider_pb2.CheckRequest.AutonamingOptions.DISABLE:
            return [(name.key, "is required: automatic naming is disabled")]
        elif options and options.proposed_name:
            inputs[name.key] = options.proposed_name
        else:
            try:
                logical_name = request.name or request.urn.rpartition("::")[2]
                inputs[name.key] = name.make(logical_name, request.randomSeed)
            except ProviderError as error:
                return [(name.key, str(error))]
        defaulted.add(name.key)
        return []

    def _changes(self, resource: Resource, old: Properties, outputs: Properties, new: Properties) -> dict[str, str]:
        changes = resource.changes(old, new)
        if "region" in resource.schema().inputs:
            changes.pop("region", None)
            if outputs.get("region") and outputs["region"] != new.get("region", self._connection().region):
                changes["region"] = "update"
        return changes

    def _read(self, resource: Resource, id: str, known: Properties) -> Properties | None:
        declared = resource.schema()
        try:
            found = resource.read(id, known)
            if found is None:
                return None
            if "tags" in declared.inputs:
                found["tags"] = resource.read_tags(id, found)
        except ClientError as error:
            if is_gone(error):
                return None
            raise
        return {"region": resource.aws.region} | found if "region" in declared.outputs else found

    def _outputs(self, resource: Resource, id: str, inputs: Properties) -> Properties:
        found = self._read(resource, id, inputs)
        if found is None:
            raise ProviderError(f"{id} was made and is gone already")
        return self._with_all_tags(resource, _merged(inputs, found))

    def _with_all_tags(self, resource: Resource, outputs: Properties) -> Properties:
        # The provider's default tags are among the inputs already: see Check.
        return outputs | {"tagsAll": outputs.get("tags") or {}} if "tagsAll" in resource.schema().outputs else outputs

    def _delete(self, resource: Resource, id: str, known: Properties) -> None:
        try:
            resource.delete(id, known)
        except ClientError as error:
            if not is_gone(error):
                raise


def _inputs(struct: Any) -> Properties:
    """With the secrets laid open. References to resources don't come: no answer here accepts them."""
    return without_secrets(from_struct(struct))


def _some(changes: Collection[str]) -> Any:
    return provider_pb2.DiffResponse.DIFF_SOME if changes else provider_pb2.DiffResponse.DIFF_NONE


def _refuse_another(settings: Settings, other: Settings) -> None:
    names = [each.name for each in fields(settings) if getattr(settings, each.name) != getattr(other, each.name)]
    if names:
        raise ProviderError(
            f"the local provider has one configuration for all resources, and an explicit provider has another {', '.join(names)}: "
            "leave it out, or deploy it as a stack of its own"
        )


def _without_internals(properties: Properties) -> Properties:
    return {key: value for key, value in properties.items() if not key.startswith("__")}


def _merged(known: Properties, found: Properties) -> Properties:
    return {key: value for key, value in (known | found).items() if value is not None}


def _top(path: str) -> str:
    return path.partition(".")[0].partition("[")[0]


def _keeps_fixed_name(resource: Resource, old: Properties, new: Properties) -> bool:
    """Whether the new resource would need the very name that the old one still has."""
    if resource.name is None:
        return False
    name = resource.name.key
    return name not in new.get("__defaults", []) and old.get(name) == new.get(name)
