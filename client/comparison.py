"""Sends the same request through every deployed carrier and compares what it took.

Latency is measured, as the caller sees it: from sending the request to having its result (news are seen after at most 5 % of the
time, see `client.stack`). What the requests used is computed by `client.costs` from what was asked and answered; the tests hold its
formulas to what the emulator's services recorded.
"""

import json
import math
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from client import costs
from client.costs import EXPRESS, KINDS, STANDARD, Kind, Usage, Workload
from client.errors import RequestFailed
from client.shapes import Request, Result
from client.stack import TIMEOUT_SECONDS, Stack
from handlers import completion, contract

EXTRAPOLATED = (3, 5, 20, 100)
"""Responders, to show how the price grows with them."""

PER_MONTH = (1_000, 100_000, 10_000_000)
"""Requests, to show how the price grows with them."""

EXPRESS_LIMIT_MS = 300_000
NOTICEABLE_MS, NOTICEABLE_SHARE = 100, 1.5
"""A carrier is as good as the fastest when its p95 is at most that share of it, or that much longer."""


@dataclass(frozen=True)
class Run:
    """One request: its result, and how long the caller waited for it."""

    variant: str
    latency_ms: float
    result: Result


@dataclass(frozen=True)
class Carrier:
    """What a carrier's runs came to. Times in ms; overhead_ms: of the p50, what the slowest responder did not take itself."""

    variant: str
    workflow_type: str | None
    kind: Kind
    runs: Sequence[Run]
    p50_ms: float
    p95_ms: float
    overhead_ms: float
    used: Usage

    @property
    def label(self) -> str:
        return label(self.variant, self.workflow_type)

    @property
    def price_per_thousand(self) -> Decimal:
        return costs.price_per_thousand(self.used)


@dataclass(frozen=True)
class Recommendation:
    """reasons: clauses, without a capital and a full stop."""

    variant: str
    workflow_type: str | None
    reasons: Sequence[str]

    @property
    def label(self) -> str:
        return label(self.variant, self.workflow_type)


@dataclass(frozen=True)
class Comparison:
    """slowest: the responder that takes longest for this request, and its time in ms. per_month: requests, for the monthly price.
    on_aws: else the latencies are the emulator's."""

    request: Mapping[str, Any]
    carriers: Sequence[Carrier]
    workload: Workload
    slowest: tuple[str, float]
    per_month: int
    on_aws: bool
    recommendation: Recommendation
    spared: int = 0
    """Responders that had not begun when their requests closed early, in all runs together."""

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """Of the project's own carriers, deployed or not, and of those that are deployed."""
        return {**KINDS, **{carrier.variant: carrier.kind for carrier in self.carriers}}

    def extrapolation(self, counts: Iterable[int] = EXTRAPOLATED) -> dict[int, dict[str, Decimal]]:
        """Dollars for 1,000 requests, by responders and by carrier, deployed or not."""
        return {
            count: {
                label(*choice): costs.price_per_thousand(self._usage(choice, self.workload.with_responders(count)))
                for choice in choices(self.kinds)
            }
            for count in counts
        }

    def months(self, volumes: Iterable[int] = PER_MONTH) -> dict[int, dict[str, Decimal]]:
        """Dollars a month, by requests a month and by carrier, deployed or not."""
        return {
            requests: {
                label(*choice): costs.price_per_month(self._usage(choice, self.workload), requests) for choice in choices(self.kinds)
            }
            for requests in volumes
        }

    def _usage(self, choice: tuple[str, str | None], workload: Workload) -> Usage:
        variant, workflow_type = choice
        return costs.usage(self.kinds[variant], workload, workflow_type)


def choices(kinds: Mapping[str, Kind]) -> list[tuple[str, str | None]]:
    """Carriers of these kinds, each with the types that it may be of."""
    return [(variant, workflow_type) for variant, kind in kinds.items() for workflow_type in types_of(kind)]


def types_of(kind: Kind) -> tuple[str | None, ...]:
    return (STANDARD, EXPRESS) if kind.is_workflow else (None,)


def label(variant: str, workflow_type: str | None) -> str:
    """Such as "map EXPRESS"; "sns"."""
    return f"{variant} {workflow_type}" if workflow_type else variant


def compare(
    stack: Stack,
    request: Request | Mapping[str, Any],
    count: int,
    *,
    warm_up: int = 1,
    per_month: int = 100_000,
    timeout: float = TIMEOUT_SECONDS,
    tell: Callable[[str], None] = lambda line: None,
) -> Comparison:
    """Sends the request `count` times through each carrier, in turns, after `warm_up` times that do not count.

    tell: hears of each request before it is sent. Raises as `Stack.request` does.
    """
    if not stack.variants:
        raise RequestFailed("no variant that takes requests is deployed; add one to variants")
    runs: list[Run] = []
    for turn in range(-warm_up, count):
        for variant in stack.variants:
            tell(f"{variant} {'warming up' if turn < 0 else f'{turn + 1} of {count}'}")
            run = _run(stack, variant, request, timeout)
            if turn >= 0:
                runs.append(run)
    types = {variant: stack.workflow_type(variant) for variant in stack.variants}
    kinds = {variant: costs.kind_of(entrance) for variant, entrance in stack.entrances.items()}
    record = stack.record(runs[0].result["requestId"]) or {}
    existing = {*stack.outputs.get("existingFunctions", [])} & {*_recipients(stack, request)}
    early = closes_early(stack, request)
    compared = summarise(
        request,
        runs,
        types,
        record,
        configured=len(stack.outputs["responderNames"]),
        early=early,
        existing=len(existing),
        per_month=per_month,
        on_aws=stack.endpoint is None,
        kinds=kinds,
    )
    return replace(compared, spared=_spared(stack, runs)) if early else compared


def _spared(stack: Stack, runs: Iterable[Run]) -> int:
    """As it is known by now: who had not begun says so after the close."""
    return sum((stack.result(run.result["requestId"]) or run.result).get("spared", 0) for run in runs)


def closes_early(stack: Stack, request: Request | Mapping[str, Any]) -> bool:
    """Whether the request may close before all have answered: what it says itself and the stack's policy decide."""
    policy = completion.policy_of(json.loads(stack.outputs.get("completion", "{}")))
    given = contract.present(contract.present(request).get("completion", {}))
    return completion.tighten(policy, given).closes_early(_recipients(stack, request))


def _recipients(stack: Stack, request: Request | Mapping[str, Any]) -> list[str]:
    return contract.recipients_of(contract.present(request), stack.outputs["responderNames"])


def summarise(
    request: Mapping[str, Any],
    runs: Sequence[Run],
    types: Mapping[str, str | None],
    record: Mapping[str, Any],
    *,
    configured: int,
    early: bool,
    per_month: int,
    on_aws: bool,
    existing: int = 0,
    kinds: Mapping[str, Kind] = KINDS,
) -> Comparison:
    """types: the workflow type of each variant. record: one of the stored requests. configured: the stack's responders; existing: those of
    the asked that are existing functions. early: whether the request may close before all have answered; how many are late is then the mean
    of the runs, rounded up."""
    own = own_times(run.result for run in runs)
    slowest = max(own.items(), key=lambda entry: entry[1], default=("nobody", 0.0))
    workload = Workload(
        asked=runs[0].result["expected"],
        configured=configured,
        responder_seconds=_seconds(sum(own.values()) / max(1, len(own))),
        request_seconds=_seconds(percentile([run.latency_ms for run in runs], 50)),
        early=early,
        late=math.ceil(sum(_late(run.result) for run in runs) / len(runs)) if early else 0,
        existing=existing,
        **_sizes(record),
    )
    carriers = [
        _carrier(variant, types[variant], kinds[variant], [run for run in runs if run.variant == variant], slowest[1], workload)
        for variant in types
    ]
    return Comparison(request, carriers, workload, slowest, per_month, on_aws, recommend(carriers, workload, per_month, on_aws=on_aws))


def own_times(results: Iterable[Result]) -> dict[str, float]:
    """The time of each responder itself, in ms: the least that any carrier saw of it. The responders do the same for each, so what
    is beyond that is the carriers': transport, queueing and cold starts."""
    own: dict[str, float] = {}
    for result in results:
        for answer in result["answers"]:
            if "latencyMs" in answer:
                own[answer["responder"]] = min(own.get(answer["responder"], math.inf), float(answer["latencyMs"]))
    return own


def percentile(values: Sequence[float], percent: float) -> float:
    """Interpolated between the two nearest."""
    ordered = sorted(values)
    position = (len(ordered) - 1) * percent / 100
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def after_ms(result: Result, moment: str) -> float:
    """How long after its creation something happened to the request."""
    return (datetime.fromisoformat(moment) - datetime.fromisoformat(result["createdAt"])).total_seconds() * 1_000


def recommend(carriers: Sequence[Carrier], workload: Workload, per_month: int, *, on_aws: bool) -> Recommendation:
    """The cheapest for so many requests a month, of those that are about as fast as the fastest; of equals the faster.

    A workflow could also be of the other type: its latency is taken to be the same. The emulator's latencies rule nothing out: what
    they compare are its implementations of the services.
    """
    fastest = min(carrier.p95_ms for carrier in carriers)
    limit = max(fastest * NOTICEABLE_SHARE, fastest + NOTICEABLE_MS) if on_aws else math.inf
    prices: dict[tuple[str, str | None], tuple[Decimal, float]] = {}
    for carrier in carriers:
        for workflow_type in types_of(carrier.kind):
            too_long = workflow_type == EXPRESS and carrier.p95_ms > EXPRESS_LIMIT_MS
            if carrier.p95_ms <= limit and not too_long:
                used = costs.usage(carrier.kind, workload, workflow_type)
                prices[carrier.variant, workflow_type] = (costs.price_per_month(used, per_month), carrier.p95_ms if on_aws else 0.0)
    best = min(prices, key=lambda choice: prices[choice])
    others = sorted((price, label(*choice)) for choice, (price, _) in prices.items() if choice != best)
    against = f", against {', '.join(f'${price:.2f} with {name}' for price, name in others)}" if others else ""
    reasons = [f"{per_month:,} requests a month cost ${prices[best][0]:.2f}{against}"]
    p95 = prices[best][1]
    if not on_aws:
        reasons.append("the latencies are the emulator's, so only the price decides")
    elif p95 == fastest:
        reasons.append("nothing is faster")
    else:
        reasons.append(f"its p95 of {p95:.0f} ms is close to the best, {fastest:.0f} ms")
    if best not in {(carrier.variant, carrier.workflow_type) for carrier in carriers}:
        reasons.append(f"set workflowType to {best[1]} for it")
    if best[1] == EXPRESS:
        reasons.append("stay with STANDARD where a request may take more than 5 minutes or each execution's history must be kept")
    if workload.early:
        reasons.append(_price_of_closing_early(workload))
    elif next(carrier.kind for carrier in carriers if carrier.variant == best[0]).is_workflow:
        reasons.append("only sns shows the answers to such a request as they come, and closes early at no extra cost")
    return Recommendation(*best, reasons)


def _price_of_closing_early(workload: Workload) -> str:
    prices = []
    for workflow_type in (STANDARD, EXPRESS):
        waiting, closing = (
            costs.price_per_thousand(costs.usage(KINDS["map"], each, workflow_type))
            for each in (replace(workload, early=False, late=0), workload)
        )
        prices.append(f"from ${waiting:.3f} to ${closing:.3f} with map {workflow_type}")
    return f"closing early takes 1,000 requests {', '.join(prices)}, and costs nothing more with sns"


def _run(stack: Stack, variant: str, request: Mapping[str, Any], timeout: float) -> Run:
    began = time.perf_counter()
    # With the same id nobody would be asked again.
    result = stack.request(variant, {**request, "requestId": uuid.uuid4().hex}, timeout)
    return Run(variant, (time.perf_counter() - began) * 1_000, result)


def _carrier(variant: str, workflow_type: str | None, kind: Kind, runs: Sequence[Run], slowest_ms: float, workload: Workload) -> Carrier:
    latencies = [run.latency_ms for run in runs]
    p50 = percentile(latencies, 50)
    return Carrier(
        variant,
        workflow_type,
        kind,
        runs,
        p50,
        percentile(latencies, 95),
        max(0.0, p50 - slowest_ms),
        costs.usage(kind, workload, workflow_type),
    )


def _late(result: Result) -> int:
    """How many were asked and had not answered when it closed; the deadline's own entry for one has no time."""
    return result["expected"] - sum("respondedAt" in answer for answer in result["answers"])


def _sizes(record: Mapping[str, Any]) -> dict[str, int]:
    """Of a stored record: the bytes without its answers, and of an answer on average."""
    answers = record.get("answers") or {}
    if not answers:
        return {}
    # Late answers may have come since.
    whole = costs.item_bytes({**record, "late": {}})
    empty = costs.item_bytes({**record, "late": {}, "answers": {}})
    return {"record_bytes": empty, "answer_bytes": math.ceil((whole - empty) / len(answers))}


def _seconds(milliseconds: float) -> Decimal:
    return Decimal(round(milliseconds)) / 1_000
