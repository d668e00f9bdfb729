"""plan: says which setting of the distributed variant suits so many rows, how long a run takes and what it costs. It asks nobody."""

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

from client.errors import UsageError
from client.scale import AWS, INLINE, DoesNotFit, Forecast, Function, Plan, Setting, plan

CURVE = tuple(10**power for power in range(3, 8))
MOST_ALTERNATIVES = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    usual = Function()
    parser.add_argument("--rows", type=_whole, required=True, metavar="N", help="rows of the data set, or items of the list")
    parser.add_argument(
        "--row-bytes", type=_whole, default=usual.row_bytes, metavar="B", help=f"of a row, as JSON; default: {usual.row_bytes}"
    )
    parser.add_argument(
        "--row-ms", type=_milliseconds, default=1000 * usual.seconds_per_row, metavar="T", help="that process takes for a row; default: 1"
    )
    parser.add_argument(
        "--result-bytes", type=_whole, default=usual.result_bytes, metavar="B", help=f"of a row's result; default: {usual.result_bytes}"
    )
    parser.add_argument("--memory", type=_whole, default=usual.memory_mb, metavar="MB", help=f"of the function; default: {usual.memory_mb}")
    parser.add_argument(
        "--account-concurrency",
        type=_whole,
        default=AWS.account_concurrency,
        metavar="C",
        help=f"the account's quota of functions at once; default: {AWS.account_concurrency:,}",
    )
    parser.add_argument("--curve", action="store_true", help="and the plans for 1,000 to 10,000,000 rows")


def run_here(options: argparse.Namespace) -> int:
    function = Function(options.row_ms / 1000, options.row_bytes, options.result_bytes, options.memory)
    platform = replace(AWS, account_concurrency=options.account_concurrency)
    try:
        chosen = plan(options.rows, function, platform)
        curve = [plan(rows, function, platform) for rows in CURVE] if options.curve else []
    except DoesNotFit as error:
        raise UsageError(str(error)) from None
    if options.json:
        print(json.dumps({**_as_json(chosen), "curve": [_as_json(each) for each in curve]}, indent=2))
    else:
        print("\n".join(_shown(chosen, curve)))
    return 0


def configuration(chosen: Plan) -> dict[str, Any]:
    """The keys of a stack's configuration."""
    setting = chosen.setting
    own = {"memoryMb": chosen.function.memory_mb, "functionTimeoutSeconds": chosen.timeout_seconds, "sizeHint": chosen.rows}
    seconds = math.ceil(2 * chosen.forecast.seconds)
    if setting.mode == INLINE:
        own = {"source": "dynamodb", "mode": INLINE, "waitSeconds": 0, "timeoutSeconds": max(20, seconds), **own}
    else:
        own = {"source": "s3", "childType": setting.child_type, "batchSize": setting.batch_size, **own}
        if seconds > 86_400:
            own["timeoutSeconds"] = seconds
    return {"variants": ["distributed"], "maxConcurrency": setting.max_concurrency, "distributed": own}


def as_yaml(chosen: Plan) -> str:
    config = configuration(chosen)
    return "\n".join(
        [
            "config:",
            "  scatter-gather:variants: [distributed]",
            f"  scatter-gather:maxConcurrency: {config['maxConcurrency']}",
            "  scatter-gather:distributed:",
            *(f"    {key}: {value}" for key, value in config["distributed"].items()),
        ]
    )


def _shown(chosen: Plan, curve: Sequence[Plan]) -> Iterator[str]:
    yield as_yaml(chosen)
    yield ""
    yield from chosen.why
    yield ""
    phases = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in chosen.forecast.phases.items())
    yield f"{chosen.rows:,} rows: {_said(chosen.forecast)} ({phases})"
    shown = sorted(chosen.alternatives, key=lambda pair: pair[1].seconds)[:MOST_ALTERNATIVES]
    yield from ("", "others:", *(f"  {_named(setting):<24}{_said(forecast)}" for setting, forecast in shown))
    if curve:
        yield from ("", "rows:", *(f"  {each.rows:>10,}  {_named(each.setting):<24}{_said(each.forecast)}" for each in curve))


def _named(setting: Setting) -> str:
    return "inline" if setting.mode == INLINE else f"{setting.child_type}, batch {setting.batch_size:,}"


def _said(forecast: Forecast) -> str:
    return f"{forecast.seconds:,.1f} s, ${forecast.price:,.4f}"


def _as_json(chosen: Plan) -> dict[str, Any]:
    return {
        "rows": chosen.rows,
        "config": configuration(chosen),
        "why": list(chosen.why),
        **_forecast(chosen.forecast),
        "alternatives": [{"setting": asdict(setting), **_forecast(forecast)} for setting, forecast in chosen.alternatives],
    }


def _forecast(forecast: Forecast) -> dict[str, Any]:
    """Dollars as text, exact."""
    priced = {name: f"{dollars:f}" for name, dollars in forecast.bill.items() if dollars}
    return {"seconds": round(forecast.seconds, 3), "phases": dict(forecast.phases), "price": f"{forecast.price:f}", "bill": priced}


def _whole(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of 1 or more, not {text}")
    return int(text)


def _milliseconds(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 <= found < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number of milliseconds of 0 or more, not {text}")
    return found
