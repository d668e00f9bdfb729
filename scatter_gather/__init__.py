"""Scatter-gather on AWS, as a library.

    from scatter_gather import MapScatterGather, RequestStore, ResponderFleet       in a Pulumi program
    from scatter_gather import Decline, Quote, QuoteRequest, TransientError         in a responder's own code; imports no Pulumi

The folders `components`, `handlers`, `statemachines`, `local` and `client` stand beside this one in the repository, and inside of it in
an installed wheel: `python -m local` is `python -m scatter_gather.local` there. In the repository they import each other by their
names; the wheel's build makes these imports relative (`hatch_build.py`). So nothing but `scatter_gather` is importable where it is
installed, and a program may have folders of these names of its own. To put the folders on the path of imports would take those
names from the program; to add the repository to `__path__` would give every module two names, and every class a twin.

A function of Lambda has `handlers` beside a copy of this file, as in the repository.
"""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from components import (
        Alarms,
        Dashboard,
        DistributedMapProcessor,
        MapScatterGather,
        ParallelScatterGather,
        RequestApi,
        RequestStore,
        ResponderFleet,
        ScatterGather,
        SnsScatterGather,
    )
    from handlers.quoting import Decline, Quote, QuoteRequest, TransientError

__version__ = "1.0.0"

__all__ = [
    "Alarms",
    "Dashboard",
    "Decline",
    "DistributedMapProcessor",
    "MapScatterGather",
    "ParallelScatterGather",
    "Quote",
    "QuoteRequest",
    "RequestApi",
    "RequestStore",
    "ResponderFleet",
    "ScatterGather",
    "SnsScatterGather",
    "TransientError",
]

IN_FUNCTIONS = frozenset({"Decline", "Quote", "QuoteRequest", "TransientError"})
"""The names that a responder's own code may take, in a function too."""

_IS_INSTALLED = (Path(__file__).parent / "handlers").is_dir()


def __getattr__(name: str) -> Any:
    """Only what is asked for is imported: Pulumi takes seconds, and a function does not have it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "handlers.quoting" if name in IN_FUNCTIONS else "components"
    return getattr(importlib.import_module(f"{__name__}.{home}" if _IS_INSTALLED else home), name)
