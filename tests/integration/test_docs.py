"""Every command and every program in the README and the docs runs, as it is written there, on one deployed stack.

A page is run from its first block to its last, by bash, in a copy of the project. On its PATH are

    python    the project's own, with its imports done
    pulumi    the local engine, which has the same words; asks nothing
    aws       the same operation by boto3, of whose models the AWS CLI's words are made; against the emulator

A block that begins with `# FILE.py` is that file of the project.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from local import emulator as emulator_control
from tests import documents, warm_python
from tests.documents import Block

NOT_RUN = {
    "git pull": "the copy that the pages are run in is no clone; tests/unit/test_upgrading.py pulls",
    "make setup": "it makes the environment that the tests run in",
    "make demo": "each of its steps is a command that is run here; it takes as long as all of them together",
    "make test": "it is what runs this",
    "make faults": "it takes minutes; tests/faults runs a part of it",
    "make parity": "it takes minutes; the unit tests of the engine have a part of it",
    "make simulate": "it takes minutes; tests/simulation runs a part of it",
    "make mutants": "as simulate",
    "make bench": "it takes minutes; test_benchmarks tests what it makes of what it measures",
    "make bench-quick": "as bench",
    "python -m benchmarks --split": "as bench",
    "python -m benchmarks.scale": "it writes the page and its pictures; test_scale writes them elsewhere",
    'python -m local up --watch --yes --then "python -m client request map"': "it goes on until it is interrupted; test_local_cli tests it",
    'eval "$(python -m client completion zsh)"': "it is for zsh; test_shell_completion presses Tab in each shell",
    "python -m client completion fish | source": "as for zsh",
    "make lint": "it is a part of make test",
    "pulumi stack init dev": "where a stack is kept is the Pulumi CLI's own affair",
    "pulumi up": "python -m local up runs the same program",
    "pulumi preview --policy-pack policies": "as pulumi preview --diff; make security runs the pack",
    "pulumi preview --diff": "as pulumi up; python -m local preview runs",
    "pulumi destroy": "as pulumi up; python -m local destroy runs",
    "pulumi package add ../scatter-gather/component_package": "it is the Pulumi CLI's; test_component_package serves the package",
    "python -m client verify": "test_verify runs it",
    "make requirements": "it needs a package index",
    "make sbom": "it installs an environment of its own",
    "make security": "as sbom",
    "make policies": "as sbom",
    "pulumi stack init prod-eu": "as pulumi stack init dev",
    "pulumi up --yes": "as pulumi up",
    "python -m local up --cli": "it needs the Pulumi CLI; test_local_cli runs it where there is one",
    "python -m examples car_rental": "it is up, request and destroy of a stack of its own; test_docs checks its configuration",
    "python -m examples flight": "as car_rental",
    "python -m examples ride": "as car_rental",
    "python -m examples models": "as car_rental; test_every_kind asks a model of the emulator's",
    "python -m pytest tests/unit -q": "it is a part of make test",
    "python -m pytest tests/integration/test_map_scatter_gather.py": "it is a part of make test",
    "source .venv/bin/activate": "the environment is on PATH already",
    "python -m venv .venv": "test_own_program has an environment of its own",
    "python -m pip install '../scatter-gather[local]'": "test_own_program installs the wheel",
    "python -m scatter_gather.local up --yes": "test_own_program runs it from the wheel",
    "python -m scatter_gather.client request map": "as up of the wheel",
    "python -m scatter_gather.local destroy --yes": "as up of the wheel",
    "python -m scatter_gather.local stop": "as up of the wheel",
}
"""The commands that are not run, and why. Those of make are looked up in the Makefile."""

COPIED = (
    "Pulumi.yaml",
    "__main__.py",
    "requirements.txt",
    "pyproject.toml",
    ".build",
    "client",
    "components",
    "docs",
    "examples",
    "handlers",
    "local",
    "scatter_gather",
    "statemachines",
)
WARM = (
    "components",
    "boto3",
    "rich.console",
    "rich.progress",
    "local.cli",
    "local.session",
    "local.provider",
    "client.compare",
    "client.report",
    "client.run",
    "client.stack",
    "handlers.records",
    "pytest",
)
CHANGES_THE_STACK = re.compile(r"python -m local (up|destroy|stop)\b")
HANGS_SECONDS = 600


@dataclass
class Project:
    """A copy of the project, with its stack deployed to an emulator of its own."""

    folder: Path
    environment: dict[str, str]
    deployed: str | None = None
    """With what configuration."""

    @property
    def configuration(self) -> Path:
        return self.folder / "Pulumi.local.yaml"

    def begin(self, page: Path) -> None:
        """The configuration as it was cloned, and a stack; with this configuration, unless the page itself sees to that."""
        # Fewer responders than by default are sooner deployed.
        self.configuration.write_text(
            f"{(documents.ROOT / f'{self.configuration.name}.example').read_text()}  scatter-gather:responderCount: 2\n"
        )
        if self.deployed is None or (self.deployed != self.configuration.read_text() and not _changes_the_stack(page)):
            self.run("python -m local up --yes --skip-preview")

    def run(self, script: str) -> None:
        """AssertionError with what was printed, where a command fails."""
        ran = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=HANGS_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        for verb in CHANGES_THE_STACK.findall(script):
            self.deployed = self.configuration.read_text() if verb == "up" else None
        assert ran.returncode == 0, f"code {ran.returncode} from\n{script}\n{ran.stdout[-2000:]}\n{ran.stderr[-2000:]}"

    def program(self, block: Block) -> None:
        named = re.match(r"# (\S+\.py)$", block.text.splitlines()[0])
        if named:
            file = self.folder / named[1]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text)
        else:
            self.run(f"python - <<'END_OF_PROGRAM'\n{block.text}END_OF_PROGRAM\n")


@pytest.fixture(scope="module")
def programs() -> Iterator[Path]:
    """A folder for PATH. A socket in it has a short address, as it must."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, programs: Path) -> Iterator[Project]:
    folder = tmp_path_factory.mktemp("project")
    for name in COPIED:
        source = documents.ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy(source, folder / name)
    address = programs / "python.socket"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PULUMI_", "PYTEST_"))}
    environment |= {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "BROWSER": "true",
        "SFN_WAIT_SCALE": "0",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    server = subprocess.Popen(
        [sys.executable, warm_python.__file__, str(address), *WARM], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        _stand_ins(programs, address)
        yield Project(folder, environment)
    finally:
        running = emulator_control.find(folder / ".local")
        if running is not None:
            running.stop()
        server.terminate()
        server.wait()


def _stand_ins(programs: Path, address: Path) -> None:
    warm_python.stand_in(programs / "python", address)
    warm_python.stand_in(programs / "aws-words", address, str(Path(documents.__file__).with_name("aws_words.py")))
    _program(programs / "pulumi", 'case "$1" in up|destroy|refresh) set -- "$@" --yes;; esac\nexec python -m local "$@"\n')
    _program(
        programs / "aws",
        "\n".join(['eval "$(python -m local status --env)"', "export AWS_DEFAULT_REGION=us-east-1", 'exec aws-words "$@"\n']),
    )


def _program(file: Path, text: str) -> None:
    file.write_text(f"#!/bin/sh\n{text}")
    file.chmod(0o755)


def _runs(page: Path) -> list[Block]:
    """Those for Pulumi are run by tests/unit/test_docs.py."""
    return [block for block in documents.blocks(page, "sh", "python") if not block.is_pulumi_program or block.text.startswith("# ")]


def _changes_the_stack(page: Path) -> bool:
    return any(CHANGES_THE_STACK.search(_script(block)) for block in documents.blocks(page, "sh"))


def _script(block: Block) -> str:
    return "\n".join(command for command in block.commands if command not in NOT_RUN)


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=str(page.relative_to(documents.ROOT)))
        # Those that leave the stack as it is come first, so that it is deployed as seldom as can be.
        for page in sorted(documents.pages(), key=lambda page: (_changes_the_stack(page), -len(page.parts), page))
        if _runs(page)
    ],
)
def test_every_command_and_program_of_a_page_runs(project, page):
    project.begin(page)

    for block in _runs(page):
        if block.language == "python":
            project.program(block)
        else:
            project.run(_script(block))


def test_a_command_that_fails_is_told(project):
    with pytest.raises(AssertionError, match="argument VERB: invalid choice: 'fax'"):
        project.run("python -m client fax")


def test_the_list_of_commands_that_are_not_run_is_current():
    written = {command for page in documents.pages() for block in documents.blocks(page, "sh") for command in block.commands}

    assert [command for command in NOT_RUN if command not in written] == []


@pytest.mark.parametrize("target", [command.split()[1] for command in NOT_RUN if command.startswith("make ")])
def test_a_target_of_make_is_one(target):
    assert re.search(rf"^{target}:", (documents.ROOT / "Makefile").read_text(), re.MULTILINE)
