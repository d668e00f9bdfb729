"""A result on the terminal; plain text when piped."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

COLOURS = {"QUOTED": "green", "DECLINED": "yellow", "FAILED": "red", "TIMED_OUT": "magenta",
           "COMPLETE": "green", "PARTIAL": "yellow", "OPEN": "cyan"}


def result(console: Console, result: Mapping[str, Any]) -> None:
    """One line for each answer, the best one marked, and how the request ended."""
    best = (result["best"] or {}).get("responder")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading, side in (("", "left"), ("responder", "left"), ("status", "left"), ("amount", "right"), ("ms", "right"), ("", "left")):
        table.add_column(heading, justify=side)
    for answer in result["answers"]:
        is_best = answer["responder"] == best
        table.add_row(
            "*" if is_best else "",
            # Text, not markup: a responder's words are shown as they are.
            Text(answer["responder"], style="bold" if is_best else ""),
            Text(answer["status"].lower(), style=COLOURS[answer["status"]]),
            Text(f"{answer['amount']} {answer['currency']}" if "amount" in answer else ""),
            str(answer.get("latencyMs", "")),
            Text(answer.get("error", {}).get("message", "")),
        )
    console.print(table, soft_wrap=True)
    status = Text(result["status"].lower(), style=COLOURS.get(result["status"], "red"))
    closed = f" (closed by {result['completedBy'].lower()})" if result["completedBy"] else ""
    offer = f", best {best}: {result['best']['amount']} {result['best']['currency']}" if best else ", no quote"
    console.print(Text.assemble(
        f"{result['variant']} request {result['requestId']} is ", status, closed,
        f": {result['received']} of {result['expected']} answered", offer), soft_wrap=True)
