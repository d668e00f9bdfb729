"""Timings of alternatives, taken in turns, so that what else the machine does hits each alike."""

import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """What is measured. ways: by name, ours first; each call is one measurement, and returns after what is measured has happened.
    rest_seconds: before each, where a call leaves work behind that the next would be charged with."""

    name: str
    ways: Mapping[str, Callable[[], object]]
    count: int = 20
    clients: int = 1
    rest_seconds: float = 0


@dataclass(frozen=True)
class Figures:
    """Seconds."""

    p50: float
    p95: float
    count: int


def measured(row: Row, warm_up: int = 2) -> dict[str, Figures]:
    for way in row.ways.values():
        for _ in range(warm_up):
            way()
    taken: dict[str, list[float]] = {name: [] for name in row.ways}
    for _ in range(math.ceil(row.count / row.clients)):
        for name, way in row.ways.items():
            time.sleep(row.rest_seconds)
            taken[name] += _at_once(way, row.clients)
    return {name: figures(seconds) for name, seconds in taken.items()}


def figures(seconds: Sequence[float]) -> Figures:
    ordered = sorted(seconds)
    return Figures(statistics.median(ordered), ordered[max(0, math.ceil(0.95 * len(ordered)) - 1)], len(ordered))


def _at_once(way: Callable[[], object], clients: int) -> Iterator[float]:
    def timed(_: int) -> float:
        began = time.perf_counter()
        way()
        return time.perf_counter() - began

    if clients == 1:
        yield timed(0)
        return
    with ThreadPoolExecutor(clients) as pool:
        yield from pool.map(timed, range(clients))


def exponent(points: Mapping[int, float]) -> float:
    """The b of time = a * size ** b that fits best (least squares of the logarithms)."""
    logs = [(math.log(size), math.log(seconds)) for size, seconds in points.items()]
    mean_x, mean_y = (statistics.fmean(each) for each in zip(*logs, strict=True))
    return sum((x - mean_x) * (y - mean_y) for x, y in logs) / sum((x - mean_x) ** 2 for x, _ in logs)


def machine() -> str:
    listed = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.partition(":")[2].strip() for line in listed if line.startswith("model name")), platform.processor())
    versions = f"Python {platform.python_version()}, MiniStack {metadata.version('ministack')}"
    return f"{os.cpu_count()} cores ({model}), {platform.system()}, {versions}"
