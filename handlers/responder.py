"""Lambda adapter of one responder, which turns a question into an answer by the user's own code, an existing function, a URL or a model.

Event     {"question": see `opening.question`, "retryCount": the number of retries so far}, or SQS messages with questions
          (`handlers.responder_queue`), or the event of an existing function (`handlers.existing_function`), if another stack uses this
          responder as one
Returns   {"requestId", "answer": Answer of `handlers.contract` with respondedAt}, or {"requestId", "responder", "asked": false} if the
          question is for others; to another stack the Answer alone. If the question has a replyTo, the answer goes to that queue as well

Environment: RESPONDER (its name), CURRENCY, TIMEOUT_SECONDS, RETRIES; one of QUOTE_MODULE (a module with `quote`, with SETTINGS), URL
(with HTTP, see `handlers.http_partner`), MODEL (with INFERENCE, see `handlers.model`) and FUNCTION_ARN. Optional: SECRETS (ids by name);
MAPPING (the arguments of `mapping.PartnerMapping`); CIRCUIT_BREAKER ({"failures", "pauseSeconds"}) and CAP ({"perSecond",
"longestWaitSeconds"}), which both need TABLE_NAME. Variables with several parts are JSON.
"""

import json
import os
from typing import Any

from aws_lambda_powertools.logging import Logger

from handlers import attempt, contract, secret_values
from handlers.mapping import PartnerMapping
from handlers.own_code import OwnCode
from handlers.responder_queue import ResponderQueue

logger = Logger(service="responder")
RESPONDER = os.environ["RESPONDER"]
CURRENCY = os.environ["CURRENCY"]
LIMITS = attempt.Limits(RESPONDER, float(os.environ["TIMEOUT_SECONDS"]), int(os.environ["RETRIES"]))


def _source() -> Any:
    """The object that answers. Its method `ask(question, attempt, details_limit)` returns the work of one attempt."""
    secrets = secret_values.of_the_account(_json("SECRETS"))
    if "QUOTE_MODULE" in os.environ:
        return OwnCode(RESPONDER, os.environ["QUOTE_MODULE"], _json("SETTINGS"), CURRENCY, secrets)
    mapping = PartnerMapping(**_json("MAPPING"))
    if "URL" in os.environ:
        from handlers.http_partner import HttpPartner

        return HttpPartner(RESPONDER, os.environ["URL"], _json("HTTP"), CURRENCY, LIMITS.timeout_seconds, mapping, secrets)
    if "MODEL" in os.environ:
        from handlers.model import Model

        return Model(RESPONDER, os.environ["MODEL"], _json("INFERENCE"), CURRENCY, LIMITS.timeout_seconds, mapping)
    from handlers.existing_function import ExistingFunction

    return ExistingFunction(RESPONDER, os.environ["FUNCTION_ARN"], CURRENCY, LIMITS.timeout_seconds, mapping)


def _json(variable: str) -> Any:
    return json.loads(os.environ.get(variable, "{}"))


def _guard() -> attempt.Guard:
    if "CIRCUIT_BREAKER" not in os.environ:
        return attempt.unguarded
    from handlers import circuit_store

    settings = json.loads(os.environ["CIRCUIT_BREAKER"])
    policy = circuit_store.policy(settings["failures"], settings["pauseSeconds"], LIMITS.timeout_seconds)
    return circuit_store.CircuitBreaker(RESPONDER, policy, os.environ["TABLE_NAME"], circuit_store.store_client()).guard


def _turn() -> attempt.Turn:
    if "CAP" not in os.environ:
        return attempt.at_once
    from handlers import circuit_store, rate_cap

    settings = json.loads(os.environ["CAP"])
    return rate_cap.RateCap(
        RESPONDER, settings["perSecond"], settings["longestWaitSeconds"], os.environ["TABLE_NAME"], circuit_store.store_client()
    ).wait


def _wanted() -> attempt.Wanted:
    if "TABLE_NAME" not in os.environ:
        return attempt.always
    from handlers import circuit_store, still_wanted

    return still_wanted.StillWanted(os.environ["TABLE_NAME"], circuit_store.store_client)


source = _source()
guard = _guard()
turn = _turn()
wanted = _wanted()
queue = ResponderQueue(RESPONDER)


def handler(event: dict[str, Any], context: Any) -> contract.Json:
    if "Records" in event:
        return queue.answer_each(event, respond)
    if "question" not in event:
        return _answer({**event, "recipients": [RESPONDER]}, event["attempt"])
    question = event["question"]
    if RESPONDER not in question["recipients"]:
        logger.info("skipped: another was asked", extra={"responder": RESPONDER, "correlation_id": question["requestId"]})
        return {"requestId": question["requestId"], "responder": RESPONDER, "asked": False}
    answer = _answer(question, event["retryCount"] + 1)
    if "replyTo" in question:
        _hand_over(question, answer)
    return {"requestId": question["requestId"], "answer": answer}


def _answer(question: dict[str, Any], attempts: int) -> contract.Json:
    logger.append_keys(correlation_id=question["requestId"])
    answer = respond(question, attempts)
    logger.info("answered", extra={"responder": RESPONDER, "status": answer["status"], "error": answer.get("error")})
    return answer


def respond(question: dict[str, Any], attempts: int) -> contract.Json:
    """The answer to one question, see `attempt.answer`. attempts: the number of attempts including this one."""
    limit = contract.details_limit(len(question["recipients"]))
    work = (
        source.ask(question, attempts, limit)
        if wanted is attempt.always
        else source.ask({**question, "wanted": lambda: wanted(question)}, attempts, limit)
    )
    return attempt.answer(question, attempts, LIMITS, work, guard, turn, wanted)


def _hand_over(question: dict[str, Any], answer: contract.Json) -> None:
    try:
        queue.hand_over(question, answer)
    except Exception:
        # The state machine brings the answer to the aggregator too, although only when all have answered.
        logger.exception("not handed over at once")
