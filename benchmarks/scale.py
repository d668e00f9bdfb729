"""python -m benchmarks.scale: docs/scale.md and its pictures, from the model in client/scale.py."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from client import costs
from client.costs import Usage
from client.plan import as_yaml
from client.scale import AWS, Function, Plan, Platform, Setting, plan, simulate

PAGE = Path(__file__).parents[1] / "docs" / "scale.md"
PICTURES = PAGE.parent / "performance"

SIZES = tuple(10**power for power in range(3, 8))
FUNCTIONS = {"1 ms a row": Function(0.001), "100 ms a row": Function(0.1), "1 s a row": Function(1)}

PUBLISHED = {11: 2.0, 101: 1.0, 1_001: 1.0, 10_001: 4.5, 100_001: 23.0, 1_000_001: 207.0}
"""Records, and seconds: the median of the best of five variants on AWS, 2020.
https://github.com/cbuschka/aws-scatter-gather/blob/master/measurements.csv"""

PUBLISHED_BEST_SECONDS = 171
"""The fastest run of 1,000,001 records."""

THEIRS = Function(0.00001, row_bytes=40, result_bytes=40)
"""Their work: each record gets a fixed response."""

LINE_BYTES = 320
"""In CloudWatch Logs, of what log_item says of a row."""

SLOW_READER = replace(AWS, items_per_second=3_700)

EMULATOR = Platform(
    account_concurrency=1,
    starts={costs.STANDARD: (0, float("inf"))},
    items_per_second=float("inf"),
    shortest_call_seconds=0,
    map_seconds=0,
    child_seconds=0,
    call_seconds=0.0014,
    first_wait_seconds=0,
    back_off=1,
    init_seconds=0.06,
    read_per_cpu_second=float("inf"),
    counted_per_cpu_second=float("inf"),
)
"""Fitted to the runs of 100 and 1,000 lines in docs/performance.md: all share two cores, and each row is a call of its own."""


def published_usage(records: int = 1_000_001) -> Usage:
    """What the published system (s3-notification-sqs-lambda, the fastest with a million) uses by its source: 100 records to a chunk, four
    functions, two queues in batches of ten. Assumed, in its favour: every batch is full; arm64; 0.1 s for ten chunks and 0.05 s to look
    whether all are done; of its logs only the events and the trace lines, 1,500 and 150 bytes each."""
    chunks = -(-records // 100)
    calls = -(-chunks // 10)
    scatter, gather = 134 * records / 1_000_001, 74 * records / 1_000_001
    return Usage(
        calls=2 + 2 * calls,
        call_gb_seconds=Decimal(3_008 / 1_024 * (scatter + gather) + 0.5 * calls * (0.1 + 0.05)),
        object_writes=2 * chunks + 2 + calls,  # and a listing by each look
        object_reads=2 * chunks + 2,
        queue_requests=2 * chunks + 4 * calls + 6,
        write_units=chunks,  # its code keeps the last record of a chunk alone
        log_gb=Decimal(2 * calls * 10 * 1_500 + chunks * 14 * 150) / 1_000_000_000,
    )


def published_price(records: int = 1_000_001) -> Decimal:
    return sum(costs.bill(published_usage(records)).values(), Decimal(0))


def page() -> str:
    plans = {name: [plan(rows, function) for rows in SIZES] for name, function in FUNCTIONS.items()}
    beside = {records: plan(records, THEIRS) for records in PUBLISHED}
    million, example = beside[1_000_001], plan(1_000_000, Function(0.01))
    slow = simulate(1_000_001, million.setting, THEIRS, SLOW_READER)
    naive = simulate(1_000_001, Setting(max_concurrency=900), THEIRS)
    line = costs.PRICES["log_gb"].of(Decimal(1_000_000 * LINE_BYTES) / 1_000_000_000)
    return f"""# Scale

How long a run of the [distributed variant](components/distributed-map-processor.md) takes, what it costs, and which setting suits it. All
of this page but the published points is a **forecast of a model** (`client/scale.py`); no run on AWS stands behind it.

```sh
python -m client plan --rows 1000000 --row-bytes 250 --row-ms 10
python -m client plan --rows 50000 --curve --json
python -m benchmarks.scale
```

The first needs neither a stack nor AWS; it prints the setting, why, and what else there is. The last writes this page.

```yaml
{as_yaml(example)}
```

{" ".join(example.why)}

## Time and price

![seconds by rows, for three functions, beside what is published](performance/scale-seconds.svg)

![dollars by rows, for three functions](performance/scale-price.svg)

Rows of 250 bytes, results of 100, a function of 128 MB that nobody called before, an account with the default quotas.

{_table(["rows", *(f"{name}: setting | seconds | $" for name in FUNCTIONS)], plans)}

## Beside a published system

[cbuschka/aws-scatter-gather](https://github.com/cbuschka/aws-scatter-gather) published 512 runs of five designs on AWS. Its records have
some 40 bytes, and nothing is computed for them. Measured there, forecast here:

| records | published, median of the best design, s | forecast, s | forecast, $ |
| --- | --- | --- | --- |
{"".join(f"| {n:,} | {PUBLISHED[n]:g} | {p.forecast.seconds:.1f} | {p.forecast.price:.4f} |{chr(10)}" for n, p in beside.items())}
A million took it 207 s in the median and {PUBLISHED_BEST_SECONDS} s at best. Below a hundred thousand it is faster than the forecast: a
Map Run takes {AWS.map_seconds:g} s beside its items, and the forecast finds no warm function, as a benchmark does.

By its source and today's prices a million costs it ${published_price():.3f}, most of it for two objects in S3 for each hundred records
(`benchmarks/scale.py` has the count and what is assumed). The plan costs ${million.forecast.price:.3f}. A `process` that logs a
line for each row adds ${line:.2f} for a million, more than all the rest. With an execution for each row in place of a batch, the same work
takes {naive.seconds:,.0f} s and ${naive.price:.2f}.

## What is modelled, measured and assumed

- **Published by AWS**: prices, quotas of accounts, the rate at which Lambda adds environments, what starts and transitions may be made a
  second. Each constant of `client/scale.py` has its source.
- **Measured here**, on a server's core: the CPU that reader, tally and the code around `process` take for a row.
- **Measured by others**: the time of a Map Run beside its items; the published points.
- **Assumed**: that a Distributed Map reads {AWS.items_per_second:,.0f} items a second; that quotas of StartExecution hold for children; the
  tenths of a second around a call.
- **Counted in the code**: the memory of reader and tally, which gives each a whole CPU.
- **Left out**: failing rows and their retries, `idempotent`, storage, free tiers, what else the account does.

The reading of items decides large runs. AWS's own sample, whose 558,000 objects take 90 to 150 s, reads at least 3,700 a second; at
that rate the million above would take {slow.seconds:.0f} s, more than the published system. Measure it on your account before you rely on
a figure here.

More at once than the account has functions does not help: the children that find none wait up to a minute between their attempts. So a
plan leaves a tenth of the quota free. An EXPRESS child may be started twice; `idempotent` is for work that must not be.
"""


def _table(header: list[str], plans: dict[str, list[Plan]]) -> str:
    columns = " | ".join(header)
    lines = [f"| {columns} |", "|" + " --- |" * (1 + 3 * len(plans))]
    for number, rows in enumerate(SIZES):
        lines.append(f"| {rows:,} | {' | '.join(_cells(its[number]) for its in plans.values())} |")
    return "\n".join(lines)


def _cells(chosen: Plan) -> str:
    setting, forecast = chosen.setting, chosen.forecast
    return f"{setting.child_type}, {setting.batch_size:,} | {forecast.seconds:,.0f} | {forecast.price:.4f}"


def write() -> None:
    PICTURES.mkdir(exist_ok=True)
    PAGE.write_text(page())
    _draw("scale-seconds.svg", "seconds", published=True)
    _draw("scale-price.svg", "price", published=False)


def _draw(file: str, what: str, *, published: bool) -> None:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    from client.charts import COLOURS, INK, STYLE

    sizes = [round(10 ** (power / 4)) for power in range(12, 29)]
    with rc_context({**STYLE, "svg.hashsalt": file}):
        figure = Figure(figsize=(8, 4), layout="constrained")
        panel = figure.subplots()
        for (name, function), colour in zip(FUNCTIONS.items(), COLOURS, strict=False):
            values = [float(getattr(plan(rows, function).forecast, what)) for rows in sizes]
            panel.loglog(sizes, values, label=f"forecast, {name}", color=colour)
        if published:
            records = [records for records in PUBLISHED if records >= SIZES[0]]
            panel.plot(
                records,
                [PUBLISHED[count] for count in records],
                linestyle="",
                marker="o",
                color=INK,
                label="published, no work for a record",
            )
        else:
            panel.plot(
                [1_000_001], [float(published_price())], linestyle="", marker="o", color=INK, label="published system, by its source"
            )
        panel.set_xticks(SIZES, labels=[f"{size:,}" for size in SIZES])
        panel.xaxis.set_minor_formatter("")
        panel.yaxis.set_major_formatter("{x:g}")
        panel.yaxis.set_minor_formatter("")
        panel.set_xlabel("rows")
        panel.set_ylabel("seconds" if what == "seconds" else "dollars")
        panel.legend()
        figure.savefig(PICTURES / file, metadata={"Date": None})


if __name__ == "__main__":
    write()
