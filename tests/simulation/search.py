"""Looks for what is wrong with a build: every interleaving, then one history for each seed; and the shortest schedule that shows it."""

import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.simulation import history, interleavings, model
from tests.simulation.build import Build
from tests.simulation.history import Evidence
from tests.simulation.mutants import Mutant
from tests.simulation.world import FAULTS, Endless, World

ROOT = Path(__file__).parents[2]


@dataclass
class Report:
    histories: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def line(self) -> str:
        named = ", ".join(f"{name} {number}" for name, number in sorted(self.counts.items()))
        return f"histories {self.histories}, {named}, violations {len(self.failures)}"


def wrong(build: Build, seed: int, dropped: frozenset[tuple[str, int]] = frozenset()) -> tuple[list[str], Evidence | None]:
    try:
        evidence = history.run(build, seed, dropped)
    except AssertionError as never:
        return [str(never)], None
    return model.violations(evidence), evidence


def histories(build: Build, seeds: Iterable[int], most_failures: int = 5) -> Report:
    report = Report()
    for seed in seeds:
        found, evidence = wrong(build, seed)
        report.histories += 1
        if evidence is not None:
            report.counts.update(evidence.world.counts)
        if found:
            report.failures.append(told(build, seed))
            if len(report.failures) == most_failures:
                break
    return report


def told(build: Build, seed: int) -> str:
    """The seed, what is wrong, and the schedule with as few faults as still show it."""
    found, evidence = wrong(build, seed)
    if evidence is None:
        return f"seed {seed}: {found[0]}"
    dropped: frozenset[tuple[str, int]] = frozenset()
    kind = found[0].partition(":")[0]
    is_smaller = True
    while is_smaller:
        is_smaller = False
        for _, actor, call, _ in evidence.world.faults:
            fewer, its = wrong(build, seed, dropped | {(actor, call)})
            if its is not None and any(line.startswith(kind) for line in fewer) and len(its.world.faults) < len(evidence.world.faults):
                dropped, found, evidence, is_smaller = dropped | {(actor, call)}, fewer, its, True
                break
    steps = [f"  {at:9.3f}  {actor:28} {op:26} {how}" for at, actor, op, how in evidence.world.schedule]
    return "\n".join([f"seed {seed}, {evidence.plan.carrier}, without {sorted(dropped)}: {'; '.join(found)}", *steps])


SIMPLE = [
    history.simple(carrier, kind, deadline, seconds)
    for carrier, kind in (("sns", "sync"), ("sns", "async"), ("map", "execution"))
    for deadline, seconds in ((20, 0.2), (20, 8), (5, 8))
]


def single_faults(build: Build) -> Iterator[tuple[str, list[str]]]:
    """Each fault that can hit a call of a simple history, alone: its name, and the rules that it breaks."""
    for its in SIMPLE:
        undisturbed = history.History(build, its, World(0, its.mood)).run()
        for actor, op in dict.fromkeys((actor, op) for _, actor, op, _ in undisturbed.world.schedule if op):
            for kind in FAULTS:
                evidence = history.History(build, its, World(0, its.mood, planned={(actor, op): kind})).run()
                yield f"{kind} {op} of {actor}, {its.carrier} within {its.deadline_seconds} s", model.violations(evidence)


def found_in(build: Build, seeds: Iterable[int]) -> str | None:
    """Where a broken build shows, or None: in an interleaving, or in which history."""
    for case in interleavings.CASES:
        _, its = interleavings.violations(case, build, most=100)
        if its:
            return its[0].partition("; schedule")[0]
    for name, its in single_faults(build):
        if its:
            return f"{name}: {its[0]}"
    for seed in seeds:
        its, _ = wrong(build, seed)
        if its:
            return f"seed {seed}: {its[0]}"
    return None


# Each in a process of its own, which is handed these by their names.

MUTANTS_HISTORIES = 3_000


def interleave(case: interleavings.Case) -> tuple[int, list[str]]:
    return interleavings.violations(case, Build())


def portion(seeds: Iterable[int]) -> Report:
    return histories(Build(), seeds)


def look_for(mutant: Mutant) -> str | None:
    """Where it shows: in the simulation, or else in a test of its module."""
    try:
        found = found_in(Build(mutant.broken), range(MUTANTS_HISTORIES))
    except Endless as actor:
        return f"{actor} comes to no end"
    return found or failing_test(mutant)


def failing_test(mutant: Mutant) -> str | None:
    """The first test that fails, of those that speak of the broken module, in a copy of the project."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(ROOT, Path(folder, "project"), ignore=shutil.ignore_patterns(".*", "__pycache__", "artifacts", "venv")))
        for module, source in mutant.broken.items():
            (copy / "handlers" / f"{module}.py").write_text(source)
        tests = [path for path in sorted(copy.glob("tests/unit/test_*.py")) if re.search(rf"\b{mutant.module}\b", path.read_text())]
        ran = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", *tests, copy / "tests" / "simulation" / "test_scenarios.py"],
            cwd=copy,
            capture_output=True,
            text=True,
            check=False,
        )
    failed = re.search(r"^(?:FAILED|ERROR) \S+::(\S+)", ran.stdout, re.MULTILINE)
    if failed is None and ran.returncode != 0:
        raise RuntimeError(f"the tests did not run with mutant {mutant.name}: {ran.stdout[-500:]}{ran.stderr[-500:]}")
    return failed and failed[1]
