"""Flights: a price of its own for each airline and route, the same whenever it is asked again.
Data: {"from": "LHR", "to": "JFK", "date"?: "2027-01-01", "passengers"?: 1}."""

import hashlib
import re
from decimal import Decimal

from handlers.quoting import Decline, Quote, QuoteRequest

AIRPORT = re.compile(r"[A-Z]{3}")


def quote(request: QuoteRequest) -> Quote | Decline:
    origin, destination = request.data.get("from"), request.data.get("to")
    passengers = request.data.get("passengers", 1)
    for airport in (origin, destination):
        if not isinstance(airport, str) or not AIRPORT.fullmatch(airport):
            return Decline("from and to must be IATA airport codes such as LHR")
    if origin == destination:
        return Decline("from and to are the same airport")
    if isinstance(passengers, bool) or not isinstance(passengers, int) or not 1 <= passengers <= 9:
        return Decline("passengers must be a whole number from 1 to 9")
    route = f"{request.responder}/{origin}/{destination}/{request.data.get('date', '')}"
    spread = int.from_bytes(hashlib.sha256(route.encode()).digest()[:2]) % 400
    fare = Decimal(str(request.settings.get("baseFare", 200))) + spread
    return Quote(fare * passengers, details={"route": f"{origin}-{destination}", "farePerPassenger": str(fare)})
