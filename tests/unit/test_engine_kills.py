"""An end of the process at every step boundary, enumerated: the next run finishes, and nothing is left over or made twice."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.state import Journal, StateFile
from tests.unit.test_engine_cli import Project, project

__all__ = ["project"]

FIRST = 'a = Thing("a", bucket="auto", value="1"); Thing("b", bucket="auto", of=a.id)'


class Killed(Exception):
    """The process is gone: nothing that it would still do happens."""


class Life:
    """Ends at the boundary with this number, counted over all writes of the state and all calls that change something."""

    def __init__(self, boundary: int, monkeypatch: pytest.MonkeyPatch, project: Project) -> None:
        self.left = boundary
        for kind, name in ((Journal, "__call__"), (StateFile, "save")):
            monkeypatch.setattr(kind, name, self._bounded(getattr(kind, name)))
        for name in ("Create", "Update", "Delete"):
            monkeypatch.setattr(project.provider, name, self._bounded(getattr(project.provider, name)))

    @property
    def is_over(self) -> bool:
        return self.left < 0

    def _bounded(self, step: Callable[..., Any]) -> Callable[..., Any]:
        def bounded(*arguments: Any, **named: Any) -> Any:
            self._pass()
            result = step(*arguments, **named)
            self._pass()
            return result

        return bounded

    def _pass(self) -> None:
        self.left -= 1
        if self.is_over:
            raise Killed


@pytest.mark.parametrize(
    ("second", "verb"),
    [
        (FIRST.replace('"1"', '"2"'), "up"),
        (FIRST.replace('value="1"', 'key="1"'), "up"),
        (FIRST.replace('value="1"', 'keyFirst="1"'), "up"),
        ('Thing("a", bucket="auto", value="1")', "up"),
        (FIRST, "destroy"),
    ],
    ids=["update", "replace", "delete first", "delete", "destroy"],
)
def test_a_kill_at_any_boundary_is_made_good_by_the_next_update(project: Project, monkeypatch: pytest.MonkeyPatch, second: str, verb: str):
    boundary, killed = 0, True
    while killed:
        reset(project)
        project.program(FIRST)
        project.run("up", "--yes", "--skip-preview")
        project.program(second)
        with monkeypatch.context() as patch, contextlib.suppress(Killed):
            life = Life(boundary, patch, project)
            project.run(verb, "--yes", "--skip-preview", "--parallel", "1")
        killed = life.is_over

        finished = project.run("up", "--yes", "--skip-preview")

        assert (boundary, finished.code, finished.err.count("error")) == (boundary, 0, 0)
        assert (boundary, alive(project)) == (boundary, ["a", "b"] if 'Thing("b"' in second else ["a"])
        assert (boundary, known(project)) == (boundary, sorted(project.provider.alive))
        boundary += 1
    assert boundary > 5


def test_a_kill_at_any_boundary_of_the_first_update_leaves_nothing_behind(project: Project, monkeypatch: pytest.MonkeyPatch):
    boundary, killed = 0, True
    while killed:
        reset(project)
        project.program(FIRST)
        with monkeypatch.context() as patch, contextlib.suppress(Killed):
            life = Life(boundary, patch, project)
            project.run("up", "--yes", "--skip-preview", "--parallel", "1")
        killed = life.is_over

        project.run("destroy", "--yes", "--skip-preview")

        assert (boundary, project.provider.alive, known(project)) == (boundary, {}, [])
        boundary += 1
    assert boundary > 5


def reset(project: Project) -> None:
    project.provider.alive.clear()
    StateFile(project.folder / ".local", "local").remove()


def alive(project: Project) -> list[str]:
    """The names of the resources that the provider has, each as often as it has it."""
    return sorted(Path(id_).name.partition("-")[0] for id_ in project.provider.alive)


def known(project: Project) -> list[str]:
    resources = StateFile(project.folder / ".local", "local").load().resources
    return sorted(resource.id for resource in resources if resource.custom)
