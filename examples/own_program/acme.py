from scatter_gather import Decline, Quote, QuoteRequest


def quote(request: QuoteRequest) -> Quote | Decline:
    days = request.data["days_rental"]
    return Quote(80 * days) if days < 60 else Decline("not for that long")
