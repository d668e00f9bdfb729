"""The figures as tables, and docs/performance.md with its pictures."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import rows
from client import compare, costs

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
PICTURES = PAGE.with_suffix("")

Lines = tuple[str, Sequence[str], list[Sequence[str]]]

INTRODUCTION = """# Performance

This project beside the four samples that it replaces, measured in one run on one emulator. The samples' workloads are rebuilt from their
descriptions, with their states, functions, queues and tables ([benchmarks/](../benchmarks)); every measurement is taken in turns: ours,
sample, ours, sample.

```sh
make bench
make bench-quick
```

**What holds on AWS.** Transitions, calls, messages and prices are counted, and are the same there. Latencies are not: all of an emulator's
services share two cores with the functions, and a call between them costs what computing costs. Their ratios say how much more or less
is done for a request.

**What ours does that a sample does not.** It checks the request, keeps it before anybody is asked, sets its deadline, keeps answers by
name, closes once, chooses the best and announces it; answers travel by durable queues, with dead-letter queues behind them.
"""

BEHIND_FROM = 1.05
"""The ratio from which a row counts as behind: less is in the spread of one run."""

REASONS = {
    "SNS": "the request is kept before it is published, each question waits in a queue of its responder's where the sample's topic calls "
    "the functions, and each answer is kept by its name under a condition: six writes and seven messages for the sample's two and "
    "five.",
    "API, POST to map": "the carrier is a state machine, whose start is dearer on the emulator than the publish of the sample. Done: no "
    "POST without a `requestId` waits for the record any more.",
    "API, POST by": "each request is an execution of 14 transitions, which the emulator runs in the process that answers the next POST. On "
    "AWS they share nothing.",
    "List": "a function reads and checks the list, another tallies it, and each item is handed over with its place and its run. Tried: the "
    "tally, or the retriers and the catch of an item, left out one at a time change nothing that can be told from the spread; the "
    "processor takes 0.03 ms of CPU for an item.",
}
"""Why a row may be behind its sample, by how its name begins."""

PRICES = """Ours costs more than a sample, which keeps no record before it asks, has no deadline and announces nothing. A workflow has one
or two transitions more (Is it new?, and for `map` Open request); every carrier has the deadline's message and call, the writes of the
record, and X-Ray's traces, which the samples have none of: $0.010 of the price of a workflow and $0.030 of that of `sns`, as if each
request were traced.
"""


SPLIT = """`opened` is the time from sending the request to its record, `answered` from there to the last of five answers, `closed` to the
closed record, `seen` to the client, which looks every 20 ms; together they are the whole. `functions` is the whole time of the requester,
the slowest responder and the aggregator's last call: it has four calls of the `store`, and what they do when the client need not wait any
more, such as the announcement. The rest is the carrier's and the client's. An execution that does nothing takes the emulator its `start`,
which is most of a workflow's time here, and not on AWS. This table alone:

```sh
python -m benchmarks --split
```
"""


def tables(found: Mapping[str, Any]) -> Iterator[Lines]:
    """(title, columns, lines) of each."""
    if "rows" in found:
        yield from _beside(found)
    if "split" in found:
        columns = ("", "opened", "answered", "closed", "seen", "whole", "functions", "store", "emulator's start")
        yield (
            "Where the time of a request goes, p50 in milliseconds",
            columns,
            [
                (
                    carrier,
                    *(
                        f"{1000 * seconds:.0f}"
                        for seconds in (its.opened, its.answered, its.closed, its.seen, its.whole, its.functions, its.store, its.start)
                    ),
                )
                for carrier, its in found["split"].items()
            ],
        )
    yield from _grown(found)


def _beside(found: Mapping[str, Any]) -> Iterator[Lines]:
    first, second = found["ways"]
    yield (
        f"Latency, {first} and {second}, in milliseconds",
        ("", f"{first} p50", "p95", f"{second} p50", "p95", "ratio of p50", "n"),
        [
            (name, *_ms(ways[first]), *_ms(ways[second]), f"{ways[first].p50 / ways[second].p50:.2f}", str(ways[first].count))
            for name, ways in found["rows"].items()
        ],
    )
    if second == rows.SAMPLE:
        yield (
            "What a request uses, ours / sample",
            ("", "transitions", "calls", "messages", "writes", "$ per 1,000"),
            [
                (
                    name,
                    *(f"{getattr(ours, of)} / {getattr(sample, of)}" for of in ("transitions", "calls", "messages", "writes")),
                    f"{compare.money(costs.price_per_thousand(ours))} / {compare.money(costs.price_per_thousand(sample))}",
                )
                for name, (ours, sample) in rows.used().items()
            ],
        )


def _grown(found: Mapping[str, Any]) -> Iterator[Lines]:
    for key, title in (
        ("growth", "As the responders grow"),
        ("clients", "As the clients grow, that ask 5 responders at once"),
        ("lines", "As the lines of a data set grow"),
    ):
        if key in found:
            sizes = sorted(next(iter(found[key].values()))["p50"])
            yield (
                f"{title}, p50 in milliseconds",
                ("", *map(str, sizes), "exponent"),
                [
                    (carrier, *(f"{1000 * its['p50'][size]:.0f}" for size in sizes), f"{its['exponent']:.2f}")
                    for carrier, its in found[key].items()
                ],
            )
    if "early" in found:
        yield (
            "From the deciding answer to the closed record, in milliseconds",
            ("", "p50", "p95", "n"),
            [(name, *_ms(figures), str(figures.count)) for name, figures in found["early"].items()],
        )
    if "start" in found:
        columns = ("", "CPU to import", "at 256 MB", "at 128 MB", "archive, KB")
        yield (
            "What a function does before its first call, in milliseconds",
            columns,
            [
                (name, f"{its.cpu_ms:.0f}", f"{its.ms_at(256):.0f}", f"{its.ms_at(128):.0f}", f"{its.archive_kb:.0f}")
                for name, its in found["start"].items()
            ],
        )


def write(found: Mapping[str, Any]) -> None:
    PICTURES.mkdir(exist_ok=True)
    _draw_ratios(found)
    _draw_growth(found)
    parts = [INTRODUCTION]
    for title, header, lines in tables(found):
        rows_of_it = "".join(f"| {' | '.join(line)} |\n" for line in (header, ["---"] * len(header), *lines))
        parts.append(f"## {title}\n\n{rows_of_it}")
        if title.startswith("Latency"):
            parts.append("![the ratio of each row](performance/ratios.svg)\n")
            parts.extend(_behind(found))
        if title.startswith("What a request uses"):
            parts.append(PRICES)
        if title.startswith("Where the time"):
            parts.append(SPLIT)
        if title.startswith("As the responders"):
            parts.append("![latency by the number of responders](performance/growth.svg)\n")
            parts.append("The exponent is the b of time = a · responders^b: 1 is a straight line.\n")
    parts.append(f"Measured on {found['at']}, commit {found['commit']}, on {found['machine']}.\n")
    PAGE.write_text("\n".join(parts))


def _behind(found: Mapping[str, Any]) -> Iterator[str]:
    first, second = found["ways"]
    behind = [name for name, ways in found["rows"].items() if ways[first].p50 >= BEHIND_FROM * ways[second].p50]
    if behind:
        yield f"Behind by more than the spread of one run ({BEHIND_FROM - 1:.0%}): {'; '.join(behind)}.\n"
    yield from (f"- **{start}**: {reason}\n" for start, reason in REASONS.items() if any(name.startswith(start) for name in behind))


def _ms(figures: Any) -> tuple[str, str]:
    return f"{1000 * figures.p50:.0f}", f"{1000 * figures.p95:.0f}"


def _draw_ratios(found: Mapping[str, Any]) -> None:
    from matplotlib.figure import Figure

    first, second = found["ways"]
    names = [*found["rows"]][::-1]
    figure = Figure(figsize=(8, 0.6 + 0.35 * len(names)), layout="constrained")
    panel = figure.subplots()
    panel.barh(names, [found["rows"][name][first].p50 / found["rows"][name][second].p50 for name in names], color="#0072b2")
    panel.axvline(1, color="#1f2933", linewidth=1)
    panel.set_xlabel(f"p50 of {first} / p50 of {second}")
    figure.savefig(PICTURES / "ratios.svg", metadata={"Date": None})


def _draw_growth(found: Mapping[str, Any]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.5), layout="constrained")
    panel = figure.subplots()
    sizes = sorted(next(iter(found["growth"].values()))["p50"])
    for carrier, its in found["growth"].items():
        panel.loglog(sizes, [1000 * its["p50"][size] for size in sizes], marker="o", label=carrier)
    # Plain numbers: powers of ten are set in fonts that few machines have.
    panel.set_xticks(sizes, labels=map(str, sizes))
    panel.xaxis.set_minor_formatter("")
    panel.yaxis.set_major_formatter("{x:g}")
    panel.yaxis.set_minor_formatter("{x:g}")
    panel.set_xlabel("responders asked")
    panel.set_ylabel("p50, ms")
    panel.legend(frameon=False)
    figure.savefig(PICTURES / "growth.svg", metadata={"Date": None})
