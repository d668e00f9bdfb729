"""What runs a program's commands, by our engine or by the Pulumi CLI, and sees what they did."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.emulator import Emulator
from local.state import StateFile, urn_name, urn_type
from tests.parity.programs import PRELUDE, Program, Run

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 180
SIGNS = {"create": "+", "update": "~", "replace": "!", "delete": "-"}
OPERATIONS = {
    "up": ("--json", "--yes", "--skip-preview"),
    "destroy": ("--json", "--yes", "--skip-preview"),
    "refresh": ("--json", "--yes", "--skip-preview"),
    "preview": ("--json",),
}
EVENTS = ("resourcePreEvent", "resOutputsEvent", "resOpFailedEvent")
GENERATED = re.compile(r"-[0-9a-f]{7}\b")


@dataclass(frozen=True)
class Seen:
    """steps: as the table writes them. shows: the JSON of `stack output`. kept: the names in the state afterwards."""

    code: int
    steps: frozenset[str]
    shows: Any
    kept: tuple[str, ...]


@dataclass(frozen=True)
class Side:
    """One program's folder, with an account of its own."""

    folder: Path
    emulator: Emulator
    account: str
    is_cli: bool

    def run(self, program: Program, clients: Callable[[str], Any]) -> Iterator[Seen]:
        declared = {"name": "tiny", "runtime": "python", "config": program.declares}
        (self.folder / "Pulumi.yaml").write_text(json.dumps(declared))
        settings = {"aws:region": "us-east-1", "aws:accessKey": self.account, "aws:secretKey": "test"}
        values = settings | {f"tiny:{key}": value for key, value in program.values.items()}
        (self.folder / "Pulumi.local.yaml").write_text(json.dumps({"config": values}))
        for run in program.runs:
            if run.source is not None:
                (self.folder / "__main__.py").write_text(f"{PRELUDE}\n{run.source}\n")
            if run.before is not None:
                run.before(clients)
            yield self._see(run)

    def _see(self, run: Run) -> Seen:
        verb, *flags = run.verb.split()
        command = [verb, *flags, *OPERATIONS.get(verb, ())]
        ended = subprocess.run(
            [sys.executable, "-m", "local", "-C", str(self.folder), *command, *(["--cli"] if self.is_cli else [])],
            cwd=ROOT, env=self._environment(), capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
        printed = list(_documents(ended.stdout)) if "--json" in command else []
        shows = printed[0] if verb == "stack" and printed else None
        return Seen(ended.returncode, frozenset(_steps(printed)) if verb in OPERATIONS else frozenset(), _masked(shows), self._kept())

    def _environment(self) -> dict[str, str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return environment | self.emulator.environment | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}

    def _kept(self) -> tuple[str, ...]:
        folder = self.folder / ".local"
        if not self.is_cli:
            urns = [resource.urn for resource in StateFile(folder, "local").load().resources]
        else:
            checkpoints = [json.loads(path.read_text())["checkpoint"] for path in folder.glob("cli/.pulumi/stacks/*/local.json")]
            latest = [checkpoint.get("latest") or {} for checkpoint in checkpoints]
            urns = [resource["urn"] for each in latest for resource in each.get("resources") or []]
        return tuple(sorted(urn_name(urn) for urn in urns if not urn_type(urn).startswith("pulumi:")))


def _documents(text: str) -> Iterator[Any]:
    """The JSON texts that follow each other there; what is none ends them."""
    decoder, rest = json.JSONDecoder(), text.lstrip()
    while rest.startswith(("{", "[", '"')):
        document, end = decoder.raw_decode(rest)
        yield document
        rest = rest[end:].lstrip()


def _steps(printed: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Of a digest, or of the events that the CLI prints while it works."""
    for document in printed:
        metadata = [document[name]["metadata"] for name in EVENTS if name in document]
        for step in [*document.get("steps", []), *metadata]:
            if step["op"] in SIGNS and not urn_type(step["urn"]).startswith("pulumi:"):
                yield SIGNS[step["op"]] + urn_name(step["urn"])


def _masked(value: Any) -> Any:
    """Without the random part of generated names."""
    return None if value is None else json.loads(GENERATED.sub("-*", json.dumps(value)))
