"""What is left in `.local` when a process was killed or an emulator is gone, and that the command which is named mends it."""

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from client import doctor
from local import cli
from local import emulator as emulator_control
from local.state import BEGIN, Resource, StateFile, creation_of

PROGRAM = "import pulumi_aws as aws\n\naws.sqs.Queue('queue')\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    (tmp_path / "Pulumi.yaml").write_text(f"name: tiny\nruntime: {{name: python, options: {{virtualenv: {sys.prefix}}}}}\n")
    (tmp_path / "__main__.py").write_text(PROGRAM)
    yield tmp_path
    running = emulator_control.find(tmp_path / ".local")
    if running is not None:
        running.stop()


@pytest.fixture
def local(project: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """`local("up", "--yes")` is what it prints."""

    def run(*words: str) -> str:
        capsys.readouterr()
        cli.main(["-C", str(project), *words])
        return capsys.readouterr().out

    return run


def left(project: Path) -> list[tuple[str, str]]:
    """What the doctor says of the folder."""
    return [(finding.found, finding.help) for finding in doctor._emulator(project) if finding.subject == ".local"]


def test_of_a_folder_that_is_in_order_nothing_is_said(project, local):
    before = left(project)
    local("up", "--yes", "--skip-preview")
    deployed = left(project)
    local("destroy", "--yes", "--skip-preview")
    local("stop")

    assert (before, deployed, left(project)) == ([], [], [])


def test_the_state_of_a_stack_whose_emulator_was_stopped(project, local):
    local("up", "--yes", "--skip-preview")
    local("stop")

    [(found, help)] = left(project)
    again, forget = help.split(", ")

    assert found == "stack local was deployed to an emulator that is gone"
    assert again == "python -m local up --stack local deploys it again"
    assert forget == "python -m local stack rm --force --yes --stack local forgets it"
    local(*shlex.split(forget)[3:-2])
    assert left(project) == []


def test_an_emulator_that_was_killed(project, local):
    local("start")
    running = emulator_control.find(project / ".local")
    assert running is not None and running.pid is not None
    os.kill(running.pid, signal.SIGKILL)
    while emulator_control.holder(project / ".local") is not None:
        continue

    [(found, command)] = left(project)
    subprocess.run(shlex.split(command), check=True)

    assert found == "an emulator was killed"
    assert left(project) == []


def test_an_emulator_that_does_not_answer(project, local):
    local("start")
    running = emulator_control.find(project / ".local")
    assert running is not None and running.pid is not None
    os.kill(running.pid, signal.SIGSTOP)

    [(found, command)] = left(project)
    subprocess.run(shlex.split(command), check=True)

    assert (found, command) == ("the emulator does not answer", f"kill -9 {running.pid}")


def test_an_update_that_was_killed(project, local):
    local("up", "--yes", "--skip-preview")
    file = StateFile(project / ".local", "local")
    half_made = Resource("urn:pulumi:local::tiny::aws:sqs/queue:Queue::other", custom=True)
    file.journal(file.load())([(BEGIN, creation_of(half_made), half_made)])

    [(found, command)] = left(project)
    with file.lock():
        under_way = left(project)
    local("up", "--yes", "--skip-preview")

    assert (found, command) == ("an update of stack local was killed", "python -m local up --stack local goes on with it")
    assert (under_way, left(project)) == ([], [])


def test_a_state_that_cannot_be_read(project):
    (project / ".local").mkdir()
    file = project / ".local" / "local.state.json"
    file.write_text("{")

    [(found, command)] = left(project)

    assert found.startswith(f"{file} is not a state file: ")
    assert command == f"rm {file}, which forgets the stack"


def test_the_status_says_the_same(project, local, capsys):
    local("up", "--yes", "--skip-preview")
    local("stop")

    told = json.loads(local("status", "--json"))["left"]
    cli.main(["-C", str(project), "status"])

    assert [tuple(each.values()) for each in told] == left(project)
    assert capsys.readouterr().err == f"warning: {told[0]['found']}: {told[0]['command']}\n"


def test_the_version_is_the_project_s_and_those_of_what_it_runs(capsys):
    from scatter_gather import __version__

    with pytest.raises(SystemExit):
        cli.main(["--version"])

    assert capsys.readouterr().out.startswith(f"scatter-gather {__version__}, pulumi ")
