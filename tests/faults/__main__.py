"""python -m tests.faults [--seed N] [--requests N] [--keep FOLDER]: a fault run, its figures, and exit code 1 when something was lost
or counted twice.

Prints two tables: what is planned, which is the same for every run with that seed and number of requests, and what was found, whose
upper part depends on timing too and whose last lines must be 0.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.faults.oracle import NEVER, OUT, SLOW
from tests.faults.plan import CARRIERS, Plan, plan
from tests.faults.request import Request
from tests.faults.run import STACK, Report, carry_out

RULES = ("ALL", "CONDITION", "QUORUM", "DEADLINE")
DUPLICATES = ("message repeated", "submission repeated", "responder twice")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1, help="the same seed injects the same faults into the same requests")
    parser.add_argument("--requests", type=int, default=240)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave the ledgers and the emulator's log there")
    options = parser.parse_args()
    planned, out = plan(options.seed, options.requests), Console(highlight=False)
    out.print(planned_figures(planned, options.seed))
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
        report = carry_out(planned, options.keep)
    else:
        with tempfile.TemporaryDirectory() as folder:
            report = carry_out(planned, Path(folder))
    show(report, out)
    return 0 if report.verdict.is_good else 1


def planned_figures(planned: Plan, seed: int) -> Table:
    figures = _table(f"planned by seed {seed}")

    def row(name: str, figure: Callable[[Request], int], of_the_stack: int = 0) -> None:
        _row(
            figures,
            name,
            [sum(figure(request) for request in planned.all_requests if request.variant == carrier) for carrier in CARRIERS],
            of_the_stack,
        )

    row("requests", lambda request: 1)
    row("responders asked", lambda request: len(request.asks))
    row("answers expected", lambda request: request.expected_answers)
    row("duplicates", lambda request: request.planned_duplicates)
    row("faults", lambda request: request.planned_faults, len(planned.windows) + bool(planned.before_restart))
    for rule in RULES:
        row(f"to be closed by {rule}", lambda request, rule=rule: request.rules() == {rule})
    row("  by what comes first", lambda request: len(request.rules()) > 1)
    return figures


def show(report: Report, out: Console) -> None:
    figures, counts = _table(f"found in {report.seconds:.0f} s"), report.verdict.counts

    def row(name: str, of: dict[str, Counter[str]], kinds: Iterable[str], style: str = "") -> None:
        kinds = [*kinds]
        _row(
            figures,
            name,
            [sum(of[carrier][kind] for kind in kinds) for carrier in CARRIERS],
            sum(of[STACK][kind] for kind in kinds) if of is report.injected else 0,
            style,
        )

    row("answers", counts, ["answers"])
    for name in ("in answers", "in late", "in dead letters", "repetitions", "cut off", "poison in dead letters"):
        row(f"  {name}", counts, [name])
    for rule in RULES:
        row(f"closed by {rule}", counts, [f"closed by {rule}"])
    for name in (OUT, SLOW):
        row(f"  {name}", counts, [name])
    row("duplicates injected", report.injected, DUPLICATES)
    row("faults injected", report.injected, {kind for its in report.injected.values() for kind in its} - {*DUPLICATES})
    row("events repeated", counts, ["events repeated"])
    for name in NEVER:
        row(name, counts, [name], "bold red" if report.verdict.total[name] else "bold")
    out.print(figures)
    out.print(f"requests that were hit by a fault: {report.hit}; dead letters redriven: {report.redriven}")
    for carrier, kinds in report.injected.items():
        out.print(
            f"{carrier}: " + ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()) if count), soft_wrap=True, style="dim"
        )
    for finding in report.verdict.findings:
        out.print(finding, style="red", soft_wrap=True, markup=False)


def _table(title: str) -> Table:
    figures = Table(title=title, box=None, title_justify="left")
    figures.add_column("")
    for column in (*CARRIERS, "all"):
        figures.add_column(column, justify="right")
    return figures


def _row(figures: Table, name: str, by_carrier: list[int], of_the_stack: int = 0, style: str = "") -> None:
    """of_the_stack: what belongs to no carrier by itself."""
    figures.add_row(name, *map(str, by_carrier), str(sum(by_carrier) + of_the_stack), style=style)


if __name__ == "__main__":
    sys.exit(main())
