"""The emulator as its own process: MiniStack, with writes to DynamoDB one at a time, as atomic as they are on AWS.

MiniStack's Step Functions write from a thread for each execution and iteration, and two such writes of one item at the same moment
lose one of them (read, change and write are three steps there). Run as a script; the environment says what MiniStack reads from it.
"""

import functools
import threading
from collections.abc import Callable
from typing import Any

from ministack.app import main
from ministack.services import dynamodb

WRITES = ("_put_item", "_update_item", "_delete_item")
_one_at_a_time = threading.Lock()


def _atomic(write: Callable[[Any], Any]) -> Callable[[Any], Any]:
    @functools.wraps(write)
    def locked(data: Any) -> Any:
        with _one_at_a_time:
            return write(data)

    return locked


if __name__ == "__main__":
    for name in WRITES:
        setattr(dynamodb, name, _atomic(getattr(dynamodb, name)))
    main()
