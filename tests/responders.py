"""Responders for the tests: each does what its `behaviour` in the stack's configuration says."""

import os
import time
from pathlib import Path

from handlers.quoting import Decline, Quote, QuoteRequest, TransientError


def quote(request: QuoteRequest) -> Quote | Decline:
    behaviour = request.settings["behaviour"]
    if behaviour == "throw":
        raise RuntimeError("out of cars")
    if behaviour == "decline":
        return Decline("sold out")
    if behaviour == "sleep":
        time.sleep(request.settings["seconds"])
    if behaviour == "crash":
        os._exit(1)
    if behaviour == "flaky":
        seen = Path(request.data["folder"]) / request.responder
        if not seen.exists():
            seen.touch()
            raise TransientError("busy, ask again")
    if behaviour == "overlap":
        return Quote(1, details=_overlap(Path(request.data["folder"]), request.responder))
    size = request.settings.get("bytes", 0)
    return Quote(request.settings.get("amount", 100), details={"padding": "x" * size} if size else {})


def _overlap(folder: Path, responder: str) -> dict[str, int]:
    """How many are being asked at this moment, this one included."""
    mark = folder / responder
    mark.touch()
    time.sleep(0.3)
    together = len(list(folder.iterdir()))
    mark.unlink()
    return {"together": together}
