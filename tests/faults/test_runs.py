"""A short run of the fault suite; `make faults` is the long one."""

from tests.faults.plan import Plan
from tests.faults.request import Ask, Request
from tests.faults.run import carry_out

REQUESTS = (
    Request(
        "map",
        "map",
        (Ask("avis", "throw"), Ask("legacy", "garbage")),
        submissions=2,
        deadline_seconds=30,
        faults={"create": ("lose",), "workflow gathers": ("lose",)},
    ),
    Request(
        "map-early",
        "map",
        (Ask("avis", "quote"), Ask("legacy", "quote"), Ask("budget", "held")),
        quorum=2,
        deadline_seconds=30,
        faults={"gather": ("none", "lose"), "invoke": ("refuse",)},
    ),
    Request(
        "parallel-early",
        "parallel",
        (Ask("avis", "bargain"), Ask("budget", "held")),
        wants_bargain=True,
        deadline_seconds=30,
        faults={"deadline": ("lose",), "announce": ("lose",)},
    ),
    Request(
        "lost-replies",
        "sns",
        (Ask("avis", "quote", (0, 0, 1)), Ask("alamo", "twice")),
        deadline_seconds=4,
        copies=2,
        faults={"create": ("lose",), "gather": ("cut", "lose"), "announce": ("lose",), "receive": ("again",)},
    ),
    Request("dead-requester", "sns", (Ask("avis", "quote"),), deadline_seconds=30, faults={"publish": ("kill-before",)}),
    Request("poison", "sns", (Ask("avis", "poison"), Ask("alamo", "decline", (4,))), deadline_seconds=4, quorum=1),
)


def test_a_short_run_loses_nothing_and_counts_nothing_twice(tmp_path):
    report = carry_out(Plan(REQUESTS, (), ()), tmp_path)

    assert report.verdict.findings == []
    assert report.verdict.total["requests"] == len(REQUESTS)
    for carrier, fault in (
        ("sns", "create lose"),
        ("sns", "gather cut"),
        ("sns", "publish kill-before"),
        ("sns", "receive again"),
        ("map", "invoke refuse"),
        ("map", "workflow gathers lose"),
        ("parallel", "announce lose"),
    ):
        assert report.injected[carrier][fault] == 1
