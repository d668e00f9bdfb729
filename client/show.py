"""show ID: the course of one request, moment by moment: opened, each answer, closed, announced, and what came late."""

import argparse
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from client import display
from client.errors import UnknownRequest
from client.stack import Stack

WIDTH = 40
LATE = "late"


@dataclass(frozen=True)
class Moment:
    """seconds: since the request was opened. of: a responder, or "" for the request itself. lasted: seconds until then, of an answer."""

    seconds: float
    of: str
    what: str
    lasted: float = 0.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", help="the request's id")


def run(options: argparse.Namespace, stack: Stack) -> int:
    record = stack.record(options.id)
    if record is None:
        raise UnknownRequest(f"there is no request {options.id}")
    found = list(course(record))
    if options.json:
        display.print_json(
            {
                "requestId": record["requestId"],
                "variant": record["variant"],
                "status": record["status"],
                "createdAt": record["createdAt"],
                "moments": [asdict(moment) for moment in found],
            }
        )
    else:
        _print(record, found)
    return 0


def course(record: Mapping[str, Any]) -> Iterator[Moment]:
    """In the order of time."""
    began = datetime.fromisoformat(record["createdAt"])

    def since(written: str) -> float:
        return round((datetime.fromisoformat(written) - began).total_seconds(), 3)

    asked = len(record["recipients"])
    moments = [Moment(0, "", f"opened by {record['variant']}, {asked} responder{'' if asked == 1 else 's'} asked")]
    for place, answers in (("", record["answers"]), (LATE, record["late"])):
        for name, answer in answers.items():
            given = since(answer["respondedAt"]) if "respondedAt" in answer else since(record["completedAt"])
            moments.append(Moment(given, name, f"{place} {_said(answer)}".strip(), lasted=max(given, 0)))
    moments.append(Moment(since(record["deadlineAt"]), "", "deadline"))
    for key, what in (
        ("publishedAt", "published"),
        ("completedAt", f"closed by {record.get('completedBy')}: {record['status']}"),
        ("announcedAt", "announced"),
    ):
        if record.get(key) and (key != "completedAt" or record["status"] != "OPEN"):
            moments.append(Moment(since(record[key]), "", what))
    return iter(sorted(moments, key=lambda moment: moment.seconds))


def _said(answer: Mapping[str, Any]) -> str:
    if answer["status"] == "QUOTED":
        return f"QUOTED {answer['amount']} {answer['currency']}"
    error = answer.get("error", {})
    return f"{answer['status']} {error.get('type', '')}: {error.get('message', '')}" + (f" ({error['at']})" if "at" in error else "")


def _print(record: Mapping[str, Any], found: list[Moment]) -> None:
    from rich.table import Table
    from rich.text import Text

    # What lies beyond the last answer, such as a deadline that was not needed, would leave no room for the answers.
    ends = max(itertools.chain([0.001], (moment.seconds for moment in found if moment.what != "deadline")))
    out = display.console()
    out.print(f"{record['requestId']}  {record['createdAt']}", soft_wrap=True, markup=False)
    table = Table(box=None, pad_edge=False, show_header=False)
    for side in ("right", "left", "left", "left"):
        table.add_column(justify=side, overflow="fold")
    for moment in found:
        status = moment.what.removeprefix(f"{LATE} ").partition(" ")[0]
        table.add_row(
            f"{moment.seconds:.3f} s",
            Text(display.visible(moment.of)),
            Text(_bar(moment, ends), display.COLOURS.get(status, "dim")),
            Text(display.visible(moment.what), "" if moment.of else "bold"),
        )
    out.print(table)


def _bar(moment: Moment, ends: float) -> str:
    """From the opening to the answer; of the request itself a mark."""
    at = min(round(WIDTH * moment.seconds / ends), WIDTH)
    if moment.of:
        return "━" * max(at, 1)
    return " " * max(at - 1, 0) + ("▏" if moment.seconds <= ends else "›")
