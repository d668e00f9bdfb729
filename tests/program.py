"""The whole program under Pulumi's mocks: what it registers, without any engine or AWS."""

import asyncio
import functools
import json
import runpy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime import mocks, settings
from pulumi.runtime.stack import run_in_stack

from local.program import at_speed

PROJECT = "scatter-gather"
FOLDER = Path(__file__).parent.parent
ANOTHER_ACCOUNT = "111122223333"


@dataclass(frozen=True)
class Resource:
    """outputs: its id and ARN, and what else the mocks make of it."""

    type: str
    parent_type: str
    name: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]


@dataclass(frozen=True)
class Registered:
    """What one run registered, and the stack's outputs."""

    resources: list[Resource]
    outputs: dict[str, Any]

    def of_type(self, type_: str) -> dict[str, dict[str, Any]]:
        """{name: inputs} of one type, such as aws:lambda/function:Function."""
        return {resource.name: resource.inputs for resource in self.resources if resource.type == type_}

    @functools.cached_property
    def of_aws(self) -> list[Resource]:
        return [resource for resource in self.resources if resource.type.startswith("aws:")]

    @functools.cached_property
    def meant_by(self) -> dict[str, tuple[Resource, str]]:
        """The resource, and which of its outputs (id, arn, url), that a value is."""
        found: dict[str, tuple[Resource, str]] = {}
        for resource in self.of_aws:
            for output in ("id", "arn", "url"):
                # Where two have one name, what refers to it means the first: the other is a part of it.
                found.setdefault(resource.outputs[output], (resource, output))
        return found

    def used_by(self, resource: Resource) -> dict[str, list[Resource]]:
        """The resources that its properties are, by property."""
        return {
            key: [self.meant_by[value][0]] for key, value in resource.inputs.items() if isinstance(value, str) and value in self.meant_by
        }


class _Mocks(mocks.Mocks):
    def __init__(self) -> None:
        self.inputs: dict[tuple[str, str], dict[str, Any]] = {}
        self.outputs: dict[tuple[str, str], dict[str, Any]] = {}

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.inputs[args.typ, args.name] = dict(args.inputs)
        if not args.typ.startswith("aws:"):
            return "", {}
        service = args.typ.split(":")[1].split("/")[0]
        computed = {
            "arn": f"arn:aws:{service}:us-east-1:000000000000:{args.name}",
            "name": args.name,
            "bucket": args.name,
            "url": f"https://{service}.us-east-1.amazonaws.com/000000000000/{args.name}",
            "apiEndpoint": f"https://{args.name}.execute-api.us-east-1.amazonaws.com",
            "executionArn": f"arn:aws:execute-api:us-east-1:000000000000:{args.name}",
        }
        self.outputs[args.typ, args.name] = {"id": f"{args.name}-id", **computed}
        return f"{args.name}-id", {**computed, **args.inputs}

    def call(self, args: pulumi.runtime.MockCallArgs) -> dict[str, Any]:  # ty: ignore[incompatible-method-override]
        # Of an explicit provider's URN the last part is its name, which is taken for its region.
        region, account = (args.provider.split("::")[3], ANOTHER_ACCOUNT) if args.provider else ("us-east-1", "000000000000")
        known = {
            "aws:index/getCallerIdentity:getCallerIdentity": {"accountId": account, "arn": "arn", "userId": "u", "id": "u"},
            "aws:index/getRegion:getRegion": {"name": region, "region": region, "id": region},
            "aws:index/getPartition:getPartition": {"partition": "aws", "dnsSuffix": "amazonaws.com", "id": "aws"},
        }
        return known[args.token]


def run(config: Mapping[str, Any] | None = None) -> Registered:
    """Runs `__main__.py` with this configuration (plain values, without the project's prefix)."""
    return registered(main, config)


def main() -> None:
    runpy.run_path(str(FOLDER / "__main__.py"), run_name="__main__")


def registered(main: Callable[[], object], config: Mapping[str, Any] | None = None) -> Registered:
    """What a program's main function registers. Raises what it raises."""
    texts = {f"{PROJECT}:{key}": value if isinstance(value, str) else json.dumps(value) for key, value in (config or {}).items()}
    pulumi.runtime.set_all_config(texts)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    mocked = _Mocks()
    mocks.set_mocks(mocked, project=PROJECT, stack="test", preview=False)
    settings.set_root_resource(None)  # ty: ignore[invalid-argument-type]
    exported: dict[str, Any] = {}

    def program() -> None:
        main()
        exported.update(settings.get_root_resource().outputs)  # ty: ignore[missing-attribute]

    try:
        with at_speed():
            loop.run_until_complete(run_in_stack(program))
        outputs = loop.run_until_complete(pulumi.Output.from_input(exported).future()) or {}
        return Registered([_resource(urn, mocked) for urn in settings.get_monitor().get_registered_resources()], outputs)  # ty: ignore
    finally:
        pulumi.runtime.set_all_config({})
        # What waits for the outputs of a program that failed would be waited for by the next.
        abandoned = asyncio.all_tasks(loop)
        for task in abandoned:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*abandoned, return_exceptions=True))
        settings.SETTINGS.outputs.clear()
        settings.SETTINGS.rpc_manager.clear()
        loop.close()


def _resource(urn: str, mocked: _Mocks) -> Resource:
    parent_type, _, type_ = urn.split("::")[2].rpartition("$")
    name = urn.split("::")[3]
    return Resource(type_, parent_type, name, mocked.inputs[type_, name], mocked.outputs.get((type_, name), {}))
