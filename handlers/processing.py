"""A list's processor: a function `process(item) -> result` that is called once for each item of the list or data set.

    def process(item: Any) -> Any

`item` and the result are plain JSON as Python has it (a row of a CSV file is a dict of strings; numbers that a double cannot
hold are int or Decimal). It is plain Python with no AWS in it. Raise TransientError to be called again. Any other exception makes the item
fail, recorded with the exception's type, its message and the line that raised it; the log has the traceback.

Entry     {"run", "label", "index", "item"}: one item, its place in the source, from 0, and its run; runs with the same label do the same
          work
Outcome   {"index", "status": "SUCCEEDED", "result"} | {"index", "status": "FAILED", "item", "error": {"type", "message", "at"?}}
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from handlers import exact_json
from handlers.quoting import TransientError
from handlers.raised import line_of, message_of, untold

__all__ = [
    "FAILURES_FILE",
    "ITEMS_FILE",
    "MAX_MESSAGE_CHARS",
    "MAX_OUTCOMES_BYTES",
    "READ_BY_STEP_FUNCTIONS",
    "SOURCE_FILE",
    "STATE_BYTES",
    "STORED",
    "Entry",
    "ItemInProgress",
    "Outcome",
    "ProcessFunction",
    "ResultTooLarge",
    "TransientError",
    "cut",
    "failure",
    "outcome_of",
]

ProcessFunction = Callable[[Any], Any]
Entry = Mapping[str, Any]
Outcome = dict[str, Any]

FAILURES_FILE = "failures.jsonl"
"""The file of failed outcomes, beside the results of a distributed run."""

ITEMS_FILE, SOURCE_FILE = "items.jsonl", "source.json"
"""Files in the folder of a distributed run: its rows as {"index", "item"}, one per line; and what was read, and how."""

STORED = "STORED"
"""The status of the entry that stands for a batch whose outcomes are in S3: {"index", "status", "key"}."""

READ_BY_STEP_FUNCTIONS = {
    "parquet": {"InputType": "PARQUET"},
    "inventory": {"InputType": "MANIFEST"},
    "athena": {"InputType": "PARQUET", "ManifestType": "ATHENA_DATA"},
}
"""The formats whose rows the Map reads for itself, each with its ReaderConfig:
https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itemreader.html"""

MAX_MESSAGE_CHARS = 500

STATE_BYTES = 262_144
"""The limit of Step Functions on the data of a state."""

MAX_RESULT_BYTES = MAX_OUTCOMES_BYTES = 200_000
"""The shares of STATE_BYTES for the result of one item, and for the outcomes of a batch."""


class ResultTooLarge(ValueError):
    """The result of an item is larger than Step Functions can carry."""


class ItemInProgress(TransientError):
    """Another call has claimed the item. The state machine keeps asking for longer than the claim can last."""


def outcome_of(process: ProcessFunction, entry: Entry, tell: Callable[[BaseException], None] = untold) -> Outcome:
    """The Outcome of one item. TransientError passes through; any other exception gives a FAILED outcome. tell: receives the exception."""
    try:
        result = _fitting(exact_json.to_json(process(exact_json.from_json(entry["item"]))))
    except TransientError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it was, an item's fault is data for the run
        tell(error)
        return failure(entry["index"], type(error).__name__, message_of(error), entry["item"], line_of(error))
    return {"index": entry["index"], "status": "SUCCEEDED", "result": result}


def failure(index: int, error: str, message: str, item: Any, at: str | None = None) -> Outcome:
    """The outcome of an item that failed, with a message of any length. at: the line of the user's own code that raised."""
    told = {"type": error, "message": cut(message), **({"at": at} if at else {})}
    return {"index": index, "status": "FAILED", "item": item, "error": told}


def cut(message: str) -> str:
    """The first MAX_MESSAGE_CHARS characters. Lone surrogates, which JSON in UTF-8 cannot hold, become question marks."""
    return message[:MAX_MESSAGE_CHARS].encode(errors="replace").decode()


def _fitting(result: Any) -> Any:
    size = len(json.dumps(result, ensure_ascii=False).encode())
    if size > MAX_RESULT_BYTES:
        raise ResultTooLarge(f"the result takes {size} bytes as JSON; at most {MAX_RESULT_BYTES} are allowed: store it and return where")
    return result
