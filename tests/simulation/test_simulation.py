"""The real handlers in thousands of seeded histories, and in every interleaving of two and three aggregators: no rule is broken.

`make simulate` runs a hundred thousand. `test_a_broken_build_is_found_out` shows that this can fail.
"""

import subprocess
import sys

import pytest

from tests.documents import ROOT
from tests.simulation import interleavings, mutants, search
from tests.simulation.build import Build

HISTORIES = 2_000
SCHEDULES = {
    "the last two answers": 6,
    "the last answer and the deadline": 12,
    "the same answer twice": 36,
    "two answers of one responder": 6,
    "two late answers of one responder": 30,
    "a quorum and one more": 60,
    "two deadlines": 12,
    "the last two answers, and a crash": 249,
    "the last answer, the deadline, and a crash": 98,
    "two deadlines, and a crash": 80,
    "the last three answers": 90,
    "two answers and the deadline": 482,
    "three deadlines": 198,
}
"""How many there are. Another number means that the aggregator makes other calls of the store."""

PLANTED = (
    "close: any number of answers",
    "close: without its token",
    "add: replaces",
    "create: unconditionally",
    "claim: nobody ever",
    "gather: marks it before it is announced",
    "gather: forgets late answers",
    "open: no deadline",
    "workflow: nobody is repeated",
    "sns: never publishes",
    "responder: hands nothing over",
    "aggregator: swallows a fault",
)


@pytest.fixture(scope="module")
def build():
    return Build()


def test_no_history_breaks_a_rule(build):
    report = search.histories(build, range(HISTORIES))

    assert report.failures == [], "\n\n".join(report.failures)
    assert report.histories == HISTORIES
    assert all(report.counts[kind] > HISTORIES / 10 for kind in ("crash before", "crash after", "duplicates", "reply lost", "reordered"))


def test_no_single_fault_breaks_a_rule(build):
    broken = {name: rules for name, rules in search.single_faults(build) if rules}

    assert broken == {}


@pytest.mark.parametrize("case", interleavings.CASES, ids=lambda case: case.name)
def test_every_interleaving_of_the_store_calls_keeps_the_rules(build, case):
    count, broken = interleavings.violations(case, build)

    assert broken == []
    assert count == SCHEDULES[case.name]


def test_the_same_seed_is_the_same_history(build):
    first, second = (search.wrong(build, 7)[1] for _ in range(2))

    assert first is not None
    assert second is not None
    assert first.world.schedule == second.world.schedule


@pytest.mark.parametrize("name", PLANTED)
def test_a_broken_build_is_found_out_within_a_thousand_histories(name):
    [mutant] = [each for each in mutants.MUTANTS if each.name == name]

    assert search.found_in(Build(mutant.broken), range(1_000))


def test_a_failure_is_told_with_its_seed_and_a_schedule_of_few_faults():
    [mutant] = [each for each in mutants.MUTANTS if each.name == "sns: swallows a failed publish"]
    broken = Build(mutant.broken)
    seed = next(seed for seed in range(5_000) if search.wrong(broken, seed)[0])

    told = search.told(broken, seed)

    assert told.startswith(f"seed {seed}, sns, without ")
    _, evidence = search.wrong(broken, seed)
    assert evidence is not None
    steps = [line for line in told.splitlines() if line.startswith("  ")]
    faults = [line for line in steps if line.rstrip().endswith(("refused", "lost", "before", "after"))]
    assert 1 <= len(faults) <= len(evidence.world.faults)


@pytest.mark.parametrize("mutant", mutants.MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_a_change_of_what_there_is(mutant):
    [(module, source)] = mutant.broken.items()

    compile(source, module, "exec")


def test_the_command_says_what_it_did():
    ran = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "--histories", "20", "--seed", "7"], cwd=ROOT, capture_output=True, text=True, check=True
    )

    said = ran.stdout.strip()
    assert "histories 20," in said
    assert said.endswith("violations 0")


def test_what_is_spared_is_a_mutant():
    assert set(mutants.SPARED) <= {mutant.name for mutant in mutants.MUTANTS}
