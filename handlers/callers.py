"""Who calls the API, and who owns a request. Pure: the event of an HTTP API (payload format 2.0) says who was authorized.

JWT       the owner of a request is a claim of the token that it was sent with
AWS_IAM   its owner is the role (or user) or the account that signed it, if the stack keeps them apart
otherwise a request has no owner, and everybody who may call the API may read it

An owner's request is stored under a digest of the owner and of the id that the owner uses. So the ids of two owners never collide, and no
owner can name another owner's request. A reader, named in the configuration, may read every request.

For an owner's history, a record has `owner`, a digest, and `knownAs`, the owner's id. The API adds both to what it hands to a carrier.
"""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

SCOPE_CLAIMS = ("scope", "scp")
SESSION = re.compile(r"arn:(?P<partition>[^:]+):sts::(?P<account>\d+):assumed-role/(?P<name>[^/]+)/.+")
ROLE = re.compile(r"(?P<account>arn:[^:]+:iam::\d+):role/(?:.*/)?(?P<name>[^/]+)")


class Unidentified(Exception):
    """The API cannot tell who makes the call; the message says what is missing."""


@dataclass(frozen=True)
class Caller:
    """owner: None if requests have no owners. reads_all: whether the caller is a reader."""

    owner: str | None = None
    reads_all: bool = False

    def stored_id(self, request_id: str) -> str:
        """The id of the record that holds this caller's request."""
        return request_id if self.owner is None else stored_id(self.owner, request_id)

    def stored(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """This caller's request in the form in which a carrier opens it."""
        if self.owner is None:
            return dict(request)
        known_as = request["requestId"]
        return {**request, "requestId": self.stored_id(known_as), "owner": digest(self.owner), "knownAs": known_as}


@dataclass(frozen=True)
class Ownership:
    """How the stack tells its callers apart. claim: the claim of a token that names the owner. by: ROLE or ACCOUNT, taken from a
    signature. Without either, callers are not told apart. readers: scopes of tokens, or ARNs of roles and users."""

    claim: str | None = None
    by: str | None = None
    readers: Collection[str] = ()

    def caller(self, authorizer: Mapping[str, Any]) -> Caller:
        """authorizer: the one in the event's requestContext. Raises Unidentified."""
        if self.claim:
            return self._of_token(authorizer.get("jwt", {}).get("claims") or {}, self.claim)
        if self.by:
            return self._of_signature(authorizer.get("iam") or {})
        return Caller()

    def _of_token(self, claims: Mapping[str, Any], claim: str) -> Caller:
        if not claims.get(claim):
            raise Unidentified(f"the token has no claim {claim}, which says whose a request is")
        return Caller(str(claims[claim]), any(scope in self.readers for scope in scopes(claims)))

    def _of_signature(self, iam: Mapping[str, Any]) -> Caller:
        if not iam.get("userArn") or not iam.get("accountId"):
            raise Unidentified("the call is not signed by a role or a user, which says whose a request is")
        principal = principal_of(iam["userArn"])
        owner = principal if self.by == "ROLE" else iam["accountId"]
        return Caller(owner, principal in map(principal_of, self.readers))


def stored_id(owner: str, request_id: str) -> str:
    return hashlib.sha256(json.dumps([owner, request_id]).encode()).hexdigest()


def digest(owner: str) -> str:
    """What a record says of its owner."""
    return hashlib.sha256(owner.encode()).hexdigest()


def scopes(claims: Mapping[str, Any]) -> list[str]:
    """An HTTP API turns a claim that is a list into a text such as "[read write]"."""
    return " ".join(str(claims.get(claim, "")).strip("[]") for claim in SCOPE_CLAIMS).split()


def principal_of(arn: str) -> str:
    """The role that the session belongs to, or else the ARN itself. A session's ARN omits the path of the role, and so does this."""
    session = SESSION.fullmatch(arn)
    if session:
        return "arn:{partition}:iam::{account}:role/{name}".format(**session.groupdict())
    return ROLE.sub(r"\g<account>:role/\g<name>", arn)
