"""The function around the user's own selection: what it hands on, and what it makes of code that misbehaves."""

import importlib

import pytest

from handlers.rankings import nearest
from tests.results import said

QUOTES = [{"responder": "avis"}, {"responder": "alamo"}, {"responder": "hertz"}]


@pytest.fixture
def select(monkeypatch):
    """The outcome for QUOTES (or others) of a rank function."""
    monkeypatch.setenv("RANK_MODULE", "handlers.rankings.nearest")
    monkeypatch.setenv("TOP_K", "2")
    selector = importlib.import_module("handlers.selector")

    def outcome(rank, quotes=QUOTES):
        monkeypatch.setattr(selector, "rank", rank)
        return selector.handler({"quotes": quotes}, None)

    return outcome


def test_the_best_of_the_ranking_are_named(select):
    assert select(lambda quotes: ["hertz", "avis", "alamo"]) == {"top": ["hertz", "avis"]}


def test_nobody_needs_to_be_good_enough(select):
    assert select(lambda quotes: []) == {"top": []}


def test_without_quotes_the_code_is_not_asked(select):
    assert select(lambda quotes: 1 / 0, quotes=[]) == {"top": []}


@pytest.mark.parametrize(
    ("ranked", "message"),
    [
        (["zipcar"], 'rank must return a list of responders that quoted (avis, alamo, hertz), not ["zipcar"]'),
        ("avis", 'rank must return a list of responders that quoted (avis, alamo, hertz), not "avis"'),
        (None, "rank must return a list of responders that quoted (avis, alamo, hertz), not null"),
        (["avis", "avis"], 'rank must name each responder once, not ["avis", "avis"]'),
    ],
)
def test_what_is_no_ranking_is_told(select, ranked, message):
    assert select(lambda quotes: ranked) == {"error": {"type": "InvalidRanking", "message": message}}


def test_reasons_are_kept_of_those_who_quoted_as_far_as_there_is_room(select):
    reasons = {"avis": "near", "zipcar": "who?", "hertz": "é" * 9_000}

    assert select(lambda quotes: {"ranked": ["hertz", "avis"], "reasons": reasons}) == {
        "top": ["hertz", "avis"],
        "reasons": {"avis": "near", "hertz": "é" * 2_500},
    }


def test_what_the_code_raises_is_told(select):
    assert said(select(lambda quotes: quotes[0]["seats"])["error"]) == ("KeyError", "'seats'")


def test_the_nearest_ride_is_the_best_and_the_cheaper_of_two():
    def ride(name, amount, **details):
        return {"responder": name, "amount": amount, "details": details}

    quotes = [ride("a", "9", pickupMinutes=4), ride("b", "30", pickupMinutes=2), ride("c", "20", pickupMinutes=2), ride("d", "1")]

    assert nearest.rank(quotes) == ["c", "b", "a"]
