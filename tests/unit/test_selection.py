"""Which quotes are the best."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers import contract, selection
from handlers.selection import Selection


def quote(name, amount, second=0):
    return {"responder": name, "status": "QUOTED", "amount": amount, "respondedAt": f"2026-01-01T00:00:0{second}.000Z"}


ANSWERS = [quote("avis", "100.10", 2), contract.declined("alamo", "no"), quote("hertz", "100.1", 1), quote("sixt", "120", 3)]


@pytest.mark.parametrize(
    ("how", "ranked"),
    [
        ("lowest", ["avis", "hertz", "sixt"]),
        ("highest", ["sixt", "avis", "hertz"]),
        ("first", ["hertz", "avis", "sixt"]),
        ("median", ["hertz", "avis", "sixt"]),
    ],
)
def test_quotes_are_ranked_and_the_first_recipient_wins_a_tie(how, ranked):
    assert selection.top(ANSWERS, Selection(how, 10)) == ranked


def test_the_median_of_an_even_number_is_the_lower_one_of_the_middle():
    answers = [quote("a", "40"), quote("b", "10"), quote("c", "30"), quote("d", "20")]

    assert selection.top(answers, Selection("median", 4)) == ["d", "b", "c", "a"]


def test_no_more_are_named_than_asked_for():
    assert selection.top(ANSWERS, Selection("lowest", 2)) == ["avis", "hertz"]


def test_without_a_quote_nobody_is_the_best():
    assert selection.top([contract.declined("alamo", "no")], Selection("lowest", 3)) == []


def test_the_users_own_code_is_not_asked_before_the_request_closes():
    assert selection.top(ANSWERS, Selection("handlers.rankings.nearest", 3)) == []


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=8), st.sampled_from(["lowest", "highest"]))
def test_nobody_beats_the_best(amounts, how):
    answers = [quote(f"r{index}", str(amount)) for index, amount in enumerate(amounts)]

    [best] = selection.top(answers, Selection(how, 1))

    assert best == f"r{amounts.index((min if how == 'lowest' else max)(amounts))}"


@given(st.lists(st.integers(0, 20), max_size=8), st.sampled_from(sorted(selection.RANKINGS)), st.integers(1, 9))
def test_a_longer_list_begins_with_the_shorter_one(amounts, how, top_k):
    answers = [quote(f"r{index}", str(amount), index) for index, amount in enumerate(amounts)]

    everybody = selection.top(answers, Selection(how, len(amounts)))

    assert sorted(everybody) == [f"r{index}" for index in range(len(amounts))]
    assert selection.top(answers, Selection(how, top_k)) == everybody[:top_k]
