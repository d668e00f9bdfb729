"""Ctrl-C, SIGTERM and SIGHUP: the first lets what is under way finish, the second gives up at once."""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Generator
from types import FrameType


class Interrupted(KeyboardInterrupt):
    """The user or the system asked to stop, by the signal `number`."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextlib.contextmanager
def stopping(stop: Callable[[], None]) -> Generator[None]:
    """Within this, a signal calls `stop` and raises Interrupted in the main thread; at the end once more, where the program that
    runs within has kept it to itself."""
    interrupted: Interrupted | None = None

    def handle(number: int, _: FrameType | None) -> None:
        nonlocal interrupted
        if interrupted:
            # What was under way stays in the state as a pending operation.
            os._exit(128 + number)
        interrupted = Interrupted(number)
        stop()
        sys.stderr.write("interrupted: finishing the steps under way; once more gives up on them\n")
        raise interrupted

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        # Whoever started this with nohup wants it to outlive the terminal.
        numbers.append(signal.SIGHUP)
    former = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
        if interrupted:
            raise interrupted
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
