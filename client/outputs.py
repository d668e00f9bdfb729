"""A deployed stack's outputs, wherever they are: a file, the embedded engine's state, or the Pulumi CLI."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parent.parent
LOCAL_FOLDER = PROJECT / ".local"


class NoStack(Exception):
    """There is no deployed stack to talk to; the message says what to do."""


def find(stack: str | None = None, file: Path | None = None) -> tuple[Mapping[str, Any], str | None]:
    """The outputs, and the emulator's address where the stack lives there (None: AWS).

    file: JSON as `pulumi stack output --json` prints it. Without a file the embedded engine's stacks come first.
    """
    if file is not None:
        return _from_file(file), None
    embedded = _from_embedded_state(stack or "local")
    if embedded is not None:
        return embedded
    return _from_cli(stack), None


def _from_file(file: Path) -> Mapping[str, Any]:
    try:
        return json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise NoStack(f"cannot read outputs from {file}: {error}") from None


def _from_embedded_state(stack: str) -> tuple[Mapping[str, Any], str] | None:
    from local import emulator
    from local.state import StateFile

    outputs = StateFile(LOCAL_FOLDER, stack).load().outputs()
    if not outputs:
        return None
    running = emulator.find(LOCAL_FOLDER)
    if running is None:
        raise NoStack(f"stack {stack} lives in an emulator that is not running: python -m local up")
    return outputs, running.endpoint


def _from_cli(stack: str | None) -> Mapping[str, Any]:
    where = ["--stack", stack] if stack else []
    if shutil.which("pulumi") is None:
        raise NoStack("no stack is deployed: python -m local up (or pulumi up, or --outputs FILE)")
    ran = subprocess.run(["pulumi", "stack", "output", "--json", *where], cwd=PROJECT, capture_output=True, text=True, check=False)
    outputs = json.loads(ran.stdout) if ran.returncode == 0 else {}
    if not outputs:
        reason = ran.stderr.strip().splitlines()[-1] if ran.stderr.strip() else "it has no outputs"
        raise NoStack(f"no deployed stack: {reason}")
    return outputs
