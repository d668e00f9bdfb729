"""Who asks the responders of a request, and when its deadline is set: `handlers.opening` and the sns_requester's own part."""

import datetime

import pytest

from handlers import clock, contract, opening
from handlers.completion import Policy
from tests.simulation.build import Build

BODY = {"requestId": "r1", "data": {"days": 3}}
RULES = opening.Rules(known=["avis"], policy=Policy(60), retention_seconds=60)


class Store:
    """Has this record already, or none."""

    def __init__(self, kept=None):
        self.kept = kept

    def create(self, record, now):
        return (record, True) if self.kept is None else (self.kept, False)


def opened(store, now=None, *, by="me", publish_seconds=3, body=BODY):
    deadlines = []
    found = opening.open_request(
        store,
        lambda record, seconds: deadlines.append(seconds),
        RULES,
        body,
        variant="sns",
        own_id="r1",
        opened_by=by,
        now=now or clock.now(),
        gathered_at_the_end=False,
        publish_seconds=publish_seconds,
    )
    return found, deadlines


def test_the_deadline_is_set_once():
    assert len(opened(Store())[1]) == 1


def test_a_deadline_that_passed_before_there_was_a_record_is_set_once_more():
    assert len(opened(Store(), clock.later(clock.now(), -100))[1]) == 2


@pytest.mark.parametrize("is_published", [False, True])
def test_an_opener_that_comes_again_asks_unless_it_has_asked(is_published):
    kept, _ = opened(Store())
    record = {name: value for name, value in kept.record.items() if not (is_published and name == "publishBy")}

    again, _ = opened(Store(record))

    assert again.is_new == (not is_published)


def test_a_request_whose_record_took_too_long_is_not_published(monkeypatch):
    build = Build()
    build.modules["clock"].datetime = datetime.datetime
    monkeypatch.setattr(build.sns_requester, "sns", None)
    kept, _ = opened(Store(), clock.later(clock.now(), -10))

    with pytest.raises(build.sns_requester.NotPublished):
        build.sns_requester._publish(kept.record)


OWNED = {"owner": "a" * 64, "knownAs": "trip-1"}


def test_the_record_says_whose_the_request_is_and_the_request_does_not():
    found, _ = opened(Store(), body={**BODY, **OWNED})

    assert OWNED.items() <= found.record.items()
    assert found.record["request"] == {"data": {"days": 3}}


@pytest.mark.parametrize("body", [{**BODY, "owner": "a"}, {**BODY, "owner": 1, "knownAs": "a"}, {**BODY, "owner": "a b", "knownAs": "a"}])
def test_what_only_looks_like_an_owner_is_an_unknown_key(body):
    with pytest.raises(contract.InvalidRequest, match='unknown key "owner"'):
        opened(Store(), body=body)
