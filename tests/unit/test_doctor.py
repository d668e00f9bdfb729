"""What the doctor finds on a machine, and what it advises."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from client import doctor
from client.__main__ import main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, without a Pulumi CLI, an emulator, credentials or a region."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(doctor.shutil, "which", lambda _: None)
    monkeypatch.setattr(doctor, "_said_by", lambda *_: "{}")
    return tmp_path


def found(folder: Path, subject: str) -> tuple[str, str, str]:
    [finding] = [finding for finding in doctor.examine(folder) if finding.subject == subject]
    return finding.verdict, finding.found, finding.help


def test_the_oldest_python_is_the_package_s():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert project["requires-python"] == f">={'.'.join(map(str, doctor.OLDEST_PYTHON))}"


def test_a_python_that_is_too_old_is_wrong(machine, monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 4, "final", 0))

    assert found(machine, "Python") == ("wrong", "3.10.4", "3.11 or later is needed: make setup with that python3")


@pytest.mark.parametrize(
    ("lock", "verdict", "said"),
    [
        ("boto3==0.0.1 \\\n    --hash=sha256:0\n", "wrong", "boto3 {boto3} rather than 0.0.1"),
        ("no-such-package==1 \\\n    --hash=sha256:0\n", "wrong", "no-such-package is missing"),
        (
            "boto3=={boto3} \\\n    --hash=sha256:0\nno-such-package==1 ; sys_platform == 'win32' \\\n",
            "ok",
            "2 as requirements.txt pins them",
        ),
        (None, "wrong", "there is no requirements.txt here"),
    ],
    ids=["another version", "missing", "missing on another system", "no lock file"],
)
def test_packages_are_compared_with_the_lock_file(machine, lock, verdict, said):
    versions = {"boto3": doctor.metadata.version("boto3")}
    if lock is not None:
        (machine / "requirements.txt").write_text(lock.format(**versions))

    assert found(machine, "packages")[:2] == (verdict, said.format(**versions))


@pytest.mark.parametrize("subject", ["Pulumi CLI", "emulator", "credentials", "region"])
def test_what_some_commands_do_without_is_a_note(machine, subject):
    assert found(machine, subject)[0] == "note"


def test_what_processes_have_left_is_found_with_what_mends_it(machine, monkeypatch):
    left = {"found": "an update of stack local was killed", "command": "python -m local up --stack local goes on with it"}
    monkeypatch.setattr(doctor, "_said_by", lambda *_: json.dumps({"running": False, "left": [left]}))

    assert found(machine, ".local") == ("note", *left.values())


def test_credentials_are_named_by_where_they_come_from_and_not_shown(machine, monkeypatch, capsys):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAPLANTED")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted-secret")

    main(["doctor"])

    out = capsys.readouterr().out
    assert "ok    credentials  from env" in out
    assert "AKIAPLANTED" not in out
    assert "planted-secret" not in out


def test_a_profile_that_does_not_exist_is_wrong(machine, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nobody")

    assert found(machine, "AWS")[:2] == ("wrong", "The config profile (nobody) could not be found")


@pytest.mark.parametrize(("lock", "code"), [("", 0), ("no-such-package==1\n", 1)], ids=["well", "ill"])
def test_the_exit_code_and_the_json_say_the_same(machine, capsys, lock, code):
    (machine / "requirements.txt").write_text(lock)

    assert main(["doctor", "--json"]) == code
    assert ("wrong" in {finding["verdict"] for finding in json.loads(capsys.readouterr().out)}) == bool(code)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["client", "doctor"], 1),
        (["client", "get", "an-id"], 2),
        (["local", "up"], 1),
        (["examples", "ride"], 1),
    ],
)
def test_without_the_environment_every_command_says_so_and_nothing_else(words, code):
    """Python without its packages, as it is where the environment was not activated."""
    ran = subprocess.run([sys.executable, "-S", "-m", *words], cwd=ROOT, capture_output=True, text=True, check=False)

    said = ran.stdout + ran.stderr
    assert "Traceback" not in said
    assert "make setup" in said or "source .venv/bin/activate" in said
    assert ran.returncode == code
