"""load FILE: puts a list (JSON, JSON Lines, CSV, read by `handlers.rows`) where the distributed variant reads it.

A list in DynamoDB is one item, so it must fit; a data set in S3 is streamed, in parts of 8 MB, however long it is.
"""

import argparse
import csv
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
from handlers import exact_json, rows, sources, streaming
from handlers.processing import READ_BY_STEP_FUNCTIONS, STATE_BYTES

ITEM_BYTES = 409_600
"""What a DynamoDB item may hold. As attribute values in JSON it is always larger, so STATE_BYTES is what ends a list."""

HEADROOM_BYTES = 2_048
"""For what a state carries beside them."""

AS_LINES = ("auto", "jsonl")
"""Formats of a source for which any file may be written as JSON Lines."""

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
    given = _as_the_stack_reads(source, given)
    try:
        head, chunks = rows.peek(_chunks(file, report))
        form = rows.detect(head, str(file), given)
        items = rows.read(chunks, form, str(file))
        if source["source"] == "dynamodb":
            count, target = _put_list(stack.client("dynamodb"), source, items)
        else:
            count, target = _upload(stack.client("s3"), source, items, file)
    except rows.Wrong as wrong:
        raise LoadError(str(wrong)) from None
    return Loaded(count, target, form)


def _as_the_stack_reads(source: Mapping[str, Any], given: Mapping[str, Any]) -> Mapping[str, Any]:
    """A stack that is told what it reads reads the file as it is, so that it is looked at here as it will be there. Raises LoadError for a
    source that is not for files, and for what contradicts the stack."""
    if source["source"] == "dynamodb":
        if source["read"] != "list":
            raise LoadError(f"the stack reads the items of a table (distributed.read: {source['read']}): put them into {source['table']}")
        return given
    format = source["format"]
    if format in READ_BY_STEP_FUNCTIONS:
        raise LoadError(f"the stack reads {format}: put such an object to s3://{source['bucket']}/{source['key']}")
    if format in AS_LINES:
        return given
    told = {**source["reading"], "format": format}
    for name, value in given.items():
        if value is not None and value != told.get(name):
            raise LoadError(
                f"the stack reads {name} {told.get(name, 'as it finds it')}, not {value}: leave out distributed.format to load it"
            )
    return told


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
        Key=sources.key_of(source),
        UpdateExpression="SET #list = :list",
        ExpressionAttributeNames={"#list": source["attribute"]},
        ExpressionAttributeValues={":list": {"L": values}},
    )
    return len(values), sources.name_of(source)


def _upload(s3: Any, source: Mapping[str, Any], items: Iterable[Any], file: Path) -> tuple[int, str]:
    """As lines of JSON, or, where the stack is told that it reads another format, as it is, once all of it was looked at."""
    checked = _Checked(items)
    key = source["key"] if "key" in source else f"{source['prefix']}{file.stem}.jsonl"
    if source["format"] in AS_LINES:
        streaming.upload(s3, source["bucket"], key, iter(checked))
    else:
        for _ in checked:
            pass
        with file.open("rb") as data:
            s3.upload_fileobj(data, source["bucket"], key)
    return checked.count, f"s3://{source['bucket']}/{key}"


class _Checked:
    """Items as lines of JSON, counted; one that no execution could take as its input is a LoadError."""

    def __init__(self, items: Iterable[Any]) -> None:
        self._items = items
        self.count = 0

    def __iter__(self) -> Iterator[str]:
        for item in self._items:
            self.count += 1
            line = json.dumps(exact_json.to_json(item), ensure_ascii=False, separators=(",", ":"))
            size = _bytes(line, self.count)
            if size > STATE_BYTES - HEADROOM_BYTES:
                raise LoadError(
                    f"item {self.count} takes {size} bytes; the input of an execution holds at most {STATE_BYTES}: "
                    "put its content into an object of its own and its key into the list"
                )
            yield line + "\n"


def _bytes(text: str, item: int) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise LoadError(f"item {item} has half a character (a lone surrogate), which is no text") from None


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
