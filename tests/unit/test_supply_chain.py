"""What is installed for what, by which hash, and what CI runs."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata

import pytest
import yaml

from tests.documents import ROOT

LOCKS = [
    "requirements",
    "requirements-local",
    "requirements-report",
    "requirements-dev",
    "requirements-uv",
    "requirements-sbom",
    "requirements-security",
    "policies/requirements",
]
EMULATOR_AND_PLOTS = {"cryptography", "jsonata-python", "matplotlib", "ministack", "moto", "numpy", "ruamel-yaml"}

WITH_NOTHING_ELSE = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

ABSENT = set(sys.argv.pop(1).split(","))
sys.meta_path.insert(0, Absent())
"""


def plain(name: str) -> str:
    """Of a package, in the one of its spellings by which all are compared."""
    return re.sub(r"[._]", "-", name).lower()


def pins(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9._-]+)(?:\[[^]]*\])?==(\S+)", (ROOT / f"{lock}.txt").read_text(), re.MULTILINE))


def asked_for(lock: str) -> set[str]:
    return set(re.findall(r"^([a-z0-9][a-z0-9._-]*)(?:\[[^]]*\])?==", (ROOT / f"{lock}.in").read_text(), re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_is_pinned_with_its_hash(lock):
    entries = re.sub(r"\\\n\s*", "", (ROOT / f"{lock}.txt").read_text()).splitlines()

    assert {re.split(r"[\[=]", entry)[0] for entry in entries} == set(pins(lock))
    assert all("--hash=sha256:" in entry for entry in entries)
    assert set(map(plain, asked_for(lock))) <= set(map(plain, pins(lock)))


@pytest.mark.parametrize("lock", ["requirements", "requirements-local", "requirements-report"])
def test_all_locks_agree(lock):
    everything = pins("requirements-dev")

    assert {name: everything.get(name) for name in pins(lock)} == pins(lock)


def test_deploying_installs_neither_emulator_nor_plots():
    assert not EMULATOR_AND_PLOTS & set(pins("requirements"))


def test_the_program_and_the_client_need_no_more_than_deploying_installs():
    present = {plain(name) for name in (*pins("requirements"), "setuptools", "pip")}
    absent = {
        module
        for module, of in metadata.packages_distributions().items()
        if not module.startswith("_") and present.isdisjoint(map(plain, of))
    }
    assert {"ministack", "matplotlib", "numpy"} <= absent
    code = (
        WITH_NOTHING_ELSE
        + """
from client.__main__ import VERBS, _parse
from tests import program

assert program.run({"variants": ["map", "parallel", "sns", "distributed"]}).resources
words = {"load": ["file.json"], "get": ["an-id"], "watch": ["an-id"], "show": ["an-id"], "results": ["a-run"],
         "plan": ["--rows", "10"], "request": ["map"], "new": ["responder", "acme"], "try": ["acme"], "completion": ["zsh"]}
for verb in VERBS:
    _parse([verb, *words.get(verb, [])])
"""
    )
    ran = subprocess.run([sys.executable, "-c", code, ",".join(absent)], cwd=ROOT, capture_output=True, text=True, check=False)

    assert ran.returncode == 0, ran.stderr


def test_what_local_needs_is_said_where_it_is_missing():
    code = """
import importlib.util
import runpy
import sys

absent, find_spec = set(sys.argv.pop(1).split(",")), importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name in absent else find_spec(name, package)
runpy.run_module("local", run_name="__main__")
"""
    ran = subprocess.run([sys.executable, "-c", code, "ministack,ruamel"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (ran.returncode, ran.stderr) == (
        1,
        "error: ministack, ruamel are not installed: activate the environment (source .venv/bin/activate), "
        "pip install -r requirements-local.txt, or the package with [local]\n",
    )


def test_the_extras_of_the_package_are_what_the_locks_pin():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]

    for extra, lock in (("local", "requirements-local"), ("report", "requirements-report")):
        assert {re.split(r"[=<>]", needed)[0] for needed in extras[extra]} <= asked_for(lock) | asked_for("requirements")


def test_an_environment_that_is_a_link_is_replaced_and_what_it_leads_to_is_left_alone(tmp_path):
    checkout, elsewhere, commands = (tmp_path / name for name in ("checkout", "elsewhere", "commands"))
    for folder in (checkout, elsewhere, commands):
        folder.mkdir()
    for name in ("Makefile", "requirements-dev.txt", "requirements-uv.txt"):
        shutil.copy(ROOT / name, checkout)
    (elsewhere / "kept").touch()
    (checkout / ".venv").symlink_to(elsewhere)
    # Without pip: nothing is installed, and make ends there.
    python = commands / "python3"
    python.write_text(f'#!/bin/sh\n[ "$2" = venv ] && exec {sys.executable} "$@" --without-pip\nexec {sys.executable} "$@"\n')
    python.chmod(0o700)

    subprocess.run(
        ["make", "setup"], cwd=checkout, env={**os.environ, "PATH": f"{commands}:{os.environ['PATH']}"}, capture_output=True, check=False
    )

    assert [path.name for path in elsewhere.iterdir()] == ["kept"]
    assert (checkout / ".venv" / "bin" / "python").exists() and not (checkout / ".venv").is_symlink()


# CI

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def steps(workflow) -> list[dict]:
    return [step for job in yaml.safe_load(workflow.read_text())["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda workflow: workflow.stem)
def test_a_workflow_runs_what_others_wrote_at_a_fixed_commit_and_with_no_rights(workflow):
    used = [step["uses"] for step in steps(workflow) if "uses" in step]

    assert used
    assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", name) for name in used)
    assert yaml.safe_load(workflow.read_text())["permissions"] == {"contents": "read"}


def test_ci_runs_the_commands_of_the_readme_on_every_python_that_the_package_takes():
    [workflow] = [workflow for workflow in WORKFLOWS if workflow.stem == "ci"]
    matrix = yaml.safe_load(workflow.read_text())["jobs"]["test"]["strategy"]["matrix"]
    readme = (ROOT / "README.md").read_text().splitlines()

    assert {"make demo", "make test"} <= {step.get("run") for step in steps(workflow)} & set(readme)
    assert matrix == {"os": ["ubuntu-latest", "macos-latest"], "python": ["3.11", "3.12", "3.13", "3.14"]}
    required = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert required == f">={matrix['python'][0]}"


def test_make_help_names_every_command():
    makefile = (ROOT / "Makefile").read_text()
    phony = set(re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split()) - {"help"}

    told = subprocess.run(["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert {line.split()[1] for line in told.splitlines()} == phony
