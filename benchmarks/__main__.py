"""python -m benchmarks: this project beside the four samples that it replaces, and as the work grows, on one emulator.

--quick         the rows beside the samples, with few repetitions
--split         where the time of a request goes, and nothing else
--against REV   this commit beside another one, in place of the samples
--page          write docs/performance.md and its pictures
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import measure, page, rows, split, startup
from benchmarks.measure import Figures, Row, measured
from benchmarks.rows import OURS, SAMPLE
from benchmarks.samples import Samples
from benchmarks.split import Split
from client import Stack
from local import emulator as emulator_control
from local.emulator import Emulator
from tests.integration.conftest import deploy

ROOT = Path(__file__).parents[1]
ACCOUNT = "000000000000"
"""Where the emulator looks for the API of a call that nobody signed."""

FEW = 8


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--split", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--against", metavar="REV", help=argparse.SUPPRESS)
    parser.add_argument("--page", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    options = parser.parse_args()
    out = Console(stderr=True)
    with tempfile.TemporaryDirectory() as folder, emulator_control.start(Path(folder), port=0) as emulator:
        found: dict[str, Any] = {}
        if options.against:
            found = _against(options.against, emulator, out)
        elif not options.split:
            found = _beside(emulator, out, quick=options.quick)
        if options.split or not (options.quick or options.against):
            found["split"] = _split(emulator, out)
        if not (options.quick or options.against or options.split):
            hundred = _deployed(emulator, "hundred", rows.HUNDRED, out)
            found["rows"] |= _measured(rows.with_a_hundred_answers(hundred, Samples(hundred, ACCOUNT)), out, quick=False)
            found |= {
                "lines": _growth(rows.as_the_lines_grow(_deployed(emulator, "lines", rows.LINES, out)), out),
                "growth": _growth(rows.as_the_work_grows(hundred), out),
                "clients": _growth(rows.as_the_clients_grow(hundred), out),
                "early": _early(emulator, out),
                "start": startup.measured(),
            }
    found |= {"machine": measure.machine(), "at": datetime.now(UTC).date().isoformat(), "commit": _git("rev-parse", "--short", "HEAD")}
    _show(Console(), found)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2, default=asdict))
    if options.page:
        page.write(found)
    return 0


def _beside(emulator: Emulator, out: Console, *, quick: bool) -> dict[str, Any]:
    wanted = {name: config for name, config in rows.CONFIGURATIONS.items() if not (quick and name.startswith("list"))}
    stacks = {name: _deployed(emulator, name, config, out) for name, config in wanted.items()}
    made = rows.beside_the_samples(stacks, Samples(stacks["ten"], ACCOUNT), quick=quick)
    return {"ways": [OURS, SAMPLE], "rows": _measured(made, out, quick=quick)}


def _against(revision: str, emulator: Emulator, out: Console) -> dict[str, Any]:
    """Both with this commit's client: what differs is what is deployed."""
    config = {**rows.CONFIGURATIONS["ten"], "variants": ["map", "parallel", "sns"], "responderCount": 5}
    with _other(revision, config, emulator) as other:
        here = _deployed(emulator, "here", config, out)
        made = (
            Row(
                f"{carrier}, 5 responders",
                {"here": rows.asking(here, carrier, rows.RENTAL), revision: rows.asking(other, carrier, rows.RENTAL)},
                count=60,
            )
            for carrier in here.variants
        )
        return {"ways": ["here", revision], "rows": _measured(made, out, quick=False)}


@contextmanager
def _other(revision: str, config: Mapping[str, Any], emulator: Emulator) -> Generator[Stack]:
    """The program of another commit, deployed to the same emulator by its own engine."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        _git("worktree", "add", "--detach", str(tree), revision)
        try:
            (tree / "Pulumi.bench.yaml").write_text(
                "config:\n" + "".join(f"  scatter-gather:{key}: {json.dumps(value)}\n" for key, value in config.items())
            )
            _in(tree, emulator, "up", "--yes", "--skip-preview")
            yield Stack(json.loads(_in(tree, emulator, "stack", "output", "--json")), emulator.endpoint, emulator.session_token)
        finally:
            _git("worktree", "remove", "--force", str(tree))


def _in(tree: Path, emulator: Emulator, *arguments: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-m", "local", *arguments, "--stack", "bench"],
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **emulator.environment},
    )
    if ran.returncode:
        raise SystemExit(f"error: {' '.join(arguments)} of the other commit ended {ran.returncode}: {ran.stderr.strip()[-500:]}")
    return ran.stdout


def _growth(made: Iterator[tuple[str, int, Row]], out: Console) -> dict[str, Any]:
    points: dict[str, dict[int, float]] = {}
    for carrier, size, row in made:
        out.print(row.name, style="dim")
        points.setdefault(carrier, {})[size] = measured(row, warm_up=1)[OURS].p50
    return {carrier: {"p50": its, "exponent": measure.exponent(its)} for carrier, its in points.items()}


def _early(emulator: Emulator, out: Console) -> dict[str, Figures]:
    express = {**rows.EARLY, "variants": ["map", "parallel"], "workflowType": "EXPRESS"}
    found = {}
    for workflow_type, config in (("STANDARD", rows.EARLY), ("EXPRESS", express)):
        stack = _deployed(emulator, f"early-{workflow_type}", config, out)
        for carrier in stack.variants:
            rows.after_the_deciding_answer(stack, carrier)
            label = f"{carrier}, {workflow_type}" if stack.workflow_type(carrier) else carrier
            found[label] = measure.figures([rows.after_the_deciding_answer(stack, carrier) for _ in range(FEW)])
    return found


def _split(emulator: Emulator, out: Console) -> dict[str, Split]:
    config = {"variants": ["map", "parallel", "sns"], "responderCount": 5, "api": {"enabled": False}, **rows.QUICK}
    stack = _deployed(emulator, "split", config, out)
    return {carrier: split.measured(stack, carrier) for carrier in stack.variants}


def _deployed(emulator: Emulator, name: str, config: Mapping[str, Any], out: Console) -> Stack:
    out.print(f"deploying {name}", style="dim")
    return deploy(emulator, ACCOUNT, config, name.replace(" ", "-"))


def _measured(made: Iterator[Row], out: Console, *, quick: bool) -> dict[str, dict[str, Figures]]:
    found = {}
    for row in made:
        out.print(row.name, style="dim")
        found[row.name] = measured(replace(row, count=min(row.count, FEW)) if quick else row)
    return found


def _show(out: Console, found: Mapping[str, Any]) -> None:
    for title, header, lines in page.tables(found):
        table = Table(title=title, box=None, title_justify="left")
        for number, column in enumerate(header):
            table.add_column(column, justify="right" if number else "left")
        for line in lines:
            table.add_row(*line)
        out.print(table)
    out.print(f"{found['machine']}; {found['at']}, commit {found['commit']}", style="dim")


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
