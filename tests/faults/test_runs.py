"""A short run of the fault suite; `make faults` is the long one."""

from tests.faults.plan import Ask, Plan, Request
from tests.faults.run import carry_out

REQUESTS = (
    Request("map", "map", (Ask("avis", "throw"), Ask("alamo", "quote")), submissions=2),
    Request("parallel", "parallel", (Ask("avis", "garbage"), Ask("alamo", "huge"))),
    Request("lost-replies", "sns", (Ask("avis", "quote", (0, 0, 1)), Ask("alamo", "twice")), deadline_seconds=3, copies=2, faults={
        "create": ("lose",), "publish": ("cut",), "gather": ("cut", "lose", "refuse"), "announce": ("lose",)}),
    Request("poison", "sns", (Ask("avis", "poison"), Ask("alamo", "decline", (4,))), deadline_seconds=3, quorum=1),
)


def test_a_short_run_loses_nothing_and_counts_nothing_twice(tmp_path):
    report = carry_out(Plan(REQUESTS, (), ()), tmp_path)

    assert report.verdict.findings == []
    assert report.verdict.counts["requests"] == len(REQUESTS)
    assert report.injected["create lose"] == report.injected["gather cut"] == 1
