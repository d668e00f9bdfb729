"""The ride scenario: chance that repeats."""

import pytest

from handlers.quotes import ride
from handlers.quoting import Decline, Quote, QuoteRequest

DRIVERS = [f"driver-{number}" for number in range(1, 11)]


def offers(seed, **settings):
    def offer(driver):
        data = {"from": "Frankfurt", "to": "Las Vegas", "seed": seed}
        try:
            return ride.quote(QuoteRequest("r1", "", data, driver, {"longestDelaySeconds": 0, **settings}, None))
        except ride.NoSignal as failure:
            return str(failure)

    return [offer(driver) for driver in DRIVERS]


def test_the_same_seed_gives_the_same_run():
    assert offers(7) == offers(7)
    assert offers(7) != offers(8)


def test_some_drivers_decline_and_some_fail():
    kinds = {type(offer) for seed in range(20) for offer in offers(seed)}

    assert kinds == {Quote, Decline, str}


@pytest.mark.parametrize("data", [{}, {"from": "Frankfurt"}, {"from": "", "to": "Las Vegas"}, {"from": 1, "to": 2}])
def test_a_ride_needs_two_places(data):
    offer = ride.quote(QuoteRequest("r1", "", data, "driver-1", {}, None))

    assert isinstance(offer, Decline)
