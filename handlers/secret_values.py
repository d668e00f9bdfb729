"""A responder's secrets, by the names in its configuration. Each is read on first use.

    request.secrets["apiKey"]

A value is kept for KEPT_SECONDS, so a rotated secret is read again within that time. No value is ever logged, and values are removed from
whatever a responder says or raises.

An id is the ARN or name of a secret of Secrets Manager, or the ARN of a parameter of Systems Manager or its name with a leading /.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from handlers import contract
from handlers.quoting import TransientError

KEPT_SECONDS = 300
READ_SECONDS = 2
"""The time limit for each of two tries to reach the service."""

CLEARED = "***"
SHORTEST_CLEARED = 4
"""Shorter values are not removed from texts: that would remove half of the text, and so short a value keeps nothing secret."""

PASSING = ("ThrottlingException", "InternalServiceError", "InternalServerError", "ServiceUnavailableException")


class SecretUnavailable(Exception):
    """A secret cannot be read; the message names the secret and the service's error, but no value."""


class SecretValues(Mapping[str, str]):
    """ids: the secrets' ids by name. read: returns the value for an id."""

    def __init__(self, ids: Mapping[str, str], read: Callable[[str], str], now: Callable[[], float] = time.monotonic) -> None:
        self._ids, self._read, self._now = ids, read, now
        self._kept: dict[str, tuple[str, float]] = {}
        self._seen: set[str] = set()

    def __getitem__(self, name: str) -> str:
        """Raises KeyError for a name that the configuration does not give, SecretUnavailable, or TransientError for a passing fault."""
        value, until = self._kept.get(name, ("", 0.0))
        if name not in self._kept or self._now() >= until:
            value = self._read(self._ids[name])
            self._kept[name] = (value, self._now() + KEPT_SECONDS)
            self._seen.add(value)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)

    def __repr__(self) -> str:
        return f"SecretValues({', '.join(self._ids)})"

    def cleared(self, text: str) -> str:
        """The text without any value that was read, whether the value stands there plainly or escaped as in JSON."""
        for value in sorted(self._seen, key=len, reverse=True):
            if len(value) >= SHORTEST_CLEARED:
                text = text.replace(json.dumps(value)[1:-1], CLEARED).replace(value, CLEARED)
        return text

    def kept_from(self, work: Callable[[], contract.Json]) -> contract.Json:
        """Returns the work's answer, or raises its TransientError, without any secret value."""
        try:
            answer = work()
        except TransientError as fault:
            if (said := self.cleared(str(fault))) != str(fault):
                raise TransientError(said, after=fault.after) from None
            raise
        if not self._seen:
            return answer
        answer = json.loads(self.cleared(json.dumps(answer, ensure_ascii=False)))
        if "error" in answer:
            answer["error"]["message"] = self._without_beginning(answer["error"]["message"])
        return answer

    def _without_beginning(self, message: str) -> str:
        """A message is cut to the length that a record has room for, and the cut may have hit a value."""
        beginnings = (value[:length] for value in self._seen for length in range(SHORTEST_CLEARED, len(value)))
        found = max((each for each in beginnings if message.endswith(each)), key=len, default="")
        return message.removesuffix(found) + CLEARED if found else message


NONE = SecretValues({}, lambda _: "")


def of_the_account(ids: Mapping[str, str]) -> SecretValues:
    return SecretValues(ids, read)


def is_parameter(id_: str) -> bool:
    return id_.startswith("/") or ":ssm:" in id_


def read(id_: str) -> str:
    """Raises SecretUnavailable, or TransientError for a passing fault."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        if is_parameter(id_):
            return _client("ssm").get_parameter(Name=id_, WithDecryption=True)["Parameter"]["Value"]
        return _client("secretsmanager").get_secret_value(SecretId=id_)["SecretString"]
    except ClientError as error:
        code = error.response["Error"]["Code"]
        failure = TransientError if code in PASSING else SecretUnavailable
        raise failure(f"{id_} cannot be read: {code}") from None
    except KeyError:
        raise SecretUnavailable(f"{id_} is binary; allowed: text") from None
    except BotoCoreError as error:
        raise TransientError(f"{id_} cannot be read: {type(error).__name__}") from None


def _client(service: str) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.client(service, config=Config(connect_timeout=READ_SECONDS, read_timeout=READ_SECONDS, retries={"total_max_attempts": 2}))
