"""The demo tidies up, whoever watches it."""

import os
import subprocess
import sys

import pytest

from examples import demo


@pytest.fixture
def commands(monkeypatch):
    """What is run, with a stack of one carrier that is never really there."""
    found = []

    def run(module, *arguments, **_):
        found.append(" ".join((module, *arguments)))
        said = {"local stack ls --json": "[]", "local stack output --json": '{"carriers": {"map": {}}}'}.get(found[-1], "r1")
        return subprocess.CompletedProcess([], 1 if found[-1] == "local status" else 0, said, "")

    monkeypatch.setattr(demo, "_run", run)
    return found


def test_what_was_deployed_is_destroyed_though_nobody_reads_on(commands, monkeypatch):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", closefd=True) as closed:
        monkeypatch.setattr(sys, "stdout", closed)

        code = demo.main()

    assert code == 0
    assert commands[-2:] == ["local destroy --yes --skip-preview", "local stop"]
