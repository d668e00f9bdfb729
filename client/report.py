"""The comparison as one page that needs nothing else: no network, no script. Whatever a responder said is shown as text."""

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template

from client import charts, costs
from client.compare import closing, figures, months, prices
from client.comparison import EXTRAPOLATED, PER_MONTH, Carrier, Comparison
from client.shapes import Answer, reason

TEMPLATE = Template(Path(__file__).with_suffix(".html").read_text(encoding="utf-8"))


def page(compared: Comparison) -> str:
    """The whole page as HTML."""
    runs = len(compared.carriers[0].runs)
    name, slowest = compared.slowest
    place = "on AWS" if compared.on_aws else "on the emulator, whose latencies are not those of AWS"
    advice = compared.recommendation
    return TEMPLATE.substitute(
        subtitle=escape(
            f"{runs} requests to {compared.workload.asked} responders through each of "
            f"{', '.join(carrier.variant for carrier in compared.carriers)}, measured {place}"
        ),
        recommended=escape(advice.label),
        reasons="".join(f"<p>{escape(_sentence(reason))}</p>" for reason in advice.reasons),
        measured=_measured(compared),
        notes=escape(
            f"{closing(compared)} Overhead is the p50 without what the slowest responder takes itself. Answers that come by "
            "queue count as if each came by itself, which is the most that they use. A month includes cold starts and idle "
            "queues.".strip()
        ),
        latencies=charts.latencies(compared),
        latencies_caption=escape(f"Each dot is a request; the dashed line is what {name} takes itself, {slowest:.0f} ms."),
        timelines=charts.timelines(compared),
        timelines_caption=escape(
            f"From the moment when the request was taken until it was closed. {_readable(compared)} At most "
            f"{charts.MOST_TIMELINES} requests are drawn for each carrier."
        ),
        costs=charts.cost_curves(compared),
        costs_caption=escape("With requests like this one, to all responders. Both axes are logarithmic."),
        prices=_prices("responders", EXTRAPOLATED, prices(compared)),
        months=_prices("requests a month", PER_MONTH, months(compared)),
        answers="".join(_answers(carrier) for carrier in compared.carriers),
        request=escape(json.dumps(compared.request, indent=2, ensure_ascii=False)),
        sources=_table(
            ("", "$", "for"),
            ((escape(price.unit), format(price.dollars.normalize(), "f"), f"{price.per:,}") for price in costs.PRICES.values()),
        )
        + f'<p class="muted">us-east-1, without free tiers. Sources: {escape(", ".join(_sources()))}</p>',
    )


def _measured(compared: Comparison) -> str:
    labels = (carrier.label for carrier in compared.carriers)
    return _table(("", *labels), ((escape(heading), *cells) for heading, cells in figures(compared).items()))


def _prices(corner: str, counts: Sequence[int], rows: Mapping[str, Sequence[str]]) -> str:
    return _table((corner, *(f"{count:,}" for count in counts)), ((escape(name), *cells) for name, cells in rows.items()))


def _readable(compared: Comparison) -> str:
    if compared.workload.early:
        return "The answers can be read as they come."
    return "With map and parallel the answers can be read when the request closes, with sns as they come."


def _answers(carrier: Carrier) -> str:
    result = carrier.runs[-1].result
    best = (result["best"] or {}).get("responder")
    rows = "".join(_answer(answer, is_best=answer["responder"] == best) for answer in result["answers"])
    heading = '<th class="text">responder</th><th class="text">status</th><th>amount</th><th>ms</th><th class="text">said</th>'
    return (
        f"<details open><summary>{escape(carrier.label)}: {escape(result['status'].lower())}, request "
        f"{escape(result['requestId'])}</summary><div class='scroll' tabindex='0'><table><thead><tr>{heading}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div></details>"
    )


def _answer(answer: Answer, *, is_best: bool) -> str:
    said = reason(answer) if "error" in answer else json.dumps(answer.get("details", {}), ensure_ascii=False)
    amount = f"{answer.get('amount', '')} {answer.get('currency', '')}".strip()
    name = f"{answer['responder']}{' (best)' if is_best else ''}"
    return (
        f"<tr{' class=best' if is_best else ''}><td>{escape(name)}</td><td class=text>{escape(charts.WORDS[answer['status']])}</td>"
        f"<td>{escape(amount)}</td><td>{escape(str(answer.get('latencyMs', '')))}</td><td class='text said'>{escape(said)}</td></tr>"
    )


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """heading: texts; rows: cells that are HTML already."""
    head = "".join(f"<th scope=col>{escape(text)}</th>" for text in heading)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _sources() -> list[str]:
    return list(dict.fromkeys(price.source for price in costs.PRICES.values()))


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
