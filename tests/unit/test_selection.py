"""Which quote is the best."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers import contract, selection


def quote(name, amount, second=0):
    return {"responder": name, "status": "QUOTED", "amount": amount, "respondedAt": f"2026-01-01T00:00:0{second}.000Z"}


ANSWERS = [quote("avis", "100.10", 2), contract.declined("alamo", "no"), quote("hertz", "100.1", 1), quote("sixt", "120", 3)]


@pytest.mark.parametrize(("how", "winner"), [("lowest", "avis"), ("highest", "sixt"), ("first", "hertz")])
def test_the_best_is_chosen_and_the_first_recipient_wins_a_tie(how, winner):
    best = selection.best(ANSWERS, how)

    assert best is not None
    assert best["responder"] == winner


def test_without_a_quote_there_is_no_best():
    assert selection.best([contract.declined("alamo", "no")], "lowest") is None


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=8), st.sampled_from(["lowest", "highest"]))
def test_nobody_beats_the_best(amounts, how):
    answers = [quote(f"r{index}", str(amount)) for index, amount in enumerate(amounts)]

    best = selection.best(answers, how)

    assert best is not None
    assert int(best["amount"]) == (min if how == "lowest" else max)(amounts)
    assert best["responder"] == f"r{amounts.index(int(best['amount']))}"
