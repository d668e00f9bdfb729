"""A responder's secrets: read when they are asked for, kept for a while, shown nowhere."""

import json

import pytest

from handlers import contract
from handlers.secret_values import KEPT_SECONDS, SHORTEST_CLEARED, SecretValues


class Service:
    """What has the values; each reading is a call."""

    def __init__(self, **values):
        self.values, self.calls, self.now = values, 0, 0.0

    def read(self, id_):
        self.calls += 1
        return self.values[id_]

    def secrets(self, **ids):
        return SecretValues(ids, self.read, lambda: self.now)


def test_a_value_is_read_when_it_is_first_asked_for():
    service = Service(partner="sesame")
    secrets = service.secrets(apiKey="partner")

    assert service.calls == 0
    assert [secrets["apiKey"], secrets["apiKey"]] == ["sesame", "sesame"]
    assert service.calls == 1


def test_a_value_that_was_rotated_is_in_use_after_a_while():
    service = Service(partner="sesame")
    secrets = service.secrets(apiKey="partner")
    assert secrets["apiKey"] == "sesame"

    service.values["partner"], service.now = "rotated", KEPT_SECONDS - 1
    assert secrets["apiKey"] == "sesame"
    service.now = KEPT_SECONDS
    assert secrets["apiKey"] == "rotated"


def test_a_name_that_is_not_configured_is_a_key_error():
    with pytest.raises(KeyError, match="pin"):
        Service().secrets(apiKey="partner")["pin"]


def test_a_text_is_cleared_of_what_was_read_of_rotated_values_too():
    service = Service(partner='open "sesame"')
    secrets = service.secrets(apiKey="partner")
    _ = secrets["apiKey"]
    service.values["partner"], service.now = "rotated", KEPT_SECONDS
    _ = secrets["apiKey"]

    said = f'old {service.values["partner"]}, new open "sesame", as JSON {json.dumps("open " + json.dumps("sesame"))}'
    assert secrets.cleared(said) == 'old ***, new ***, as JSON "***"'


def test_a_value_that_was_never_read_or_is_short_clears_nothing():
    service = Service(partner="sesame", pin="12")
    secrets = service.secrets(apiKey="partner", pin="pin")
    _ = secrets["pin"]

    assert secrets.cleared("sesame 12") == "sesame 12"


@pytest.mark.parametrize("kept", range(12))
def test_a_message_that_is_cut_within_a_value_has_no_beginning_of_it(kept):
    secrets = Service(partner="sesame-open").secrets(apiKey="partner")
    long = "x" * (contract.MAX_MESSAGE_BYTES - kept)

    answer = secrets.kept_from(lambda: contract.unsuccessful("acme", "FAILED", "RuntimeError", long + secrets["apiKey"]))

    left = answer["error"]["message"].removeprefix(long)
    assert left == ("sesame-open"[:kept] if kept < SHORTEST_CLEARED else "***")


def test_it_is_shown_by_its_names_alone():
    service = Service(partner="sesame")
    secrets = service.secrets(apiKey="partner")
    _ = secrets["apiKey"]

    assert repr(secrets) == "SecretValues(apiKey)"
