"""What a list's processor is: `process(item) -> result`, called once for each item of the list or data set.

    def process(item: Any) -> Any

`item` and the result are plain JSON as Python has it (a row of a CSV file is a dict of strings; numbers that a double cannot
hold are int or Decimal). It is plain Python with no AWS in it. Raise TransientError to be called again; any other exception
makes it a failed item, recorded with its type and message.

Entry     {"run", "index", "item"}: one item, its place in the list and the run that it belongs to
Outcome   {"index", "status": "SUCCEEDED", "result"} | {"index", "status": "FAILED", "item", "error": {"type", "message"}}
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from handlers import exact_json
from handlers.quoting import TransientError

__all__ = ["MAX_MESSAGE_CHARS", "Entry", "Outcome", "ProcessFunction", "ResultTooLarge", "TransientError", "outcome_of"]

ProcessFunction = Callable[[Any], Any]
Entry = Mapping[str, Any]
Outcome = dict[str, Any]

MAX_MESSAGE_CHARS = 500

MAX_RESULT_BYTES = 200_000
"""Of the 262,144 that an execution's output may have."""


class ResultTooLarge(ValueError):
    """The result of an item is more than Step Functions carries."""


def outcome_of(process: ProcessFunction, entry: Entry) -> Outcome:
    """The Outcome of one item. TransientError passes through; every other exception is a FAILED outcome."""
    try:
        result = _fitting(exact_json.to_json(process(exact_json.from_json(entry["item"]))))
    except TransientError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it was, an item's fault is data for the run
        return {
            "index": entry["index"],
            "status": "FAILED",
            "item": entry["item"],
            "error": {"type": type(error).__name__, "message": str(error)[:MAX_MESSAGE_CHARS]},
        }
    return {"index": entry["index"], "status": "SUCCEEDED", "result": result}


def _fitting(result: Any) -> Any:
    size = len(json.dumps(result))
    if size > MAX_RESULT_BYTES:
        raise ResultTooLarge(f"the result takes {size} bytes as JSON; at most {MAX_RESULT_BYTES} are allowed: store it and return where")
    return result
