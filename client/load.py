"""load FILE: puts a list (JSON, JSON Lines, CSV, read by `handlers.rows`) where the distributed variant reads it.

A list in DynamoDB is one item, so it must fit; a data set in S3 is streamed, in parts of 8 MB, however long it is.
"""

import argparse
import csv
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import DecimalException
from pathlib import Path
from types import MappingProxyType
from typing import Any

from client.errors import UsageError
from client.stack import Stack
from handlers import exact_json, rows, streaming

STATE_BYTES = 262_144
"""What a state of a machine may carry (Step Functions): a list that is read, and the input of one item's execution."""

ITEM_BYTES = 409_600
"""What a DynamoDB item may hold. As attribute values in JSON it is always larger, so STATE_BYTES is what ends a list."""

HEADROOM_BYTES = 2_048
"""For what a state carries beside them."""

Report = Callable[[int], None]
"""Called with the number of bytes of the file that were read since the last time."""


class LoadError(UsageError):
    """The file cannot be loaded as it is; the message says why, and what would do."""


@dataclass(frozen=True)
class Loaded:
    items: int
    target: str
    form: rows.Form
    """What the file was read as."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a JSON list, JSON Lines (.jsonl) or CSV, plain or gzip")
    parser.add_argument("--format", choices=sorted(rows.FORMATS), help="what FILE is; default: as its name ends")
    parser.add_argument("--encoding", help="of FILE, such as latin-1 or windows-1252; default: UTF-8, or UTF-16 where FILE shows it")
    parser.add_argument("--pointer", help="where in a JSON file its list is, such as /items; default: the file is the list")
    of_csv = parser.add_argument_group("of a CSV file")
    of_csv.add_argument("--delimiter", help="one character, or tab; default: what FILE shows")
    of_csv.add_argument("--quote", help="one character, or an empty one for none; default: what FILE shows")
    of_csv.add_argument("--no-header", metavar="NAMES", help="FILE has no header; its columns are NAMES, separated by commas")


def run(options: argparse.Namespace, stack: Stack) -> int:
    with _progress(options.file, quiet=options.json) as report:
        loaded = load(stack, options.file, _given(options), report)
    if options.json:
        print(json.dumps({"items": loaded.items, "target": loaded.target, "read": loaded.form.facts()}, ensure_ascii=False))
    else:
        print(f"{options.file} was read as {loaded.form}", file=sys.stderr)
        print(f"{loaded.items} items are in {loaded.target}")
    return 0


def load(stack: Stack, file: Path, given: Mapping[str, Any] = MappingProxyType({}), report: Report = lambda read: None) -> Loaded:
    """Puts the items of `file` into the source of the stack's distributed variant. given: as `rows.detect` takes it. LoadError where that
    is impossible."""
    source = stack.outputs.get("distributedSource")
    if source is None:
        raise LoadError("variant distributed is not deployed: add it to variants")
    try:
        head, chunks = rows.peek(_chunks(file, report))
        form = rows.detect(head, str(file), given)
        items = rows.read(chunks, form, str(file))
        if source["source"] == "dynamodb":
            count, target = _put_list(stack.client("dynamodb"), source, items)
        else:
            count, target = _upload(stack.client("s3"), source, items)
    except rows.Wrong as wrong:
        raise LoadError(str(wrong)) from None
    return Loaded(count, target, form)


def _given(options: argparse.Namespace) -> dict[str, Any]:
    names = next(csv.reader([options.no_header])) if options.no_header else None
    return {field: getattr(options, field) for field in ("format", "delimiter", "quote", "encoding", "pointer")} | {"header": names}


def _chunks(file: Path, report: Report) -> Iterator[bytes]:
    try:
        with file.open("rb") as data:
            while chunk := data.read(rows.CHUNK_BYTES):
                report(len(chunk))
                yield chunk
    except OSError as error:
        raise LoadError(f"cannot read {file}: {error.strerror}") from None


def _put_list(dynamodb: Any, source: Mapping[str, Any], items: Iterable[Any]) -> tuple[int, str]:
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
    return len(values), f"{source['attribute']} of {source['keyName']} = {source['keyValue']} in table {source['table']}"


def _upload(s3: Any, source: Mapping[str, Any], items: Iterable[Any]) -> tuple[int, str]:
    counter = _Counter(items)
    lines = {"json": _as_list, "jsonl": _as_lines, "csv": _as_csv}[source["format"]](counter)
    streaming.upload(s3, source["bucket"], source["key"], lines)
    return counter.count, f"s3://{source['bucket']}/{source['key']}"


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
    # What its line ending has is what it quotes: both kinds, although a row ends in one.
    writer = csv.writer(line, lineterminator="\r\n")
    header: list[str] | None = None
    for item in items:
        if not item or not isinstance(item, dict) or any(isinstance(value, (dict, list)) for value in item.values()):
            raise LoadError(f"item {items.count} is no row: CSV takes flat objects with a field or more; set distributed.format to jsonl")
        if header is None:
            if "" in item:
                raise LoadError("item 1 has a field without a name, which CSV cannot have; set distributed.format to jsonl")
            header = list(item)
            writer.writerow(header)
            yield _taken(line)
        elif list(item) != header:
            raise LoadError(
                f"item {items.count} has the fields {', '.join(item)}; the first has {', '.join(header)}; set distributed.format to jsonl"
            )
        writer.writerow([_csv_text(name, value, items.count) for name, value in item.items()])
        text = _taken(line)
        if "\\" in text:
            raise LoadError(f"item {items.count} has a backslash, which Step Functions takes out of CSV; set distributed.format to jsonl")
        yield items.check(text)


def _csv_text(name: str, value: Any, item: int) -> str:
    """As JSON has it, so that nothing but the quotes of a text is lost."""
    if value is None:
        raise LoadError(f"item {item} has null in {name}, for which CSV has no word; set distributed.format to jsonl")
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _taken(line: io.StringIO) -> str:
    text = line.getvalue().removesuffix("\r\n") + "\n"
    line.seek(0)
    line.truncate()
    return text


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
