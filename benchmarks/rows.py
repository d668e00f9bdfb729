"""What is measured: this project's stacks beside the samples, and the stacks alone as the work grows."""

import http.client
import itertools
import json
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks.measure import Row
from benchmarks.samples import Samples
from client import Stack, costs, load, run
from client.api_url import api_url
from client.costs import Usage, Workload

OURS, SAMPLE = "ours", "sample"
POLL_SECONDS = 0.01
REST_SECONDS = 0.5
"""After a POST, which is answered before its ten responders are; for each client, up to LONGEST_REST_SECONDS."""

LONGEST_REST_SECONDS = 8
RENTAL = {"data": {"car_type": "L", "days_rental": 30}}
QUICK = {"alarms": {"enabled": False}}
"""What the samples have none of, and what takes no part in a request."""

CONFIGURATIONS: Mapping[str, Mapping[str, Any]] = {
    "ten": {"variants": ["map", "sns"], "responderCount": 10, "api": {"auth": "NONE"}, **QUICK},
    "two": {"variants": ["parallel", "sns"], "responderCount": 2, "api": {"enabled": False}, **QUICK},
    **{
        f"list {concurrency} {wait}": {
            "variants": ["distributed"],
            "maxConcurrency": concurrency,
            "distributed": {"waitSeconds": wait, "timeoutSeconds": 300},
            **QUICK,
        }
        for concurrency, wait in ((1, 2), (3, 2))
    },
    # More than an inline Map is sure to have room for.
    "list 10 0": {"variants": ["distributed"], "maxConcurrency": 10, "distributed": {"mode": "DISTRIBUTED", "waitSeconds": 0}, **QUICK},
}
LISTS = ((3, 1, 2), (3, 3, 2), (1_000, 10, 0))
"""Items, how many at once, and seconds to wait before each."""


def beside_the_samples(stacks: Mapping[str, Stack], samples: Samples, *, quick: bool) -> Iterator[Row]:
    ten, two = stacks["ten"], stacks["two"]
    names = ten.outputs["responderNames"]
    carriers = (
        Row("Map, 5 responders", {OURS: asking(ten, "map", {**RENTAL, "recipients": names[:5]}), SAMPLE: samples.map(5)}),
        Row("Parallel, 2 responders", {OURS: asking(two, "parallel", RENTAL), SAMPLE: samples.parallel()}),
        Row("SNS, 2 responders", {OURS: asking(two, "sns", RENTAL), SAMPLE: samples.sns()}),
    )
    yield from carriers
    for row in carriers:
        (transitions, calls), (_, said) = samples.recorded(row.ways[SAMPLE]), used()[row.name]
        # A queue may hand over several answers in one call.
        assert transitions == said.transitions and calls <= said.calls, (row.name, transitions, calls)
    address, theirs = api_url(ten.outputs, ten.endpoint), samples.api(10)
    posts = {"map": f"{address}/map/requests", "sns": f"{address}/sns/requests"}
    for carrier, url in posts.items():
        yield Row(f"API, POST to {carrier}", {OURS: _posting(url), SAMPLE: _posting(theirs)}, rest_seconds=REST_SECONDS)
    yield Row(
        "API, POST until 10 answers are in",
        {
            OURS: _until_answered(
                posts["sns"], lambda id_: f"{address}/requests/{id_}", "requestId", lambda body: body["status"] != "OPEN"
            ),
            SAMPLE: _until_answered(theirs, lambda id_: f"{theirs}/{id_}", "id", lambda body: len(body["quotes"]) == 10),
        },
    )
    ours, sample = _posted(posts["sns"], "requestId"), _posted(theirs, "id")
    time.sleep(3)
    yield Row(
        "API, GET with 10 answers", {OURS: lambda: _get(f"{address}/requests/{ours}"), SAMPLE: lambda: _get(f"{theirs}/{sample}")}, count=40
    )
    if quick:
        return
    for clients in (4, 16, 64):
        yield Row(
            f"API, POST by {clients} at once",
            {OURS: _posting(posts["map"]), SAMPLE: _posting(theirs)},
            count=2 * clients,
            clients=clients,
            rest_seconds=min(REST_SECONDS * clients, LONGEST_REST_SECONDS),
        )
    for items, concurrency, wait in LISTS:
        stack = stacks[f"list {concurrency} {wait}"]
        _load(stack, [f"item {number}" for number in range(items)])
        yield Row(
            f"List, {items} items, {concurrency} at once" + (f", {wait} s each" if wait else ""),
            {OURS: _running(stack), SAMPLE: samples.list([f"item {number}" for number in range(items)], concurrency, wait)},
            count=3,
        )


def as_the_work_grows(stack: Stack) -> Iterator[tuple[str, int, Row]]:
    """(carrier, responders, row): a stack with 100 of them."""
    names = stack.outputs["responderNames"]
    for carrier, responders in itertools.product(("map", "sns"), (1, 5, 20, 40, 100)):
        yield (
            carrier,
            responders,
            Row(
                f"{carrier}, {responders} responders", {OURS: asking(stack, carrier, {**RENTAL, "recipients": names[:responders]})}, count=5
            ),
        )


HUNDRED = {"variants": ["map", "sns"], "responderCount": 100, "api": {"auth": "NONE"}, **QUICK}
CLIENTS = (1, 4, 16, 64)


def with_a_hundred_answers(stack: Stack, samples: Samples) -> Iterator[Row]:
    """stack: one with 100 responders."""
    address, theirs = api_url(stack.outputs, stack.endpoint), samples.api(100)
    ours, sample = _posted(f"{address}/sns/requests", "requestId"), _posted(theirs, "id")
    while _get(f"{address}/requests/{ours}")["status"] == "OPEN" or len(_get(f"{theirs}/{sample}")["quotes"]) < 100:
        time.sleep(POLL_SECONDS)
    yield Row(
        "API, GET with 100 answers",
        {OURS: lambda: _get(f"{address}/requests/{ours}"), SAMPLE: lambda: _get(f"{theirs}/{sample}")},
        count=40,
    )


LINES = {"variants": ["distributed"], "maxConcurrency": 40, "distributed": {"source": "s3"}, **QUICK}


def as_the_lines_grow(stack: Stack) -> Iterator[tuple[str, int, Row]]:
    """("distributed", lines of a data set, row)."""
    for lines, count in ((100, 5), (1_000, 3), (10_000, 1)):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "items.jsonl")
            path.write_text("".join(f'{{"id": {number}}}\n' for number in range(lines)))
            load.load(stack, path)
        yield "distributed", lines, Row(f"distributed, {lines:,} lines", {OURS: _running(stack)}, count=count)


def as_the_clients_grow(stack: Stack) -> Iterator[tuple[str, int, Row]]:
    """(carrier, clients, row)."""
    request = {**RENTAL, "recipients": stack.outputs["responderNames"][:5]}
    for carrier, clients in itertools.product(("map", "sns"), CLIENTS):
        yield (
            carrier,
            clients,
            Row(f"{carrier}, {clients} clients", {OURS: asking(stack, carrier, request)}, count=max(8, 2 * clients), clients=clients),
        )


EARLY = {
    "variants": ["map", "parallel", "sns"],
    "api": {"enabled": False},
    **QUICK,
    "responders": [
        {"name": name, "module": "benchmarks.slow", "settings": {"seconds": seconds}}
        for name, seconds in (("avis", 0.1), ("alamo", 0.2), ("hertz", 3))
    ],
}


def after_the_deciding_answer(stack: Stack, carrier: str) -> float:
    """Seconds between the second of three quotes, which is enough, and the moment when the closed record can be read."""
    request_id = stack.send(carrier, {"data": {}, "completion": {"quorum": 2}})
    while (result := stack.result(request_id)) is None or result["status"] == "OPEN":
        time.sleep(POLL_SECONDS)
    seen = time.time()
    assert result["completedBy"] == "QUORUM", result
    return seen - max(datetime.fromisoformat(answer["respondedAt"]).timestamp() for answer in result["answers"])


def used() -> dict[str, tuple[Usage, Usage]]:
    """What one request of ours and of a sample uses, by row. Ours: the formulas of `client.costs`, which the tests hold to what the
    emulator recorded. A sample's: what its definition says; its transitions and calls are held to what each run recorded."""
    two, five = Workload(2, 2), Workload(5, 10)
    calls = Decimal("0.1") * 128 / 1_024

    def sample(count: int, **more: Any) -> Usage:
        return Usage(calls=count, call_gb_seconds=count * calls, log_gb=Decimal(count * costs.CALL_LOG_BYTES) / 1_000_000_000, **more)

    return {
        "Map, 5 responders": (costs.usage(costs.KINDS["map"], five), sample(5, transitions=7, writes=1, write_units=1)),
        "Parallel, 2 responders": (costs.usage(costs.KINDS["parallel"], two), sample(4, transitions=5)),
        # A publish, two deliveries; two answers sent, received in batches of one, deleted; two writes.
        "SNS, 2 responders": (
            costs.usage(costs.KINDS["sns"], two),
            replace(sample(5, messages=5, publishes=1, queue_requests=6, writes=2, write_units=2)),
        ),
    }


def asking(stack: Stack, carrier: str, request: Mapping[str, Any]) -> Callable[[], object]:
    return lambda: stack.request(carrier, request, 60)


def _running(stack: Stack) -> Callable[[], object]:
    """Asks for the execution's state alone, as for a sample's: to follow each item, the client would read the history at every look."""
    workflows = stack.client("stepfunctions")

    def call() -> None:
        execution = run.start(stack)
        while (status := workflows.describe_execution(executionArn=execution)["status"]) == "RUNNING":
            time.sleep(POLL_SECONDS)
        assert status == "SUCCEEDED", status

    return call


def _load(stack: Stack, items: list[str]) -> None:
    stack.client("dynamodb").put_item(
        TableName=stack.outputs["distributedSourceTableName"], Item={"id": {"S": "list"}, "items": {"L": [{"S": item} for item in items]}}
    )


def _posting(url: str) -> Callable[[], object]:
    return lambda: _call("POST", url, RENTAL)


def _posted(url: str, key: str) -> str:
    return _call("POST", url, RENTAL)[key]


def _get(url: str) -> Any:
    return _call("GET", url)


def _until_answered(url: str, read_from: Callable[[str], str], key: str, is_whole: Callable[[Any], bool]) -> Callable[[], object]:
    def call() -> None:
        where = read_from(_posted(url, key))
        ends = time.monotonic() + 60
        while not is_whole(_get(where)):
            assert time.monotonic() < ends
            time.sleep(POLL_SECONDS)

    return call


def _call(method: str, url: str, body: Any = None) -> Any:
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=120)
    try:
        connection.request(method, parts.path, None if body is None else json.dumps(body), {"content-type": "application/json"})
        reply = connection.getresponse()
        read = reply.read()
        assert reply.status < 300, (reply.status, read)
        return json.loads(read)
    finally:
        connection.close()
