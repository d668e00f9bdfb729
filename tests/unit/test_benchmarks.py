"""What the benchmarks make of what they measure."""

import functools
import itertools
import threading

import pytest

from benchmarks import measure, page, rows, startup
from benchmarks.measure import Figures, Row
from benchmarks.split import Split

FOUND = {
    "ways": [rows.OURS, rows.SAMPLE],
    "rows": {"Map, 5 responders": {rows.OURS: Figures(0.2, 0.3, 20), rows.SAMPLE: Figures(0.1, 0.2, 20)}},
    "growth": {"map": {"p50": {1: 0.1, 10: 0.2}, "exponent": 0.301}},
    "clients": {"sns": {"p50": {1: 0.1, 64: 0.3}, "exponent": 0.264}},
    "lines": {"distributed": {"p50": {100: 0.1, 1_000: 0.9}, "exponent": 0.95}},
    "split": {"map": Split(0.15, 0.02, 0.01, 0.02, 0.03, 0.01, 0.15)},
    "start": {"api": startup.Start(100, 47)},
    "early": {"sns": Figures(0.01, 0.02, 8)},
    "machine": "2 cores",
    "at": "2026-11-26",
    "commit": "abc1234",
}


def test_the_ways_are_taken_in_turns():
    taken = []

    measure.measured(Row("", {"ours": lambda: taken.append("ours"), "sample": lambda: taken.append("sample")}, count=3), warm_up=1)

    assert taken == ["ours", "sample"] * 4


def test_what_a_call_leaves_behind_is_not_charged_to_the_next(monkeypatch):
    course = []
    monkeypatch.setattr(measure.time, "sleep", course.append)

    ways = {name: functools.partial(course.append, name) for name in ("ours", "sample")}
    measure.measured(Row("", ways, count=1, rest_seconds=3), warm_up=0)

    assert course == [3, "ours", 3, "sample"]


def test_so_many_clients_are_at_it_at_once():
    at_once, most = itertools.count(), list[int]()
    together = threading.Barrier(4, action=lambda: most.append(next(at_once)))

    found = measure.measured(Row("", {"ours": together.wait}, count=8, clients=4), warm_up=0)

    assert (found["ours"].count, len(most)) == (8, 2)


def test_the_figures_are_a_median_and_what_nineteen_in_twenty_stay_under():
    assert measure.figures([float(second) for second in range(1, 101)]) == Figures(50.5, 95.0, 100)


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_the_exponent_is_that_of_the_growth(power):
    assert measure.exponent({size: 3 * size**power for size in (1, 5, 20, 100)}) == pytest.approx(power)


def test_the_page_has_a_table_of_everything(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "PAGE", tmp_path / "performance.md")
    monkeypatch.setattr(page, "PICTURES", tmp_path / "performance")

    page.write(FOUND)

    written = (tmp_path / "performance.md").read_text()
    assert "| Map, 5 responders | 200 | 300 | 100 | 200 | 2.00 | 20 |" in written
    assert "| map | 100 | 200 | 0.30 |" in written
    assert "| sns | 10 | 20 | 8 |" in written
    assert "| sns | 100 | 300 | 0.26 |" in written
    assert "| api | 100 | 691 | 1382 | 47 |" in written
    assert {file.name for file in (tmp_path / "performance").iterdir()} == {"ratios.svg", "growth.svg"}


def test_each_row_of_prices_is_one_that_is_measured():
    measured = ("Map, 5 responders", "Parallel, 2 responders", "SNS, 2 responders")

    assert tuple(rows.used()) == measured
    assert all(ours.calls > sample.calls for ours, sample in rows.used().values())


@pytest.mark.parametrize(("sample", "is_behind"), [(0.1, True), (0.195, False), (0.3, False)])
def test_a_row_that_is_behind_is_named_with_its_reason(tmp_path, monkeypatch, sample, is_behind):
    monkeypatch.setattr(page, "PAGE", tmp_path / "performance.md")
    monkeypatch.setattr(page, "PICTURES", tmp_path / "performance")
    figures = {rows.OURS: Figures(0.2, 0.3, 20), rows.SAMPLE: Figures(sample, 0.2, 20)}

    page.write({**FOUND, "rows": {"SNS, 2 responders": figures}})

    written = (tmp_path / "performance.md").read_text()
    assert [words in written for words in ("(5%): SNS, 2 responders.", f"- **SNS**: {page.REASONS['SNS']}")] == [is_behind] * 2
