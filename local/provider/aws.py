"""The connection to the emulator: configuration, boto3 clients, waiting."""

from __future__ import annotations

import copy
import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from local.emulator import NOWHERE, account_of, is_loopback
from local.provider.errors import ProviderError, is_gone

# The provider's configuration has more than one name for some services: {the boto3 client: other names}.
SERVICE_NAMES = {"logs": ("cloudwatchlogs", "cloudwatchlog"), "events": ("eventbridge", "cloudwatchevents"), "stepfunctions": ("sfn",)}


@dataclass(frozen=True)
class Settings:
    """The provider's configuration. `endpoints` is {service name: URL}; `endpoint` serves every other service."""

    region: str = "us-east-1"
    access_key: str = "test"
    secret_key: str = field(default="test", repr=False)
    session_token: str | None = field(default=None, repr=False)
    endpoint: str | None = None
    endpoints: Mapping[str, str] = field(default_factory=dict)
    default_tags: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, config: Mapping[str, Any]) -> Settings:
        """From the configuration as it is sent: strings, those of objects and lists being JSON.

        Raises ProviderError when an endpoint isn't on this machine, or none is given at all.
        """
        endpoints = {service: url for entry in _json(config, "endpoints", []) for service, url in entry.items() if url}
        endpoint = os.environ.get("AWS_ENDPOINT_URL") or None
        if not endpoints and endpoint is None:
            raise ProviderError(
                "The local provider needs the emulator's address: set AWS_ENDPOINT_URL or aws:endpoints, e.g. http://127.0.0.1:4566."
            )
        for url in (*endpoints.values(), *([endpoint] if endpoint else [])):
            refuse_unless_loopback(url)
        return cls(
            region=config.get("region") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or cls.region,
            access_key=config.get("accessKey") or os.environ.get("AWS_ACCESS_KEY_ID") or cls.access_key,
            secret_key=config.get("secretKey") or os.environ.get("AWS_SECRET_ACCESS_KEY") or "test",
            session_token=config.get("token") or os.environ.get("AWS_SESSION_TOKEN"),
            endpoint=endpoint,
            endpoints=endpoints,
            default_tags=_json(config, "defaultTags", {}).get("tags") or {},
        )

    def endpoint_of(self, service: str) -> str:
        for name in (service, *SERVICE_NAMES.get(service, ())):
            if name in self.endpoints:
                return self.endpoints[name]
        if self.endpoint == NOWHERE:
            raise ProviderError(f"no emulator runs that could be asked for what {service} has: start it first")
        if self.endpoint is None:
            raise ProviderError(f"No endpoint is configured for {service}: add it to aws:endpoints.")
        return self.endpoint


def refuse_unless_loopback(url: str) -> None:
    """ProviderError for a URL that leads off this machine: this is a rehearsal, never to be let loose on AWS."""
    if not is_loopback(urlsplit(url).hostname or ""):
        raise ProviderError(
            f"The local provider only talks to an emulator on this machine, and {url!r} isn't on it: "
            "use http://127.0.0.1:PORT, http://[::1]:PORT or http://localhost:PORT."
        )


def _json(config: Mapping[str, Any], key: str, default: Any) -> Any:
    value = config.get(key)
    if not isinstance(value, str):
        return value or default
    try:
        return json.loads(value) if value else default
    except ValueError as error:
        raise ProviderError(f"aws:{key} must be JSON: {error}") from error


class Aws:
    """AWS as one account sees it in one region. Safe to use from several threads."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.region = settings.region
        self.partition = "aws"
        self._clients: dict[tuple[str, str], Any] = {}
        self._lock = threading.RLock()
        self._session: Any = None
        self._identity: dict[str, str] = {}

    def in_region(self, region: str | None) -> Aws:
        """The same account in another region."""
        if region in (None, self.region):
            return self
        other = copy.copy(self)
        other.region = region
        return other

    def client(self, service: str) -> Any:
        """The boto3 client of a service, made when it is first asked for."""
        key = (service, self.region)
        # boto3 sessions, unlike the clients that they make, must not be shared between threads.
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self._make_client(service)
            return self._clients[key]

    def _make_client(self, service: str) -> Any:
        import boto3
        from botocore.config import Config

        endpoint = self.settings.endpoint_of(service)
        if self._session is None:
            self._session = boto3.Session()
        return self._session.client(
            service,
            region_name=self.region,
            endpoint_url=endpoint,
            aws_access_key_id=self.settings.access_key,
            aws_secret_access_key=self.settings.secret_key,
            aws_session_token=self.settings.session_token,
            config=Config(
                inject_host_prefix=False,
                max_pool_connections=32,
                proxies={},
                retries={"mode": "standard", "total_max_attempts": 3},
                s3={"addressing_style": "path"},
            ),
        )

    @property
    def identity(self) -> dict[str, str]:
        """{"Account", "Arn", "UserId"} of the caller."""
        with self._lock:
            if self.settings.endpoint == NOWHERE:
                account = account_of(self.settings.access_key)
                return {"Account": account, "Arn": f"arn:{self.partition}:iam::{account}:root", "UserId": account}
            if not self._identity:
                answer = self.client("sts").get_caller_identity()
                self._identity.update({key: answer[key] for key in ("Account", "Arn", "UserId")})
            return self._identity

    @property
    def account(self) -> str:
        return self.identity["Account"]

    def arn(self, service: str, resource: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"


def wait_until(ready: Callable[[], bool], what: str, seconds: float = 300) -> None:
    """Poll until `ready()`, ProviderError naming `what` when that takes longer."""
    deadline = time.monotonic() + seconds
    pause = 0.02
    while not ready():
        if time.monotonic() > deadline:
            raise ProviderError(f"timed out after {seconds:g} s waiting for {what}")
        time.sleep(pause)
        pause = min(pause * 1.3, 1)


def wait_until_gone(read: Callable[[], object], what: str) -> None:
    """Poll until AWS answers `read()` by saying that there is nothing."""

    def is_missing() -> bool:
        try:
            read()
        except ClientError as error:
            if not is_gone(error):
                raise
            return True
        return False

    wait_until(is_missing, f"{what} to be gone")
