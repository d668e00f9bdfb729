"""`--cli`: the same verb by the Pulumi CLI, with this project's provider and a backend of the project's own.

Everything the CLI keeps goes to `.local/cli`: its home, the stacks' states and the copy of the stack's configuration
that it works with. The user's own login, stacks and plugins are neither read nor changed.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

from ruamel.yaml import YAML

from local.config import ConfigError, Project, StackConfig
from local.files import replace_text
from local.state import StateFile

OPERATIONS = ("up", "preview", "destroy", "refresh", "import", "watch")
OF_THE_EMULATOR = ("start", "stop", "status")


def run_pulumi(project: Project, options: argparse.Namespace, arguments: list[str]) -> int:
    """Runs the CLI with our arguments and returns its exit code."""
    pulumi = shutil.which("pulumi")
    if pulumi is None:
        raise ConfigError("--cli needs the Pulumi CLI, but there is no pulumi on PATH")
    words = _for_pulumi(arguments, options.stack)
    verb = next((word for word in words if not word.startswith("-")), "")
    if verb in OF_THE_EMULATOR:
        raise ConfigError(f"{verb} is about the emulator; the Pulumi CLI doesn't have it")
    count = len(StateFile(project.local_folder, options.stack).load().resources)
    if count and verb in OPERATIONS:
        raise ConfigError(
            f"stack {options.stack} has {count} resources that were made without --cli: go on without it, destroy them, or take "
            "another --stack"
        )
    backend = project.local_folder / "cli"
    (backend / "home").mkdir(parents=True, exist_ok=True)
    environment = environment_of(backend)
    salt = _stack_salt(pulumi, project, options.stack, environment)
    if verb not in OPERATIONS:
        return _wait([pulumi, *words], environment, project.folder)
    from local.session import open_emulator

    emulator = open_emulator(project.local_folder, options.endpoint)
    if verb in ("up", "preview", "destroy") and _is_another_life(backend / f"{options.stack}.instance", emulator.instance):
        print("The emulator isn't the one of the last update: refreshing first", file=sys.stderr)
        words.append("--refresh")
    config = StackConfig(project, options.stack, options.config_file)
    words += ["--config-file", str(_stack_file_for_cli(config, backend, salt))]
    environment |= emulator.environment
    # An explicit provider takes from the environment what the program doesn't tell it: the stack's own account and region.
    names = {"aws:region": "AWS_REGION", "aws:accessKey": "AWS_ACCESS_KEY_ID", "aws:secretKey": "AWS_SECRET_ACCESS_KEY"}
    environment |= {names[key]: value for key, value in config.values().items() if key in names and isinstance(value, str)}
    with _provider(environment, project.folder) as port:
        environment["PULUMI_DEBUG_PROVIDERS"] = f"aws:{port}"
        code = _wait([pulumi, *words], environment, project.folder)
    if emulator.instance is not None and verb != "preview":
        replace_text(backend / f"{options.stack}.instance", emulator.instance)
    return code


def _for_pulumi(arguments: list[str], stack: str) -> list[str]:
    """Our arguments without those that only we have, and with the stack named."""
    own = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    own.add_argument("--cli", action="store_true")
    own.add_argument("--debug", action="store_true")
    own.add_argument("--endpoint")
    own.add_argument("-C", "--cwd")
    own.add_argument("--config-file")
    own.add_argument("-s", "--stack")
    _, words = own.parse_known_args(arguments)
    return [*words, "--stack", stack]


def has_stack(backend: Path, stack: str) -> bool:
    """Whether the CLI has a stack of this name in a project's own backend."""
    return any((backend / ".pulumi" / "stacks").glob(f"*/{stack}.json"))


def resources_of_cli(backend: Path, stack: str) -> int:
    """How many resources a stack has in the CLI's own state."""
    for path in (backend / ".pulumi" / "stacks").glob(f"*/{stack}.json"):
        try:
            deployment = json.loads(path.read_text())["checkpoint"].get("latest") or {}
        except (ValueError, KeyError) as error:
            raise ConfigError(f"{path} is not a state of the Pulumi CLI: {error}") from error
        return len(deployment.get("resources") or [])
    return 0


def environment_of(backend: Path) -> dict[str, str]:
    """The environment of a CLI that keeps to a project's own backend."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PULUMI_"))}
    return environment | {
        "PULUMI_HOME": str(backend / "home"),
        "PULUMI_BACKEND_URL": f"file://{backend}",
        "PULUMI_CONFIG_PASSPHRASE": os.environ.get("PULUMI_CONFIG_PASSPHRASE", ""),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_PYTHON_CMD": sys.executable,
        "PYTHONPATH": os.pathsep.join(path for path in (_own_root(), os.environ.get("PYTHONPATH", "")) if path),
    }


def _own_root() -> str:
    """The folder that this package is imported from."""
    return str(Path(__file__).resolve().parents[len(__name__.split(".")) - 1])


def _stack_salt(pulumi: str, project: Project, stack: str, environment: dict[str, str]) -> str:
    """Makes the stack in the backend when it is missing; returns the salt of its secrets.

    The CLI writes that salt into the stack's file. It belongs to this backend, so the file gets its text back.
    """
    kept = Path(environment["PULUMI_HOME"]).parent / f"{stack}.salt"
    if kept.exists():
        return kept.read_text()
    path = StackConfig(project, stack).path
    before = path.read_text() if path.exists() else None
    made = subprocess.run(
        [pulumi, "stack", "init", stack, "--non-interactive"],
        env=environment, cwd=project.folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if made.returncode != 0:
        raise ConfigError(f"pulumi stack init {stack}: {' '.join(made.stderr.split())}")
    salt = YAML().load(path)["encryptionsalt"]
    if before is None:
        path.unlink()
    else:
        replace_text(path, before)
    replace_text(kept, salt, mode=0o600)
    return salt


def _stack_file_for_cli(config: StackConfig, backend: Path, salt: str) -> Path:
    """A copy of the stack's configuration with the backend's salt, and without the endpoints of the genuine plugin and their token."""
    document = config.document()
    document.setdefault("encryptionsalt", salt)
    for key in ("aws:endpoints", "aws:token"):
        (document.get("config") or {}).pop(key, None)
    copy = backend / config.path.name
    with copy.open("w") as file:
        YAML().dump(document, file)
    return copy


def _is_another_life(kept: Path, instance: str | None) -> bool:
    return kept.exists() and kept.read_text() != instance


@contextlib.contextmanager
def _provider(environment: dict[str, str], folder: Path) -> Generator[int]:
    """The provider as a server of its own; yields its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"{__package__}.provider"],
        env=environment, cwd=folder, stdout=subprocess.PIPE, text=True,
        start_new_session=True,  # Ctrl-C is for the CLI, which still needs the provider to finish what is under way
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        if not line.isdigit():
            raise ConfigError(f"the provider didn't start: `python -m {__package__}.provider` says why")
        yield int(line)
    finally:
        process.terminate()
        process.wait()


def _wait(command: list[str], environment: dict[str, str], folder: Path) -> int:
    process = subprocess.Popen(command, env=environment, cwd=folder)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            # The terminal told the CLI too, which ends when it has finished what is under way.
            continue
