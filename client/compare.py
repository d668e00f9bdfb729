"""compare: sends the same request through every deployed carrier and shows latency, use, price and a recommendation."""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from client import arguments, costs, display
from client.comparison import EXTRAPOLATED, PER_MONTH, Comparison, compare
from client.errors import UsageError
from client.stack import Stack

if TYPE_CHECKING:
    from rich.console import Console

COUNTED = ("transitions", "calls", "messages", "writes")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", "--count", type=_at_least_one, default=10, metavar="COUNT", help="requests through each carrier; default: 10")
    arguments.add_request(parser)
    parser.add_argument("--warm-up", type=int, default=1, metavar="COUNT", help="requests before them that do not count; default: 1")
    parser.add_argument(
        "--per-month",
        type=_at_least_one,
        default=100_000,
        metavar="COUNT",
        help="requests a month, for the recommendation; default: 100000",
    )
    parser.add_argument("--report", type=Path, metavar="FILE", help="write a page with the timelines, the latencies and the costs")
    arguments.add_timeout(parser)


def run(options: argparse.Namespace, stack: Stack) -> int:
    if options.report:
        _check_report(options.report)
    request = arguments.read_request(options, stack)
    with display.progress(quiet=options.json) as tell:
        compared = compare(
            stack, request, options.count, warm_up=options.warm_up, per_month=options.per_month, timeout=options.timeout, tell=tell
        )
    show(compared, options.report, as_json=options.json)
    return 0


def show(compared: Comparison, report: Path | None = None, *, as_json: bool = False) -> None:
    """Prints the comparison, after writing its page."""
    if report:
        from client.report import page

        report.write_text(page(compared), encoding="utf-8")
    if as_json:
        print(json.dumps(as_plain(compared), indent=2, default=str))
        return
    out = display.console()
    _print_measured(out, compared)
    _print_prices(
        out,
        "Price of 1,000 such requests on AWS (us-east-1, dollars), by the number of responders:",
        "responders",
        EXTRAPOLATED,
        prices(compared),
    )
    _print_prices(
        out,
        "Price of a month, by the number of such requests in it, with cold starts and idle queues:",
        "requests",
        PER_MONTH,
        months(compared),
    )
    advice = compared.recommendation
    out.print(f"\nRecommended: {advice.label}", soft_wrap=True, markup=False)
    for reason in advice.reasons:
        out.print(f"  - {reason}", soft_wrap=True, markup=False)
    if report:
        out.print(f"The report is in {report}", soft_wrap=True, markup=False)


def as_plain(compared: Comparison) -> dict[str, Any]:
    """The comparison as JSON; money as decimal strings, in dollars."""
    return {
        "request": dict(compared.request),
        "responders": {
            "asked": compared.workload.asked,
            "configured": compared.workload.configured,
            "late": compared.workload.late,
            "spared": compared.spared,
        },
        "closesEarly": compared.workload.early,
        "slowestResponder": {"responder": compared.slowest[0], "ms": compared.slowest[1]},
        "carriers": [
            {
                "variant": carrier.variant,
                "workflowType": carrier.workflow_type,
                "requests": len(carrier.runs),
                "p50Ms": round(carrier.p50_ms, 1),
                "p95Ms": round(carrier.p95_ms, 1),
                "overheadMs": round(carrier.overhead_ms, 1),
                "usedPerRequest": asdict(carrier.used),
                "pricePer1000": money(carrier.price_per_thousand),
                "pricePerMonth": money(costs.price_per_month(carrier.used, compared.per_month)),
                "runs": [{"latencyMs": round(run.latency_ms, 1), "result": run.result} for run in carrier.runs],
            }
            for carrier in compared.carriers
        ],
        "requestsPerMonth": compared.per_month,
        "pricePer1000ByResponders": {
            count: {name: money(price) for name, price in prices.items()} for count, prices in compared.extrapolation().items()
        },
        "pricePerMonthByRequests": {
            requests: {name: money(price) for name, price in prices.items()} for requests, prices in compared.months().items()
        },
        "recommendation": {
            "variant": compared.recommendation.variant,
            "workflowType": compared.recommendation.workflow_type,
            "reasons": list(compared.recommendation.reasons),
        },
    }


def figures(compared: Comparison) -> dict[str, list[str]]:
    """What was measured, and what that costs: for each figure a text for each carrier."""
    carriers = compared.carriers
    return {
        "p50 ms": [f"{carrier.p50_ms:.0f}" for carrier in carriers],
        "p95 ms": [f"{carrier.p95_ms:.0f}" for carrier in carriers],
        "overhead ms": [f"{carrier.overhead_ms:.0f}" for carrier in carriers],
        **{name: [str(getattr(carrier.used, name)) for carrier in carriers] for name in COUNTED},
        "$ per 1,000": [money(carrier.price_per_thousand) for carrier in carriers],
        f"$ per {compared.per_month:,} a month": [money(costs.price_per_month(carrier.used, compared.per_month)) for carrier in carriers],
    }


def prices(compared: Comparison) -> dict[str, list[str]]:
    """For each carrier a text for each number of responders in EXTRAPOLATED: dollars for 1,000 requests."""
    by_count = compared.extrapolation(EXTRAPOLATED)
    return {name: [money(each[name]) for each in by_count.values()] for name in by_count[EXTRAPOLATED[0]]}


def months(compared: Comparison) -> dict[str, list[str]]:
    """For each carrier a text for each number of requests in PER_MONTH: dollars a month."""
    by_requests = compared.months(PER_MONTH)
    return {name: [money(each[name]) for each in by_requests.values()] for name in by_requests[PER_MONTH[0]]}


def closing(compared: Comparison) -> str:
    """A sentence about requests that may close before all have answered; nothing about others."""
    workload = compared.workload
    if not workload.early:
        return ""
    return (
        f"They may close before all have answered: {workload.late} of {workload.asked} answers are late, and cost as such"
        f"{_spared(compared)}."
    )


def _spared(compared: Comparison) -> str:
    return f"; {compared.spared} had not begun when their requests closed, and never did" if compared.spared else ""


def money(dollars: Decimal) -> str:
    """Three significant digits, at least to the cent."""
    places = 2 if dollars >= 1 else max(2, 2 - dollars.adjusted()) if dollars else 2
    return f"{dollars:.{places}f}"


def _print_measured(out: "Console", compared: Comparison) -> None:
    from rich.table import Table

    name, slowest = compared.slowest
    runs = len(compared.carriers[0].runs)
    out.print(
        f"{runs} request{'s' if runs > 1 else ''} to {compared.workload.asked} responders through each carrier; "
        f"the slowest, {display.visible(name)}, takes {slowest:.0f} ms itself",
        soft_wrap=True,
        markup=False,
    )
    if compared.workload.early:
        out.print(closing(compared), soft_wrap=True)
    # A column for each carrier fits a terminal of 80 characters; one for each figure does not.
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("")
    for carrier in compared.carriers:
        table.add_column(carrier.label, justify="right")
    for heading, cells in figures(compared).items():
        table.add_row(heading, *cells)
    out.print(table)
    if compared.workload.early or any(not carrier.kind.is_workflow for carrier in compared.carriers):
        out.print(
            "Answers that come by queue count as if each came by itself, which is the most that they use.", style="dim", soft_wrap=True
        )


def _print_prices(out: "Console", title: str, corner: str, counts: Sequence[int], rows: Mapping[str, Sequence[str]]) -> None:
    from rich.table import Table

    out.print(f"\n{title}", soft_wrap=True, markup=False)
    # As above: a column for each carrier and its type would not fit.
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(corner)
    for count in counts:
        table.add_column(f"{count:,}", justify="right")
    for name, cells in rows.items():
        table.add_row(name, *cells)
    out.print(table)


def _check_report(report: Path) -> None:
    """UsageError before anything is sent where the report could not be written after it."""
    import importlib.util

    if importlib.util.find_spec("matplotlib") is None:
        raise UsageError(
            "--report draws with matplotlib, which is not installed: pip install -r requirements-report.txt, or the package with [report]"
        )
    if not report.parent.is_dir():
        raise UsageError(f"--report: there is no folder {report.parent}")


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of 1 or more, not {text}")
    return int(text)
