"""python -m tests.faults [--seed N] [--requests N]: a fault run, its figures, and exit code 1 when something was lost or counted
twice."""

import argparse
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.faults.oracle import NEVER
from tests.faults.plan import plan
from tests.faults.run import Report, carry_out


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the same seed injects the same faults into the same requests")
    parser.add_argument("--requests", type=int, default=240)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave the ledger and the emulator's log there")
    options = parser.parse_args()
    planned = plan(options.seed, options.requests)
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
        report = carry_out(planned, options.keep)
    else:
        with tempfile.TemporaryDirectory() as folder:
            report = carry_out(planned, Path(folder))
    show(report, options.seed)
    return 0 if report.verdict.is_good else 1


def show(report: Report, seed: int) -> None:
    out, counts = Console(highlight=False), report.verdict.counts
    duplicates = sum(report.injected.get(kind, 0) for kind in ("message repeated", "submission repeated", "responder twice"))
    figures = Table(title=f"seed {seed}, {report.seconds:.0f} s", box=None, show_header=False, title_justify="left")
    figures.add_column()
    figures.add_column(justify="right")
    figures.add_row("requests", str(counts["requests"]))
    figures.add_row("answers", str(counts["answers"]))
    for name in ("in answers", "in late", "in dead letters", "repetitions", "after its time limit", "poison in dead letters"):
        figures.add_row(f"  {name}", str(counts[name]))
    figures.add_row("duplicates injected", str(duplicates))
    figures.add_row("faults injected", str(sum(report.injected.values()) - duplicates))
    figures.add_row("dead letters redriven", str(report.redriven))
    figures.add_row("events repeated", str(counts["events repeated"]))
    for name in NEVER:
        figures.add_row(name, str(counts[name]), style="bold red" if counts[name] else "bold")
    out.print(figures)
    out.print("injected: " + ", ".join(f"{count} {kind}" for kind, count in sorted(report.injected.items())), soft_wrap=True, style="dim")
    for finding in report.verdict.findings:
        out.print(finding, style="red", soft_wrap=True, markup=False)


if __name__ == "__main__":
    sys.exit(main())
