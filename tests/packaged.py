"""A responder with a package, a secret and a variable of its own."""

import os

import plainprices  # ty: ignore[import-not-found]

from handlers.quoting import Quote, QuoteRequest


def quote(request: QuoteRequest) -> Quote:
    signed = len(request.secrets["apiKey"])
    return Quote(plainprices.RATE * request.data["days"], details={"signed": signed, "zone": os.environ["PRICE_ZONE"]})
