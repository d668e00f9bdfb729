"""A responder whose module fails when it is imported: a setting of its function is missing."""

import os

from handlers.quoting import QuoteRequest

RATE = os.environ["RATE_PER_DAY"]


def quote(request: QuoteRequest) -> str:
    return RATE
