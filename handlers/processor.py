"""Lambda adapter of a list's processor: its code comes from the environment.

Event     an Entry of `handlers.processing`, or {"Items": [Entry]} for a batch
Returns   its Outcome, or the Outcomes of the batch in order, or one with the status STORED if those are too large for an execution

Environment: PROCESS_MODULE (a module with `process`), CLAIMS_TABLE and CLAIMS_KEPT_SECONDS (only when idempotent), RESULTS_BUCKET and
RESULTS_PREFIX (only of a distributed Map).
"""

import hashlib
import importlib
import json
import os
import time
from typing import Any

from aws_lambda_powertools.logging import Logger

from handlers.processing import MAX_OUTCOMES_BYTES, STORED, Entry, ItemInProgress, Outcome, ProcessFunction, TransientError, cut, outcome_of

logger = Logger(service="processor")


def _imported(module: str) -> ProcessFunction:
    """The module's `process`. If the import fails, a function that raises the same error, so that each item reports it."""
    try:
        return importlib.import_module(module).process
    except (Exception, SystemExit) as error:  # noqa: BLE001 - it is the user's module, and no reason to break without a word
        reason = error

    def process(item: Any) -> Any:
        raise reason.with_traceback(None)

    return process


process = _imported(os.environ["PROCESS_MODULE"])

claims: Any = None
if "CLAIMS_TABLE" in os.environ:
    # This import takes longer than all the others, and only claims need it.
    import boto3

    from handlers.item_claims import ItemClaims

    claims = ItemClaims(boto3.client("dynamodb"), os.environ["CLAIMS_TABLE"], int(os.environ["CLAIMS_KEPT_SECONDS"]))


def handler(event: dict[str, Any], context: Any) -> Outcome | list[Outcome]:
    lease_ends = int(time.time() * 1000) + context.get_remaining_time_in_millis()
    if "Items" in event:
        outcomes = handle_batch(event["Items"], context.aws_request_id, lease_ends)
        # One line per batch: a line per item would cost more than everything else in a run of a million items.
        logger.info("processed", extra={"index": event["Items"][0]["index"], "items": len(event["Items"])})
        return outcomes
    outcome = handle(event, context.aws_request_id, lease_ends)
    logger.info("processed", extra={"index": event["index"], "items": 1})
    return outcome


def handle_batch(entries: list[Entry], owner: str, lease_ends: int) -> list[Outcome]:
    """Tries every item, whatever happens to the others. If one of them asks to be tried again, the whole batch comes back; with
    claims, completed items are not processed again."""
    outcomes: list[Outcome] = []
    again: TransientError | None = None
    for entry in entries:
        try:
            outcomes.append(handle(entry, owner, lease_ends))
        except TransientError as error:
            again = _more_urgent(again, error)
    if again:
        raise again
    return fitting(outcomes, entries[0]["run"])


def fitting(outcomes: list[Outcome], run: str) -> list[Outcome]:
    """The outcomes of a batch, or, if an execution could not carry them, a single one that says where they are in S3."""
    if len(json.dumps(outcomes, ensure_ascii=False).encode()) <= MAX_OUTCOMES_BYTES:
        return outcomes
    import boto3

    from handlers import result_files

    first = outcomes[0]["index"]
    key = f"{os.environ['RESULTS_PREFIX']}/{run}/outcomes/{first}.jsonl"
    result_files.write_lines(boto3.client("s3"), os.environ["RESULTS_BUCKET"], key, outcomes)
    return [{"index": first, "status": STORED, "key": key}]


def _more_urgent(first: TransientError | None, second: TransientError) -> TransientError:
    """Another call's claim lasts longer than a passing fault, so it determines how long the machine waits."""
    return first if isinstance(first, ItemInProgress) else second


def handle(entry: Entry, owner: str, lease_ends: int) -> Outcome:
    logger.append_keys(correlation_id=entry["run"])
    try:
        outcome = outcome_of(process, entry, _tell) if claims is None else _once(entry, owner, lease_ends)
    except ItemInProgress:
        raise
    except TransientError as fault:
        # Lambda reports the name of the class to Step Functions, and no retrier lists the name of a subclass.
        raise TransientError(cut(str(fault))) from None
    if outcome["status"] == "FAILED":
        logger.info("failed", extra={"index": entry["index"], "error": outcome["error"]})
    return outcome


def _tell(error: BaseException) -> None:
    logger.error("its code raised", exc_info=error)


def _once(entry: Entry, owner: str, lease_ends: int) -> Outcome:
    key = key_of(entry)
    done = claims.claim(key, owner, lease_ends)
    if done is not None:
        return done
    try:
        outcome = outcome_of(process, entry, _tell)
    except TransientError:
        claims.release(key, owner)
        raise
    if outcome["status"] == "SUCCEEDED":
        claims.complete(key, owner, outcome)
    else:
        # Nothing was done yet, so a later call may try the item again.
        claims.release(key, owner)
    return outcome


def key_of(entry: Entry) -> str:
    """The key by which an item is claimed: the same in all runs with one label, and different for a different item in the same place."""
    item = json.dumps(entry["item"], sort_keys=True).encode()
    return f"{entry['label']}#{entry['index']}#{hashlib.sha256(item).hexdigest()[:16]}"
