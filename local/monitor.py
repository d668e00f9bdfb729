"""What the SDK in the program talks to instead of the CLI: Pulumi's resource monitor and engine, in process.

Features of the real engine that this one lacks are refused by name where the program asks for them, never ignored.
"""

import re
from collections.abc import Callable
from typing import Any, NoReturn

from google.protobuf.empty_pb2 import Empty  # ty: ignore[import-not-found]
from pulumi.runtime.proto import alias_pb2, engine_pb2, resource_pb2

from local.engine import Deployment
from local.properties import RESOURCE_REFERENCE, UNKNOWN, from_struct, replace_special, signature, to_struct
from local.state import Resource
from local.steps import Alias, Goal, ProgramError

_DURATION_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}

_REFUSED_OPTIONS = {
    "importId": "import_",
    "remote": "remote components",
    "transforms": "transforms",
    "hooks": "hooks",
    "state_migrations": "state migrations",
    "replace_with": "replace_with",
    "replacement_trigger": "replacement_trigger",
    "deletedWith": "deleted_with",
    "replaceOnChanges": "replace_on_changes",
    "hideDiffs": "hide_diffs",
    "envVarMappings": "env_var_mappings",
    "packageRef": "parameterized providers",
    "pluginDownloadURL": "plugin_download_url",
    "providers": "the option providers",
    "provider": "the option provider",
}
"""Fields of a registration that this engine can't honour, and the names by which a user knows them."""

_REFUSED_CALLS = {
    "Call": "methods of resources",
    "RegisterPackage": "parameterized providers",
    "RegisterStackTransform": "transforms",
    "RegisterStackInvokeTransform": "transforms of invokes",
    "RegisterResourceHook": "hooks",
    "RegisterErrorHook": "hooks",
}

# What is listed beside the first three is refused with the right words where it is used.
_FEATURES = (
    "SECRETS", "RESOURCE_REFERENCES", "ALIAS_SPECS", "DELETED_WITH", "TRANSFORMS", "INVOKE_TRANSFORMS", "RESOURCE_HOOKS",
    "ERROR_HOOKS", "PARAMETERIZATION", "REPLACE_WITH", "REPLACEMENT_TRIGGER",
)  # fmt: skip

LogListener = Callable[[str, str, str], None]
"""(severity, message, URN or "")"""


class Monitor:
    """The resource monitor. Methods take and return Pulumi's messages; the SDK calls them on worker threads."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment

    def __getattr__(self, name: str) -> Callable[[Any], NoReturn]:
        if name not in _REFUSED_CALLS:
            raise AttributeError(name)

        def refuse(request: Any) -> NoReturn:
            raise ProgramError(f"{_REFUSED_CALLS[name]} aren't supported by the local engine; use --cli")

        return refuse

    def GetDeploymentInfo(self, request: Any) -> resource_pb2.DeploymentInfo:
        feature = resource_pb2.ResourceMonitorFeature
        return resource_pb2.DeploymentInfo(supportedFeatures=[feature.Value(f"RESOURCE_MONITOR_FEATURE_{name}") for name in _FEATURES])

    def RegisterResource(self, request: Any) -> resource_pb2.RegisterResourceResponse:
        _refuse_unsupported(request)
        resource = self._deployment.register(_goal(request))
        return resource_pb2.RegisterResourceResponse(urn=resource.urn, id=resource.id, object=to_struct(resource.outputs))

    def RegisterResourceOutputs(self, request: Any) -> Empty:
        self._deployment.register_outputs(request.urn, from_struct(request.outputs))
        return Empty()

    def ReadResource(self, request: Any) -> resource_pb2.ReadResourceResponse:
        if request.type.startswith("pulumi:"):
            raise _unsupported("stack references", request)
        if request.provider:
            raise _unsupported("the option provider", request)
        wanted = Resource(
            "",
            custom=True,
            parent=request.parent,
            inputs=from_struct(request.properties),
            dependencies=list(request.dependencies),
            additional_secret_outputs=list(request.additionalSecretOutputs),
        )
        resource = self._deployment.read(Goal(request.type, request.name, wanted), request.id)
        return resource_pb2.ReadResourceResponse(urn=resource.urn, id=resource.id, properties=to_struct(resource.outputs))

    def Invoke(self, request: Any) -> resource_pb2.ResourceInvokeResponse:
        if request.tok.startswith("pulumi:"):
            raise ProgramError(f"{request.tok} isn't supported by the local engine; use --cli")
        if request.provider:
            raise ProgramError(f"{request.tok}: explicit providers aren't supported by the local engine; use --cli")
        response = resource_pb2.ResourceInvokeResponse()
        getattr(response, "return").update(self._deployment.invoke(request.tok, from_struct(request.args)))
        return response

    def SignalAndWaitForShutdown(self, request: Any) -> Empty:
        return Empty()


class EngineLog:
    """The part of the CLI that the SDK sends its log to."""

    def __init__(self, log: LogListener) -> None:
        self._log = log

    def Log(self, request: Any) -> Empty:
        self._log(engine_pb2.LogSeverity.Name(request.severity).lower(), request.message, request.urn)
        return Empty()

    def RequirePulumiVersion(self, request: Any) -> None:
        raise ProgramError("require_pulumi_version isn't supported by the local engine; use --cli")


def _goal(request: Any) -> Goal:
    wanted = Resource(
        "",
        request.custom,
        parent=request.parent,
        inputs=_without_references(from_struct(request.object)),
        dependencies=list(request.dependencies),
        property_dependencies={name: list(deps.urns) for name, deps in request.propertyDependencies.items()},
        protect=request.protect,
        retain_on_delete=request.retainOnDelete,
        ignore_changes=list(request.ignoreChanges),
        additional_secret_outputs=list(request.additionalSecretOutputs),
        custom_timeouts=_timeouts(request.customTimeouts),
    )
    aliases = [*map(_alias, request.aliases), *(Alias(urn=urn) for urn in request.aliasURNs)]
    return Goal(request.type, request.name, wanted, aliases, request.deleteBeforeReplace if request.deleteBeforeReplaceDefined else None)


def _alias(message: alias_pb2.Alias) -> Alias:
    spec = message.spec
    return Alias(message.urn, spec.name, spec.type, spec.stack, spec.project, spec.parentUrn, spec.noParent)


def _timeouts(message: Any) -> dict[str, float]:
    given = {name: getattr(message, name) for name in ("create", "update", "delete")}
    return {name: _seconds(duration) for name, duration in given.items() if duration}


def _seconds(duration: str) -> float:
    """90.0 for "1m30s"."""
    parts = re.findall(r"([\d.]+)(ns|us|µs|ms|s|m|h)", duration)
    if "".join(number + unit for number, unit in parts) != duration:
        raise ProgramError(f"custom timeout {duration!r} is not a duration such as 5m or 1h30m")
    return sum(float(number) * _DURATION_UNITS[unit] for number, unit in parts)


def _without_references(value: Any) -> Any:
    """Providers take a resource as its id, a component as its URN."""

    def plain(special: Any) -> Any:
        if signature(special) == RESOURCE_REFERENCE:
            return (special["id"] or UNKNOWN) if "id" in special else special["urn"]
        if isinstance(special, dict):
            return {key: _without_references(item) for key, item in special.items()}
        return special

    return replace_special(value, plain)


def _refuse_unsupported(request: Any) -> None:
    if request.type.startswith("pulumi:providers:"):
        raise _unsupported("explicit providers", request)
    for name, option in _REFUSED_OPTIONS.items():
        value = getattr(request, name)
        is_message = hasattr(value, "ByteSize")
        if value.ByteSize() if is_message else value:
            raise _unsupported(option, request)


def _unsupported(what: str, request: Any) -> ProgramError:
    return ProgramError(f"{request.type} ({request.name}): {what} can't be used with the local engine; use --cli")
