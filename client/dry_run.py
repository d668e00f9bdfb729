"""run --dry-run: reads the source as a run would, checks every row, and says what a run would take on AWS (`client.scale`); nothing is
started."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

from client import display, scale
from client.errors import UsageError
from client.run import machine_of
from client.stack import Stack
from handlers import run_input, sources
from handlers.processing import READ_BY_STEP_FUNCTIONS

SAMPLES = 3


@dataclass
class Found:
    """bytes: of all rows as JSON; largest: of one of them; batches: with how many calls of the function the rows are processed; seconds,
    dollars: what a run takes on AWS, by the model; read: how each object is read, in a sentence."""

    source: str
    mode: str
    rows: int = 0
    bytes: int = 0
    largest: int = 0
    batches: int = 0
    batchSize: int = 1
    maxConcurrency: int = 0
    childType: str = scale.STANDARD
    seconds: float = 0
    dollars: Decimal = Decimal(0)
    read: list[str] = field(default_factory=list)
    samples: list[Any] = field(default_factory=list)


def run(stack: Stack, given: Mapping[str, Any], seconds_per_row: float, *, as_json: bool) -> int:
    found = look(stack, given, seconds_per_row)
    if as_json:
        print(json.dumps(asdict(found), default=str))
    else:
        _print(found, seconds_per_row)
    return 0


def look(stack: Stack, given: Mapping[str, Any], seconds_per_row: float) -> Found:
    """given: the input of the run. seconds_per_row: what `process` is taken to need. UsageError for what the run would refuse."""
    machine = json.loads(stack.client("stepfunctions").describe_state_machine(stateMachineArn=machine_of(stack))["definition"])
    each = machine["States"]["Process each item"]
    processor = each["ItemProcessor"]["ProcessorConfig"]
    payload = machine["States"]["Read the source"]["Parameters"]["Payload"]
    try:
        asked = run_input.checked(given, stack.outputs["distributedSource"], processor["Mode"], payload["maxConcurrency"])
        if asked.again:
            raise UsageError("what --again processes is known when the earlier run is looked at: leave out --dry-run")
        if asked.source.get("format") in READ_BY_STEP_FUNCTIONS:
            raise UsageError(f"format {asked.source['format']} is read by Step Functions itself, and cannot be looked at before")
        found = Found(sources.name_of(asked.source), processor["Mode"], maxConcurrency=asked.max_concurrency)
        _count(found, stack, asked.source, each.get("ItemBatcher", {"MaxItemsPerBatch": 1, "MaxInputBytesPerBatch": 0}))
    except (run_input.InvalidInput, sources.InvalidSource) as reason:
        raise UsageError(str(reason)) from None
    found.childType = processor.get("ExecutionType", scale.STANDARD)
    states = each["ItemProcessor"]["States"]
    function = stack.client("lambda").get_function_configuration(FunctionName=states["Process"]["Parameters"]["FunctionName"])
    setting = scale.Setting(
        found.mode, found.childType, found.batchSize, found.maxConcurrency, states["Wait"]["Seconds"] if "Wait" in states else 0
    )
    row_bytes = round(found.bytes / found.rows) if found.rows else 0
    forecast = scale.simulate(found.rows, setting, scale.Function(seconds_per_row, row_bytes=row_bytes, memory_mb=function["MemorySize"]))
    found.seconds, found.dollars = round(forecast.seconds, 1), round(forecast.price, 6)
    return found


def _count(found: Found, stack: Stack, source: Mapping[str, Any], batcher: Mapping[str, int]) -> None:
    found.batchSize = batcher["MaxItemsPerBatch"]
    in_batch = batch_bytes = 0
    for row in sources.rows_of(source, stack.client, found.read.append):
        size = len(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode())
        if found.rows < SAMPLES:
            found.samples.append(row)
        found.rows += 1
        found.bytes += size
        found.largest = max(found.largest, size)
        if in_batch in (0, found.batchSize) or batch_bytes + size > batcher["MaxInputBytesPerBatch"]:
            found.batches += 1
            in_batch = batch_bytes = 0
        in_batch += 1
        batch_bytes += size


def _print(found: Found, seconds_per_row: float) -> None:
    from rich.text import Text

    console = display.console()
    for sentence in found.read:
        console.print(Text(sentence), soft_wrap=True)
    console.print(
        Text(f"{found.rows:,} rows in {found.source}, {found.bytes:,} bytes as JSON, the largest {found.largest:,}"), soft_wrap=True
    )
    for index, sample in enumerate(found.samples, start=1):
        console.print(Text(f"  row {index}: {json.dumps(sample, ensure_ascii=False)}"), overflow="ellipsis", no_wrap=True)
    of = f" of up to {found.batchSize:,} rows" if found.batchSize > 1 else ""
    at_once = f"{found.maxConcurrency:,} at once" if found.maxConcurrency else "as many at once as Step Functions starts"
    children = f", {found.childType} executions" if found.mode == "DISTRIBUTED" else ""
    console.print(Text(f"mode {found.mode}: {found.batches:,} calls{of}, {at_once}{children}"), soft_wrap=True)
    told = f"on AWS about {found.seconds:,.0f} s and ${found.dollars:.4f}, where an item takes {1_000 * seconds_per_row:g} ms (--row-ms)"
    console.print(Text(f"{told}; nothing was started"), soft_wrap=True)
