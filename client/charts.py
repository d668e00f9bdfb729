"""The report's drawings, each as one SVG element to be put into a page. Needs matplotlib."""

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib

from client import costs, display
from client.comparison import Carrier, Comparison, after_ms, choices, label

matplotlib.use("svg")
from matplotlib.figure import Figure

INK, FAINT, GRID, WARM, PAPER = "#1f2933", "#cbd2d9", "#e4e7eb", "#b34700", "#ffffff"
PAGE_COLOURS = {INK: "--ink", FAINT: "--faint", GRID: "--line", WARM: "--warm", PAPER: "--paper"}
"""What the page has a light and a dark value for."""

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#7a5195", "#8c6d31")
"""Okabe and Ito's, which the colour-blind can tell apart, and two more."""

MARKERS = {"QUOTED": "o", "DECLINED": "D", "FAILED": "X", "TIMED_OUT": "s"}
WORDS = {"QUOTED": "quoted", "DECLINED": "declined", "FAILED": "failed", "TIMED_OUT": "timed out"}
MOST_TIMELINES = 20
MOST_RESPONDERS = 100
LONGEST_NAME = 30

STYLE: Any = {
    "svg.fonttype": "none",  # the page's own font: the text can be selected and searched
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "text.color": INK,
    "text.parse_math": False,  # a responder's name is shown as it is
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
}


def timelines(compared: Comparison) -> str:
    """Each request as a line from its creation to its end, with a mark for each answer; one panel for each carrier."""
    shown = [carrier.runs[:MOST_TIMELINES] for carrier in compared.carriers]
    names = list(dict.fromkeys(answer["responder"] for runs in shown for run in runs for answer in run.result["answers"]))
    colours = {name: COLOURS[position % len(COLOURS)] for position, name in enumerate(names)}
    by_name = len(names) <= len(COLOURS)
    with matplotlib.rc_context(STYLE):
        rows = max(map(len, shown))
        figure = Figure(figsize=(9, 1.4 + len(shown) * (0.75 + 0.24 * rows)), layout="constrained")
        panels = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
        for panel, carrier, runs in zip(panels, compared.carriers, shown, strict=True):
            _timeline(panel, carrier, runs, colours)
        panels[-1].set_xlabel("milliseconds since the request was taken")
        panels[-1].set_xlim(left=0)
        statuses = {answer["status"] for runs in shown for run in runs for answer in run.result["answers"]}
        figure.legend(handles=_legend(colours if by_name else {}, statuses), loc="outside upper center", ncols=6, fontsize=9)
        return _svg(figure, "timelines")


def _timeline(panel: Any, carrier: Carrier, runs: Sequence[Any], colours: Mapping[str, str]) -> None:
    rows = range(1, len(runs) + 1)
    ends = [after_ms(run.result, run.result["completedAt"]) if run.result["completedAt"] else run.latency_ms for run in runs]
    panel.hlines(rows, 0, ends, color=FAINT, linewidth=3, zorder=1)
    panel.plot(ends, rows, color=INK, linestyle="", marker="|", markersize=9, zorder=2)
    for status, marker in MARKERS.items():
        answers = [
            (row, end, run.result, answer)
            for row, end, run in zip(rows, ends, runs, strict=True)
            for answer in run.result["answers"]
            if answer["status"] == status
        ]
        moments = [after_ms(result, answer["respondedAt"]) if "respondedAt" in answer else end for _, end, result, answer in answers]
        panel.scatter(
            moments,
            [row for row, *_ in answers],
            c=[colours[answer["responder"]] for *_, answer in answers],
            marker=marker,
            s=36,
            edgecolors=PAPER,
            linewidths=0.6,
            alpha=0.9,
            zorder=3,
        )
    panel.set_title(carrier.label, loc="left", fontsize=10, fontweight="bold")
    panel.set_ylim(len(runs) + 0.6, 0.4)
    panel.set_yticks(rows)
    panel.tick_params(axis="y", labelsize=8, length=0)
    panel.set_ylabel("request")
    panel.grid(axis="y", visible=False)


def _legend(colours: Mapping[str, str], statuses: Iterable[str]) -> list[Any]:
    from matplotlib.lines import Line2D

    names = [Line2D([], [], color=colour, marker="o", linestyle="", label=_plain(name)) for name, colour in colours.items()]
    kinds = [
        Line2D([], [], color="#7b8794", marker=marker, linestyle="", label=WORDS[status])
        for status, marker in MARKERS.items()
        if status in statuses and set(statuses) != {"QUOTED"}
    ]
    return [*names, *kinds, Line2D([], [], color=INK, marker="|", markersize=9, linestyle="", label="closed")]


def latencies(compared: Comparison) -> str:
    """Each request's latency, by carrier, with p50 and p95, against the time of the slowest responder itself."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9, 1.3 + 0.75 * len(compared.carriers)), layout="constrained")
        panel = figure.subplots()
        for row, carrier in enumerate(compared.carriers):
            values = [run.latency_ms for run in carrier.runs]
            spread = [row + 0.16 * ((number % 5) - 2) / 2 for number in range(len(values))]
            panel.plot(values, spread, linestyle="", marker="o", markersize=5, color=COLOURS[row], alpha=0.6)
            for percent, value, side in (("p50 ", carrier.p50_ms, "right"), (" p95", carrier.p95_ms, "left")):
                panel.plot([value, value], [row - 0.3, row + 0.3], color=INK, linewidth=1.6)
                panel.annotate(percent, (value, row - 0.32), ha=side, va="bottom", fontsize=8)
        slowest = compared.slowest[1]
        panel.axvline(slowest, color=WARM, linestyle="--", linewidth=1.4)
        panel.annotate(
            f"{_plain(compared.slowest[0])} itself: {slowest:.0f} ms",
            (slowest, len(compared.carriers) - 0.45),
            xytext=(5, 0),
            textcoords="offset points",
            color=WARM,
            fontsize=9,
            va="center",
        )
        panel.set_yticks(range(len(compared.carriers)), [carrier.label for carrier in compared.carriers])
        panel.set_ylim(len(compared.carriers) - 0.3, -0.7)
        panel.set_xlim(left=0)
        panel.set_xlabel("milliseconds until the caller has the result")
        panel.tick_params(axis="y", length=0)
        panel.grid(axis="y", visible=False)
        return _svg(figure, "latencies")


def cost_curves(compared: Comparison) -> str:
    """Dollars per 1,000 requests against the number of responders; carriers with one price share a line."""
    counts = range(1, MOST_RESPONDERS + 1)
    curves: dict[tuple[float, ...], list[str]] = {}
    for variant, workflow_type in choices(compared.kinds):
        prices = tuple(
            float(costs.price_per_thousand(costs.usage(compared.kinds[variant], compared.workload.with_responders(count), workflow_type)))
            for count in counts
        )
        curves.setdefault(prices, []).append(label(variant, workflow_type))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9, 4.2), layout="constrained")
        panel = figure.subplots()
        for (prices, names), colour in zip(curves.items(), COLOURS, strict=False):
            panel.plot(counts, prices, label=", ".join(names), color=colour, linewidth=2)
        asked = compared.workload.asked
        panel.axvline(asked, color=FAINT, linestyle="--")
        panel.annotate(
            f"this request: {asked}",
            (asked, 1),
            xycoords=("data", "axes fraction"),
            xytext=(4, -4),
            textcoords="offset points",
            va="top",
            fontsize=9,
        )
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.set_xticks([1, 2, 3, 5, 10, 20, 50, 100], ["1", "2", "3", "5", "10", "20", "50", "100"])
        panel.minorticks_off()
        panel.yaxis.set_major_formatter(lambda dollars, _: f"${dollars:g}")
        panel.set_xlim(1, MOST_RESPONDERS)
        panel.set_xlabel("responders")
        panel.set_ylabel("for 1,000 requests")
        panel.legend(loc="lower right", fontsize=9)
        return _svg(figure, "costs")


def _plain(text: str) -> str:
    """A name as a label: short, without control characters, and not starting with an underscore, which would hide it."""
    short = display.visible(text)[:LONGEST_NAME]
    return f" {short}" if short.startswith("_") else short


def _svg(figure: Figure, name: str) -> str:
    """The drawing without an XML prologue; the ids of its parts are its own, as several drawings share a page."""
    drawn = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = drawn.getvalue()
    svg = text[text.index("<svg") :]
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r'(href="|url\()#', rf"\1#{name}-", svg)
    svg = re.sub(rf"(fill|stroke): ({'|'.join(PAGE_COLOURS)})\b", lambda found: f"{found[1]}: var({PAGE_COLOURS[found[2]]})", svg)
    # matplotlib measures with a font that it ships; the page shows its own.
    svg = svg.replace("'DejaVu Sans'", "system-ui")
    opening = r'<svg xmlns:xlink="http://www.w3.org/1999/xlink" \1 aria-hidden="true">'
    return re.sub(r'<svg [^>]*?(viewBox="[^"]+")[^>]*>', opening, svg, count=1)
