"""A responder that takes as long as its settings say."""

import time

from handlers.quoting import Quote, QuoteRequest


def quote(request: QuoteRequest) -> Quote:
    time.sleep(request.settings["seconds"])
    return Quote(100)
