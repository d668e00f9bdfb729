"""What AWS needs a moment for."""

import itertools

import pytest
from botocore.exceptions import ClientError

from local.provider import ProviderError
from local.provider.aws import once_role_is_seen, wait_until


class Refusing:
    """Refuses as often as it is told to, with one error, then answers."""

    def __init__(self, times: int, code: str, message: str) -> None:
        self.calls = 0
        self._times = times
        self._error = ClientError({"Error": {"Code": code, "Message": message}}, "CreateFunction")

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self._times:
            raise self._error
        return "made"


def test_role_that_is_not_seen_yet_is_waited_for() -> None:
    create = Refusing(2, "InvalidParameterValueException", "The role defined for the function cannot be assumed by Lambda.")

    assert once_role_is_seen(create, pause=0) == "made"
    assert create.calls == 3


def test_role_that_is_never_seen_is_an_error() -> None:
    create = Refusing(99, "InvalidParameterValueException", "The role defined for the function cannot be assumed by Lambda.")

    with pytest.raises(ClientError):
        once_role_is_seen(create, attempts=3, pause=0)
    assert create.calls == 3


def test_other_errors_are_not_repeated() -> None:
    create = Refusing(1, "InvalidParameterValueException", "Unzipped size must be smaller than 262144000 bytes")

    with pytest.raises(ClientError):
        once_role_is_seen(create, pause=0)
    assert create.calls == 1


def test_waiting_ends_when_it_is_ready() -> None:
    polls = itertools.count()

    wait_until(lambda: next(polls) == 2, "the table")

    assert next(polls) == 3


def test_waiting_names_what_it_waited_for() -> None:
    with pytest.raises(ProviderError, match="timed out after 0 s waiting for the table"):
        wait_until(lambda: False, "the table", seconds=0)
