"""A deployed stack's outputs, wherever they are: a file, the embedded engine's state, or the Pulumi CLI."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from client.errors import NoStack, UsageError

CLI_SECONDS = 60
PROJECT_FILES = ("Pulumi.yaml", "Pulumi.yml")


def find(stack: str | None = None, file: Path | None = None) -> tuple[Mapping[str, Any], str | None, str | None]:
    """The outputs, and the emulator's address and the session token that it asks for where the stack lives there (None: AWS).

    file: JSON as `pulumi stack output --json` prints it. Without a file the stacks of `python -m local` come first, those of its
    `--cli` too. Outside of the emulator the address is AWS_ENDPOINT_URL, as for every AWS tool.
    """
    if file is not None:
        return _from_file(file), *_given()
    local = _from_embedded_state(stack or "local") or _from_cli_on_the_emulator(stack or "local")
    if local is not None:
        return local, *(_given() if os.environ.get("AWS_ENDPOINT_URL") else _emulator(stack or "local"))
    return _from_cli(stack), *_given()


def project_folder() -> Path:
    """The nearest folder with a Pulumi project, from the working directory up; without one, the working directory."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if any((folder / name).is_file() for name in PROJECT_FILES)), here)


def stack_names() -> list[str]:
    """Of the project's stacks that have a configuration or a local state."""
    from local.state import stack_names

    return stack_names(project_folder())


def add_responder(stack: str, entry: Mapping[str, str]) -> Path:
    """The stack's file, whose list of responders has the entry now: {"name", and values by their path in it}. Comments in the file stay.
    Raises UsageError."""
    try:
        from local.config import StackConfig, load_project
        from local.errors import LocalError
    except ImportError:
        raise UsageError(f"to write Pulumi.{stack}.yaml, ruamel.yaml is needed: pip install ruamel.yaml") from None
    try:
        config = StackConfig(load_project(project_folder()), stack)
        key = config.project.whole_key("responders")
        if key not in config.project.declarations:
            raise UsageError(f"this program takes no responders from its configuration: give its fleet {json.dumps(entry)}")
        known: Any = config.values().get(key) or []
        if any(each.get("name") == entry["name"] for each in known):
            raise UsageError(f"{config.path.name} has a responder {entry['name']} already")
        for path, value in entry.items():
            config.set(f"responders[{len(known)}].{path}", value, path=True)
    except LocalError as error:
        raise UsageError(str(error)) from None
    return config.path


def _local_folder() -> Path:
    return project_folder() / ".local"


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


def _from_embedded_state(stack: str) -> Mapping[str, Any] | None:
    from local.state import StateError, StateFile

    try:
        return StateFile(_local_folder(), stack).load().outputs() or None
    except StateError as error:
        raise NoStack(str(error)) from None


def _from_cli_on_the_emulator(stack: str) -> Mapping[str, Any] | None:
    """What `python -m local up --cli` deployed: the CLI's state is in a backend of the project's own."""
    backend = _local_folder() / "cli"
    if shutil.which("pulumi") is None or not backend.is_dir():
        return None
    from local import pulumi_cli

    if not pulumi_cli.has_stack(backend, stack):
        return None
    return _ask_cli(stack, pulumi_cli.environment_of(backend))[0] or None


def _emulator(stack: str) -> tuple[str, str | None]:
    running = running_emulator()
    if running is None:
        raise NoStack(f"stack {stack} lives in an emulator that is not running: {_local_command()} up")
    return running.endpoint, running.session_token


def _given() -> tuple[str | None, str | None]:
    """The address in the environment, and the token: the emulator's own, where it is the project's, else the one in the environment."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    if not endpoint:
        return None, None
    running = running_emulator()
    if running is not None and running.endpoint == endpoint.rstrip("/"):
        return endpoint, running.session_token
    return endpoint, os.environ.get("AWS_SESSION_TOKEN")


def running_emulator() -> Any:
    from local import emulator

    return emulator.find(_local_folder())


def _local_command() -> str:
    from local import emulator

    return f"python -m {emulator.__package__}"


def _from_cli(stack: str | None) -> Mapping[str, Any]:
    named = f"stack {stack}" if stack else "no stack"
    if shutil.which("pulumi") is None:
        raise NoStack(f"{named} is {'not ' if stack else ''}deployed: {_local_command()} up (or pulumi up, or --outputs FILE)")
    outputs, reason = _ask_cli(stack, dict(os.environ))
    if not outputs:
        raise NoStack(f"{named} is {'not ' if stack else ''}deployed: {reason}")
    return outputs


def _ask_cli(stack: str | None, environment: Mapping[str, str]) -> tuple[Mapping[str, Any], str]:
    """The outputs that the CLI knows, and, where it knows none, why."""
    where = ["--stack", stack] if stack else []
    try:
        ran = subprocess.run(
            ["pulumi", "stack", "output", "--json", "--non-interactive", *where],
            cwd=project_folder(),
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=CLI_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise NoStack(f"pulumi stack output did not end within {CLI_SECONDS} seconds; give the outputs with --outputs FILE") from None
    outputs = json.loads(ran.stdout) if ran.returncode == 0 else {}
    return outputs, ran.stderr.strip().splitlines()[-1] if ran.stderr.strip() else "it has no outputs"
