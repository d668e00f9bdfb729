"""The handlers as they run in the simulation: imported anew, with their clients, clocks and tokens taken from the world.

A build may be broken on purpose: `broken` maps a module's name to its changed source.
"""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.simulation.world import Clients, OutOfTime, World, clocks

HANDLERS = Path(__file__).parents[2] / "handlers"
RESPONDERS = ("avis", "budget", "hertz")
DEADLINE_SECONDS = 60
RESPONSES, DEAD, TOPIC = "responses", "dead", "topic"
ENVIRONMENT = {
    "TABLE_NAME": "requests",
    "RESPONDERS": ",".join(RESPONDERS),
    "COMPLETION": f'{{"deadlineSeconds": {DEADLINE_SECONDS}}}',
    "SELECTION": "lowest",
    "TOP_K": "3",
    "CURRENCY": "USD",
    "RESULT_RETENTION_SECONDS": "3600",
    "RESPONSE_QUEUE_URL": RESPONSES,
    "DEAD_LETTER_QUEUE_URL": DEAD,
    "EVENT_BUS_NAME": "bus",
    "TOPIC_ARN": TOPIC,
    "RESPONDER": "avis",
    "QUOTE_MODULE": "handlers.quotes.flight",
    "SETTINGS": "{}",
    "TIMEOUT_SECONDS": "20",
    "RETRIES": "2",
    "PROCESS_MODULE": "handlers.processes.log_item",
    "CLAIMS_TABLE": "claims",
    "CLAIMS_KEPT_SECONDS": "3600",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
}
MODULES = ("aggregator", "requester", "sns_requester", "responder", "circuit_store", "processor")


class Silent:
    """A log that nobody reads: writing it would take most of the time."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


class _Broken(importlib.abc.Loader, importlib.abc.MetaPathFinder):
    def __init__(self, sources: Mapping[str, str]) -> None:
        self._sources = sources

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        package, _, name = fullname.partition(".")
        if package != "handlers" or name not in self._sources:
            return None
        return importlib.util.spec_from_file_location(fullname, HANDLERS / f"{name}.py", loader=self)

    def create_module(self, spec: Any) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__.partition(".")[2]
        exec(compile(self._sources[name], f"<broken {name}>", "exec"), module.__dict__)


class Build:
    """aggregator, requester, sns_requester, responder, circuit_store, processor: modules of their own, wired to `world`, which is set
    for each history."""

    world: World
    aggregator: Any
    requester: Any
    sns_requester: Any
    responder: Any
    circuit_store: Any
    processor: Any

    def __init__(self, broken: Mapping[str, str] | None = None) -> None:
        ours = {name: module for name, module in sys.modules.items() if name == "handlers" or name.startswith("handlers.")}
        surroundings = dict(os.environ)
        finder = _Broken(broken or {})
        for name in ours:
            del sys.modules[name]
        os.environ.update(ENVIRONMENT)
        sys.meta_path.insert(0, finder)
        try:
            for name in MODULES:
                setattr(self, name, importlib.import_module(f"handlers.{name}"))
            self.modules: dict[str, Any] = {
                name.partition(".")[2]: module for name, module in sys.modules.items() if name.startswith("handlers.")
            }
            self._wire()
        finally:
            sys.meta_path.remove(finder)
            for name in [name for name in sys.modules if name == "handlers" or name.startswith("handlers.")]:
                del sys.modules[name]
            sys.modules.update(ours)
            os.environ.clear()
            os.environ.update(surroundings)

    def _wire(self) -> None:
        clients = Clients(lambda: self.world)
        simulated = clocks(lambda: self.world)
        modules = self.modules
        for module in modules.values():
            if hasattr(module, "logger"):
                module.logger = Silent()
        modules["clock"].datetime, modules["clock"].within = simulated.datetime, simulated.within
        modules["clock"].OutOfTime = OutOfTime
        modules["opening"].time = modules["item_claims"].time = modules["processor"].time = simulated.time
        modules["records"].uuid = simulated.uuid
        records = modules["records"].Records("requests", clients)
        aggregator, responder = modules["aggregator"], modules["responder"]
        aggregator.store, aggregator.queues, aggregator.events = records, lambda: clients, clients
        for name in ("requester", "sns_requester"):
            modules[name].records, modules[name].deadlines = records, modules["deadline_queue"].DeadlineQueue(clients)
        modules["sns_requester"].sns = clients
        self.records = records
        responder.wanted = modules["still_wanted"].StillWanted("requests", lambda: clients)
        responder.queue = modules["responder_queue"].ResponderQueue("avis", clients)
        modules["processor"].claims = modules["item_claims"].ItemClaims(clients, "claims", 3600)
        self.clients = clients


def source(module: str) -> str:
    return (HANDLERS / f"{module}.py").read_text()
