"""list: the last requests, newest first, by the table's index of them: no scan, and no more records read than are looked at."""

import argparse
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from client import arguments, display
from client.stack import Stack

READ_AT_ONCE = 100
"""Records that DynamoDB hands out in one call: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html"""

STATUSES = ("OPEN", "COMPLETE", "PARTIAL", "FAILED")


@dataclass
class Read:
    """records: how many were read so far."""

    records: int = 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--since", type=arguments.ago, default="7d", metavar="TIME", help="how far back: 30s, 10m, 2h, 1d; default: 7d")
    parser.add_argument("--limit", "-n", type=_whole, default=20, metavar="N", help="show so many; default: 20")
    parser.add_argument("--status", choices=STATUSES, help="only those")
    parser.add_argument("--variant", metavar="CARRIER", help="only those that it carried")
    parser.add_argument("--best-below", type=_amount, metavar="AMOUNT", help="only those whose best quote is lower")


def run(options: argparse.Namespace, stack: Stack) -> int:
    read = Read()
    wanted = (result for result in newest(stack, options.since, options.limit, read) if _is_wanted(result, options))
    found = [result for _, result in zip(range(options.limit), wanted, strict=False)]
    if options.json:
        display.print_json(
            {
                "requests": [
                    {key: value for key, value in each.items() if key not in ("answers", "request", "lateAnswers")} for each in found
                ],
                "read": read.records,
            }
        )
    else:
        _print(found, read)
    return 0


def newest(stack: Stack, seconds: float, at_once: int, read: Read) -> Iterator[Mapping[str, Any]]:
    """The StoredResults of the requests of the last so many seconds. at_once: how many are read at a time."""
    from handlers import aggregation, clock, history
    from handlers.records import Records

    store, size = Records(stack.outputs["quoteTableName"], stack.client("dynamodb")), min(at_once, READ_AT_ONCE)
    now = clock.now()
    entries = history.newest(store, None, history.Place(clock.later(now, 1)), clock.later(now, -seconds), size)
    while ids := [entry.request_id for entry in itertools.islice(entries, size) if entry.request_id]:
        records = store.read_all(ids)
        read.records += len(records)
        for request_id in ids:
            # What expired since the index was read is in neither.
            if request_id in records:
                yield aggregation.stored_result(records[request_id], stack.selection)


def _is_wanted(result: Mapping[str, Any], options: argparse.Namespace) -> bool:
    best = result["best"]
    return (
        options.status in (None, result["status"])
        and options.variant in (None, result["variant"])
        and (options.best_below is None or (best is not None and Decimal(best["amount"]) < options.best_below))
    )


def _whole(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 10_000:
        raise argparse.ArgumentTypeError(f"{text} is no number of requests; allowed: a whole number from 1 to 10000")
    return int(text)


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite():
        raise argparse.ArgumentTypeError(f"{text} is no amount; allowed: a decimal number such as 99.50")
    return amount


def _print(found: list[Mapping[str, Any]], read: Read) -> None:
    from rich.table import Table
    from rich.text import Text

    out = display.console()
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("made", "request", "by", "status", "answers", "best", "took"):
        table.add_column(column, justify="right" if column in ("answers", "took") else "left", overflow="fold")
    for result in found:
        best = result["best"]
        table.add_row(
            result["createdAt"][:19].replace("T", " "),
            Text(display.visible(result["requestId"])),
            result["variant"],
            Text(result["status"], display.COLOURS.get(result["status"], "")),
            f"{result['received']}/{result['expected']}",
            Text(display.visible(f"{best['responder']} {best['amount']} {best['currency']}")) if best else "",
            _took(result),
        )
    out.print(table)
    out.print(f"{len(found)} shown, {read.records} read; times in UTC", style="dim")


def _took(result: Mapping[str, Any]) -> str:
    if not result["completedAt"]:
        return ""
    made, closed = (datetime.fromisoformat(result[key]) for key in ("createdAt", "completedAt"))
    return f"{(closed - made).total_seconds():.3f} s"
