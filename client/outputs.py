"""A deployed stack's outputs, wherever they are: a file, the embedded engine's state, or the Pulumi CLI."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from client.errors import NoStack

PROJECT = Path(__file__).parent.parent
LOCAL_FOLDER = PROJECT / ".local"
CLI_SECONDS = 60


def find(stack: str | None = None, file: Path | None = None) -> tuple[Mapping[str, Any], str | None]:
    """The outputs, and the emulator's address where the stack lives there (None: AWS).

    file: JSON as `pulumi stack output --json` prints it. Without a file the embedded engine's stacks come first. Outside of the
    embedded engine the address is AWS_ENDPOINT_URL, as for every AWS tool.
    """
    if file is None:
        embedded = _from_embedded_state(stack or "local")
        if embedded is not None:
            return embedded
    outputs = _from_cli(stack) if file is None else _from_file(file)
    return outputs, os.environ.get("AWS_ENDPOINT_URL")


def _from_file(file: Path) -> Mapping[str, Any]:
    try:
        outputs = json.loads(file.read_text())
    except OSError as error:
        raise NoStack(f"cannot read outputs from {file}: {error.strerror}") from None
    except ValueError as error:
        raise NoStack(f"cannot read outputs from {file}: it is not JSON: {error}") from None
    if not isinstance(outputs, dict) or "quoteTableName" not in outputs:
        raise NoStack(f"{file} does not hold this project's outputs: write it with `pulumi stack output --json`")
    return outputs


def _from_embedded_state(stack: str) -> tuple[Mapping[str, Any], str] | None:
    from local import emulator
    from local.state import StateError, StateFile

    try:
        outputs = StateFile(LOCAL_FOLDER, stack).load().outputs()
    except StateError as error:
        raise NoStack(str(error)) from None
    if not outputs:
        return None
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    if endpoint:
        return outputs, endpoint
    running = emulator.find(LOCAL_FOLDER)
    if running is None:
        raise NoStack(f"stack {stack} lives in an emulator that is not running: python -m local up")
    return outputs, running.endpoint


def _from_cli(stack: str | None) -> Mapping[str, Any]:
    named = f"stack {stack}" if stack else "no stack"
    if shutil.which("pulumi") is None:
        raise NoStack(f"{named} is {'not ' if stack else ''}deployed: python -m local up (or pulumi up, or --outputs FILE)")
    where = ["--stack", stack] if stack else []
    try:
        ran = subprocess.run(
            ["pulumi", "stack", "output", "--json", "--non-interactive", *where],
            cwd=PROJECT, capture_output=True, text=True, check=False, timeout=CLI_SECONDS)
    except subprocess.TimeoutExpired:
        raise NoStack(f"pulumi stack output did not end within {CLI_SECONDS} seconds; give the outputs with --outputs FILE") from None
    outputs = json.loads(ran.stdout) if ran.returncode == 0 else {}
    if not outputs:
        reason = ran.stderr.strip().splitlines()[-1] if ran.stderr.strip() else "it has no outputs"
        raise NoStack(f"{named} is {'not ' if stack else ''}deployed: {reason}")
    return outputs
