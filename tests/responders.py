"""Responders for the tests: each does what its `behaviour` in the stack's configuration says."""

import os
import time
from pathlib import Path

from handlers.quoting import Decline, Quote, QuoteRequest, TransientError

OVERLAP_SECONDS, LINGER_SECONDS = 6, 0.3


def quote(request: QuoteRequest) -> Quote | Decline:
    behaviour = request.settings["behaviour"]
    if behaviour != "hold":
        _await(request)
    if behaviour == "throw":
        raise RuntimeError("out of cars")
    if behaviour == "decline":
        return Decline("sold out")
    if behaviour == "sleep":
        time.sleep(request.data.get("seconds", request.settings["seconds"]))
    if behaviour == "hold":
        (Path(request.data["folder"]) / f"{request.responder}-begun").touch()
        _hold(Path(request.data["folder"]))
    if behaviour == "crash":
        os._exit(1)
    if behaviour == "flaky":
        seen = Path(request.data["folder"]) / request.responder
        if not seen.exists():
            seen.touch()
            raise TransientError("busy, ask again")
    if behaviour == "overlap":
        return Quote(1, details=_overlap(Path(request.data["folder"]), request.responder, request.data["until"]))
    size = request.settings.get("bytes", 0)
    return Quote(request.settings.get("amount", 100), details={"padding": "x" * size} if size else {})


def _await(request: QuoteRequest) -> None:
    """Until those who are held, whom the request names as `awaits`, have begun: what has not begun when a request closes never does."""
    for name in request.data.get("awaits", []):
        while not (Path(request.data["folder"]) / f"{name}-begun").exists():
            time.sleep(0.02)


def _hold(folder: Path) -> None:
    """Until the test opens the gate, whatever the time."""
    while not (folder / "open").exists():
        time.sleep(0.02)


def _overlap(folder: Path, responder: str, until: int) -> dict[str, int]:
    """The most that were being asked at once, this one included. It waits for `until` of them, then for one too many."""
    mark = folder / responder
    mark.touch()
    together = len(list(folder.iterdir()))
    patience = time.monotonic() + OVERLAP_SECONDS
    while together < until and time.monotonic() < patience:
        time.sleep(0.02)
        together = max(together, len(list(folder.iterdir())))
    time.sleep(LINGER_SECONDS)
    together = max(together, len(list(folder.iterdir())))
    mark.unlink()
    return {"together": together}
