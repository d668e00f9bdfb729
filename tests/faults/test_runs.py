"""A short run of the fault suite; `make faults` is the long one."""

from tests.faults.plan import Plan
from tests.faults.request import Ask, Request
from tests.faults.run import carry_out

REQUESTS = (
    Request("map", "map", (Ask("avis", "throw"), Ask("alamo", "garbage")), submissions=2, faults={"open": ("lose",), "close": ("lose",)}),
    Request("map-early", "map", (Ask("avis", "quote"), Ask("alamo", "busy"), Ask("budget", "held")), quorum=2, faults={
        "record": ("refuse",), "record late": ("lose",), "close": ("lose",)}),
    Request("parallel-early", "parallel", (Ask("avis", "bargain"), Ask("budget", "held")), wants_bargain=True, faults={
        "record": ("lose",), "close": ("throttle",)}),
    Request("lost-replies", "sns", (Ask("avis", "quote", (0, 0, 1)), Ask("alamo", "twice")), deadline_seconds=3, copies=2, faults={
        "create": ("lose",), "publish": ("cut",), "gather": ("cut", "lose"), "announce": ("lose",)}),
    Request("poison", "sns", (Ask("avis", "poison"), Ask("alamo", "decline", (4,))), deadline_seconds=3, quorum=1),
)


def test_a_short_run_loses_nothing_and_counts_nothing_twice(tmp_path):
    report = carry_out(Plan(REQUESTS, (), ()), tmp_path)

    assert report.verdict.findings == []
    assert report.verdict.total["requests"] == len(REQUESTS)
    assert report.injected["sns"]["create lose"] == report.injected["sns"]["gather cut"] == 1
    assert report.injected["map"]["close lose"] == 2
    assert report.injected["parallel"]["record lose"] == 1
