"""doctor: looks at what the commands need of this machine, and says what is missing and what helps. It sends nothing to AWS."""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

OLDEST_PYTHON = (3, 11)
"""As pyproject.toml has it (a test compares them)."""

LOCK = "requirements.txt"
"""What deploying needs; the other lock files pin the same versions."""

PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)(\s*;)?", re.MULTILINE)
SECONDS = 20

OK, NOTE, WRONG = "ok", "note", "wrong"


@dataclass(frozen=True)
class Finding:
    """verdict: ok, note (some commands do without it) or wrong. help: what mends it."""

    subject: str
    verdict: str
    found: str
    help: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None of its own."""


def run_here(options: argparse.Namespace) -> int:
    findings = list(examine(Path.cwd()))
    if options.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            print(f"{finding.verdict:<6}{finding.subject:<13}{finding.found}{f': {finding.help}' if finding.help else ''}")
    return 1 if any(finding.verdict == WRONG for finding in findings) else 0


def examine(folder: Path) -> Iterator[Finding]:
    """folder: the project's."""
    yield _python(sys.version_info[:3])
    yield _packages(folder / LOCK)
    yield _pulumi()
    yield from _emulator(folder)
    yield from _aws()


def _python(version: tuple[int, ...]) -> Finding:
    found = ".".join(map(str, version))
    if version < OLDEST_PYTHON:
        return Finding("Python", WRONG, found, f"{'.'.join(map(str, OLDEST_PYTHON))} or later is needed: make setup with that python3")
    return Finding("Python", OK, f"{found}, {sys.prefix}")


def _packages(lock: Path) -> Finding:
    if not lock.exists():
        return Finding("packages", WRONG, f"there is no {lock.name} here", "run it in the project's folder")
    pins = PIN.findall(lock.read_text(encoding="utf-8"))
    # What is pinned for some systems only may be missing on this one.
    found = {name: _installed(name) for name, _, _ in pins}
    missing = [name for name, _, is_for_some in pins if found[name] is None and not is_for_some]
    others = [f"{name} {found[name]} rather than {version}" for name, version, _ in pins if found[name] not in (None, version)]
    if missing or others:
        named = [*(f"{name} is missing" for name in missing), *others]
        return Finding("packages", WRONG, ", ".join(named[:3]) + (f" and {len(named) - 3} more" if named[3:] else ""), "make setup")
    return Finding("packages", OK, f"{len(pins)} as {lock.name} pins them")


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _pulumi() -> Finding:
    if shutil.which("pulumi") is None:
        return Finding("Pulumi CLI", NOTE, "not on PATH", "deploying to AWS needs it; python -m local does without")
    return Finding("Pulumi CLI", OK, _said_by("pulumi", "version").strip() or "does not say its version")


def _emulator(folder: Path) -> Iterator[Finding]:
    status = json.loads(_said_by(sys.executable, "-m", "local", "-C", str(folder), "status", "--json") or "{}")
    if not status.get("running"):
        yield Finding("emulator", NOTE, "not running", "python -m local up starts it")
    else:
        yield Finding("emulator", OK, f"{status['endpoint']} (pid {status['pid']})")
    yield from (Finding(".local", NOTE, each["found"], each["command"]) for each in status.get("left", []))


def _said_by(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS).stdout


def _aws() -> Iterator[Finding]:
    try:
        from botocore.exceptions import BotoCoreError
        from botocore.session import Session
    except ModuleNotFoundError:
        # What is missing is said of the packages.
        return

    # Otherwise botocore asks the network for the role of a machine.
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    session = Session()
    try:
        credentials, region = session.get_credentials(), session.get_config_variable("region")
    except BotoCoreError as error:
        yield Finding("AWS", WRONG, " ".join(str(error).split()), "aws configure list-profiles names those that there are")
        return
    if credentials is None:
        yield Finding("credentials", NOTE, "none for AWS", "aws sso login, or AWS_PROFILE; python -m local needs none")
    else:
        yield Finding("credentials", OK, f"from {credentials.method}")
    if region is None:
        yield Finding("region", NOTE, "none for AWS", "AWS_REGION; a stack's own is aws:region")
    else:
        yield Finding("region", OK, str(region))
