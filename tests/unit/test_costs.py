"""The cost model against examples worked out by hand."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client import costs
from client.costs import KINDS, PRICES, Usage, Workload, usage
from components import code, request_store
from components.settings import Settings

FIVE = Workload(
    asked=5, configured=5, responder_seconds=Decimal("0.1"), request_seconds=Decimal("0.45"), record_bytes=600, answer_bytes=200
)
TWO = Workload(asked=2, configured=3, responder_seconds=Decimal("0.1"), record_bytes=600, answer_bytes=200)


@pytest.mark.parametrize("variant", ["map", "parallel"])
def test_a_standard_workflow_with_five_responders(variant):
    used = usage(KINDS[variant], FIVE)

    assert used == Usage(
        transitions=9,  # Open request, Is it new?, Ask each responder, 5 x Ask, Gather
        calls=8,  # requester, 5 responders, Gather, deadline
        call_gb_seconds=Decimal("0.0625") + Decimal("0.035"),  # five times 0.1 s with 128 MB, 0.06 + 2 * 0.04 s with 256 MB
        messages=2,
        queue_requests=3,
        events=1,  # the deadline is sent, received and deleted; the event
        # Created with 600 bytes, and listed (1 KB each); 600 + 5 * 200 (2 KB) as answers are added, closed, announced.
        writes=4,
        write_units=8,
        reads=2,
        read_units=2,
        traces=2,  # of the execution, of the deadline
        log_gb=Decimal("0.000008"),
        init_gb_seconds=Decimal("0.3125") + Decimal("0.25"),
        idle_queues=1,
    )
    # All that a thousand times: transitions, calls and their time, queue, event, writes, reads, traces, logs
    assert costs.price_per_thousand(used) == sum(
        map(Decimal, ("0.225", "0.0016", "0.0013000065", "0.0012", "0.001", "0.005", "0.00025", "0.01", "0.004"))
    )


def test_an_express_workflow_pays_for_its_time_in_tenths_of_a_second_instead():
    used, standard = usage(KINDS["map"], FIVE, costs.EXPRESS), usage(KINDS["map"], FIVE)

    assert (used.transitions, used.executions) == (0, 1)
    assert used.execution_gb_seconds == Decimal("0.03125")  # 64 MB for 0.5 s
    assert used.log_gb == Decimal("0.000026")  # 8 calls of 1 KB, 9 states of 2 KB
    # the request 0.001, its time 0.0005209375, its logs 0.009, and what Standard pays apart from transitions
    assert costs.price_per_thousand(used) == costs.price_per_thousand(standard) - Decimal("0.225") + Decimal("0.0105209375")


def test_an_express_workflow_pays_for_more_memory_when_its_data_takes_more():
    heavy = replace(FIVE, record_bytes=3_000_000)

    assert usage(KINDS["map"], heavy, costs.EXPRESS).execution_gb_seconds == Decimal("0.0625")  # 128 MB for 0.5 s


def test_a_responder_that_is_not_asked_costs_a_transition_and_a_call_in_parallel_and_nothing_in_map():
    asked_by_map, asked_by_parallel = usage(KINDS["map"], TWO), usage(KINDS["parallel"], TWO)

    assert (asked_by_map.transitions, asked_by_map.calls) == (2 + 4, 1 + 2 + 2)
    assert (asked_by_parallel.transitions, asked_by_parallel.calls) == (3 + 4, 1 + 3 + 2)
    # 0.005 s with 128 MB
    assert asked_by_parallel.call_gb_seconds - asked_by_map.call_gb_seconds == Decimal("0.000625")


@pytest.mark.parametrize(("variant", "kind"), [("map", costs.STANDARD), ("parallel", costs.EXPRESS), ("sns", None)])
def test_an_existing_function_is_called_by_the_function_in_front_of_it(variant, kind):
    own, existing = usage(KINDS[variant], FIVE, kind), usage(KINDS[variant], replace(FIVE, existing=2), kind)

    assert existing.calls - own.calls == 2
    assert existing.call_gb_seconds - own.call_gb_seconds == Decimal("0.025")
    assert (
        replace(existing, calls=own.calls, call_gb_seconds=own.call_gb_seconds, log_gb=own.log_gb, init_gb_seconds=own.init_gb_seconds)
        == own
    )


@pytest.mark.parametrize("variant", ["map", "parallel"])
def test_a_workflow_that_may_close_early_takes_each_answer_by_queue_as_well(variant):
    used = usage(KINDS[variant], replace(FIVE, early=True))

    # Created at 600 bytes, added at 800, 1000, 1200, 1400 and 1600, closed and announced at 1600: three times 1 KB, five times 2.
    assert used == Usage(
        transitions=9,
        calls=13,  # requester, 5 responders, 5 answers, Gather, deadline
        call_gb_seconds=Decimal("0.0625") + Decimal("0.085"),
        messages=7,
        queue_requests=18,
        events=1,
        writes=8,
        write_units=14,
        reads=7,
        read_units=7,
        traces=7,
        log_gb=Decimal("0.000013"),
        init_gb_seconds=Decimal("0.5625"),
        idle_queues=1,
    )


def test_an_answer_that_is_late_is_an_answer_like_any_other():
    in_time = replace(FIVE, early=True)

    # Closed and announced at 1200 bytes instead of 1600, both 2 KB
    assert usage(KINDS["map"], replace(in_time, late=2)) == usage(KINDS["map"], in_time)


def test_a_record_is_closed_and_announced_without_its_late_answers():
    # Closed and announced with 950 bytes instead of 1250
    in_time = replace(FIVE, early=True, record_bytes=500, answer_bytes=150)

    assert usage(KINDS["map"], replace(in_time, late=2)).write_units == usage(KINDS["map"], in_time).write_units - 2


@pytest.mark.parametrize("kind", [costs.STANDARD, costs.EXPRESS])
@pytest.mark.parametrize("variant", ["map", "parallel"])
def test_closing_early_takes_no_further_transition_of_either_type(variant, kind):
    waits, early = usage(KINDS[variant], FIVE, kind), usage(KINDS[variant], replace(FIVE, early=True), kind)

    assert (early.transitions, early.executions, early.execution_gb_seconds) == (
        waits.transitions,
        waits.executions,
        waits.execution_gb_seconds,
    )


def test_closing_early_costs_nothing_more_with_sns():
    assert usage(KINDS["sns"], replace(FIVE, early=True, late=2), None) == usage(KINDS["sns"], FIVE, None)


@given(
    asked=st.integers(1, 100),
    late=st.integers(0, 100),
    choice=st.sampled_from([("map", costs.STANDARD), ("parallel", costs.STANDARD), ("map", costs.EXPRESS), ("parallel", costs.EXPRESS)]),
)
def test_closing_early_costs_more_than_waiting(asked, late, choice):
    waits = Workload(asked=asked, configured=asked)
    early = replace(waits, early=True, late=min(late, asked))

    waiting, closing = (usage(KINDS[choice[0]], workload, choice[1]) for workload in (waits, early))

    assert costs.price_per_thousand(closing) > costs.price_per_thousand(waiting)
    assert closing.writes - waiting.writes == asked - 1


def test_with_more_responders_the_same_share_is_late_or_an_existing_function():
    assert replace(FIVE, early=True, late=2, existing=1).with_responders(20) == replace(
        FIVE, asked=20, configured=20, early=True, late=8, existing=4
    )


def test_sns_with_two_responders_whose_answers_come_one_by_one():
    used = usage(KINDS["sns"], TWO, None)

    assert used == Usage(
        calls=6,  # requester, 2 responders, 2 answers, deadline
        call_gb_seconds=Decimal("0.025") + Decimal("0.045"),  # 0.2 s with 128 MB, 0.06 + 3 * 0.04 s with 256 MB
        messages=7,  # publish, 2 deliveries, 2 answers, deadline, event
        publishes=1,
        queue_requests=13,
        events=1,
        writes=6,
        write_units=7,  # create and its entry in the index, published, 2 answers, close, announced: each under 1 KB
        reads=3,
        read_units=3,
        traces=6,  # each call is caused by a queue, or by the caller
        log_gb=Decimal("0.000006"),
        init_gb_seconds=Decimal("0.125") + Decimal("0.25"),  # 0.5 s for each of two responders, the requester and the aggregator
        idle_queues=4,  # of 3 responders, and the one for their answers
    )
    assert costs.price_per_thousand(used) == sum(
        map(Decimal, ("0.0012", "0.000933338", "0.0005", "0.0052", "0.001", "0.004375", "0.000375", "0.003", "0.03"))
    )


@pytest.mark.parametrize(("variant", "calls", "writes", "reads", "queue_requests"), [("sns", 8, 5, 2, 20), ("map", 9, 4, 3, 10)])
def test_answers_that_come_together_are_gathered_together(variant, calls, writes, reads, queue_requests):
    used = usage(KINDS[variant], replace(FIVE, early=True), batches=1)

    assert (used.calls, used.writes, used.reads, used.queue_requests) == (calls, writes, reads, queue_requests)


def test_an_item_that_grows_is_written_again_as_a_whole():
    # Created and published at 600 bytes (1 KB each); ten answers leave 800, 1000 | 1200 … 2000 | 2200, 2400, 2600 bytes; then two more.
    ten = FIVE.with_responders(10)

    assert usage(KINDS["sns"], ten, None).write_units == 1 + 2 * 1 + (2 * 1 + 5 * 2 + 3 * 3) + 2 * 3


def test_queues_cost_money_while_nothing_comes():
    # Five long polls of 20 s: 648,000 requests in 30 days, at 0.40 per million
    assert round(costs.IDLE_QUEUE_MONTH, 4) == Decimal("0.2592")
    for used, queues in ((usage(KINDS["sns"], TWO, None), 4), (usage(KINDS["map"], FIVE), 1)):
        busy = costs.price_per_month(used, 100_000)
        assert busy == 100 * costs.price_per_thousand(used) + _cold(used, 100_000) + queues * Decimal("0.2592")


def _cold(used, requests):
    return requests * used.init_gb_seconds * Decimal("0.0000133334") * costs.cold_share(requests)


def test_of_more_than_a_request_a_second_one_in_twenty_is_traced():
    # 2,592,000 seconds in 30 days
    assert costs.traced_share(1) == costs.traced_share(2_592_000) == 1
    assert costs.traced_share(4_592_000) == Decimal(2_592_000 + 100_000) / 4_592_000


def test_a_request_a_month_is_cold_and_one_a_second_is_not():
    # 4,320 times ten minutes in 30 days
    assert round(costs.cold_share(1), 3) == 1
    assert round(costs.cold_share(4_320), 4) == Decimal("0.3679")
    assert costs.cold_share(2_592_000) < Decimal("1e-200")


def test_few_requests_pay_for_cold_starts():
    used = usage(KINDS["map"], FIVE)

    few, warm = costs.price_per_month(used, 1_000), costs.price_per_month(replace(used, init_gb_seconds=Decimal(0)), 1_000)

    # 0.5625 GB-s each of about 79 % of a thousand requests
    assert round(few - warm, 5) == round(1_000 * Decimal("0.5625") * Decimal("0.0000133334") * Decimal("0.7934"), 5)


def test_a_bill_adds_up():
    used = usage(KINDS["sns"], FIVE, None)

    assert sum(costs.bill(used).values()) * 1_000 == costs.price_per_thousand(used)
    assert usage(KINDS["map"], FIVE) + Usage(calls=1) == replace(usage(KINDS["map"], FIVE), calls=9)


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
    assert request_store.HANDLER_MEMORY_MB == costs.HANDLER_MEMORY_MB
    assert Settings().responders[0].memoryMb == FIVE.responder_memory_mb
    assert code.ARCHITECTURE == "arm64"
