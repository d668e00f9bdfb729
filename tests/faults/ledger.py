"""The ledger: what the responders say that they did, kept beside everything that is under test.

A file with one JSON object a line; an entry is written in one call that appends, so writers in many processes don't mix.

    {"at", "requestId", "responder", "kind": "asked"}                  when it is called
    {…, "kind": "busy", "token"}                                       when it asks to be asked again: the last time, that is a failure
    {…, "kind": "answered", "outcome", "token"}                        when it answers, right before it does
    {…, "kind": "poison", "token"}                                     when it sends what is no answer

outcome: QUOTED, DECLINED, FAILED or GARBAGE. token: digits that no other entry has; a quote has them as its amount, a refusal, a
failure and poison have them in their text, garbage not at all.
"""

import json
import os
import secrets
import time
from pathlib import Path
from typing import Any

from tests.faults.request import BARGAIN_BELOW

Entry = dict[str, Any]


def new_token(*, is_bargain: bool = False) -> str:
    least = BARGAIN_BELOW // 10 if is_bargain else BARGAIN_BELOW
    return str(least + secrets.randbelow(9 * least))


def note(file: str | Path, **entry: Any) -> None:
    line = json.dumps({"at": time.time(), **entry}) + "\n"
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def read(file: Path) -> list[Entry]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
