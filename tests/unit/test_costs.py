"""The cost model against examples worked out by hand."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client import costs
from client.costs import PRICES, Usage, Workload, usage
from components import code, sns_scatter_gather
from components.settings import Settings

FIVE = Workload(asked=5, configured=5, responder_seconds=Decimal("0.1"), request_seconds=Decimal("0.45"),
                record_bytes=600, answer_bytes=200)
TWO = Workload(asked=2, configured=3, responder_seconds=Decimal("0.1"), record_bytes=600, answer_bytes=200)


@pytest.mark.parametrize("variant", ["map", "parallel"])
def test_a_standard_workflow_with_five_responders(variant):
    used = usage(variant, FIVE)

    # 600 bytes are written in 1 KB, 600 + 5 * 200 in 2; five calls of 0.1 s with 128 MB.
    assert used == Usage(transitions=8, calls=5, call_gb_seconds=Decimal("0.0625"), writes=2, write_units=3, log_gb=Decimal("0.000005"))
    # 8 * 25 + 5 * 0.20 + 3 * 0.625 per million, 0.0625 GB-s and 5 KB of logs; all that a thousand times
    assert costs.price_per_thousand(used) == (
        Decimal("0.2") + Decimal("0.001") + Decimal("0.001875") + Decimal("0.0008333375") + Decimal("0.0025"))


def test_an_express_workflow_pays_for_its_time_in_tenths_of_a_second_instead():
    used = usage("map", FIVE, costs.EXPRESS)

    assert (used.transitions, used.executions) == (0, 1)
    assert used.execution_gb_seconds == Decimal("0.03125")  # 64 MB for 0.5 s
    assert used.log_gb == Decimal("0.000021")  # 5 calls of 1 KB, 8 states of 2 KB
    # the request 0.001, its time 0.0005209375, its logs 0.008, and what Standard pays apart from transitions
    assert costs.price_per_thousand(used) == Decimal("0.0095209375") + Decimal("0.0062083375")


def test_an_express_workflow_pays_for_more_memory_when_its_data_takes_more():
    heavy = replace(FIVE, record_bytes=3_000_000)

    assert usage("map", heavy, costs.EXPRESS).execution_gb_seconds == Decimal("0.0625")  # 128 MB for 0.5 s


def test_a_responder_that_is_not_asked_costs_two_transitions_in_parallel_and_none_in_map():
    assert usage("parallel", TWO).transitions == 2 + 3 + 2
    assert usage("map", TWO).transitions == 2 + 3


@pytest.mark.parametrize("variant", ["map", "parallel"])
def test_a_workflow_that_may_close_early_records_each_answer_in_a_second_execution(variant):
    used = usage(variant, replace(FIVE, early=True))

    # Opened at 600 bytes, recorded at 800 and 1000, 1200, 1400 and 1600, closed at 1600: three times 1 KB, four times 2.
    assert used == Usage(
        transitions=3 + 15,  # Open, Turn, Await completion; Scatter, 5 * Ask, 5 * Record, Reread, Verdict, Close, Reply
        calls=5, call_gb_seconds=Decimal("0.0625"), writes=7, write_units=11, reads=1, read_units=1, log_gb=Decimal("0.000005"))
    assert costs.price_per_thousand(used) == (
        Decimal("0.45") + Decimal("0.001") + Decimal("0.006875") + Decimal("0.000125") + Decimal("0.0008333375") + Decimal("0.0025"))


def test_an_answer_that_is_late_is_a_refused_write_and_another_one():
    used = usage("map", replace(FIVE, early=True, late=2))

    assert (used.transitions, used.calls, used.writes, used.reads) == (18 + 2, 5, 7 + 2, 1)
    # Opened and recorded at 600, 800, 1000, 1200; closed at 1200; refused at 1200 and 1400; recorded as late at 1400 and 1600
    assert used.write_units == 3 * 1 + 2 + 2 + 2 * 2 + 2 * 2


def test_who_is_not_asked_costs_nothing_where_the_request_may_close_early():
    assert usage("parallel", replace(TWO, early=True)) == usage("map", replace(TWO, early=True))
    assert usage("parallel", replace(TWO, early=True)).transitions == 3 + 9


def test_closing_early_costs_nothing_more_with_sns():
    assert usage("sns", replace(FIVE, early=True, late=2), None) == usage("sns", FIVE, None)


def test_an_express_workflow_cannot_close_early():
    with pytest.raises(ValueError, match="map EXPRESS cannot close before all have answered"):
        usage("map", replace(FIVE, early=True), costs.EXPRESS)


@given(asked=st.integers(1, 100), late=st.integers(0, 100), variant=st.sampled_from(["map", "parallel"]))
def test_closing_early_costs_more_than_waiting_and_each_late_answer_more_again(asked, late, variant):
    waits = Workload(asked=asked, configured=asked)
    early = replace(waits, early=True, late=min(late, asked - 1))
    later = replace(early, late=early.late + 1)

    prices = [costs.price_per_thousand(usage(variant, workload)) for workload in (waits, early, later)]

    assert prices == sorted(set(prices))
    assert usage(variant, later).writes - usage(variant, early).writes == 1


def test_with_more_responders_the_same_share_is_late():
    assert replace(FIVE, early=True, late=2).with_responders(20) == replace(FIVE, asked=20, configured=20, early=True, late=8)


def test_sns_with_two_responders_whose_answers_come_one_by_one():
    used = usage("sns", TWO, None)

    assert used == Usage(
        calls=6,  # requester, 2 responders, 2 answers, deadline
        call_gb_seconds=Decimal("0.025") + Decimal("0.045"),  # 0.2 s with 128 MB, 0.06 + 3 * 0.04 s with 256 MB
        messages=7,  # publish, 2 deliveries, 2 answers, deadline, event
        publishes=1, queue_requests=13, events=1,
        writes=6, write_units=6,  # create, published, 2 answers, close, announced: each under 1 KB
        reads=3, read_units=3,
        log_gb=Decimal("0.000006"),
        idle_queues=4,  # of 3 responders, and the one for their answers
    )
    assert costs.price_per_thousand(used) == sum(map(Decimal, (
        "0.0012", "0.000933338", "0.0005", "0.0052", "0.001", "0.00375", "0.000375", "0.003")))


def test_answers_that_come_together_are_gathered_together():
    used = usage("sns", FIVE, None, batches=1)

    assert (used.calls, used.writes, used.reads, used.queue_requests) == (8, 5, 2, 20)


def test_an_item_that_grows_is_written_again_as_a_whole():
    # Created and published at 600 bytes (1 KB each); ten answers leave 800, 1000 | 1200 … 2000 | 2200, 2400, 2600 bytes; then two more.
    ten = FIVE.with_responders(10)

    assert usage("sns", ten, None).write_units == 2 * 1 + (2 * 1 + 5 * 2 + 3 * 3) + 2 * 3


def test_queues_cost_money_while_nothing_comes():
    # Five long polls of 20 s: 648,000 requests in 30 days, at 0.40 per million
    assert round(costs.IDLE_QUEUE_MONTH, 4) == Decimal("0.2592")
    assert costs.price_per_month(usage("sns", TWO, None), 1_000) == Decimal("0.015958338") + 4 * Decimal("0.2592")
    assert costs.price_per_month(usage("map", FIVE), 1_000) == costs.price_per_thousand(usage("map", FIVE))


def test_a_bill_adds_up():
    used = usage("sns", FIVE, None)

    assert sum(costs.bill(used).values()) * 1_000 == costs.price_per_thousand(used)
    assert usage("map", FIVE) + Usage(calls=1) == replace(usage("map", FIVE), calls=6)


def test_every_price_is_for_something_and_says_where_it_is_from():
    for name, price in PRICES.items():
        assert hasattr(Usage(), name)
        assert price.dollars > 0
        assert price.unit
        assert price.source.startswith("https://aws.amazon.com/")


def test_items_are_measured_as_dynamodb_does():
    assert costs.item_bytes("Zürich") == 7
    assert costs.item_bytes(12345) == 4
    assert costs.item_bytes([True, None]) == 3 + 2 * (1 + 1)
    assert costs.item_bytes({"days": 30}) == 3 + 1 + 4 + 2


def test_what_is_assumed_of_the_components_is_so():
    assert sns_scatter_gather.HANDLER_MEMORY_MB == costs.HANDLER_MEMORY_MB
    assert Settings().responders[0].memoryMb == FIVE.responder_memory_mb
    assert code.ARCHITECTURE == "arm64"
