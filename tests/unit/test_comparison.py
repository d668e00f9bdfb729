"""What the comparison makes of its runs, and what it recommends."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from client import Stack, compare, costs, display
from client import comparison as comparison_module
from client.comparison import Run, closes_early, own_times, percentile, summarise
from tests.unit.comparisons import answer, comparison, result, silence


def test_percentiles_are_interpolated():
    assert percentile([10, 20, 30, 40], 50) == 25
    assert percentile([40, 10, 30, 20, 50], 95) == pytest.approx(48)
    assert percentile([7], 95) == 7


def test_a_responder_itself_takes_the_least_that_any_carrier_saw():
    results = [
        result("map", [answer("avis", 40), answer("alamo", 95)]),
        result("sns", [answer("avis", 120), answer("alamo", 90)]),
        result("sns", [silence("hertz")]),
    ]

    assert own_times(results) == {"avis": 40, "alamo": 90}


def test_overhead_is_what_the_slowest_responder_did_not_take_itself():
    compared = comparison({"map": [150, 250], "sns": [100, 100]})

    assert compared.slowest == ("alamo", 90)
    assert [(carrier.label, carrier.p50_ms, carrier.overhead_ms) for carrier in compared.carriers] == [
        ("map STANDARD", 200, 110),
        ("sns", 100, 10),
    ]
    assert compared.workload.responder_seconds == Decimal("0.065")


def test_the_cheapest_of_those_about_as_fast_is_recommended():
    best = comparison({"map": [200], "parallel": [180], "sns": [150]}).recommendation

    # parallel and map cost the same; parallel is the faster of them
    assert best.label == "parallel EXPRESS"
    assert "its p95 of 180 ms is close to the best, 150 ms" in best.reasons
    assert "set workflowType to EXPRESS for it" in best.reasons


def test_a_carrier_that_is_much_slower_is_not_recommended_however_cheap():
    best = comparison({"map": [2_000], "sns": [150]}).recommendation

    assert best.label == "sns"
    assert "nothing is faster" in best.reasons
    assert not any("map" in reason for reason in best.reasons)


def test_requests_too_long_for_express_get_a_standard_workflow_or_sns():
    best = comparison({"map": [400_000], "parallel": [400_000]}, per_month=10).recommendation

    assert best.label == "map STANDARD"


def test_the_emulators_latencies_decide_nothing():
    best = comparison({"map": [2_000], "parallel": [150], "sns": [100]}, on_aws=False).recommendation

    assert best.label == "map EXPRESS"
    assert "the latencies are the emulator's, so only the price decides" in best.reasons


def test_idle_queues_count_for_the_month():
    few = comparison({"map": [100], "sns": [100]}, per_month=100)

    assert "$0.78 with sns" in few.recommendation.reasons[0]


@pytest.mark.parametrize(
    ("stack", "request_", "early"),
    [
        ({}, {}, False),
        ({}, {"completion": {"quorum": 2}}, True),
        ({}, {"completion": {"quorum": 3}}, False),
        ({}, {"completion": {"quorum": 2}, "recipients": ["avis", "alamo"]}, False),
        ({}, {"completion": {"amountBelow": "100"}}, True),
        ({}, {"completion": None, "recipients": None}, False),
        ({"deadlineSeconds": 60, "quorum": 2}, {"completion": {"quorum": None}}, True),
        ({}, {"completion": {"deadlineSeconds": 5}}, False),
        ({"deadlineSeconds": 60, "quorum": 2}, {}, True),
        ({"deadlineSeconds": 60, "quorum": 2}, {"recipients": ["avis", "alamo"]}, False),
        ({"deadlineSeconds": 60, "weights": {"avis": 2}}, {"completion": {"quorum": 3}}, True),
    ],
)
def test_the_stack_and_the_request_decide_whether_it_may_close_early(stack, request_, early):
    outputs = {"responderNames": ["avis", "alamo", "hertz"], "completion": json.dumps(stack)}

    assert closes_early(Stack(outputs), {"data": {}, **request_}) is early


def test_who_has_not_answered_when_it_closes_early_is_late():
    answers = [answer("avis", 40), answer("alamo", 90), silence("hertz")]

    early = comparison({"map": [100], "sns": [100]}, answers=answers, asked=5, early=True)
    all_of_them = comparison({"map": [100], "sns": [100]}, answers=answers, asked=5)

    assert (early.workload.late, all_of_them.workload.late) == (3, 0)
    assert [carrier.used.messages for carrier in early.carriers] == [2 + 5, 2 * 5 + 3]


@pytest.mark.parametrize("early", [False, True])
def test_an_express_workflow_is_a_choice_for_whatever_closes_in_time(early):
    compared = comparison({"map": [100], "parallel": [90]}, early=early)

    assert compared.recommendation.label == "parallel EXPRESS"
    assert "set workflowType to EXPRESS for it" in compared.recommendation.reasons
    assert list(compared.extrapolation()[5]) == ["map STANDARD", "map EXPRESS", "parallel STANDARD", "parallel EXPRESS", "sns"]


def test_sns_is_recommended_for_closing_early_where_its_queues_pay():
    many = comparison({"map": [100], "sns": [100]}, early=True, per_month=10_000_000)
    few = comparison({"map": [100], "sns": [100]}, early=True, per_month=100_000)

    assert (many.recommendation.label, few.recommendation.label) == ("sns", "map EXPRESS")


def test_a_month_is_cheaper_by_request_the_more_there_are():
    months = comparison({"map": [100]}).months()

    assert list(months) == [1_000, 100_000, 10_000_000]
    for choice in months[1_000]:
        prices = [month[choice] / requests for requests, month in months.items()]
        assert prices == sorted(prices, reverse=True)


def test_the_price_of_closing_early_is_a_reason():
    compared = comparison({"map": [100], "sns": [100]}, asked=5, early=True)
    reasons = compared.recommendation.reasons

    # Five more calls of the aggregator, requests to the queue (three each) and traces; four more writes
    assert (
        "closing early takes 1,000 requests from $0.249 to $0.289 with map STANDARD, from $0.034 to $0.074 with map EXPRESS, and "
        "costs nothing more with sns" in reasons
    )
    assert not any("only sns" in reason for reason in reasons)


def test_late_answers_are_no_part_of_what_a_record_is_without_answers():
    kept = {"requestId": "r1", "answers": {"avis": answer("avis", 40)}, "late": {}}
    runs = [Run("map", 100, result("map", [answer("avis", 40)]))]

    def workload(record):
        return summarise({"data": {}}, runs, {"map": "STANDARD"}, record, configured=1, early=True, per_month=1, on_aws=True).workload

    assert workload({**kept, "late": {"hertz": answer("hertz", 900)}}) == workload(kept)


def test_prices_grow_with_the_responders_for_every_choice():
    prices = comparison({"map": [100]}).extrapolation()

    assert list(prices) == [3, 5, 20, 100]
    for choice in prices[3]:
        assert prices[3][choice] < prices[5][choice] < prices[20][choice] < prices[100][choice]
    assert prices[5]["map STANDARD"] == prices[5]["parallel STANDARD"] > prices[5]["sns"] > prices[5]["map EXPRESS"]


@pytest.mark.parametrize(
    ("dollars", "shown"),
    [("2.664", "2.66"), ("123.4", "123.40"), ("0.20621", "0.206"), ("0.0151", "0.0151"), ("0.000123", "0.000123"), ("0", "0.00")],
)
def test_money_is_shown_with_three_digits(dollars, shown):
    assert compare.money(Decimal(dollars)) == shown


def test_the_comparison_as_json(capsys):
    compared = comparison({"map": [150, 250], "sns": [100, 100]})

    compare.show(compared, as_json=True)

    shown = json.loads(capsys.readouterr().out)
    assert [carrier["variant"] for carrier in shown["carriers"]] == ["map", "sns"]
    assert shown["carriers"][0]["usedPerRequest"]["transitions"] == 6
    assert shown["carriers"][0]["pricePer1000"] == compare.money(costs.price_per_thousand(compared.carriers[0].used))
    assert shown["pricePer1000ByResponders"]["20"]["sns"] == compare.money(compared.extrapolation()[20]["sns"])
    assert shown["pricePerMonthByRequests"]["100000"]["sns"] == compare.money(compared.months()[100_000]["sns"])
    assert shown["recommendation"] == {
        "variant": compared.recommendation.variant,
        "workflowType": compared.recommendation.workflow_type,
        "reasons": compared.recommendation.reasons,
    }


def test_the_comparison_as_tables_of_at_most_80_columns(capsys):
    compared = comparison({"map": [150, 250], "parallel": [150, 150], "sns": [100, 100]})

    compare.show(compared)

    shown = capsys.readouterr().out.splitlines()
    rows = {line.split("  ")[0]: line.split() for line in shown}
    assert rows["p50 ms"][2:] == ["200", "150", "100"]
    assert rows["transitions"][1:] == ["6", "6", "0"]
    assert rows["calls"][1:] == ["5", "5", "6"]
    assert rows["$ per 1,000"][3:] == [compare.money(carrier.price_per_thousand) for carrier in compared.carriers]
    assert f"Recommended: {compared.recommendation.label}" in shown
    assert [line for line in shown if line.startswith("  - ")] == [f"  - {reason}" for reason in compared.recommendation.reasons]
    by_responders, by_requests = (shown[start + 2 : start + 8] for start, line in enumerate(shown) if line == "" and start + 8 < len(shown))
    for table, corner in ((by_responders, "responders 3 5 20 100"), (by_requests, "requests 1,000 100,000 10,000,000")):
        assert table[0].split() == corner.split()
        assert [" ".join(line.split()[: 2 if "STANDARD" in line or "EXPRESS" in line else 1]) for line in table[1:]] == [
            "map STANDARD",
            "map EXPRESS",
            "parallel STANDARD",
            "parallel EXPRESS",
            "sns",
        ]
    assert by_responders[-1].split()[1:] == [compare.money(each["sns"]) for each in compared.extrapolation().values()]
    assert by_requests[-1].split()[1:] == [compare.money(each["sns"]) for each in compared.months().values()]
    measured = shown[1 : shown.index("") - 1]
    assert max(map(len, [*measured, *by_responders, *by_requests])) <= 80


def test_which_of_the_asked_are_existing_functions_is_known_from_the_stack(monkeypatch):
    outputs = {
        "responderNames": ["avis", "alamo", "hertz"],
        "existingFunctions": ["alamo", "hertz"],
        "completion": "{}",
        "carriers": {"map": {"stateMachineArn": "arn", "workflowType": "STANDARD"}},
    }
    stack = Stack(outputs)
    monkeypatch.setattr(Stack, "request", lambda *_: result("map", [answer("avis", 40), answer("alamo", 90)]))
    monkeypatch.setattr(Stack, "record", lambda *_: None)

    compared = comparison_module.compare(stack, {"data": {}, "recipients": ["avis", "alamo"]}, 1, warm_up=0)

    assert (compared.workload.existing, compared.carriers[0].used.calls) == (1, 1 + 2 + 1 + 2)


def test_no_heading_is_broken_on_a_terminal_of_80_columns(monkeypatch, capsys):
    compared = comparison({"map": [150], "parallel": [150], "sns": [100]}, per_month=10_000_000)
    monkeypatch.setattr(display, "PIPED_WIDTH", 80)

    compare.show(compared)

    shown = capsys.readouterr().out
    assert all(f"\n{label} " in shown for label in compared.extrapolation()[5])
    assert "map STANDARD  parallel STANDARD" in shown


def test_what_closes_early_is_shown_as_such(capsys):
    compared = comparison({"map": [150], "sns": [100]}, asked=5, early=True)

    compare.show(compared)
    text = capsys.readouterr().out
    compare.show(compared, as_json=True)
    plain = json.loads(capsys.readouterr().out)

    assert "They may close before all have answered: 3 of 5 answers are late, and cost as such." in text.splitlines()
    assert (plain["closesEarly"], plain["responders"]) == (True, {"asked": 5, "configured": 5, "late": 3, "spared": 0})


def test_what_had_not_begun_is_told(capsys):
    compare.show(replace(comparison({"map": [150], "sns": [100]}, asked=5, early=True), spared=4))

    assert "are late, and cost as such; 4 had not begun when their requests closed, and never did." in capsys.readouterr().out


def test_of_what_waits_for_all_nothing_is_said_about_closing_early(capsys):
    compare.show(comparison({"map": [150], "sns": [100]}))

    assert "They may close" not in capsys.readouterr().out
