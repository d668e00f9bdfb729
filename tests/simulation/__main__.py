"""python -m tests.simulation [--histories N] [--seed S] [--mutants]: looks for a history that breaks a rule; exit code 1 if there is one.

Prints one line with what was done, the same for the same seed and number, and each failure with its seed and its shortest schedule. With
--mutants it breaks the handlers in each way of `mutants.MUTANTS` and says which of them neither it nor a unit test finds.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from rich.console import Console
from rich.progress import track

from tests.simulation import interleavings, mutants, search
from tests.simulation.build import Build

PORTION = 1_000
"""Histories at a time."""

BUILDS_KEPT = 16
"""Builds, or portions of histories, until the processes are replaced."""

MANY = 10_000
"""From which on the longest enumeration, too, is worth its time."""

out = Console(highlight=False)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--histories", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0, help="of the first history; each further one has the next")
    parser.add_argument("--mutants", action="store_true")
    options = parser.parse_args()
    if options.mutants:
        return break_the_handlers()
    return explore(range(options.seed, options.seed + options.histories))


def explore(seeds: range) -> int:
    schedules, failures = 0, []
    cases = [*interleavings.CASES, *(interleavings.LARGE if len(seeds) >= MANY else ())]
    for count, broken in _in_processes(search.interleave, cases, "interleavings"):
        schedules += count
        failures += broken
    total = search.Report()
    portions = [seeds[start : start + PORTION] for start in range(0, len(seeds), PORTION)]
    for report in _in_processes(search.portion, portions, "histories"):
        total.histories += report.histories
        total.counts.update(report.counts)
        total.failures += report.failures
    faults = dict(search.single_faults(Build()))
    failures += [f"{name}: {broken[0]}" for name, broken in faults.items() if broken]
    out.print(f"every fault alone: {len(faults)}")
    out.print(f"enumerated schedules of two and three aggregators: {schedules}, violations {len(failures)}")
    out.print(total.line(), soft_wrap=True)
    for failure in [*failures, *total.failures]:
        out.print(f"\n{failure}", markup=False, soft_wrap=True)
    return 1 if failures or total.failures else 0


def break_the_handlers() -> int:
    """Exit code 1 where a mutant is not found that is not on the list of those that cannot be."""
    found = dict(zip(mutants.MUTANTS, _in_processes(search.look_for, mutants.MUTANTS, "mutants"), strict=True))
    for mutant, where in found.items():
        how = where or (f"not found: {mutants.SPARED[mutant.name]}" if mutant.name in mutants.SPARED else "NOT FOUND")
        line = f"{mutant.module:16} {mutant.name:50} {how}"
        if out.is_terminal:
            out.print(line, markup=False, no_wrap=True, overflow="ellipsis")
        else:
            print(line)
    missed = [mutant.name for mutant, where in found.items() if not where]
    out.print(f"mutants {len(found)}, found {len(found) - len(missed)}, not found {len(missed)}")
    return 1 if set(missed) - set(mutants.SPARED) else 0


def _in_processes(work: Any, items: Iterable[Any], what: str) -> Iterator[Any]:
    """The results, in order; one process for each processor."""
    every = list(items)
    yield from track(_of_new_processes(work, every), what, len(every), console=Console(stderr=True), transient=True)


def _of_new_processes(work: Any, every: Sequence[Any]) -> Iterator[Any]:
    """Each build has AWS clients of its own, which a process keeps, so processes are replaced after a while. Not by max_tasks_per_child,
    with which Python 3.11 comes to no end; nor by a Pool, which waits for a process that was killed."""
    for first in range(0, len(every), BUILDS_KEPT):
        with ProcessPoolExecutor(mp_context=get_context("spawn")) as processes:
            yield from processes.map(work, every[first : first + BUILDS_KEPT])


if __name__ == "__main__":
    sys.exit(main())
