"""The wheel, and the README's program of one's own: built, installed into an environment without the repository, deployed."""

import ast
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import hatch_build
import scatter_gather
from scatter_gather import __version__
from tests import documents
from tests.documents import ROOT, Block

EXAMPLE = ROOT / "examples" / "own_program"
SETS_UP = ["python -m venv .venv", "source .venv/bin/activate", "python -m pip install '../scatter-gather[local]'"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = {"client": ("client", "report", "local"), "local": ("local",)}
"""By folder, what a user of it installs; the others come with the package itself."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment variables of a fresh virtual environment with the wheel. Its dependencies are those installed here."""
    folder = tmp_path_factory.mktemp("environment") / ".venv"
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "--python",
            str(python),
            "install",
            "--quiet",
            "--no-deps",
            "--no-index",
            "--no-compile",
            "--disable-pip-version-check",
            str(wheel),
        ],
        check=True,
    )
    site_packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    assert {file.name for file in site_packages.iterdir()} == {"scatter_gather", f"scatter_gather-{__version__}.dist-info"}
    here = {file for file in map(Path, sys.path) if file.name == "site-packages"}
    (site_packages / "dependencies.pth").write_text("\n".join(map(str, here)))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PULUMI_", "PYTEST_", "PYTHON"))}
    return kept | {"VIRTUAL_ENV": str(folder), "PATH": f"{python.parent}:{os.environ['PATH']}"}


@pytest.fixture
def own_folder(tmp_path: Path) -> Path:
    """What the README says to write, outside of the repository."""
    (tmp_path / "Pulumi.yaml").write_text(_file_in_section("Pulumi.yaml"))
    (tmp_path / "__main__.py").write_text(_file_in_section("examples/own_program/__main__.py"))
    shutil.copy(EXAMPLE / "acme.py", tmp_path)
    return tmp_path


def _section() -> list[Block]:
    page = ROOT / "README.md"
    [text] = re.findall(r"^## In your own program\n(.*?)(?=^## )", page.read_text(), re.MULTILINE | re.DOTALL)
    return [Block(page, 1, match["language"], match["text"]) for match in documents.FENCE.finditer(text)]


def _file_in_section(name: str) -> str:
    header = f"# {name}\n"
    [text] = [block.text for block in _section() if block.text.startswith(header)]
    return text.removeprefix(header)


def _commands() -> list[str]:
    return [command for block in _section() if block.language == "sh" for command in block.commands]


def _run(script: str, folder: Path, environment: dict[str, str]) -> str:
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, f"code {ran.returncode} from\n{script}\n{ran.stdout[-3000:]}\n{ran.stderr[-3000:]}"
    return ran.stdout


def test_nothing_but_the_package_is_in_the_wheel(wheel):
    names = zipfile.ZipFile(wheel).namelist()

    assert {name.partition("/")[0] for name in names} == {"scatter_gather", f"scatter_gather-{__version__}.dist-info"}


def test_every_file_that_the_program_needs_is_in_the_wheel(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())

    tracked = subprocess.run(["git", "ls-files", *hatch_build.FOLDERS], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    needed = {f"scatter_gather/{file}" for file in tracked if not file.endswith(".md")}
    assert needed - names == set()
    assert "scatter_gather/py.typed" in names


def test_nothing_in_the_wheel_is_imported_by_a_name_of_the_repository(wheel):
    absolute = [
        (name, module)
        for name, tree in _modules(wheel).items()
        for node in ast.walk(tree)
        for module in _imported(node)
        if module in hatch_build.FOLDERS
    ]

    assert absolute == []


def _modules(wheel: Path) -> dict[str, ast.Module]:
    files = zipfile.ZipFile(wheel)
    return {name: ast.parse(files.read(name)) for name in files.namelist() if name.endswith(".py")}


def _imported(node: ast.AST) -> list[str]:
    """The first names of what a statement imports absolutely."""
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    return [str(node.module).partition(".")[0]] if isinstance(node, ast.ImportFrom) and not node.level else []


@pytest.mark.parametrize(
    ("file", "source", "expected"),
    [
        ("components/code.py", "from components import policy", "from . import policy"),
        ("components/code.py", "from components.queue import Queue", "from .queue import Queue"),
        ("client/stack.py", "    from handlers.contract import (\n    Json)", "    from ..handlers.contract import (\n    Json)"),
        ("handlers/quotes/ride.py", "from handlers.quoting import Quote", "from ..quoting import Quote"),
        ("handlers/quotes/ride.py", "from handlers import clock", "from .. import clock"),
        ("__init__.py", "from components import Alarms", "from .components import Alarms"),
        ("components/code.py", "import os\nfrom scatter_gather import Quote", "import os\nfrom scatter_gather import Quote"),
        ("client/__init__.py", "'''\nfrom client import Stack\n'''", "'''\nfrom client import Stack\n'''"),
    ],
)
def test_the_build_makes_imports_relative(file, source, expected):
    if source.startswith(" "):
        source, expected = f"if True:\n{source}", f"if True:\n{expected}"

    assert hatch_build.relative_imports(source.encode(), Path("scatter_gather", file)).decode() == expected


def test_the_build_refuses_an_import_without_a_relative_form():
    with pytest.raises(ValueError, match=r"scatter_gather/local/cli\.py:2 must import with `from`"):
        hatch_build.relative_imports(b"\nimport local.state", Path("scatter_gather/local/cli.py"))


@pytest.mark.parametrize("folder", [*hatch_build.FOLDERS, "scatter_gather"])
def test_what_a_folder_imports_is_declared(folder):
    """Its own requirements, and what those require in their turn, as pulumi does grpc."""
    extras = [requirement for extra in EXTRAS.get(folder, ()) for requirement in PROJECT["optional-dependencies"][extra]]
    allowed = _with_requirements([*PROJECT["dependencies"], *extras])
    providers = metadata.packages_distributions()

    statements = [node for file in (ROOT / folder).rglob("*.py") for node in ast.walk(ast.parse(file.read_text()))]
    imported = {module for statement in statements for module in _imported(statement)}

    third_parties = imported - sys.stdlib_module_names - {"scatter_gather", *hatch_build.FOLDERS}
    assert {module for module in third_parties if not set(map(canonicalize_name, providers[module])) & allowed} == set()


def _with_requirements(requirements: list[str]) -> set[str]:
    found: set[str] = set()
    ahead = [(Requirement(text), True) for text in requirements]
    while ahead:
        requirement, is_wanted = ahead.pop()
        name = canonicalize_name(requirement.name)
        if is_wanted and name not in found:
            found.add(name)
            inner = [Requirement(text) for text in metadata.requires(name) or []]
            ahead += [
                (each, not each.marker or any(each.marker.evaluate({"extra": extra}) for extra in ["", *requirement.extras]))
                for each in inner
            ]
    return found


def test_what_is_pinned_here_is_what_the_package_takes():
    """The tests of this repository say something of the package only where its ranges have the pins in them."""
    extras = [text for texts in PROJECT["optional-dependencies"].values() for text in texts]
    ranges = {requirement.name: requirement for requirement in map(Requirement, [*PROJECT["dependencies"], *extras])}
    pins = [Requirement(line) for line in (ROOT / "requirements.in").read_text().splitlines() if not line.startswith("#")]

    assert [pin.name for pin in pins if not ranges[pin.name].specifier.contains(str(pin.specifier).removeprefix("=="))] == []


def test_a_responders_code_imports_no_pulumi_and_a_program_keeps_its_own_names(environment, tmp_path):
    for folder in hatch_build.FOLDERS:
        (tmp_path / f"{folder}.py").write_text("OWN = True\n")
    program = "; ".join(
        [
            "import sys",
            "from scatter_gather import Decline, Quote, QuoteRequest, TransientError",
            "print(sorted({'pulumi', 'pydantic', 'boto3'} & set(sys.modules)), Quote.__module__)",
            f"from scatter_gather import {', '.join(scatter_gather.__all__)}",
            "print(Alarms.__module__)",
            f"import {', '.join(hatch_build.FOLDERS)}",
            f"print({' and '.join(f'{folder}.OWN' for folder in hatch_build.FOLDERS)})",
        ]
    )

    printed = _run(f'python -c "{program}"', tmp_path, environment)

    assert printed.splitlines() == ["[] scatter_gather.handlers.quoting", "scatter_gather.components.alarms", "True"]


def test_the_example_is_what_the_readme_says():
    own_code = [block.text for block in documents.blocks(ROOT / "README.md", "python") if block.text.startswith("# acme.py\n")]

    assert (EXAMPLE / "__main__.py").read_text() == _file_in_section("examples/own_program/__main__.py")
    assert (EXAMPLE / "Pulumi.yaml").read_text() == _file_in_section("Pulumi.yaml")
    assert [(EXAMPLE / "acme.py").read_text()] == [text.removeprefix("# acme.py\n") for text in own_code]
    assert len((EXAMPLE / "__main__.py").read_text().splitlines()) <= 15


def test_the_readmes_program_is_deployed_and_answers(environment, own_folder):
    commands = _commands()
    assert commands[: len(SETS_UP)] == SETS_UP

    try:
        shown = {command: _run(command, own_folder, environment) for command in commands[len(SETS_UP) :]}
    finally:
        subprocess.run(["python", "-m", "scatter_gather.local", "stop"], cwd=own_folder, env=environment, check=True, capture_output=True)

    assert "acme quoted 560 USD" in shown["python -m scatter_gather.client request map"]
    assert (own_folder / ".build" / "layer.zip").is_file()
