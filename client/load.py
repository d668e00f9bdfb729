"""load FILE: puts a list (JSON, JSON Lines, CSV) where the distributed variant reads it.

A list in DynamoDB is one item, so it must fit; a data set in S3 is streamed, in parts of 8 MB, however long it is.
"""

import argparse
import csv
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, DecimalException
from pathlib import Path
from typing import Any, TextIO

from client.errors import UsageError
from client.stack import Stack
from handlers import exact_json, streaming

STATE_BYTES = 262_144
"""What a state of a machine may carry (Step Functions): a list that is read, and the input of one item's execution."""

ITEM_BYTES = 409_600
"""What a DynamoDB item may hold. As attribute values in JSON it is always larger, so STATE_BYTES is what ends a list."""

HEADROOM_BYTES = 2_048
"""For what a state carries beside them."""

CHUNK_CHARS = 65_536
FORMATS = {".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv"}

Report = Callable[[int], None]
"""Called with the number of bytes of the file that were read since the last time."""


class LoadError(UsageError):
    """The file cannot be loaded as it is; the message says why, and what would do."""


@dataclass(frozen=True)
class Loaded:
    items: int
    target: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a JSON list, JSON Lines (.jsonl) or CSV with a header")
    parser.add_argument("--format", choices=sorted(set(FORMATS.values())), help="what FILE is; default: as its name ends")


def run(options: argparse.Namespace, stack: Stack) -> int:
    with _progress(options.file, quiet=options.json) as report:
        loaded = load(stack, options.file, options.format, report)
    print(json.dumps({"items": loaded.items, "target": loaded.target}) if options.json else f"{loaded.items} items are in {loaded.target}")
    return 0


def load(stack: Stack, file: Path, format: str | None = None, report: Report = lambda read: None) -> Loaded:
    """Puts the items of `file` into the source of the stack's distributed variant. LoadError where that is impossible."""
    source = stack.outputs.get("distributedSource")
    if source is None:
        raise LoadError("variant distributed is not deployed: add it to variants")
    items = read(file, format, report)
    try:
        if source["source"] == "dynamodb":
            return _put_list(stack.client("dynamodb"), source, items)
        return _upload(stack.client("s3"), source, items)
    except RecursionError:
        raise LoadError(f"{file} has an item that is nested too deeply") from None


def read(file: Path, format: str | None = None, report: Report = lambda read: None) -> Iterator[Any]:
    """The items of a file, one after the other and never all at once; numbers with a point as Decimal."""
    kind = format or FORMATS.get(file.suffix.lower())
    if kind is None:
        raise LoadError(f"{file} is neither .json, .jsonl nor .csv: say which with --format")
    try:
        # A byte order mark, as spreadsheets write it, is no part of the first column's name.
        with file.open(encoding="utf-8-sig", newline="") as text:
            counted = _Counted(text, report)
            yield from {"json": _json_list, "jsonl": _json_lines, "csv": _csv_rows}[kind](counted, file)
    except OSError as error:
        raise LoadError(f"cannot read {file}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise LoadError(f"{file} is not UTF-8: {error.reason} at byte {error.start}") from None


class _Counted:
    """A text file that reports how much of it was read. Characters are counted, which for ASCII are bytes."""

    def __init__(self, file: TextIO, report: Report) -> None:
        self._file = file
        self._report = report

    def read(self, size: int) -> str:
        chunk = self._file.read(size)
        self._report(len(chunk))
        return chunk

    def __iter__(self) -> Iterator[str]:
        for line in self._file:
            self._report(len(line))
            yield line


def _json_list(text: _Counted, file: Path) -> Iterator[Any]:
    decoder = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_number)
    buffer = text.read(CHUNK_CHARS).lstrip()
    if not buffer.startswith("["):
        raise LoadError(f"{file} must hold a JSON list; for one item per line use --format jsonl")
    buffer, at, index, ended = buffer[1:], 0, 0, False
    while True:
        at = _skip(buffer, at, " \t\r\n")
        if at < len(buffer) and buffer[at] == "]":
            if (buffer[at + 1 :] + text.read(CHUNK_CHARS)).strip():
                raise LoadError(f"{file} goes on after the end of its list")
            return
        start = at
        if index and at < len(buffer):
            if buffer[at] != ",":
                raise LoadError(f"{file}: expected a comma or the end of the list after item {index}")
            start = _skip(buffer, at + 1, " \t\r\n")
        try:
            item, end = decoder.raw_decode(buffer, start)
        except json.JSONDecodeError as error:
            item, end, problem = None, len(buffer), error.msg
        except ValueError as error:
            raise LoadError(f"{file}: item {index + 1} is not JSON: {error}") from None
        else:
            problem = "it ends early"
        # What touches the end of the buffer may go on after it.
        if end < len(buffer):
            yield item
            at, index = end, index + 1
        elif ended:
            raise LoadError(f"{file}: item {index + 1} is not JSON: {problem}")
        else:
            more = text.read(max(CHUNK_CHARS, len(buffer)))
            buffer, at, ended = buffer[at:] + more, 0, not more


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")


def _skip(buffer: str, at: int, characters: str) -> int:
    while at < len(buffer) and buffer[at] in characters:
        at += 1
    return at


def _json_lines(text: _Counted, file: Path) -> Iterator[Any]:
    for number, line in enumerate(text, start=1):
        if line.strip():
            try:
                yield json.loads(line, parse_float=Decimal, parse_constant=_no_number)
            except ValueError as error:
                raise LoadError(f"{file}: line {number} is not JSON: {error}") from None


def _csv_rows(text: _Counted, file: Path) -> Iterator[dict[str, str]]:
    # A field may be as long as it likes here: what is too much for an item is told with what to do.
    csv.field_size_limit(sys.maxsize)
    rows = csv.reader(text, strict=True)
    try:
        header = next(rows, None)
        if header is None:
            return
        if len(set(header)) < len(header) or not all(header):
            raise LoadError(f"{file}: the header must name each column once, not {', '.join(header)}")
        for row in rows:
            if not row:
                # A blank line.
                continue
            if len(row) != len(header):
                raise LoadError(f"{file}: line {rows.line_num} has {len(row)} fields; the header has {len(header)}")
            yield dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise LoadError(f"{file}: line {rows.line_num} is not CSV: {error}") from None


def _put_list(dynamodb: Any, source: Mapping[str, Any], items: Iterable[Any]) -> Loaded:
    from boto3.dynamodb.types import TypeSerializer

    serialize = TypeSerializer().serialize
    values: list[Any] = []
    size = HEADROOM_BYTES
    for item in items:
        try:
            value = serialize(item)
        except DecimalException:
            raise LoadError(
                f"item {len(values) + 1} has a number that DynamoDB cannot keep: of more than 38 digits, or beyond 1E+126"
            ) from None
        size += _bytes(json.dumps(value, ensure_ascii=False, separators=(",", ":")), len(values) + 1) + 1
        if size > STATE_BYTES:
            raise LoadError(
                f"the list does not fit: its first {len(values) + 1} items alone take {size} bytes as DynamoDB attribute values, "
                f"and a state machine reads at most {STATE_BYTES} (an item of DynamoDB holds at most {ITEM_BYTES}); put it into S3 "
                "instead: set distributed.source to s3"
            )
        values.append(value)
    dynamodb.update_item(
        TableName=source["table"],
        Key={source["keyName"]: {source["keyType"]: source["keyValue"]}},
        UpdateExpression="SET #list = :list",
        ExpressionAttributeNames={"#list": source["attribute"]},
        ExpressionAttributeValues={":list": {"L": values}},
    )
    return Loaded(len(values), f"{source['attribute']} of {source['keyName']} = {source['keyValue']} in table {source['table']}")


def _upload(s3: Any, source: Mapping[str, Any], items: Iterable[Any]) -> Loaded:
    counter = _Counter(items)
    lines = {"json": _as_list, "jsonl": _as_lines, "csv": _as_csv}[source["format"]](counter)
    streaming.upload(s3, source["bucket"], source["key"], lines)
    return Loaded(counter.count, f"s3://{source['bucket']}/{source['key']}")


class _Counter:
    """Items that pass, counted; one that no execution could take as its input is a LoadError."""

    def __init__(self, items: Iterable[Any]) -> None:
        self._items = items
        self.count = 0

    def __iter__(self) -> Iterator[Any]:
        for item in self._items:
            self.count += 1
            yield item

    def check(self, text: str) -> str:
        size = _bytes(text, self.count)
        if size > STATE_BYTES - HEADROOM_BYTES:
            raise LoadError(
                f"item {self.count} takes {size} bytes; the input of an execution holds at most {STATE_BYTES}: "
                "put its content into an object of its own and its key into the list"
            )
        return text


def _as_list(items: _Counter) -> Iterator[str]:
    separator = "["
    for item in items:
        yield separator + items.check(_text(item))
        separator = ",\n"
    yield "]\n" if separator != "[" else "[]\n"


def _as_lines(items: _Counter) -> Iterator[str]:
    for item in items:
        yield items.check(_text(item)) + "\n"


def _as_csv(items: _Counter) -> Iterator[str]:
    line = io.StringIO()
    writer = csv.writer(line, lineterminator="\n")
    header: list[str] | None = None
    for item in items:
        if not item or not isinstance(item, dict) or any(isinstance(value, (dict, list)) for value in item.values()):
            raise LoadError(f"item {items.count} is no row: CSV takes flat objects with a field or more; set distributed.format to jsonl")
        if header is None:
            header = list(item)
            writer.writerow(header)
        elif list(item) != header:
            raise LoadError(
                f"item {items.count} has the fields {', '.join(item)}; the first has {', '.join(header)}; set distributed.format to jsonl"
            )
        writer.writerow(item.values())
        if "\\" in line.getvalue():
            raise LoadError(f"item {items.count} has a backslash, which Step Functions takes out of CSV; set distributed.format to jsonl")
        yield items.check(line.getvalue())
        line.seek(0)
        line.truncate()


def _bytes(text: str, item: int) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise LoadError(f"item {item} has half a character (a lone surrogate), which is no text") from None


def _text(item: Any) -> str:
    return json.dumps(exact_json.to_json(item), ensure_ascii=False, separators=(",", ":"))


class _progress:
    """A bar over the bytes of the file; nothing at all where the output is not a terminal, or is to be JSON."""

    def __init__(self, file: Path, *, quiet: bool) -> None:
        self._file = file
        self._quiet = quiet
        self._bar: Any = None

    def __enter__(self) -> Report:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        if self._quiet or not console.is_terminal or not self._file.is_file():
            return lambda read: None
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=console, transient=True)
        self._bar.start()
        task = self._bar.add_task(self._file.name, total=self._file.stat().st_size)
        return lambda read: self._bar.advance(task, read)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
