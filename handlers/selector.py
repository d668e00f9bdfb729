"""Lambda adapter of the user's own selection: ranks the quotes of a request as it closes.

    def rank(quotes: list[Answer]) -> list[str]        names of responders, best first; unacceptable ones are left out
                                   -> {"ranked": list[str], "reasons": dict[str, str]}        the same, with reasons by name

Event     {"quotes": [Answer]}: in the order of the recipients; without quotes the code is not called
Returns   {"top": [name], "reasons"?: {name: text}} with at most TOP_K names, or {"error": {"type", "message", "at"?}} if the code raises or
          does not return a ranking; the request then closes without a best quote, and its result has the reason as selectionError

Environment: RANK_MODULE (a module with `rank`), TOP_K.
"""

import importlib
import os
from typing import Any

from aws_lambda_powertools.logging import Logger

from handlers.contract import REASONS_BUDGET_BYTES, error_of, show
from handlers.json_limits import cut
from handlers.raised import line_of, message_of

logger = Logger(service="selector")
rank = importlib.import_module(os.environ["RANK_MODULE"]).rank
TOP_K = int(os.environ["TOP_K"])


class InvalidRanking(Exception):
    """The code returned something other than names of responders that quoted, each at most once."""


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    try:
        return ranking(event["quotes"])
    except Exception as error:
        logger.exception("the selection failed")
        return {"error": error_of(type(error).__name__, message_of(error), line_of(error))}


def ranking(quotes: list[dict[str, Any]]) -> dict[str, Any]:
    """{"top", "reasons"?}. Raises InvalidRanking, and whatever the user's code raises."""
    given = rank(quotes) if quotes else []
    ranked, reasons = (given.get("ranked"), given.get("reasons")) if isinstance(given, dict) else (given, None)
    known = [quote["responder"] for quote in quotes]
    if not isinstance(ranked, list) or any(name not in known for name in ranked):
        raise InvalidRanking(f"rank must return a list of responders that quoted ({', '.join(known)}), not {show(ranked)}")
    if len(set(ranked)) < len(ranked):
        raise InvalidRanking(f"rank must name each responder once, not {show(ranked)}")
    logger.info("ranked", extra={"quotes": len(quotes), "ranked": len(ranked)})
    return {"top": ranked[:TOP_K], **_reasons(reasons, known)}


def _reasons(given: Any, known: list[str]) -> dict[str, Any]:
    """The reasons, cut to the length that a record has room for."""
    found = {name: given[name] for name in known if name in given} if isinstance(given, dict) else {}
    return {"reasons": {name: cut(str(text), REASONS_BUDGET_BYTES // len(found)) for name, text in found.items()}} if found else {}
