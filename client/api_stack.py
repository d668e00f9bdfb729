"""ApiStack: a deployed stack through its HTTP API, for whoever may call that and nothing else."""

import http.client
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from client.api_url import api_url
from client.errors import RequestFailed, UnknownVariant
from client.shapes import Request, StoredResult
from client.stack import ATTEMPTS, READ_SECONDS, Ended, Stack
from handlers import contract
from handlers.contract import InvalidRequest

TOKEN = "SCATTER_GATHER_TOKEN"
"""The environment variable with the token for an API with auth JWT. Without it a call is signed (SigV4, as AWS_IAM wants it) with
the credentials of the usual chain; where there are none either, it goes out as it is, which is enough for auth NONE."""

TAKEN = (200, 202)
REFUSED = (400, 409, 413, 415)
NOT_ALLOWED = (401, 403)
LATER = (429, 500, 502, 503, 504)
FIRST_PAUSE = 0.2
"""Seconds before a call is repeated; each pause is twice the one before."""

READ_ONLY_BY_API = ("recipients", "deadlineAt")
"""What a read of the API has beyond a StoredResult."""


@dataclass(frozen=True)
class ApiStack(Stack):
    """The methods of `Stack` about requests; each raises the same, and UsageError where the stack has no API."""

    def result(self, request_id: str) -> StoredResult | None:
        read = self._read(request_id)
        return cast(StoredResult, {key: value for key, value in read.items() if key not in READ_ONLY_BY_API}) if read else None

    def record(self, request_id: str) -> dict[str, Any] | None:
        """What the API tells of a request: its result and, of the stored record, request, recipients and deadlineAt."""
        return self._read(request_id)

    def _start(self, variant: str, request: Request | Mapping[str, Any], timeout: float, waits: bool = True) -> tuple[str, Ended]:
        identified = self.identified(request)
        request_id = identified["requestId"]
        status, body = self._call("POST", f"/{urllib.parse.quote(variant, safe='')}/requests", identified)
        if status == 404:
            raise UnknownVariant(_reason(body))
        if status in REFUSED:
            raise InvalidRequest(_reason(body))
        if status not in TAKEN:
            raise RequestFailed(f"the API answered {status}: {_reason(body)}")
        return request_id, lambda: self._closed(request_id)

    def _read(self, request_id: str) -> dict[str, Any] | None:
        if not contract.REQUEST_ID.fullmatch(request_id):
            return None
        status, body = self._call("GET", f"/requests/{request_id}")
        if status not in (200, 404):
            raise RequestFailed(f"the API answered {status}: {_reason(body)}")
        return body if status == 200 else None

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> tuple[int, Any]:
        """The status and the body of the answer. What may be better later is tried again; every call can be: a request has an id."""
        url = api_url(self.outputs, self.endpoint) + path
        payload = None if body is None else json.dumps(body).encode()
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(FIRST_PAUSE * 2 ** (attempt - 1))
            sent = urllib.request.Request(url, payload, self._headers(method, url, payload), method=method)
            try:
                status, answer = _exchange(sent)
            except (OSError, http.client.HTTPException) as error:
                if attempt == ATTEMPTS - 1:
                    from botocore.exceptions import EndpointConnectionError

                    # As for everything else that cannot be reached, which has an exit code of its own.
                    raise EndpointConnectionError(endpoint_url=url) from error
                continue
            if status not in LATER:
                break
        if status in NOT_ALLOWED:
            raise RequestFailed(f"the API refused the caller: {_reason(answer)}; sign in (aws sso login), or, with auth JWT, set {TOKEN}")
        if status in LATER:
            raise RequestFailed(f"the API answered {status} {ATTEMPTS} times: {_reason(answer)}")
        return status, answer

    def _headers(self, method: str, url: str, payload: bytes | None) -> dict[str, str]:
        headers = {"content-type": "application/json"} if payload else {}
        token = os.environ.get(TOKEN)
        if token:
            return {**headers, "authorization": f"Bearer {token}"}
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        credentials, region = self._credentials()
        if credentials is None:
            return headers
        signed = AWSRequest(method, url, headers, payload)
        SigV4Auth(credentials, "execute-api", region).add_auth(signed)
        return dict(signed.headers.items())

    def _credentials(self) -> tuple[Any, str | None]:
        """Frozen ones, or None, and the region to sign for."""
        import boto3
        from botocore.credentials import Credentials

        region, account = self._whereabouts()
        if self.endpoint:
            return Credentials(account, "local", self.session_token), region
        session = boto3.Session()
        found = session.get_credentials()
        return found and found.get_frozen_credentials(), region or session.region_name


def _exchange(request: urllib.request.Request) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(request, timeout=READ_SECONDS) as answer:
            return answer.status, _json(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, _json(error.read())


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return {"message": body.decode(errors="replace")[:200]}


def _reason(body: Any) -> str:
    """Of an error of ours, or of API Gateway's own."""
    if isinstance(body, dict):
        error = body.get("error")
        return str(error["message"] if isinstance(error, dict) and "message" in error else body.get("message", body))
    return str(body)
