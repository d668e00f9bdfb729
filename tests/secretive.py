"""A responder that has secrets, and does with them what no responder should."""

from handlers.quoting import Decline, Quote, QuoteRequest, TransientError


def quote(request: QuoteRequest) -> Quote | Decline:
    said = f"{request.secrets['apiKey']} and {request.secrets['pin']}"
    behaviour = request.data.get("behaviour")
    if behaviour == "raise":
        raise RuntimeError(f"refused {said}")
    if behaviour == "busy":
        raise TransientError(f"busy {said}")
    if behaviour == "decline":
        return Decline(said)
    print(request.secrets)
    return Quote(len(said), details={"said": said})
