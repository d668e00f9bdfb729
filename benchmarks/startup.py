"""What each function does before its first call: the CPU time of its imports, and the size of its archive."""

import io
import os
import resource
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from components import code
from tests.simulation.build import ENVIRONMENT

ROOT = Path(__file__).parents[1]
MODULES = ("aggregator", "api", "processor", "reader", "requester", "responder", "selector", "sns_requester", "tally")
FULL_CORE_MB = 1_769
"""Where Lambda gives a function one whole core; below it in proportion: https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html"""

REPEATED = 3
MORE = {
    "AUTH": "NONE",
    "OWNERSHIP": "{}",
    "CARRIERS": "{}",
    "SAMPLE": "{}",
    "RANK_MODULE": "handlers.rankings.nearest",
    "SOURCE_TABLE": "t",
    "SOURCE_KEY": "{}",
    "SOURCE_ATTRIBUTE": "items",
}
"""What is in the environments that the simulation does not need."""


@dataclass(frozen=True)
class Start:
    cpu_ms: float
    archive_kb: float

    def ms_at(self, memory_mb: int) -> float:
        """As it would take where a function has that share of a core. AWS gives a starting function more than that, for up to 10 s."""
        return self.cpu_ms * FULL_CORE_MB / memory_mb


def measured() -> dict[str, Start]:
    bare = min(_cpu_ms("pass") for _ in range(REPEATED))
    return {name: Start(min(_cpu_ms(f"import handlers.{name}") for _ in range(REPEATED)) - bare, _archive_kb(name)) for name in MODULES}


def _cpu_ms(statement: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", statement], cwd=ROOT, env={**os.environ, **ENVIRONMENT, **MORE}, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def _archive_kb(name: str) -> float:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, source in code.sources(f"handlers.{name}").items():
            archive.writestr(file, source.read_bytes())
    return len(packed.getvalue()) / 1_024
