"""The sample responders, and what the adapter makes of anybody's code."""

import time
from decimal import Decimal

import pytest

from handlers import quoting
from handlers.quotes import car_rental, flight
from handlers.quoting import Decline, Quote, QuoteRequest, TransientError


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
    assert offer.reason.startswith("days_rental must be")


def test_a_flight_costs_the_same_whenever_it_is_asked_again():
    trip = {"from": "LHR", "to": "JFK", "date": "2027-01-01"}

    assert flight.quote(request(trip)) == flight.quote(request(trip))
    assert flight.quote(request(trip)) != flight.quote(request(trip, responder="alamo"))


@pytest.mark.parametrize("trip", [{}, {"from": "LHR"}, {"from": "LHR", "to": "LHR"}, {"from": "London", "to": "JFK"},
                                  {"from": "LHR", "to": "JFK", "passengers": 0}])
def test_a_trip_that_makes_no_sense_is_declined(trip):
    assert isinstance(flight.quote(request(trip)), Decline)


def ask(quote):
    return quoting.ask(quote, request({}), "USD")


def test_a_bare_amount_is_a_quote():
    assert ask(lambda _: Decimal("99.50")) == {
        "responder": "avis", "status": "QUOTED", "amount": "99.50", "currency": "USD", "details": {}}


def test_an_exception_is_a_failure_with_its_type_and_message():
    def quote(_):
        raise ConnectionError("no route to host")

    assert ask(quote)["error"] == {"type": "ConnectionError", "message": "no route to host"}


def test_a_transient_error_is_left_to_the_carrier():
    def quote(_):
        raise TransientError("busy")

    with pytest.raises(TransientError):
        ask(quote)


@pytest.mark.parametrize("wrong", [{"details": None}, {"details": [1]}, {"details": {"x": {1}}}, {"reason": 5}])
def test_an_offer_that_is_none_is_a_failure_too(wrong):
    assert ask(lambda _: Decline(**wrong) if "reason" in wrong else Quote(1, **wrong))["status"] == "FAILED"


@pytest.mark.parametrize(("value", "reason"), [
    (10**50 + 1, "more than 38 digits"), ("\udcff", "half of a surrogate pair"), (float("nan"), "out of range"),
    ({"": 1}, "a key is empty")])
def test_details_that_the_store_would_refuse_are_left_out_and_the_quote_stays(value, reason):
    answer = ask(lambda _: Quote(1, details={"x": value}))

    assert answer["amount"] == "1"
    assert reason in answer["details"]["omitted"]


def test_a_float_is_refused_as_money():
    assert ask(lambda _: 99.5)["error"]["message"].endswith("not a float")


@pytest.fixture
def responder(request, monkeypatch):
    """The adapter, loaded with a responder that takes as long as the request says."""
    import importlib
    import sys
    import types

    module = types.ModuleType("slow_quotes")
    module.quote = lambda request: time.sleep(request.data["seconds"]) or Quote(1)  # ty: ignore[missing-attribute]
    monkeypatch.setitem(sys.modules, "slow_quotes", module)
    for name, value in {"RESPONDER": "slow", "QUOTE_MODULE": "slow_quotes", "SETTINGS": "{}", "CURRENCY": "USD",
                        "TIMEOUT_SECONDS": getattr(request, "param", "0.2"), "RETRIES": "2"}.items():
        monkeypatch.setenv(name, value)
    sys.modules.pop("handlers.responder", None)
    yield importlib.import_module("handlers.responder")
    sys.modules.pop("handlers.responder", None)


def test_a_responder_that_takes_too_long_is_stopped_and_answers_for_itself(responder):
    answer = responder.handler({"requestId": "r1", "data": {"seconds": 60}}, None)

    assert answer["status"] == "TIMED_OUT"
    assert answer["error"]["message"] == "no answer within 0.2 seconds"


def test_work_whose_deadline_is_past_is_not_begun(responder):
    answer = responder.handler({"requestId": "r1", "data": {"seconds": 5}, "deadlineAt": "2020-01-01T00:00:00.000Z"}, None)

    assert answer["status"] == "TIMED_OUT"
    assert answer["error"]["message"] == "no answer before the deadline"


@pytest.mark.parametrize("responder", ["20"], indirect=True)
def test_a_quick_responder_is_not_bothered(responder):
    assert responder.handler({"requestId": "r1", "data": {"seconds": 0}}, None)["status"] == "QUOTED"
