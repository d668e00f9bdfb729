"""The emulator's door: an ASGI application in front of MiniStack, which by itself answers whoever asks and runs whatever code it is given.

A request passes when all of this holds; else it is refused with 403 before MiniStack sees it, and with no CORS header:

1. its Host is `127.0.0.1:PORT` or `localhost:PORT`: a name that was rebound to this machine is neither;
2. its Origin, where it has one, is that Host's: a page of another site, a sandboxed frame and a file are none of it;
3. its Sec-Fetch-Site, where it has one, is `same-origin` or `none`: browsers send no Origin with images and the like;
4. it has the session token of this start, or is for an API (`/_aws/execute-api/API/STAGE/…`), which has an authorization of its own.

The token is made anew for each start and is where all of AWS's tools look for one, in AWS_SESSION_TOKEN: SDKs and CLI send it
unasked, as X-Amz-Security-Token in a header or in the query of a presigned URL. So do the functions that MiniStack runs, which
get it from there. The access key stays what it is to MiniStack, the account's number. What AssumeRole issues to somebody who had the
token is as good as the token. A key of an IAM user comes without one and is refused.

This is no defence against other programs of the same user, which can read the token where it is kept.
"""

import hmac
import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

API = re.compile(r"/_aws/execute-api/[^/]+/")
OWN_SITE = {"same-origin", "none"}
TOKEN = "x-amz-security-token"
CODE = "UnrecognizedClientException"
FORM = "application/x-www-form-urlencoded"
NO_TOKEN = "the emulator takes requests with the session token of its start only: python -m local status --env"


class Door:
    """application: what is behind it. session_token: of this start. port: where it listens. issued: the tokens of sessions that were
    issued since."""

    def __init__(self, application: Application, session_token: str, port: int, issued: Callable[[], Iterable[str]] = tuple) -> None:
        if not session_token:
            raise ValueError("the emulator's door needs a session token (AWS_SESSION_TOKEN)")
        self._application = application
        self._session_token = session_token
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self._issued = issued

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reason = self._refusal(scope) if scope["type"] in ("http", "websocket") else None
        if reason is None:
            await self._application(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            await _refuse(send, reason, in_xml=_takes_xml(_headers(scope)))

    def _refusal(self, scope: Scope) -> str | None:
        """Why the request doesn't pass; None where it does."""
        headers = _headers(scope)
        hosts = headers.get("host", [])
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return "the emulator is at 127.0.0.1, and at no other name"
        scheme = {"ws": "http", "wss": "https"}.get(scope["scheme"], scope["scheme"])
        if any(origin.lower() != f"{scheme}://{hosts[0].lower()}" for origin in headers.get("origin", [])):
            return "the emulator takes no requests from pages of another origin"
        if not OWN_SITE.issuperset(headers.get("sec-fetch-site", [])):
            return "the emulator takes no requests from pages of another site"
        if API.match(scope["path"]) or self._is_known(headers, scope["query_string"]):
            return None
        return NO_TOKEN

    def _is_known(self, headers: Mapping[str, list[str]], query: bytes) -> bool:
        sent = headers.get(TOKEN) or [value for name, value in parse_qsl(query.decode("latin-1")) if name.lower() == TOKEN]
        return len(sent) == 1 and any(
            hmac.compare_digest(sent[0].encode(), token.encode()) for token in (self._session_token, *self._issued())
        )


def _headers(scope: Scope) -> dict[str, list[str]]:
    headers: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return headers


async def _refuse(send: Send, reason: str, *, in_xml: bool) -> None:
    """As an error of AWS's, so that its SDKs show the reason."""
    if in_xml:
        kind, body = "text/xml", f"<ErrorResponse><Error><Code>{CODE}</Code><Message>{reason}</Message></Error></ErrorResponse>"
    else:
        kind, body = "application/json", json.dumps({"__type": CODE, "message": reason})
    headers = {"content-type": kind, "content-length": str(len(body)), "x-amzn-errortype": CODE, "x-content-type-options": "nosniff"}
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": 403, "headers": encoded})
    await send({"type": "http.response.body", "body": body.encode()})


def _takes_xml(headers: Mapping[str, list[str]]) -> bool:
    """Whether the SDK that signed this expects it: S3's, and those that send forms."""
    first = {name: values[0] for name, values in headers.items()}
    return "/s3/aws4_request" in first.get("authorization", "") or first.get("content-type", "").startswith(FORM)
