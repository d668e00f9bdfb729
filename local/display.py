"""What the user sees of a preview, update, refresh or destroy: a live tree on a terminal, lines in a pipe, or JSON.

The words and shapes are the Pulumi CLI's.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from local.engine import Deployment
from local.properties import UNKNOWN, Properties, comparable, files_of, is_secret, redact, signature
from local.state import STACK_TYPE, Resource, resource_to_json, urn_name, urn_type
from local.steps import NOT_COUNTED, Event, Op, Step


class _Words(NamedTuple):
    """How a step is shown: the sign before it, its colour, and what is said while it runs and when it is done."""

    sign: str
    colour: str
    doing: str
    done: str


_WORDS = {
    Op.SAME: _Words("", "", "", ""),
    Op.CREATE: _Words("+ ", "green", "creating", "created"),
    Op.UPDATE: _Words("~ ", "yellow", "updating", "updated"),
    Op.DELETE: _Words("- ", "red", "deleting", "deleted"),
    Op.REPLACE: _Words("+-", "magenta", "replacing", "replaced"),
    Op.CREATE_REPLACEMENT: _Words("  ", "", "creating replacement", "created replacement"),
    Op.DELETE_REPLACED: _Words("  ", "", "deleting original", "deleted original"),
    Op.READ: _Words("> ", "cyan", "reading", "read"),
    Op.DISCARD: _Words("< ", "red", "discarding", "discarded"),
    Op.REFRESH: _Words("~ ", "", "refreshing", ""),
}
_COUNTED = (Op.CREATE, Op.UPDATE, Op.DELETE, Op.REPLACE)
_DIFF_SIGNS = {"add": "+", "delete": "-", "update": "~"}
_MISSING = object()


class QuietConsole(Console):
    """A console whose reader may leave, as `head` does: the update goes on, and nothing more is printed."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        # What is buffered would fail again when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())


@dataclass
class Diagnostic:
    severity: str
    message: str
    urn: str = ""


@dataclass
class _Row:
    step: Step
    status: str = ""
    since: float | None = None
    """When the step under way began; None when none is."""


@dataclass
class Display:
    """Collects what happened, for all three ways to show it. Events arrive one at a time, from any thread.

    said: what the run before has shown, a preview for instance, and need not be shown again.
    """

    console: Console
    title: str
    preview: bool
    said: list[Diagnostic] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    _started: float = field(default_factory=time.monotonic)

    def __enter__(self) -> Display:
        return self

    def __exit__(self, *_: object) -> None:
        """Called when no event can come any more."""

    def on_event(self, event: Event) -> None:
        raise NotImplementedError

    def on_log(self, severity: str, message: str, urn: str) -> None:
        if severity != "debug" and message.strip():
            self.diagnostics.append(Diagnostic(severity, message.rstrip(), urn))

    def summarise(self, deployment: Deployment, outputs: Properties | None, *, diff: bool = False) -> None:
        """Prints the detailed diff, diagnostics, outputs, counts and duration. No outputs are shown for None."""
        out = self.console.print
        if diff:
            for line in (line for step in deployment.steps for line in step_lines(step)):
                out(Text(line, style=_line_style(line)))
            out()
        fresh = [diagnostic for diagnostic in self.diagnostics if diagnostic not in self.said]
        self.said += fresh
        if fresh:
            out("Diagnostics:", style="bold")
            for diagnostic in [*fresh, *(Diagnostic("error", str(failure)) for failure in deployment.failures)]:
                where = f"{short_type(diagnostic.urn)} ({urn_name(diagnostic.urn)}): " if diagnostic.urn else ""
                prefix = "" if diagnostic.severity == "info" else f"{diagnostic.severity}: "
                out(Text(f"  {where}{prefix}{diagnostic.message}"))
            out()
        if outputs is not None:
            lines = list(output_lines(deployment.old_outputs, outputs, show_same=not self.preview))
            if lines:
                out("Outputs:", style="bold")
                for line in lines:
                    out(Text(line, style=_line_style(line)), soft_wrap=True)
                out()
        out("Resources:", style="bold")
        for line in count_lines(deployment.changes(), len(deployment.failures), planned=self.preview):
            out(Text(f"    {line}", style=_line_style(f"  {line}")))
        if not self.preview:
            out()
            out(f"[bold]Duration:[/bold] {max(1, round(time.monotonic() - self._started))}s")
        out()


class PlainDisplay(Display):
    """A line when a step begins and one when it ends: for pipes and logs."""

    _is_empty = True

    def __enter__(self) -> Display:
        self.console.print(f"{self.title}:\n")
        return self

    def on_event(self, event: Event) -> None:
        step = event.step
        if step.op is Op.SAME or (step.op in NOT_COUNTED and self.preview):
            return
        if event.phase == "begin" and (self.preview or step.op is Op.REFRESH):
            return
        words = [_WORDS[step.op].sign, short_type(step.urn), urn_name(step.urn), _status(event, self.preview)]
        if step.diff:
            words.append(diff_summary(step))
        self._is_empty = False
        self.console.print(Text(f" {' '.join(words)}"), soft_wrap=True)

    def __exit__(self, *_: object) -> None:
        if not self._is_empty:
            self.console.print()


class LiveDisplay(Display):
    """The tree of what changes, kept up to date while it happens."""

    def __enter__(self) -> Display:
        self._rows: dict[str, _Row] = {}
        self._live = Live(console=self.console, get_renderable=self._table, refresh_per_second=8, transient=True)
        self.console.print(Text(f"{self.title}:\n", style="bold magenta"))
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()
        self.console.print(self._table())
        self.console.print()

    def on_event(self, event: Event) -> None:
        step = event.step
        row = self._rows.get(step.urn)
        if row is None or step.op not in NOT_COUNTED:
            row = self._rows[step.urn] = _Row(step)
        row.status = _status(event, self.preview)
        row.since = time.monotonic() if event.phase == "begin" and not self.preview else None

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for column in ("", "Type", "Name", "Plan" if self.preview else "Status", "Info"):
            table.add_column(column, no_wrap=column != "Info")
        rows = dict(self._rows)
        for row, prefix in _tree({urn: row for urn, row in rows.items() if _concerns_a_change(urn, rows)}):
            words = _WORDS[row.step.op]
            running = f" ({time.monotonic() - row.since:.0f}s)" if row.since is not None else ""
            table.add_row(
                Text(words.sign, style=words.colour),
                f"{prefix}{short_type(row.step.urn)}",
                urn_name(row.step.urn),
                Text(row.status + running, style=words.colour),
                Text(diff_summary(row.step) if row.step.diff else ""),
            )
        return table


class SilentDisplay(Display):
    """Shows nothing: the JSON comes at the end."""

    def on_event(self, event: Event) -> None:
        pass


def digest(
    deployment: Deployment, config: Mapping[str, str], diagnostics: list[Diagnostic], seconds: float, *, show_sames: bool
) -> dict[str, Any]:
    """The object that `--json` prints, shaped as the CLI's preview digest.

    `changeSummary` always has all of create, update, replace, delete and same; `duration` is in nanoseconds.
    """
    errors = [Diagnostic("error", str(failure), failure.urn) for failure in deployment.failures]
    counts = {str(op): 0 for op in (Op.CREATE, Op.UPDATE, Op.REPLACE, Op.DELETE, Op.SAME)}
    return {
        "config": dict(config),
        "steps": [
            _step_json(step)
            for step in deployment.steps
            if step.op not in NOT_COUNTED and (step.op is not Op.SAME or show_sames or step.resource.type == STACK_TYPE)
        ],
        "diagnostics": [{name: value for name, value in vars(item).items() if value} for item in [*diagnostics, *errors]],
        "duration": int(seconds * 1e9),
        "changeSummary": counts | deployment.changes(),
    }


def _step_json(step: Step) -> dict[str, Any]:
    states = {"oldState": step.old, "newState": step.new}
    shown: dict[str, Any] = {"op": str(step.op), "urn": step.urn}
    shown |= {name: _state_json(state) for name, state in states.items() if state is not None}
    if step.replace_keys:
        shown["replaceReasons"] = step.replace_keys
    shown["detailedDiff"] = {path: {"kind": kind, "inputDiff": True} for path, kind in step.diff.items()} or None
    return shown


def _state_json(resource: Resource) -> dict[str, Any]:
    return resource_to_json(resource, redact)


# Words


def short_type(urn: str) -> str:
    """`aws:sqs:Queue` for the type `aws:sqs/queue:Queue`."""
    package, _, rest = urn_type(urn).partition(":")
    module, _, name = rest.partition(":")
    return ":".join([package, module.partition("/")[0], name])


def diff_summary(step: Step) -> str:
    """`[diff: ~definition,+tags]`: the changed properties, without what is inside them."""
    signs: dict[str, str] = {}
    for path, kind in step.diff.items():
        name = path.partition(".")[0].partition("[")[0]
        sign = _DIFF_SIGNS[kind.removesuffix("-replace")] if name == path else "~"
        signs[name] = sign if signs.get(name, sign) == sign else "~"
    return f"[diff: {','.join(sign + name for name, sign in signs.items())}]"


def count_lines(changes: Mapping[str, int], failed: int, *, planned: bool) -> Iterator[str]:
    """`+ 2 to create`, `3 unchanged`, ..."""
    counted = {op: changes[op] for op in _COUNTED if changes.get(op)}
    for op, count in counted.items():
        yield f"{_WORDS[op].sign}{count} {'to ' + str(op) if planned else _WORDS[op].done}"
    unchanged = changes.get(Op.SAME, 0)
    if len(counted) > 1:
        yield f"{sum(counted.values())} changes. {unchanged} unchanged"
    elif unchanged:
        yield f"{unchanged} unchanged"
    if failed:
        yield f"{failed} errored"


def _status(event: Event, preview: bool) -> str:
    status = _plain_status(event, preview)
    # What stays behind untracked is said where it happens.
    kept = event.step.old is not None and event.step.old.retain_on_delete and event.step.op in (Op.DELETE, Op.REPLACE)
    return f"{status}[retain]" if kept else status


def _plain_status(event: Event, preview: bool) -> str:
    op = event.step.op
    if event.phase == "failed":
        return f"**{_WORDS[op].doing or op} failed**"
    if op is Op.SAME:
        return ""
    if preview:
        return str(op)
    if event.phase == "begin":
        return _WORDS[op].doing
    return f"{_WORDS[op].done} ({event.seconds:.2g}s)" if event.seconds >= 0.005 else _WORDS[op].done


def _line_style(line: str) -> str:
    return {"+": "green", "-": "red", "~": "yellow"}.get(line[2:3], "")


# The tree


def _concerns_a_change(urn: str, rows: Mapping[str, _Row]) -> bool:
    """Whether the resource changes, or one below it does; the stack itself is always shown."""
    row = rows[urn]
    if row.step.op is not Op.SAME or row.step.resource.type == STACK_TYPE:
        return True
    return any(other.step.resource.parent == urn and _concerns_a_change(child, rows) for child, other in rows.items())


def _tree(rows: Mapping[str, _Row]) -> Iterator[tuple[_Row, str]]:
    def below(parent: str, indent: str) -> Iterator[tuple[_Row, str]]:
        children = [urn for urn, row in rows.items() if row.step.resource.parent == parent]
        for urn in children:
            is_last = urn == children[-1]
            yield rows[urn], f"{indent}{'└─ ' if is_last else '├─ '}"
            yield from below(urn, f"{indent}{'   ' if is_last else '│  '}")

    for urn, row in rows.items():
        if row.step.resource.parent not in rows:
            yield row, ""
            yield from below(urn, "")


# Outputs


def output_lines(old: Properties, new: Properties, *, show_same: bool) -> Iterator[str]:
    """The outputs as the CLI prints them, with a sign before what is new, gone or different."""
    names = sorted({*old, *new})
    width = max(map(len, names), default=0)
    all_new = not old
    for name in names:
        before, after = old.get(name, _MISSING), new.get(name, _MISSING)
        if before != after or show_same:
            yield from _value_lines(f"{name:<{width}}", after if all_new else before, after, 4)


def _value_lines(label: str, old: Any, new: Any, indent: int) -> Iterator[str]:
    sign = "+" if old is _MISSING else "-" if new is _MISSING else " " if old == new else "~"
    margin = f"{sign:>{indent - 1}} "
    shown = old if new is _MISSING else new
    files = files_of(shown)
    if files is not None:
        yield f"{margin}{label}: {_counted_files(files)}"
        before = files_of(old) if sign == "~" else None
        if before is not None:
            yield from _changed_files(before, files, indent + 4)
    elif sign == "~" and not (_is_nested(old) and _is_nested(new) and type(old) is type(new)):
        yield f"{margin}{label}: {_scalar(old)} => {_scalar(new)}"
    elif _is_nested(shown):
        opening, closing = "{}" if isinstance(shown, dict) else "[]"
        yield f"{' ' * indent if sign == '~' else margin}{label}: {opening}"
        for key in _keys(old, new):
            inner = f"[{key}]" if isinstance(shown, list) else str(key)
            yield from _value_lines(inner, _item(old, key), _item(new, key), indent + 4)
        yield f"{' ' * indent}{closing}"
    else:
        yield f"{margin}{label}: {_scalar(shown)}"


def _counted_files(files: Mapping[str, str]) -> str:
    return f"[{len(files)} file{'' if len(files) == 1 else 's'}]"


def _changed_files(old: Mapping[str, str], new: Mapping[str, str], indent: int) -> Iterator[str]:
    for name in sorted(filter(None, {*old, *new})):
        sign = "+" if name not in old else "-" if name not in new else "~"
        # What a state of an earlier version has no hash of may be the same.
        if old.get(name) not in ("", new.get(name)):
            yield f"{sign:>{indent - 1}} {name}"


def _is_nested(value: Any) -> bool:
    return isinstance(value, dict | list) and bool(value) and signature(value) is None


def _keys(old: Any, new: Any) -> list[Any]:
    values = [value for value in (old, new) if value is not _MISSING]
    if isinstance(values[0], list):
        return list(range(max(map(len, values))))
    return list(dict.fromkeys(key for value in values for key in value))


def _item(container: Any, key: Any) -> Any:
    if isinstance(container, dict):
        return container.get(key, _MISSING)
    return container[key] if isinstance(container, list) and key < len(container) else _MISSING


def _scalar(value: Any) -> str:
    if is_secret(value):
        return "[secret]"
    if value == UNKNOWN:
        return "[unknown]"
    if value is None:
        return "<null>"
    return json.dumps(redact(value, unknown="[unknown]"), ensure_ascii=False)


# The detailed diff


def step_lines(step: Step) -> Iterator[str]:
    """A step with its properties, as `--diff` shows it."""
    if step.op is Op.SAME or step.op in NOT_COUNTED:
        return
    yield f"{_WORDS[step.op].sign} {urn_type(step.urn)}: ({step.op})"
    if step.resource.id:
        yield f"    [id={step.resource.id}]"
    yield f"    [urn={step.urn}]"
    old = step.old.inputs if step.old else {}
    new = step.new.inputs if step.new else {}
    if step.op is Op.DELETE:
        return
    for name in sorted(name for name in {*old, *new} if not name.startswith("__")):
        before, after = old.get(name, _MISSING), new.get(name, _MISSING)
        if comparable(before) != comparable(after):
            yield from _value_lines(name, before, after, 4)
