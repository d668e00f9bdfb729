"""The claims on DynamoDB's own conditions: one claim at a time, done once, never lost."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from handlers.item_claims import LEASE_MARGIN_SECONDS, ItemClaims, ItemInProgress

OUTCOME = {"index": 0, "status": "SUCCEEDED", "result": {"n": 1}}


@pytest.fixture
def dynamodb(clients):
    client = clients("dynamodb")
    client.create_table(
        TableName="claims",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )
    return client


@pytest.fixture
def claims(dynamodb):
    return ItemClaims(dynamodb, "claims", 3600)


def soon(seconds=60.0):
    return int((time.time() + seconds) * 1000)


def test_a_completed_item_has_its_outcome_for_whoever_asks(claims):
    assert claims.claim("run#0", "first", soon()) is None
    claims.complete("run#0", "first", OUTCOME)

    assert claims.claim("run#0", "second", soon()) == OUTCOME


class LosesReplies:
    """A client that does each write twice, as one does that never got the first reply."""

    def __init__(self, client):
        self._client = client

    def __getattr__(self, name):
        def twice(**arguments):
            getattr(self._client, name)(**arguments)
            return getattr(self._client, name)(**arguments)

        return twice


def test_a_write_that_is_repeated_because_its_reply_was_lost_is_our_own(dynamodb):
    claims = ItemClaims(LosesReplies(dynamodb), "claims", 3600)

    assert claims.claim("run#0", "first", soon()) is None
    claims.complete("run#0", "first", OUTCOME)
    assert ItemClaims(dynamodb, "claims", 3600).claim("run#0", "second", soon()) == OUTCOME


def test_while_one_works_on_it_nobody_else_gets_it(claims):
    claims.claim("run#0", "first", soon())

    with pytest.raises(ItemInProgress):
        claims.claim("run#0", "second", soon())
    assert claims.claim("run#1", "second", soon()) is None


def test_the_claim_of_a_call_that_broke_passes_on(claims):
    claims.claim("run#0", "broken", soon(-LEASE_MARGIN_SECONDS))

    assert claims.claim("run#0", "second", soon()) is None
    with pytest.raises(Exception, match="ConditionalCheckFailed"):
        claims.complete("run#0", "broken", OUTCOME)
    claims.release("run#0", "broken")  # of no effect
    claims.complete("run#0", "second", OUTCOME)
    assert claims.claim("run#0", "third", soon()) == OUTCOME


def test_a_claim_does_not_pass_on_before_the_clocks_of_both_agree_that_its_call_has_ended(claims):
    claims.claim("run#0", "first", soon(0.5 - LEASE_MARGIN_SECONDS))

    with pytest.raises(ItemInProgress):
        claims.claim("run#0", "second", soon())


def test_what_is_given_back_can_be_claimed_at_once(claims):
    claims.claim("run#0", "first", soon())
    claims.release("run#0", "first")

    assert claims.claim("run#0", "second", soon()) is None


def test_of_twenty_at_once_one_gets_it(claims):
    def claim(owner):
        try:
            return claims.claim("run#0", str(owner), soon()) is None
        except ItemInProgress:
            return False

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(claim, range(20))) == 1


def test_a_record_expires(claims, dynamodb):
    claims.claim("run#0", "first", soon())

    [record] = dynamodb.scan(TableName="claims")["Items"]
    assert 3500 < int(record["expiresAt"]["N"]) - time.time() < 3700
