"""results RUN: the results of the distributed variant as one file, in the order of the source.

A row of the file is {"row", "status": "SUCCEEDED", "result"}, {"row", "status": "FAILED", "item", "error"} or {"row", "status":
"NOT_REACHED", "item"}; rows are numbered from 1. A run that was made with --again is joined with the runs that it goes back to. What is
in memory does not grow with the rows: outcomes are put in order by a database in a temporary file.
"""

import argparse
import csv
import json
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, Any

from client.errors import UsageError
from client.run import named, place_of_results
from client.stack import Stack
from handlers import exact_json, result_files
from handlers.processing import ITEMS_FILE, SOURCE_FILE

Row = dict[str, Any]

NOT_REACHED = ("PENDING", "ABORTED")
"""The states of executions that a run which was stopped did not start, or not let come to an end."""


class NoResults(UsageError):
    """The run has left nothing that could be shown; the message says why."""


class NotATable(UsageError):
    """A result has other columns than the first one."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("execution", metavar="RUN", help="its execution's name or ARN")
    parser.add_argument("--failed", action="store_true", help="only the rows that failed or were not reached")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="JSON Lines, or CSV where it ends in .csv; default: standard output"
    )
    parser.add_argument("--csv", action="store_true", help="CSV, wherever it goes")


def run(options: argparse.Namespace, stack: Stack) -> int:
    found = rows(stack, options.execution)
    wanted = (row for row in found if row["status"] != "SUCCEEDED") if options.failed else found
    as_csv = options.csv or (options.output is not None and options.output.suffix.lower() == ".csv")
    write = _write_csv if as_csv else _write_lines
    if options.output is None:
        write(wanted, sys.stdout)
        return 0
    count = _replacing(options.output, lambda file: write(wanted, file))
    told = {"rows": count, "file": str(options.output)}
    print(json.dumps(told) if options.json else f"{count:,} rows are in {options.output}")
    return 0


def rows(stack: Stack, run: str) -> Iterator[Row]:
    """Of a run that has ended, one after the other in the order of the source. NoResults where it has left none."""
    execution = named(stack, run)
    if place_of_results(stack) is None:
        yield from _inline(stack, execution)
        return
    runs = list(reversed(list(_joined(stack, execution.rpartition(":")[2]))))
    with _ordered(chain.from_iterable(_outcomes(stack, each) for each, _ in runs)) as outcome_of:
        first, known = runs[0]
        if "rows" not in known:
            yield from (_row(outcome) for outcome in outcome_of.all())
            return
        for entry in _lines(stack, _key(stack, first, ITEMS_FILE)):
            outcome = outcome_of(entry["index"])
            yield _row(outcome) if outcome else {"row": entry["index"] + 1, "status": "NOT_REACHED", "item": entry["item"]}


def _inline(stack: Stack, execution: str) -> Iterator[Row]:
    state = stack.client("stepfunctions").describe_execution(executionArn=execution)
    if state["status"] != "SUCCEEDED":
        raise NoResults(f"an inline run keeps its results where it succeeds; {execution.rpartition(':')[2]} ended {state['status']}")
    summary = json.loads(state["output"])
    yield from map(_row, sorted(summary["results"] + summary["failures"], key=lambda outcome: outcome["index"]))


def _joined(stack: Stack, run: str | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """The run, the one whose rest it processed, and so on, each with what its reader has written."""
    while run is not None:
        known = json.loads(b"".join(_body(stack, _key(stack, run, SOURCE_FILE), run)))
        yield run, known
        run = known.get("again")


def _outcomes(stack: Stack, run: str) -> Iterator[dict[str, Any]]:
    bucket, prefix = _place(stack)
    for map_run in stack.client("stepfunctions").list_map_runs(executionArn=named(stack, run))["mapRuns"]:
        manifest = result_files.manifest_of(prefix, map_run["mapRunArn"])
        for outcome in result_files.outcomes(stack.client("s3"), bucket, manifest, is_empty=lambda: True):
            if outcome["status"] == "SUCCEEDED" or outcome["error"]["type"] not in NOT_REACHED:
                yield outcome


def _row(outcome: dict[str, Any]) -> Row:
    number = {"row": outcome["index"] + 1, "status": outcome["status"]}
    if outcome["status"] == "SUCCEEDED":
        return {**number, "result": outcome["result"]}
    return {**number, "item": outcome.get("item"), "error": outcome["error"]}


def _place(stack: Stack) -> tuple[str, str]:
    place = place_of_results(stack)
    assert place is not None
    return place


def _key(stack: Stack, run: str, file: str) -> str:
    return f"{_place(stack)[1]}/{run}/{file}"


def _lines(stack: Stack, key: str) -> Iterator[Any]:
    return result_files.lines(stack.client("s3"), _place(stack)[0], key)


def _body(stack: Stack, key: str, run: str) -> Iterable[bytes]:
    from botocore.exceptions import ClientError

    try:
        return stack.client("s3").get_object(Bucket=_place(stack)[0], Key=key)["Body"].iter_chunks()
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("NoSuchKey", "AccessDenied"):
            raise
        raise NoResults(f"run {run} has left no rows: it is unknown, its source was refused, or its results have expired") from None


class _Outcomes:
    """By their index, of each the last that was put in."""

    def __init__(self, database: sqlite3.Connection, outcomes: Iterable[dict[str, Any]]) -> None:
        self._database = database
        database.execute("CREATE TABLE outcomes (place INTEGER PRIMARY KEY, outcome TEXT)")
        lines = ((outcome["index"], json.dumps(outcome, ensure_ascii=False)) for outcome in outcomes)
        database.executemany("INSERT OR REPLACE INTO outcomes VALUES (?, ?)", lines)

    def __call__(self, index: int) -> dict[str, Any] | None:
        found = self._database.execute("SELECT outcome FROM outcomes WHERE place = ?", (index,)).fetchone()
        return json.loads(found[0]) if found else None

    def all(self) -> Iterator[dict[str, Any]]:
        for (outcome,) in self._database.execute("SELECT outcome FROM outcomes ORDER BY place"):
            yield json.loads(outcome)


@contextmanager
def _ordered(outcomes: Iterable[dict[str, Any]]) -> Generator[_Outcomes]:
    with tempfile.NamedTemporaryFile(suffix=".sqlite") as file, closing(sqlite3.connect(file.name)) as database:
        # It is made anew each time, and gone when it is closed: nothing of it has to survive.
        database.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
        yield _Outcomes(database, outcomes)


def _write_lines(found: Iterator[Row], file: IO[str]) -> int:
    count = 0
    for row in found:
        file.write(exact_json.text_of(row) + "\n")
        count += 1
    return count


def _write_csv(found: Iterator[Row], file: IO[str]) -> int:
    """The columns are those of the first result. Raises NotATable where another has others."""
    writer = csv.writer(file, lineterminator="\n")
    columns: list[str] | None = None
    waiting: list[Row] = []
    count = 0
    for row in found:
        count += 1
        if columns is None and row["status"] != "SUCCEEDED":
            waiting.append(row)
            continue
        if columns is None:
            columns = _columns(row)
            writer.writerow(["row", "status", *columns, "error"])
            writer.writerows(_cells(each, columns) for each in waiting)
        writer.writerow(_cells(row, columns))
    if columns is None:
        writer.writerow(["row", "status", "item", "error"])
        writer.writerows([row["row"], row["status"], _cell(row.get("item")), _cell_of_error(row)] for row in waiting)
    return count


def _columns(row: Row) -> list[str]:
    return list(row["result"]) if isinstance(row["result"], dict) and not row["result"].keys() & {"$decimal"} else ["result"]


def _cells(row: Row, columns: list[str]) -> list[Any]:
    if row["status"] != "SUCCEEDED":
        return [row["row"], row["status"], *("" for _ in columns), _cell_of_error(row)]
    if _columns(row) == ["result"] and columns == ["result"]:
        return [row["row"], row["status"], _cell(row["result"]), ""]
    if not isinstance(row["result"], dict) or set(row["result"]) != set(columns):
        has = ", ".join(_columns(row))
        raise NotATable(f"row {row['row']} has the columns {has}; the first has {', '.join(columns)}: take JSON Lines, without --csv")
    return [row["row"], row["status"], *(_cell(row["result"][column]) for column in columns), ""]


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else exact_json.text_of(value)


def _cell_of_error(row: Row) -> str:
    return f"{row['error']['type']}: {row['error']['message']}" if "error" in row else ""


def _replacing(path: Path, write: Callable[[IO[str]], int]) -> int:
    """Writes beside the file first, so that what is there is whole: the old one, or the new."""
    beside = path.with_name(f".{path.name}.part")
    try:
        with beside.open("w", encoding="utf-8", newline="") as file:
            count = write(file)
        beside.replace(path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
    finally:
        beside.unlink(missing_ok=True)
    return count
