"""A responder for the tests whose mood the request sets: data is {"mood": calm | broken | busy, "folder"}."""

from pathlib import Path

from handlers.quoting import Quote, QuoteRequest, TransientError


def quote(request: QuoteRequest) -> Quote:
    with (Path(request.data["folder"]) / request.responder).open("a") as asked:
        asked.write(".")
    if request.data["mood"] == "broken":
        raise RuntimeError("out of cars")
    if request.data["mood"] == "busy":
        raise TransientError("busy")
    return Quote(1)
