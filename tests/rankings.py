"""A selection of one's own for the tests: the last to be asked is the best, alamo is out of the question, and 13 is bad luck."""


def rank(quotes):
    if any(quote["amount"] == "13" for quote in quotes):
        raise RuntimeError("bad luck")
    return [quote["responder"] for quote in reversed(quotes) if quote["responder"] != "alamo"]
