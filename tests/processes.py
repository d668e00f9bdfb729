"""Processors with the habits that the tests need."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from handlers.processing import TransientError


def process(item: Any) -> dict[str, Any]:
    """What arrived, and when. An item may ask for more: log (a file where it leaves its id), fail, and the first time crash or busy."""
    at = datetime.now(UTC).isoformat()
    if isinstance(item, dict) and "log" in item:
        with Path(item["log"]).open("a") as log:
            log.write(f"{item['id']}\n")
    if isinstance(item, dict) and item.get("fail"):
        raise ValueError(item["fail"])
    if isinstance(item, dict) and "crash" in item and _is_first_time(item):
        os._exit(1)
    if isinstance(item, dict) and "busy" in item and _is_first_time(item):
        raise TransientError(item["busy"])
    return {"at": at, "item": item, "type": type(item).__name__, "text": str(item)}


def _is_first_time(item: dict[str, Any]) -> bool:
    return len(Path(item["log"]).read_text().splitlines()) == 1
