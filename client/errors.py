"""What a caller can meet. Requests that break the contract are `handlers.contract.InvalidRequest`."""

import contextlib
from collections.abc import Generator


class StackError(Exception):
    """Something the caller can act on; the message is one line that says what."""


class NoStack(StackError):
    """There is no deployed stack to talk to; the message says what to do."""


class UnknownRequest(StackError):
    """The stack has no request of that id."""


class RequestFailed(StackError):
    """The carrier could not take or finish the request; the message is its reason."""


class UnknownVariant(RequestFailed):
    """The stack does not have that carrier."""


class StillOpen(RequestFailed):
    """The request had not ended when the caller's time was up; it goes on, and can be watched or read later."""


class UsageError(StackError):
    """What the user typed cannot be done as it stands."""


@contextlib.contextmanager
def when_interrupted(how: str) -> Generator[None]:
    """Within this, KeyboardInterrupt says how what was begun goes on."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(how) from None
