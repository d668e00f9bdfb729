"""What AWS needs a moment for."""

import itertools

import pytest

from local.provider import ProviderError
from local.provider.aws import wait_until


def test_waiting_ends_when_it_is_ready() -> None:
    polls = itertools.count()

    wait_until(lambda: next(polls) == 2, "the table")

    assert next(polls) == 3


def test_waiting_names_what_it_waited_for() -> None:
    with pytest.raises(ProviderError, match="timed out after 0 s waiting for the table"):
        wait_until(lambda: False, "the table", seconds=0)
