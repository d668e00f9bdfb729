"""Car rental: the responder's daily rate times the days. Data: {"days_rental": 30, "car_type"?: "L"}."""

from decimal import Decimal

from handlers.quoting import Decline, Quote, QuoteRequest

LONGEST_RENTAL_DAYS = 365


def quote(request: QuoteRequest) -> Quote | Decline:
    days = request.data.get("days_rental")
    if isinstance(days, bool) or not isinstance(days, (int, float, Decimal)):
        return Decline("days_rental must be a number")
    if days != int(days) or not 1 <= days <= LONGEST_RENTAL_DAYS:
        return Decline(f"days_rental must be whole days from 1 to {LONGEST_RENTAL_DAYS}, not {days}")
    rate = Decimal(str(request.settings["rate"]))
    return Quote(rate * int(days), details={"ratePerDay": str(rate), "days": int(days)})
