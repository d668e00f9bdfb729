"""Lambda adapter of the user's own selection: ranks the quotes of a request as it closes.

    def rank(quotes: list[Answer]) -> list[str]        names of responders, best first; those that are out of the question stay out

Event     {"quotes": [Answer]}: in the order of the recipients; without any the code is not asked
Returns   {"top": [name]}: at most TOP_K; {"error": {"type", "message", "at"?}} where the code raises, or returns what is no ranking: the
          request then closes without a best, and its result has the reason as selectionError

Environment: RANK_MODULE (a module with `rank`), TOP_K.
"""

import importlib
import os
from typing import Any

from aws_lambda_powertools.logging import Logger

from handlers.contract import error_of, show
from handlers.raised import line_of, message_of

logger = Logger(service="selector")
rank = importlib.import_module(os.environ["RANK_MODULE"]).rank
TOP_K = int(os.environ["TOP_K"])


class InvalidRanking(Exception):
    """The code returned something else than names of those that quoted, each once."""


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    try:
        return {"top": ranking(event["quotes"])}
    except Exception as error:
        logger.exception("the selection failed")
        return {"error": error_of(type(error).__name__, message_of(error), line_of(error))}


def ranking(quotes: list[dict[str, Any]]) -> list[str]:
    """At most TOP_K names. Raises InvalidRanking, and whatever the user's code raises."""
    ranked = rank(quotes) if quotes else []
    known = [quote["responder"] for quote in quotes]
    if not isinstance(ranked, list) or any(name not in known for name in ranked):
        raise InvalidRanking(f"rank must return a list of responders that quoted ({', '.join(known)}), not {show(ranked)}")
    if len(set(ranked)) < len(ranked):
        raise InvalidRanking(f"rank must name each responder once, not {show(ranked)}")
    logger.info("ranked", extra={"quotes": len(quotes), "ranked": len(ranked)})
    return ranked[:TOP_K]
