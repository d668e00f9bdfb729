"""Rides: drivers who take their time; some decline, some fail. All chance comes from the request's seed, the responder's
name and nothing else, so a run repeats. Data: {"from", "to", "customer"?, "seed"?: 1}.

Settings: longestDelaySeconds (5), declineShare (0.2) and failureShare (0.1) of the drivers.
"""

import random
import time
from decimal import Decimal

from handlers.quoting import Decline, Quote, QuoteRequest


class NoSignal(Exception):
    """The driver's device could not be reached."""


def quote(request: QuoteRequest) -> Quote | Decline:
    for end in ("from", "to"):
        if not isinstance(request.data.get(end), str) or not request.data[end].strip():
            return Decline(f"{end} must name a place")
    chance = random.Random(f"{request.data.get('seed', 1)}/{request.responder}")
    time.sleep(chance.uniform(0, float(request.settings.get("longestDelaySeconds", 5))))
    mood = chance.random()
    failures = float(request.settings.get("failureShare", 0.1))
    if mood < failures:
        raise NoSignal(f"{request.responder} could not be reached")
    if mood < failures + float(request.settings.get("declineShare", 0.2)):
        return Decline("too far away")
    return Quote(Decimal(chance.randint(800, 9900)) / 100, details={"pickupMinutes": chance.randint(2, 15)})
