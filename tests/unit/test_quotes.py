"""The sample responders, and what the adapter makes of anybody's code."""

import re
import sys
import time
import types
from datetime import date
from decimal import Decimal

import pytest

from handlers import clock, contract, quoting
from handlers.quotes import car_rental, flight
from handlers.quoting import Decline, Quote, QuoteRequest, TransientError
from local.emulator import Emulator
from tests.in_process import loaded
from tests.results import said

NOBODY = Emulator("http://127.0.0.1:9")
"""Nothing listens there."""


def request(data, responder="avis", **settings):
    return QuoteRequest("r1", "", data, responder, settings, None)


@pytest.mark.parametrize(("rate", "amount"), [("99", "2970"), ("120", "3600"), (105.5, "3165.0")])
def test_car_rental_is_the_rate_times_the_days(rate, amount):
    offer = car_rental.quote(request({"car_type": "L", "days_rental": 30}, rate=rate))

    assert isinstance(offer, Quote)
    assert offer.amount == Decimal(amount)


@pytest.mark.parametrize("days", [-5, 0, 0.9, 366, "30", None, True, [30]])
def test_days_that_are_no_rental_are_declined_with_a_reason(days):
    offer = car_rental.quote(request({"days_rental": days}, rate="99"))

    assert isinstance(offer, Decline)
    assert (offer.reason or "").startswith("days_rental must be")


def test_a_flight_costs_the_same_whenever_it_is_asked_again():
    trip = {"from": "LHR", "to": "JFK", "date": "2027-01-01"}

    assert flight.quote(request(trip)) == flight.quote(request(trip))
    assert flight.quote(request(trip)) != flight.quote(request(trip, responder="alamo"))


@pytest.mark.parametrize(
    "trip",
    [{}, {"from": "LHR"}, {"from": "LHR", "to": "LHR"}, {"from": "London", "to": "JFK"}, {"from": "LHR", "to": "JFK", "passengers": 0}],
)
def test_a_trip_that_makes_no_sense_is_declined(trip):
    assert isinstance(flight.quote(request(trip)), Decline)


def ask(quote):
    return quoting.ask(lambda: quote, request({}), "USD", details_limit=10_000)


def test_a_bare_amount_is_a_quote():
    assert ask(lambda _: Decimal("99.50")) == {"responder": "avis", "status": "QUOTED", "amount": "99.50", "currency": "USD", "details": {}}


def test_an_exception_is_a_failure_with_its_type_and_message():
    def quote(_):
        raise ConnectionError("no route to host")

    error = ask(quote)["error"]

    assert said(error) == ("ConnectionError", "no route to host")
    assert re.fullmatch(r"tests/unit/test_quotes\.py:\d+", error["at"])


def test_a_transient_error_is_left_to_the_carrier():
    def quote(_):
        raise TransientError("busy")

    with pytest.raises(TransientError):
        ask(quote)


class Unreadable(Exception):
    def __str__(self):
        raise KeyError("message")


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (KeyError("days"), "KeyError", "'days'"),
        (SystemExit(3), "SystemExit", "3"),
        (KeyboardInterrupt(), "KeyboardInterrupt", ""),
        (Unreadable(), "Unreadable", "its message cannot be read: KeyError"),
        (ValueError("prix élevé\nline two"), "ValueError", "prix élevé\nline two"),
        (RuntimeError('"\\' * 15_000), "RuntimeError", '"\\' * 250),
    ],
)
def test_whatever_the_code_raises_is_its_own_failure(error, kind, message):
    def quote(_):
        raise error

    assert said(ask(quote)["error"]) == (kind, message)


def test_a_module_that_cannot_be_imported_is_a_failure_that_says_so():
    def load():
        raise KeyError("API_KEY")

    answer = quoting.ask(load, request({}), "USD", details_limit=10_000)

    assert (answer["status"], *said(answer["error"])) == ("FAILED", "KeyError", "'API_KEY'")


@pytest.mark.parametrize(("given", "reason"), [("sold out", "sold out"), (None, "no reason given"), (404, "404")])
def test_a_decline_is_an_answer_whatever_its_reason_is(given, reason):
    assert ask(lambda _: Decline(given)) == contract.declined("avis", reason)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"details": [1]}, "details must be an object, not a list"),
        ({"currency": "EUR"}, "currency must be USD"),
        ({"amount": None}, "amount must be"),
    ],
)
def test_an_offer_that_breaks_the_contract_is_a_failure(wrong, message):
    assert message in ask(lambda _: Quote(wrong.pop("amount", 1), **wrong))["error"]["message"]


def test_details_that_are_none_are_none():
    assert ask(lambda _: Quote(1, details=None))["details"] == {}


def test_decimals_of_details_are_exact_numbers():
    assert ask(lambda _: Quote(1, details={"a": Decimal("0.10"), "b": [Decimal(3)], "c": (1, 2)}))["details"] == {
        "a": 0.1,
        "b": [3],
        "c": [1, 2],
    }


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (10**50 + 1, "more than 15 significant digits"),
        (Decimal("12345678901234567.89"), "more than 15 significant digits"),
        ("\udcff", "half of a surrogate pair"),
        (float("nan"), "out of range"),
        ({"": 1}, "a key is empty"),
        ({1}, "set is not JSON"),
        (date(2027, 1, 1), "date is not JSON"),
        ({(1, 2): 3}, "keys must be"),
    ],
)
def test_details_that_the_store_would_refuse_are_left_out_and_the_quote_stays(value, reason):
    answer = ask(lambda _: Quote(1, details={"x": value}))

    assert answer["amount"] == "1"
    assert reason in answer["details"]["omitted"]


def test_a_float_is_refused_as_money():
    assert ask(lambda _: 99.5)["error"]["message"].endswith("not a float")


@pytest.fixture
def responder(request, monkeypatch):
    """The adapter, loaded with a responder that takes as long as the request says."""
    module = types.ModuleType("slow_quotes")
    module.quote = lambda request: time.sleep(request.data["seconds"]) or Quote(1)  # ty: ignore[missing-attribute]
    monkeypatch.setitem(sys.modules, "slow_quotes", module)
    environment = {
        "RESPONDER": "slow",
        "QUOTE_MODULE": "slow_quotes",
        "SETTINGS": "{}",
        "CURRENCY": "USD",
        "TIMEOUT_SECONDS": getattr(request, "param", "0.2"),
        "RETRIES": "2",
    }
    with loaded("handlers.responder", environment, NOBODY, "000000000000") as adapter:
        yield adapter


def answer_of(responder, seconds, deadline_at=None, **more):
    question = {
        "requestId": "r1",
        "description": "",
        "data": {"seconds": seconds},
        "recipients": ["slow"],
        "deadlineAt": deadline_at or clock.later(clock.now(), 60),
        **more,
    }
    return responder.handler({"question": question, "retryCount": 0}, None)


def test_a_responder_that_takes_too_long_is_stopped_and_answers_for_itself(responder):
    answer = answer_of(responder, 60)["answer"]

    assert answer["status"] == "TIMED_OUT"
    assert answer["error"]["message"] == "no answer within 0.2 seconds"


def test_work_whose_deadline_is_past_is_not_begun(responder):
    answer = answer_of(responder, 5, "2020-01-01T00:00:00.000Z")["answer"]

    assert answer["status"] == "TIMED_OUT"
    assert answer["error"]["message"] == "no answer before the deadline"


@pytest.mark.parametrize("responder", ["20"], indirect=True)
def test_a_quick_responder_is_not_bothered(responder):
    assert answer_of(responder, 0)["answer"]["status"] == "QUOTED"


def test_a_question_for_others_is_not_answered(responder):
    assert answer_of(responder, 60, recipients=["avis"]) == {"requestId": "r1", "responder": "slow", "asked": False}


@pytest.mark.parametrize("responder", ["20"], indirect=True)
def test_an_answer_that_may_close_the_request_is_handed_over_at_once(responder, monkeypatch):
    sent = []
    monkeypatch.setattr(responder.queue, "hand_over", lambda question, answer: sent.append((question["replyTo"], answer)))

    returned = answer_of(responder, 0, replyTo="https://sqs/responses")

    assert sent == [("https://sqs/responses", returned["answer"])]


@pytest.mark.parametrize("responder", ["20"], indirect=True)
def test_an_answer_that_cannot_be_handed_over_is_returned_all_the_same(responder):
    """Nothing listens at the responder's endpoint."""
    assert answer_of(responder, 0, replyTo="https://sqs/responses")["answer"]["status"] == "QUOTED"
