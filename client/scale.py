"""How long a run of the distributed variant takes on AWS and what it costs, and which setting suits it. Pure: it asks nobody.

`simulate` lets a run go by in four phases, one after the other: the reader turns the source into JSON Lines, the Map works through it, its
results are written, the tally counts them. Within the Map work flows: items are read, children begun and environments added at the
rates of a `Platform`, and the narrowest of them decides. `plan` searches the settings with it.

Left out: what passes between the phases (tenths of a second), retries of items that fail, claims of an `idempotent` processor, storage,
free tiers.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from client import costs
from client.costs import EXPRESS, STANDARD, Usage

INLINE, DISTRIBUTED = "INLINE", "DISTRIBUTED"
BATCH_BYTES = 200_000
"""A batch is closed there, and so are its outcomes (a test holds it to the component)."""

ENTRY_BYTES, OUTCOME_BYTES = 120, 60
"""Around each row on its way to the function (run, index, names), and around each result on its way back; counted in the definition."""

INLINE_ROWS, INLINE_BYTES, INLINE_CONCURRENCY = 600, 260_096, 40
"""What an inline Map takes, a little below the least that a preview says."""

MOST_ROWS, STANDARD_ROWS, MOST_CONCURRENCY, MOST_SECONDS = 10_000, 1_000, 10_000, 890
"""Of a batch (of one in a Standard execution) and of the children at once, and a function's time limit, as the configuration allows them.
https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html"""

EXPRESS_SECONDS = 300
"""https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html"""

CPU_MB = 1_769
"""A function has a whole CPU with so much memory, and a share of it with less.
https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html"""

RUN_TRANSITIONS, RUN_CALLS = 6, 2
"""Counted in the definition: states on the way of a run, and the calls of reader and tally."""

ROW_CPU_SECONDS = 0.00003
"""Of the code around `process`, measured: docs/performance.md."""

PART_BYTES = 8_388_608
"""Of an upload in parts, as boto3 cuts them."""

FASTEST_SHARE = 1.1
"""A plan takes the cheapest setting among those that need at most so many times the seconds of the fastest."""


@dataclass(frozen=True)
class Platform:
    """The rates of what runs it; the defaults are AWS's in a large region, for an account whose quotas nobody raised."""

    account_concurrency: int = 1_000
    """Environments of all functions. https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html"""

    burst: int = 1_000
    environments_per_second: float = 100
    """1,000 at once, then 1,000 every 10 seconds for each function, refilled continuously; not more than 10 calls a second each.
    https://docs.aws.amazon.com/lambda/latest/dg/scaling-behavior.html"""

    shortest_call_seconds: float = 0.1
    transitions_per_second: float = 5_000
    """Of Standard workflows, in us-east-1, us-west-2 and eu-west-1.
    https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html"""

    starts: Mapping[str, tuple[int, float]] = dataclasses.field(default_factory=lambda: {STANDARD: (1_300, 300), EXPRESS: (6_000, 6_000)})
    """StartExecution's bucket and refill for each second, by type (the same page). Assumed to hold for children too."""

    items_per_second: float = 10_000
    """Assumed: how fast a Distributed Map reads its items. AWS publishes nothing; its weather sample, which lists 558,000 objects
    and ends after 90 to 150 seconds, reads at least 3,700 to 6,200.
    https://github.com/aws-samples/aws-stepfunctions-examples/tree/main/sam/demo-distributed-map-data-processing"""

    map_seconds: float = 7
    """Of a Map Run beside its items, most of it at the end: 7 s for a hundred items that do nothing.
    https://repost.aws/questions/QUn5oKgcnjRTemt39V9hdtyw/why-is-step-function-s-distributed-map-slow"""

    child_seconds: float = 0.1
    """Assumed: of an execution or an inline iteration, beside its call."""

    call_seconds: float = 0.02
    """Assumed: of a warm call, beside the work."""

    init_seconds: float = float(costs.INIT_SECONDS)
    read_per_cpu_second: float = 100_000
    counted_per_cpu_second: float = 240_000
    """Measured on one core of a server (AMD EPYC), which is taken for Lambda's: rows of 250 bytes that the reader turns into JSON Lines,
    and outcomes that the tally counts."""

    first_wait_seconds: float = 2
    back_off: float = 3
    longest_wait_seconds: float = 60
    """Of a child that found no environment: the retrier in statemachines/list_distributed.asl.json."""


AWS = Platform()


@dataclass(frozen=True)
class Function:
    """What is done for a row. seconds_per_row: of `process` alone, with memory_mb. Sizes are bytes as JSON."""

    seconds_per_row: float = 0.001
    row_bytes: int = 250
    result_bytes: int = 100
    memory_mb: int = 128

    def seconds(self, rows: int) -> float:
        """Of a call for so many rows."""
        return rows * (self.seconds_per_row + ROW_CPU_SECONDS / min(1, self.memory_mb / CPU_MB))

    @property
    def most_rows(self) -> int:
        """That one batch takes: 0 where not even one row fits."""
        return min(MOST_ROWS, BATCH_BYTES // max(self.row_bytes + ENTRY_BYTES, self.result_bytes + OUTCOME_BYTES))


@dataclass(frozen=True)
class Setting:
    """As the keys of `distributed` and `maxConcurrency` have it; a max_concurrency of 0 is all that Step Functions allows."""

    mode: str = DISTRIBUTED
    child_type: str = STANDARD
    batch_size: int = 1
    max_concurrency: int = 1_000
    wait_seconds: int = 0

    @property
    def at_once(self) -> int:
        most = INLINE_CONCURRENCY if self.mode == INLINE else MOST_CONCURRENCY
        return min(self.max_concurrency or most, most)


@dataclass(frozen=True)
class Forecast:
    """phases: seconds; bill: dollars, by the fields of `costs.Usage`."""

    phases: Mapping[str, float]
    bill: Mapping[str, Decimal]

    @property
    def seconds(self) -> float:
        return sum(self.phases.values())

    @property
    def price(self) -> Decimal:
        return sum(self.bill.values(), Decimal(0))


def simulate(rows: int, setting: Setting, function: Function, platform: Platform = AWS) -> Forecast:
    """A run that finds no warm environment and whose rows all succeed."""
    distributed = setting.mode == DISTRIBUTED
    size = min(setting.batch_size, max(1, function.most_rows)) if distributed else 1
    batches = math.ceil(rows / size)
    call = platform.call_seconds + function.seconds(min(rows, size))
    phases = {
        "reader": platform.init_seconds + rows / platform.read_per_cpu_second,
        "map": _map_seconds(batches, size, call, setting, platform) if rows else 0,
        "results": platform.map_seconds if distributed else 0,
        "tally": platform.init_seconds + rows / platform.counted_per_cpu_second,
    }
    return Forecast(phases, costs.bill(_usage(rows, batches, size, setting, function, platform)))


def _map_seconds(batches: int, size: int, call: float, setting: Setting, platform: Platform) -> float:
    """Until the last batch is done."""
    transitions = 2 if setting.wait_seconds else 1
    taken = max(call, platform.shortest_call_seconds)
    child = platform.child_seconds + setting.wait_seconds
    bucket, per_second = platform.starts[setting.child_type] if setting.mode == DISTRIBUTED else (0, math.inf)
    if setting.mode == INLINE or setting.child_type == STANDARD:
        per_second = min(per_second, platform.transitions_per_second / transitions)
    read = batches * size / platform.items_per_second if setting.mode == DISTRIBUTED else 0
    supplied = max(read, max(0, batches - bucket) / per_second)
    last = _last_start(batches, taken + child, min(setting.at_once, platform.account_concurrency), platform)
    return (
        max(supplied, last) + platform.init_seconds + child + call + _throttled(batches, bucket, taken, supplied, last, setting, platform)
    )


def _last_start(batches: int, seconds: float, at_once: int, platform: Platform) -> float:
    """When the last batch begins, if nothing but places is short: as many at once as there are environments, each free again after so many
    seconds."""
    now, places = 0.0, min(at_once, platform.burst)
    left: float = batches - places
    step = min(1.0, seconds)
    while left > 0 and places < at_once:
        more = min(at_once - places, platform.environments_per_second * step)
        now, left, places = now + step, left - more - places * step / seconds, places + more
    return now + max(0, math.ceil(left / places)) * seconds


def _throttled(batches: int, bucket: int, call: float, supplied: float, last: float, setting: Setting, platform: Platform) -> float:
    """The wait of the child that comes last, where more are begun than find an environment: with full jitter its whole interval at worst,
    which grows for as long as there are too few."""
    # As many as the bucket holds are begun together, however slowly the others follow.
    flowing = batches if not supplied else math.ceil(batches / supplied * call)
    at_once = min(setting.at_once, max(min(batches, bucket), flowing))
    if at_once <= min(platform.burst, platform.account_concurrency):
        return 0
    ramp = (at_once - platform.burst) / platform.environments_per_second
    too_few = last if at_once > platform.account_concurrency else min(last, ramp)
    # After k retries (back_off^k - 1) / (back_off - 1) * first / 2 seconds are over on average.
    interval = platform.first_wait_seconds + 2 * too_few * (platform.back_off - 1)
    return min(platform.longest_wait_seconds, interval)


def _usage(rows: int, batches: int, size: int, setting: Setting, function: Function, platform: Platform) -> Usage:
    distributed, express = setting.mode == DISTRIBUTED, setting.child_type == EXPRESS
    read, written = rows * function.row_bytes, rows * (function.result_bytes + OUTCOME_BYTES)
    whole, rest = divmod(rows, size)
    per_batch = 2 if setting.wait_seconds else 1
    json_seconds = rows / platform.read_per_cpu_second + rows / platform.counted_per_cpu_second
    environments = min(batches, setting.at_once, platform.account_concurrency)
    gb_seconds = _gb(CPU_MB) * (json_seconds + 2 * platform.init_seconds) + _gb(function.memory_mb) * (
        batches * platform.call_seconds + function.seconds(rows) + environments * platform.init_seconds
    )
    execution_seconds = sum(
        count * _express_seconds(part, setting, function, platform) for count, part in ((whole, size), (1, rest)) if part
    )
    return Usage(
        transitions=RUN_TRANSITIONS + (0 if distributed and express else per_batch * batches),
        executions=batches if distributed and express else 0,
        execution_gb_seconds=Decimal(execution_seconds if distributed and express else 0) * costs.EXPRESS_CHUNK_BYTES / 1_000_000_000,
        calls=RUN_CALLS + batches,
        call_gb_seconds=Decimal(gb_seconds),
        log_gb=Decimal((RUN_CALLS + batches) * costs.CALL_LOG_BYTES) / 1_000_000_000,
        # Begun and ended with a request each: the JSON Lines, the outcomes; the manifest and the failures.
        object_writes=_parts(read) + _parts(written) + 2 if distributed else 0,
        object_reads=2 + _parts(written) if distributed else 0,
    )


def _express_seconds(rows: int, setting: Setting, function: Function, platform: Platform) -> float:
    """Of one execution, in steps of a tenth of a second as it is billed; its 50 MB and its batch fit the first 64 MB."""
    seconds = platform.child_seconds + setting.wait_seconds + platform.call_seconds + function.seconds(rows)
    step = float(costs.EXPRESS_STEP_SECONDS)
    return math.ceil(seconds / step) * step


def _parts(size: int) -> int:
    return 2 + math.ceil(size / PART_BYTES)


def _gb(megabytes: int) -> float:
    return megabytes / 1_024


@dataclass(frozen=True)
class Plan:
    """why: sentences. alternatives: other settings, each with its forecast, cheapest first."""

    rows: int
    setting: Setting
    function: Function
    forecast: Forecast
    why: tuple[str, ...]
    alternatives: tuple[tuple[Setting, Forecast], ...]

    @property
    def call_seconds(self) -> float:
        return AWS.call_seconds + self.function.seconds(min(self.rows, self.setting.batch_size))

    @property
    def timeout_seconds(self) -> int:
        """For functionTimeoutSeconds."""
        return min(MOST_SECONDS, _timeout(self.call_seconds))


class DoesNotFit(ValueError):
    """Not even one row fits an execution or a call, or all of them together do not fit the reader's call or the tally's."""


def plan(rows: int, function: Function, platform: Platform = AWS) -> Plan:
    """The cheapest setting among the fast ones. DoesNotFit where there is none."""
    size = max(function.row_bytes + ENTRY_BYTES, function.result_bytes + OUTCOME_BYTES)
    if not function.most_rows:
        raise DoesNotFit(f"a row and what is around it take {size:,} bytes; allowed: at most {BATCH_BYTES:,}")
    if function.seconds(1) > MOST_SECONDS:
        raise DoesNotFit(f"a row takes {function.seconds(1):,.0f} seconds; allowed: at most {MOST_SECONDS}")
    found = [(setting, simulate(rows, setting, function, platform)) for setting in _settings(rows, function, platform)]
    fastest = min(forecast.seconds for _, forecast in found)
    for name in ("reader", "tally"):
        if (seconds := found[0][1].phases[name]) > MOST_SECONDS:
            raise DoesNotFit(f"the {name} of {rows:,} rows takes {seconds:,.0f} seconds; allowed: at most {MOST_SECONDS}")
    fast = [pair for pair in found if pair[1].seconds <= FASTEST_SHARE * fastest]
    setting, forecast = min(fast, key=lambda pair: (pair[1].price, pair[1].seconds))
    others = tuple(sorted((pair for pair in found if pair[0] != setting), key=lambda pair: pair[1].price))
    chosen = Plan(rows, setting, function, forecast, (), others)
    return replace(chosen, why=tuple(_why(chosen, platform)))


def _settings(rows: int, function: Function, platform: Platform) -> Iterator[Setting]:
    if rows <= INLINE_ROWS and rows * max(function.row_bytes + ENTRY_BYTES, function.result_bytes + OUTCOME_BYTES) <= INLINE_BYTES:
        yield Setting(INLINE, max_concurrency=INLINE_CONCURRENCY)
    # More at once than come at once would be throttled, and wait; a tenth is left to other functions.
    most = min(MOST_CONCURRENCY, platform.account_concurrency * 9 // 10)
    sizes = {function.most_rows, *(size for size in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000) if size < function.most_rows)}
    for size in sorted(sizes):
        seconds = platform.call_seconds + function.seconds(size)
        for child_type, limit in ((STANDARD, MOST_SECONDS), (EXPRESS, EXPRESS_SECONDS)):
            if (_timeout(seconds) <= limit or (size == 1 and child_type == STANDARD)) and (child_type == EXPRESS or size <= STANDARD_ROWS):
                yield Setting(DISTRIBUTED, child_type, size, most)


def _timeout(call_seconds: float) -> int:
    """Twice what is expected, and not below the default of functionTimeoutSeconds."""
    return max(30, math.ceil(2 * call_seconds))


def _why(chosen: Plan, platform: Platform) -> Iterator[str]:
    setting, function, phases = chosen.setting, chosen.function, chosen.forecast.phases
    if setting.mode == INLINE:
        yield f"{chosen.rows:,} rows fit one execution, whose Map begins at once; a Map Run takes {platform.map_seconds:g} s more."
        return
    size = setting.batch_size
    batches = math.ceil(chosen.rows / size)
    filled = size * (function.row_bytes + ENTRY_BYTES)
    yield (
        f"A batch of {size:,}: so many rows of {function.row_bytes:,} bytes, with what is around each, take {filled:,} of {BATCH_BYTES:,} "
        f"bytes; one call lasts {chosen.call_seconds:.2g} s, and there are {batches:,}."
    )
    yield f"{setting.max_concurrency:,} at once: a tenth of the account's {platform.account_concurrency:,} is left to other functions."
    other = [
        pair
        for pair in chosen.alternatives
        if pair[0] == replace(setting, child_type=STANDARD if setting.child_type == EXPRESS else EXPRESS)
    ]
    for rival, forecast in other:
        yield (
            f"{setting.child_type} children: {chosen.forecast.seconds:.0f} s and ${chosen.forecast.price:.4f}; "
            f"with {rival.child_type} ones it is {forecast.seconds:.0f} s and ${forecast.price:.4f}."
        )
    longest = max(phases, key=lambda name: phases[name])
    yield f"The longest phase is that of the {longest}, {phases[longest]:.0f} s."
