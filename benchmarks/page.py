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
name, closes once, chooses the best and announces it; answers travel by durable queues, with dead-letter queues behind them. A 202 of the
API says that the request can be read.
"""


def tables(found: Mapping[str, Any]) -> Iterator[Lines]:
    """(title, columns, lines) of each."""
    first, second = found["ways"]
    yield f"Latency, {first} and {second}, in milliseconds", ("", f"{first} p50", "p95", f"{second} p50", "p95", "ratio of p50", "n"), [
        (name, *_ms(ways[first]), *_ms(ways[second]), f"{ways[first].p50 / ways[second].p50:.2f}", str(ways[first].count))
        for name, ways in found["rows"].items()]
    if second == rows.SAMPLE:
        yield "What a request uses, ours / sample", ("", "transitions", "calls", "messages", "writes", "$ per 1,000"), [
            (name, *(f"{getattr(ours, of)} / {getattr(sample, of)}" for of in ("transitions", "calls", "messages", "writes")),
             f"{compare.money(costs.price_per_thousand(ours))} / {compare.money(costs.price_per_thousand(sample))}")
            for name, (ours, sample) in rows.used().items()]
    for key, title in (("growth", "As the responders grow"), ("clients", "As the clients grow, that ask 5 responders at once")):
        if key in found:
            sizes = sorted(next(iter(found[key].values()))["p50"])
            yield f"{title}, p50 in milliseconds", ("", *map(str, sizes), "exponent"), [
                (carrier, *(f"{1000 * its['p50'][size]:.0f}" for size in sizes), f"{its['exponent']:.2f}")
                for carrier, its in found[key].items()]
    if "early" in found:
        yield "From the deciding answer to the closed record, in milliseconds", ("", "p50", "p95", "n"), [
            (name, *_ms(figures), str(figures.count)) for name, figures in found["early"].items()]
    if "start" in found:
        columns = ("", "CPU to import", "at 256 MB", "at 128 MB", "archive, KB")
        yield "What a function does before its first call, in milliseconds", columns, [
            (name, f"{its.cpu_ms:.0f}", f"{its.ms_at(256):.0f}", f"{its.ms_at(128):.0f}", f"{its.archive_kb:.0f}")
            for name, its in found["start"].items()]


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
        if title.startswith("As the responders"):
            parts.append("![latency by the number of responders](performance/growth.svg)\n")
            parts.append("The exponent is the b of time = a · responders^b: 1 is a straight line.\n")
    parts.append(f"Measured on {found['at']}, commit {found['commit']}, on {found['machine']}.\n")
    PAGE.write_text("\n".join(parts))


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
    for carrier, its in found["growth"].items():
        sizes = sorted(its["p50"])
        panel.loglog(sizes, [1000 * its["p50"][size] for size in sizes], marker="o", label=carrier)
    panel.set_xlabel("responders asked")
    panel.set_ylabel("p50, ms")
    panel.legend(frameon=False)
    figure.savefig(PICTURES / "growth.svg", metadata={"Date": None})
