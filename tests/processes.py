"""Processors with the habits that the tests need."""

import os
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from handlers.processing import TransientError

MEET_SECONDS = 20


def process(item: Any) -> dict[str, Any]:
    """What arrived, and when. An item may ask for more: log (a file where it leaves its id), meet (a folder where it waits for as many
    as `of` says), fail, die, sleep, be busy always, and the first time crash or busy."""
    at = datetime.now(UTC).isoformat()
    if isinstance(item, dict) and "log" in item:
        with Path(item["log"]).open("a") as log:
            log.write(f"{item['id']}\n")
    if isinstance(item, dict) and "meet" in item:
        _meet(Path(item["meet"]), item["of"])
    if isinstance(item, dict) and item.get("fail"):
        raise ValueError(item["fail"])
    if isinstance(item, dict) and "die" in item:
        os._exit(item["die"])
    if isinstance(item, dict) and "sleep" in item:
        time.sleep(item["sleep"])
    if isinstance(item, dict) and "busy always" in item:
        raise TransientError(item["busy always"])
    if isinstance(item, dict) and "crash" in item and _is_first_time(item):
        os._exit(1)
    if isinstance(item, dict) and "busy" in item and _is_first_time(item):
        raise TransientError(item["busy"])
    return {"at": at, "item": item, "type": type(item).__name__, "text": str(item)}


def _meet(folder: Path, of: int) -> None:
    (folder / uuid.uuid4().hex).touch()
    patience = time.monotonic() + MEET_SECONDS
    while len(list(folder.iterdir())) < of:
        if time.monotonic() > patience:
            raise TimeoutError(f"only {len(list(folder.iterdir()))} of {of} came together")
        time.sleep(0.02)


def _is_first_time(item: dict[str, Any]) -> bool:
    return len(Path(item["log"]).read_text().splitlines()) == 1
