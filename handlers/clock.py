"""Times as records and messages write them: ISO 8601 in UTC with milliseconds, so that their texts sort like the times themselves. Also
a limit on how long something may take."""

import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import FrameType
from typing import TypeVar

T = TypeVar("T")


LAST = "9999-12-31T23:59:59.999Z"
"""A time later than any other."""


class OutOfTime(BaseException):
    """Raised by the alarm inside the work. It is a BaseException, so an `except Exception` in the work cannot swallow it."""


def text(found: datetime) -> str:
    return found.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def now() -> str:
    return text(datetime.now(UTC))


def moment(written: str) -> datetime:
    """Raises ValueError if the text is not a time or has no time zone."""
    found = datetime.fromisoformat(written)
    if found.tzinfo is None:
        raise ValueError(f"{written} has no time zone")
    return found


def later(written: str, seconds: float) -> str:
    return text(moment(written) + timedelta(seconds=seconds))


def seconds_between(earlier: str, written: str) -> float:
    return (moment(written) - moment(earlier)).total_seconds()


def seconds_until(written: str) -> float:
    """The result is negative if the time has passed."""
    return (moment(written) - datetime.now(UTC)).total_seconds()


def within(seconds: float, work: Callable[[], T]) -> T:
    """Returns what `work` returns. Raises OutOfTime after so many seconds. Works only in the main thread, where Lambda runs handlers."""

    def ring(signum: int, frame: FrameType | None) -> None:
        raise OutOfTime

    previous = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return work()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
