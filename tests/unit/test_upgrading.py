"""What is a user's own stands apart: an upgrade from upstream comes without a conflict, and finds it as it was."""

import subprocess

import pytest

from local.config import StackConfig, load_project
from tests.documents import ROOT

TRACKED = ("Pulumi.yaml", "Pulumi.local.yaml.example", "Pulumi.dev.yaml", ".gitignore")


def git(folder, *words):
    author = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.com")
    return subprocess.run(["git", *author, *words], cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def upstream(tmp_path):
    """A repository with the project's own files that a user's could meet."""
    folder = tmp_path / "upstream"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    for name in TRACKED:
        (folder / name).write_text((ROOT / name).read_text())
    (folder / "handlers").mkdir()
    (folder / "handlers" / "quotes.py").write_text("VERSION = 1\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "one")
    return folder


@pytest.fixture
def clone(upstream, tmp_path):
    git(tmp_path, "clone", "-q", str(upstream), "clone")
    return tmp_path / "clone"


def config_of(folder):
    return StackConfig(load_project(folder), "local")


def test_own_settings_and_modules_are_not_git_s_affair(clone):
    config_of(clone).set("maxConcurrency", "3")
    (clone / "own").mkdir()
    (clone / "own" / "days.py").write_text("def quote(request): return 1\n")
    (clone / "Pulumi.mine.yaml").write_text("config: {}\n")

    assert git(clone, "status", "--porcelain") == ""


def test_an_upgrade_meets_no_conflict_and_leaves_what_is_own(clone, upstream):
    config_of(clone).set("maxConcurrency", "3")
    (clone / "own").mkdir()
    (clone / "own" / "days.py").write_text("mine\n")
    example = upstream / "Pulumi.local.yaml.example"
    example.write_text(example.read_text() + "  scatter-gather:responderCount: 4\n")
    (upstream / "handlers" / "quotes.py").write_text("VERSION = 2\n")
    git(upstream, "commit", "-q", "-am", "two")

    git(clone, "pull", "-q", "--ff-only")

    assert (clone / "handlers" / "quotes.py").read_text() == "VERSION = 2\n"
    assert (clone / "own" / "days.py").read_text() == "mine\n"
    config = config_of(clone)
    config.validate()
    assert config.get("maxConcurrency") == "3"
    assert git(clone, "status", "--porcelain") == ""


def test_without_own_settings_the_example_is_read_and_nothing_is_written(clone):
    assert config_of(clone).values()["scatter-gather:api"] == {"auth": "NONE"}
    assert not (clone / "Pulumi.local.yaml").exists()


def test_the_first_value_makes_the_file_from_the_example(clone):
    config_of(clone).set("maxConcurrency", "3")

    text = (clone / "Pulumi.local.yaml").read_text()
    assert text.startswith((clone / "Pulumi.local.yaml.example").read_text().rstrip("\n"))
    assert (clone / "Pulumi.local.yaml.example").read_text() == (ROOT / "Pulumi.local.yaml.example").read_text()


def test_a_value_that_is_taken_back_leaves_the_stack_with_a_file_of_its_own(clone):
    config_of(clone).set("maxConcurrency", "3")
    config_of(clone).remove("maxConcurrency")

    assert config_of(clone).values()["aws:region"] == "us-east-1"
