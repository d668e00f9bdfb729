"""Results on the terminal: they grow there as answers arrive; plain lines when piped.

Responders' words are shown, never obeyed: no markup, no control characters.
"""

import contextlib
import json
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from client.shapes import Answer, StoredResult, reason
from client.stack import Stack

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.table import Table
    from rich.text import Text

COLOURS = {
    "QUOTED": "green",
    "DECLINED": "yellow",
    "FAILED": "red",
    "TIMED_OUT": "magenta",
    "COMPLETE": "green",
    "PARTIAL": "yellow",
    "OPEN": "cyan",
}
PIPED_WIDTH = 160
REFRESHES_PER_SECOND = 8


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, default=str))


def print_result(result: StoredResult) -> None:
    """One line for each answer, the best one marked, and how the request ended."""
    out = console()
    out.print(answers_table(result), crop=False)
    out.print(summary(result), soft_wrap=True)


def print_answer(answer: Answer) -> None:
    console().print(_line(answer), soft_wrap=True)


def last(stack: Stack, changes: Iterator[StoredResult], *, as_json: bool = False) -> StoredResult:
    """The last of the results, after all of them were shown as they came; as_json: nothing is shown."""
    if as_json:
        return list(changes)[-1]
    out = console()
    return _live(out, stack, changes) if out.is_terminal else _lines(out, changes)


def console() -> "Console":
    """Where a command's output goes. Raises BrokenPipeError when its reader has left, as `head` does."""
    from rich.console import Console

    class Output(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    # Piped, a table is as wide as it needs to be.
    return Output(highlight=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)


def visible(text: object) -> str:
    """Text with every character that could steer a terminal written out."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in str(text))


@contextlib.contextmanager
def progress(*, quiet: bool) -> Generator[Callable[[str], None]]:
    """What is being sent, on a line of stderr that is rewritten; nothing where nobody watches it."""
    from rich.console import Console

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda line: None
        return
    with console.status("") as status:
        yield status.update


def _lines(out: "Console", changes: Iterator[StoredResult]) -> StoredResult:
    """A line for each answer as it comes, and one for the end."""
    shown: set[str] = set()
    result = None
    for result in changes:
        for answer in result["answers"]:
            if answer["responder"] not in shown:
                shown.add(answer["responder"])
                out.print(_line(answer), soft_wrap=True)
    if result is None:
        raise AssertionError("a request that ended was never seen")
    out.print(summary(result), soft_wrap=True)
    return result


def _line(answer: Answer) -> "Text":
    from rich.text import Text

    after = f"{answer['latencyMs']:>6} ms  " if "latencyMs" in answer else " " * 11
    return Text(f"{after}{visible(answer['responder'])} {answer['status'].lower()} {_offer(answer)}{_reason(answer)}".rstrip())


def _live(out: "Console", stack: Stack, changes: Iterator[StoredResult]) -> StoredResult:
    """A table that fills up, over a bar of the answers and one of the time until the deadline."""
    from rich.live import Live
    from rich.text import Text

    result: StoredResult | None = None
    record: Mapping[str, Any] = {}

    def now() -> "Group | Text":
        return Text("waiting …") if result is None else _progress(result, record)

    with Live(get_renderable=now, console=out, refresh_per_second=REFRESHES_PER_SECOND, transient=True):
        for result in changes:
            # Who was asked, and until when, does not change.
            record = record or stack.record(result["requestId"]) or {}
    if result is None:
        raise AssertionError("a request that ended was never seen")
    print_result(result)
    return result


def _progress(result: StoredResult, record: Mapping[str, Any]) -> "Group":
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    bars = Table.grid(padding=(0, 1))
    bars.add_row(
        "answers",
        ProgressBar(total=result["expected"], completed=len(result["answers"]), width=30),
        f"{len(result['answers'])} of {result['expected']}",
    )
    if "deadlineAt" in record:
        began, ends = datetime.fromisoformat(record["createdAt"]), datetime.fromisoformat(record["deadlineAt"])
        total, gone = (ends - began).total_seconds(), (datetime.now(UTC) - began).total_seconds()
        bars.add_row(
            "time",
            ProgressBar(total=total, completed=min(max(gone, 0), total), width=30, complete_style="yellow"),
            f"{max(total - gone, 0):.0f} s until the deadline",
        )
    return Group(answers_table(result, record.get("recipients", ())), bars)


def answers_table(result: StoredResult, recipients: Any = ()) -> "Table":
    """recipients: those that were asked; who has not answered yet is listed too."""
    from rich.table import Table
    from rich.text import Text

    best = (result["best"] or {}).get("responder")
    answers = {answer["responder"]: answer for answer in result["answers"]}
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading, side in (("", "left"), ("responder", "left"), ("status", "left"), ("amount", "right"), ("ms", "right"), ("", "left")):
        table.add_column(heading, justify=side, overflow="fold")
    late = {answer["responder"]: answer for answer in result.get("lateAnswers", ())}
    for name in recipients or {**answers, **late}:
        answer = answers.get(name)
        if name in late:
            offer = _offer(late[name]) or late[name]["status"].lower()
            table.add_row(
                "",
                Text(visible(name), style="dim"),
                Text("late", style="dim"),
                Text(offer, style="dim"),
                str(late[name].get("latencyMs", "")),
                Text(_reason(late[name]), style="dim"),
            )
            continue
        if answer is None:
            table.add_row("", Text(visible(name), style="dim"), Text("…", style="dim"))
            continue
        table.add_row(
            "*" if name == best else "",
            Text(visible(name), style="bold" if name == best else ""),
            Text(answer["status"].lower(), style=COLOURS[answer["status"]]),
            Text(_offer(answer)),
            str(answer.get("latencyMs", "")),
            Text(_reason(answer)),
        )
    return table


def summary(result: StoredResult) -> "Text":
    from rich.text import Text

    best = result["best"]
    status = Text(result["status"].lower(), style=COLOURS.get(result["status"], "red"))
    closed = f" (closed by {result['completedBy'].lower()})" if result["completedBy"] else ""
    if "selectionError" in result:
        offer = f", no best: {visible(result['selectionError']['message'])}"
    else:
        offer = f", best {visible(best['responder'])}: {_offer(best)}" if best else ", no quote"
    late = f", {result['late']} late" if result["late"] else ""
    late += f", {result['spared']} not begun" if result.get("spared") else ""
    absent = result.get("missing", []) if result["completedBy"] else []
    missing = f", without {', '.join(map(visible, absent))}" if absent else ""
    if best and best["responder"] in result.get("reasons", {}):
        offer += f" ({visible(result['reasons'][best['responder']])})"
    return Text.assemble(
        f"{result['variant']} request {result['requestId']} is ",
        status,
        closed,
        f": {result['received']} of {result['expected']} answered{late}{missing}",
        offer,
    )


def _offer(answer: Answer) -> str:
    return visible(f"{answer.get('amount', '')} {answer.get('currency', '')}".strip())


def _reason(answer: Answer) -> str:
    return visible(reason(answer))
