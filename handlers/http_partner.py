"""Asks a partner over HTTP as a responder.

The partner receives {"requestId", "description", "data", "deadlineAt", "attempt"} as JSON, or what its `request` expression makes of that;
with GET they are in the query. Its reply is its answer, see `mapping`. After a status of 429 or 5xx, or a failed connection, it is asked
again, but no sooner than its Retry-After says. Redirects are not followed.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from http.client import HTTPException
from typing import Any
from urllib.parse import urlencode, urlsplit

import urllib3
from urllib3.exceptions import DecodeError, HTTPError, NewConnectionError, SSLError

from handlers import addresses, contract, mapping
from handlers.addresses import AddressRefused
from handlers.mapping import NotMapped, PartnerMapping, Refused
from handlers.quoting import TransientError
from handlers.secret_values import SecretUnavailable, SecretValues

SECRET_PLACE = re.compile(r"\$\{([A-Za-z0-9_-]+)\}")
"""A placeholder in a header for the value of a secret."""

SHOWN_CHARACTERS = 100
"""How much is quoted of a reply that is not JSON."""


class Unusable(Exception):
    """What was sent or came back cannot be used. kind: the type of the answer's error."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class HttpPartner:
    """http: {"method", "headers", "maxBytes", "privateHosts", "hmac"?: {"secret", "header", "prefix", "timestampHeader"?}}."""

    def __init__(
        self,
        responder: str,
        url: str,
        http: Mapping[str, Any],
        currency: str,
        timeout_seconds: float,
        partner_mapping: PartnerMapping,
        secrets: SecretValues,
        resolve: Callable[[str, int], Sequence[str]] = addresses.resolved,
    ) -> None:
        self._responder, self._http, self._currency, self._timeout = responder, http, currency, timeout_seconds
        self._mapping, self._secrets, self._resolve = partner_mapping, secrets, resolve
        self._url = urlsplit(url)
        self._host = self._url.hostname or ""
        self._port = self._url.port or (443 if self._url.scheme == "https" else 80)
        self._pools: dict[str, urllib3.HTTPConnectionPool] = {}

    def ask(self, question: Mapping[str, Any], attempt: int, details_limit: int) -> Callable[[], contract.Json]:
        """The work of one attempt, see `attempt.answer`."""
        payload = {**{key: question[key] for key in ("requestId", "description", "data", "deadlineAt")}, "attempt": attempt}
        return lambda: self._secrets.kept_from(lambda: self._ask(payload, details_limit))

    def _ask(self, payload: contract.Json, details_limit: int) -> contract.Json:
        try:
            reply = self._reply(self._mapping.request(payload))
        except NotMapped as error:
            return contract.unsuccessful(self._responder, "FAILED", "NotMapped", str(error))
        except (Unusable, Refused) as error:
            return contract.unsuccessful(self._responder, "FAILED", error.kind, str(error))
        except (AddressRefused, SecretUnavailable) as error:
            return contract.unsuccessful(self._responder, "FAILED", type(error).__name__, str(error))
        return self._mapping.answer(self._responder, reply, self._currency, details_limit)

    def _reply(self, asked: Any) -> Any:
        """The JSON of a successful reply."""
        target, body = self._url.path or "/", None
        query = [self._url.query] if self._url.query else []
        if self._http["method"] == "GET":
            query.append(urlencode(_parameters(asked), doseq=True))
        else:
            body = json.dumps(asked).encode()
        response = self._sent(target + ("?" + "&".join(query) if query else ""), body, self._headers(body))
        try:
            text = self._text(response)
        finally:
            response.close()
        # Secrets are cleared before the text is cut, because half of a secret would not be recognised.
        text = self._secrets.cleared(text)
        if 300 <= response.status < 400:
            to = self._secrets.cleared(response.headers.get("location", "nowhere"))[:SHOWN_CHARACTERS]
            raise Unusable(f"Http{response.status}", f"it redirects to {to}; redirects are not followed")
        mapping.check_status(response.status, text, response.headers)
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            kind = response.headers.get("content-type", "of no type")[:SHOWN_CHARACTERS]
            raise Unusable("InvalidAnswer", f"its reply ({kind}) is not JSON: {text[:SHOWN_CHARACTERS]!r}") from None

    def _headers(self, body: bytes | None) -> dict[str, str]:
        headers = {"accept": "application/json", "accept-encoding": "gzip", "user-agent": "scatter-gather", "host": self._url.netloc}
        if body is not None:
            headers["content-type"] = "application/json"
        for name, value in self._http["headers"].items():
            headers[name.lower()] = SECRET_PLACE.sub(lambda found: self._secrets[found[1]], value)
        if signing := self._http.get("hmac"):
            headers |= _signature(signing, self._secrets[signing["secret"]], body or b"")
        for name, value in headers.items():
            if not (value.isascii() and value.isprintable()):
                raise Unusable(
                    "InvalidHeader",
                    f"the header {name} has a character that no header may have, such as a line break at the end of its secret",
                )
        return headers

    def _sent(self, target: str, body: bytes | None, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        """The reply; its body is not read yet. Raises TransientError if there is no reply, Unusable or AddressRefused."""
        found = self._resolve(self._host, self._port)
        if self._host not in self._http["privateHosts"]:
            addresses.check_public(self._host, found)
        for place, address in enumerate(found, start=1):
            try:
                return self._pool(address).urlopen(
                    self._http["method"],
                    target,
                    body=body,
                    headers=headers,
                    redirect=False,
                    retries=False,
                    assert_same_host=False,
                    timeout=self._timeout,
                    preload_content=False,
                )
            except NewConnectionError as error:
                if place == len(found):
                    raise TransientError(f"{self._host} cannot be reached: {self._reason(error)}") from None
            except SSLError as error:
                raise Unusable("TlsError", f"{self._host} cannot be trusted: {self._reason(error)}") from None
            except HTTPError as error:
                raise TransientError(f"{self._host} gave no reply: {self._reason(error)}") from None
        raise TransientError(f"{self._host} has no address")

    def _pool(self, address: str) -> urllib3.HTTPConnectionPool:
        """Connects to this address, whatever the name may resolve to meanwhile. The certificate must still be the name's."""
        if address not in self._pools:
            for former in self._pools.values():
                former.close()
            self._pools = {
                address: urllib3.HTTPSConnectionPool(
                    address, self._port, server_hostname=self._host, assert_hostname=self._host, cert_reqs="CERT_REQUIRED"
                )
                if self._url.scheme == "https"
                else urllib3.HTTPConnectionPool(address, self._port)
            }
        return self._pools[address]

    def _text(self, response: urllib3.BaseHTTPResponse) -> str:
        most = self._http["maxBytes"]
        try:
            content = response.read(most + 1, decode_content=True)
        except DecodeError:
            raise Unusable("InvalidAnswer", "its reply cannot be decompressed") from None
        except HTTPError as error:
            raise TransientError(f"{self._host} broke off its reply: {self._reason(error)}") from None
        if len(content) > most:
            raise Unusable("TooLarge", f"its reply takes more than {most} bytes, which is its http.maxBytes")
        named = re.search(r"charset=\"?([^\s\";]+)", response.headers.get("content-type", ""), re.IGNORECASE)
        charset = named[1] if named else "utf-8"
        try:
            return content.decode(charset).removeprefix("\ufeff")
        except (LookupError, UnicodeError):
            raise Unusable(
                "InvalidAnswer", f"its reply is not the {charset[:SHOWN_CHARACTERS]} that it {'says that it is' if named else 'should be'}"
            ) from None

    def _reason(self, error: BaseException) -> str:
        """The message of the connection or protocol in one line, without the representations of Python objects."""
        while not isinstance(error, (OSError, HTTPException)) and (inner := error.__cause__ or error.__context__):
            error = inner
        said = " ".join(str(error).split())
        return self._secrets.cleared(f"{type(error).__name__}: {said}" if said else type(error).__name__)


def _parameters(asked: Any) -> dict[str, Any]:
    """The parameters of a query. Raises NotMapped for a value that a query cannot hold."""
    if not isinstance(asked, dict):
        raise NotMapped(f"request must give an object for a query, not {contract.kind(asked)}")
    parameters = {}
    for name, value in contract.present(asked).items():
        values = value if isinstance(value, list) else [value]
        if any(isinstance(each, (dict, list)) for each in values):
            raise NotMapped(f"request gives {contract.kind(value)} for {name}, which a query cannot have")
        parameters[name] = [each if isinstance(each, str) else json.dumps(each) for each in values]
    return parameters


def _signature(signing: Mapping[str, str], secret: str, body: bytes) -> dict[str, str]:
    """The HMAC-SHA256 of the body in hexadecimal, or of "TIME.BODY" if a header carries the time, in seconds since 1970."""
    times = {}
    if name := signing.get("timestampHeader"):
        times[name] = str(int(datetime.now(UTC).timestamp()))
        body = f"{times[name]}.".encode() + body
    return {signing["header"]: signing["prefix"] + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(), **times}
