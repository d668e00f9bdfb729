"""A bench for the engine: a real program in a folder, the engine in process, a provider that only remembers."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from local.engine import Deployment
from local.plugin import Plugin
from local.program import run_program
from local.properties import Properties
from local.state import Resource, State, StateFile
from local.steps import Op
from tests.unit.fake_provider import FakeProvider

PRELUDE = '''
import pulumi
from pulumi import ResourceOptions

class Thing(pulumi.CustomResource):
    """A resource of the fake provider, with its properties as keyword arguments."""
    id: pulumi.Output[str]
    size: pulumi.Output[int]
    key: pulumi.Output[str]
    hidden: pulumi.Output[str]
    value: pulumi.Output[str]

    def __init__(self, name, opts=None, **properties):
        outputs = dict.fromkeys(("size", "key", "hidden", "value"))
        super().__init__("test:index:Thing", name, {**outputs, **properties}, opts)

class Group(pulumi.ComponentResource):
    def __init__(self, name, opts=None):
        super().__init__("test:index:Group", name, {}, opts)
'''


@dataclass
class Run:
    """What one preview, update, refresh or destroy did."""

    deployment: Deployment
    error: BaseException | None = None
    log: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def failures(self) -> list[str]:
        return [str(failure) for failure in self.deployment.failures]

    @property
    def changes(self) -> dict[str, int]:
        return self.deployment.changes()

    def ops(self) -> dict[str, str]:
        """{resource name: op}, replacements as one."""
        parts = (Op.CREATE_REPLACEMENT, Op.DELETE_REPLACED)
        return {step.resource.name: str(step.op) for step in self.deployment.steps if step.op not in parts}


class Bench:
    """One stack of one project. `up("...")` runs the engine over a program that starts with PRELUDE."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.provider = FakeProvider()
        self.file = StateFile(folder / ".local", "dev")
        self.config: dict[str, str] = {}

    @property
    def state(self) -> State:
        return self.file.load()

    def outputs(self) -> Properties:
        return self.state.outputs()

    def resource(self, name: str) -> Resource:
        return next(resource for resource in self.state.resources if resource.name == name)

    def up(self, program: str) -> Run:
        return self._run(program, preview=False)

    def preview(self, program: str) -> Run:
        return self._run(program, preview=True)

    def destroy(self) -> Run:
        run = Run(self.deployment(preview=False))
        run.deployment.finish()
        self.file.settle(self.state)
        return run

    def refresh(self) -> Run:
        run = Run(self.deployment(preview=False))
        run.deployment.refresh()
        self.file.settle(self.state)
        return run

    def deployment(self, *, preview: bool) -> Deployment:
        plugin = Plugin("test", self.provider)
        plugin.configure({})
        state = self.file.load()
        return Deployment(
            project="proj",
            stack="dev",
            state=state,
            plugins={"test": plugin},
            folder=self.folder,
            save=None if preview else self.file.journal(state),
        )

    def _run(self, program: str, *, preview: bool) -> Run:
        (self.folder / "__main__.py").write_text(PRELUDE + textwrap.dedent(program))
        self.provider.calls.clear()
        run = Run(self.deployment(preview=preview))
        try:
            run_program(self.folder, run.deployment, self.config, [], lambda *entry: run.log.append(entry))
        except Exception as error:  # noqa: BLE001 - what the program or the engine raised is what tests look at
            run.error = error
        else:
            run.deployment.finish()
        self.file.settle(self.state)
        return run


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)
