"""A responder that quotes once the file that the request names exists, so that a test decides when."""

import time
from pathlib import Path

from handlers.quoting import Quote, QuoteRequest

LOOK_SECONDS = 0.05


def quote(request: QuoteRequest) -> Quote:
    while not Path(request.data["gate"]).exists():
        time.sleep(LOOK_SECONDS)
    return Quote(120)
