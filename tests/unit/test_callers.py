"""Whose a request is: owners by claim, role or account, and readers of all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers import contract
from handlers.callers import Caller, Ownership, Unidentified, principal_of, scopes, stored_id

ACCOUNT = "111122223333"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/shop"


def token(**claims):
    return {"jwt": {"claims": claims, "scopes": None}}


def signed(arn, account=ACCOUNT):
    return {"iam": {"userArn": arn, "accountId": account}}


def session(role, name, account=ACCOUNT):
    return signed(f"arn:aws:sts::{account}:assumed-role/{role}/{name}", account)


ids = st.from_regex(contract.REQUEST_ID, fullmatch=True)


@given(st.tuples(st.text(min_size=1), ids), st.tuples(st.text(min_size=1), ids))
def test_two_requests_share_a_record_only_where_owner_and_id_are_the_same(one, other):
    assert (stored_id(*one) == stored_id(*other)) == (one == other)
    assert contract.REQUEST_ID.fullmatch(stored_id(*one))


def test_without_owners_an_id_is_stored_as_it_is():
    assert Ownership().caller(token(sub="alice")) == Caller()
    assert Caller().stored_id("trip-1") == "trip-1"


def test_a_claim_of_the_token_is_the_owner():
    assert Ownership(claim="sub").caller(token(sub="alice")) == Caller("alice")
    assert Ownership(claim="tenant").caller(token(sub="alice", tenant="acme")) == Caller("acme")


@pytest.mark.parametrize("claims", [{}, {"sub": ""}, {"client_id": "alice"}])
def test_a_token_without_the_claim_is_nobodys(claims):
    with pytest.raises(Unidentified, match="the token has no claim sub"):
        Ownership(claim="sub").caller(token(**claims))


@pytest.mark.parametrize("claims", [{"scope": "quotes.send quotes.audit"}, {"scp": "[quotes.send quotes.audit]"}, {"scp": "quotes.audit"}])
def test_one_scope_among_others_makes_a_reader(claims):
    assert Ownership(claim="sub", readers=["quotes.audit"]).caller(token(sub="alice", **claims)) == Caller("alice", True)


@pytest.mark.parametrize("claims", [{}, {"scope": "quotes.send"}, {"scope": "quotes.audit.not"}, {"readers": "quotes.audit"}])
def test_nothing_else_makes_a_reader(claims):
    assert not Ownership(claim="sub", readers=["quotes.audit"]).caller(token(sub="alice", **claims)).reads_all


def test_a_list_of_scopes_arrives_as_a_text_in_brackets():
    assert scopes({"scope": "a b", "scp": "[c d]"}) == ["a", "b", "c", "d"]


def test_all_sessions_of_a_role_are_one_owner():
    ownership = Ownership(by="ROLE")

    assert ownership.caller(session("shop", "one")) == ownership.caller(session("shop", "two")) == Caller(ROLE)
    assert ownership.caller(session("shop", "one", "999922223333")).owner != ROLE
    assert ownership.caller(signed(f"arn:aws:iam::{ACCOUNT}:user/eve")).owner == f"arn:aws:iam::{ACCOUNT}:user/eve"


def test_an_account_is_one_owner_for_all_of_its_roles():
    ownership = Ownership(by="ACCOUNT")

    assert ownership.caller(session("shop", "one")) == ownership.caller(session("other", "one")) == Caller(ACCOUNT)


@pytest.mark.parametrize("by", ["ROLE", "ACCOUNT"])
def test_a_role_that_is_named_reads_all(by):
    ownership = Ownership(by=by, readers=[f"arn:aws:iam::{ACCOUNT}:role/teams/audit"])

    assert ownership.caller(session("audit", "eve")).reads_all
    assert not ownership.caller(session("shop", "eve")).reads_all
    assert not ownership.caller(session("audit", "eve", "999922223333")).reads_all


def test_a_call_that_nobody_signed_is_nobodys():
    with pytest.raises(Unidentified, match="not signed"):
        Ownership(by="ROLE").caller({})


@pytest.mark.parametrize(
    ("arn", "principal"),
    [
        ("arn:aws-us-gov:sts::111122223333:assumed-role/shop/i-0abc", "arn:aws-us-gov:iam::111122223333:role/shop"),
        ("arn:aws:iam::111122223333:role/a/b/shop", "arn:aws:iam::111122223333:role/shop"),
        ("arn:aws:iam::111122223333:root", "arn:aws:iam::111122223333:root"),
        ("arn:aws:sts::111122223333:federated-user/eve", "arn:aws:sts::111122223333:federated-user/eve"),
    ],
)
def test_a_session_is_its_role(arn, principal):
    assert principal_of(arn) == principal
