"""The model of a run's scale: its properties, what it says beside what was measured, the planner and its verb."""

import json
from dataclasses import replace

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from benchmarks import scale as page
from client import costs, plan, scale
from client.__main__ import main
from client.scale import AWS, DISTRIBUTED, INLINE, Function, Setting, simulate
from components import distributed_map_processor
from components.settings import DistributedSettings, parse

SETTINGS = st.builds(
    Setting,
    mode=st.sampled_from([DISTRIBUTED, INLINE]),
    child_type=st.sampled_from([costs.STANDARD, costs.EXPRESS]),
    batch_size=st.integers(1, 2_000),
    max_concurrency=st.integers(1, 1_500),
    wait_seconds=st.sampled_from([0, 2]),
)
FUNCTIONS = st.builds(
    Function,
    seconds_per_row=st.floats(0, 2),
    row_bytes=st.integers(1, 5_000),
    result_bytes=st.integers(1, 5_000),
    memory_mb=st.sampled_from([128, 512, 1_769]),
)
ROWS = st.integers(1, 200_000)
ROUNDING = 1 + 1e-9


@given(ROWS, st.integers(0, 10_000), SETTINGS, FUNCTIONS)
@example(1, 1_873, Setting(DISTRIBUTED, costs.STANDARD, 1, 1_001, 0), Function(1.0, 1, 1, 128))
@example(1_873, 1, Setting(DISTRIBUTED, costs.STANDARD, 1, 1_001, 0), Function(1.0, 1, 1, 128))
def test_more_rows_never_take_less_time_or_cost_less(rows, more, setting, function):
    few, many = simulate(rows, setting, function), simulate(rows + more, setting, function)

    assert few.seconds <= many.seconds * ROUNDING
    assert float(few.price) <= float(many.price) * ROUNDING


@given(ROWS, st.integers(1, 1_000), st.integers(1, 1_000), SETTINGS, FUNCTIONS)
def test_more_at_once_are_never_slower_while_there_are_functions_for_them(rows, one, other, setting, function):
    fewer, more = (replace(setting, max_concurrency=count) for count in sorted((one, other)))

    assert simulate(rows, more, function).seconds <= simulate(rows, fewer, function).seconds * ROUNDING


@given(ROWS, SETTINGS, FUNCTIONS)
def test_phases_and_prices_add_up(rows, setting, function):
    forecast = simulate(rows, setting, function)

    assert forecast.seconds == pytest.approx(sum(forecast.phases.values()))
    assert forecast.price == sum(forecast.bill.values())
    assert all(seconds >= 0 for seconds in forecast.phases.values())
    assert all(dollars >= 0 for dollars in forecast.bill.values())


def test_children_without_a_function_wait_for_as_long_as_the_retrier_does():
    function = Function(seconds_per_row=1)
    fitting, too_many = (
        simulate(50_000, Setting(DISTRIBUTED, costs.EXPRESS, max_concurrency=count), function) for count in (1_000, 10_000)
    )

    assert 0 < too_many.seconds - fitting.seconds <= AWS.longest_wait_seconds


def test_a_larger_quota_adds_a_hundred_environments_a_second():
    function = Function(seconds_per_row=10)
    setting = Setting(child_type=costs.EXPRESS, batch_size=10, max_concurrency=2_000)

    small, large = (simulate(40_000, setting, function, replace(AWS, account_concurrency=count)) for count in (1_000, 2_000))

    assert large.phases["map"] < small.phases["map"]


@pytest.mark.parametrize(("rows", "seconds"), [(100, 0.322), (1_000, 1.613), (10_000, 10.855), (10_000, 15.8)])
def test_it_says_what_the_emulator_takes(rows, seconds):
    """A factor of 1.5: two runs of the same 10,000 lines on this emulator differ by that."""
    forecast = simulate(rows, Setting(), Function(seconds_per_row=0, memory_mb=scale.CPU_MB), page.EMULATOR)

    assert 1 / 1.5 < forecast.seconds / seconds < 1.5


def test_it_says_what_the_weather_sample_of_aws_takes():
    """558,000 objects in batches of 500 take 90 to 150 s. A factor of 1.3 on both sides: nobody says how long one of its files of 66 KB
    takes to get and to parse; 0.06 s is assumed. It lists the objects, and has no reader in front."""
    platform = replace(AWS, read_per_cpu_second=float("inf"), counted_per_cpu_second=float("inf"))
    setting = Setting(child_type=costs.EXPRESS, batch_size=500, max_concurrency=3_000)

    forecast = simulate(558_000, setting, Function(0.06, row_bytes=200, memory_mb=2_048), platform)

    assert 90 / 1.3 < forecast.seconds < 150 * 1.3


def test_it_says_what_a_map_run_takes_that_does_nothing():
    """Seven seconds and more for a hundred items of an EXPRESS Map Run; without a function, so nothing is cold."""
    platform = replace(AWS, init_seconds=0, call_seconds=0)

    assert 7 <= simulate(100, Setting(child_type=costs.EXPRESS), Function(0), platform).seconds < 9


def test_a_million_rows_are_faster_and_cheaper_than_the_published_system():
    chosen = scale.plan(1_000_001, page.THEIRS)

    assert chosen.forecast.seconds < page.PUBLISHED_BEST_SECONDS
    assert chosen.forecast.price < page.published_price()


@pytest.mark.parametrize("rows", [1, 100, 600, 601, 50_000, 10_000_000])
@pytest.mark.parametrize("function", [Function(), Function(2, 50_000, 10), Function(100), Function(0, 1, 1, 3_008)])
def test_a_plan_is_a_configuration(rows, function):
    chosen = scale.plan(rows, function)

    written = yaml.safe_load(plan.as_yaml(chosen))["config"]

    assert {key.removeprefix("scatter-gather:"): value for key, value in written.items()} == plan.configuration(chosen)
    assert parse(plan.configuration(chosen)).distributed.functionTimeoutSeconds >= min(890, chosen.call_seconds)


@given(ROWS, FUNCTIONS)
def test_no_alternative_is_cheaper_and_faster_than_the_plan(rows, function):
    chosen = scale.plan(rows, function)

    assert not [
        setting
        for setting, forecast in chosen.alternatives
        if forecast.price < chosen.forecast.price and forecast.seconds < chosen.forecast.seconds
    ]


def test_a_plan_explains_its_batch():
    chosen = scale.plan(1_000_000, Function(0.01))

    size = chosen.setting.batch_size
    assert chosen.why[0].startswith(
        f"A batch of {size:,}: so many rows of 250 bytes, with what is around each, take {size * 370:,} of 200,000"
    )


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--row-bytes", "250000"], "a row and what is around it take 250,120 bytes; allowed: at most 200,000"),
        (["--row-ms", "900000"], "a row takes 900 seconds; allowed: at most 890"),
        (["--rows", "100000000"], "the reader of 100,000,000 rows takes 1,000 seconds; allowed: at most 890"),
    ],
)
def test_what_fits_no_execution_is_refused_in_one_line(arguments, reason, capsys):
    assert main(["plan", "--rows", "10", *arguments]) == 2

    assert capsys.readouterr().err == f"error: {reason}\n"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--rows", "0"], "must be a whole number of 1 or more, not 0"),
        (["--rows", "1", "--row-ms", "-1"], "must be a number of milliseconds of 0 or more, not -1"),
        (["--rows", "1", "--row-ms", "soon"], "must be a number of milliseconds of 0 or more, not soon"),
    ],
)
def test_a_wrong_number_is_refused_in_one_line(arguments, reason, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["plan", *arguments])

    assert ended.value.code == 2
    assert reason in capsys.readouterr().err


def test_the_verb_shows_the_setting_why_and_what_else_there_is(capsys):
    assert main(["plan", "--rows", "1000000", "--row-ms", "10", "--curve"]) == 0

    shown = capsys.readouterr().out
    assert shown.startswith("config:\n  scatter-gather:variants: [distributed]\n")
    assert "\n1,000,000 rows: " in shown
    assert "\nothers:\n" in shown
    assert "  10,000,000  " in shown


def test_the_verb_says_the_same_as_json(capsys):
    assert main(["plan", "--rows", "100", "--json"]) == 0

    shown = json.loads(capsys.readouterr().out)
    assert shown["config"]["distributed"]["mode"] == INLINE
    assert sum(map(float, shown["bill"].values())) == pytest.approx(float(shown["price"]))


def test_the_limits_are_those_of_the_component():
    own = DistributedSettings(mode="INLINE", waitSeconds=0)

    assert distributed_map_processor.BATCH_BYTES == scale.BATCH_BYTES
    assert distributed_map_processor.inline_items(own) >= scale.INLINE_ROWS


def test_the_page_is_that_of_the_model():
    assert page.PAGE.read_text() == page.page(), "write it again: python -m benchmarks.scale"


def test_the_page_has_its_pictures(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "PAGE", tmp_path / "scale.md")
    monkeypatch.setattr(page, "PICTURES", tmp_path / "performance")

    page.write()

    assert {file.name for file in page.PICTURES.iterdir()} == {"scale-seconds.svg", "scale-price.svg"}
