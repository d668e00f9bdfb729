"""A provider of package `test` that keeps its resources in memory and records what it is asked to do.

Types: anything; the type's name doesn't matter. Properties with a meaning:
    key       can't be changed in place: the resource is replaced
    keyFirst  like key, but the old resource has to be deleted first
    bucket    the id; "auto" lets the provider make one up, and keep it
    fail      creating or updating is refused with this message
Outputs are the inputs, `size` (the number of inputs) and `hidden`.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pulumi.runtime.proto import provider_pb2
from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderServicer

from local.files import replace_text
from local.properties import Properties, changed_paths, from_struct, has_unknown, to_struct, without_secrets

READING = ("Configure", "Check", "Diff", "Read", "Invoke")


class Refused(Exception):
    """What this provider raises."""


class FakeProvider(ResourceProviderServicer):
    """`calls` is [(method, resource name)] in the order they began; `alive` is {id: properties}; `during` runs while it works."""

    def __init__(self, store: Path | None = None) -> None:
        self.accepts_secrets = True
        self.calls: list[tuple[str, str]] = []
        self.alive: dict[str, Properties] = {}
        self.config: dict[str, str] = {}
        self.during: Callable[[], object] = lambda: None
        self.overlap = 0
        self._running = 0
        self._store = store
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        if store is not None and store.exists():
            self.alive = json.loads(store.read_text())
            self._ids = itertools.count(len(self.alive) + 1000)

    def writes(self) -> list[tuple[str, str]]:
        return [call for call in self.calls if call[0] not in READING and not call[0].startswith("preview ")]

    def names(self, method: str) -> list[str]:
        return [name for called, name in self.calls if called == method]

    def Configure(self, request: Any, context: Any) -> Any:
        self.config = from_struct(request.args)
        return provider_pb2.ConfigureResponse(acceptSecrets=self.accepts_secrets, supportsPreview=True)

    def Check(self, request: Any, context: Any) -> Any:
        self._record("Check", request)
        inputs = from_struct(request.news)
        failures = [provider_pb2.CheckFailure(property=name, reason="is forbidden") for name in inputs if name == "forbidden"]
        if inputs.get("bucket") == "auto":
            inputs["bucket"] = from_struct(request.olds).get("bucket") or f"{request.name}-{next(self._ids)}"
        return provider_pb2.CheckResponse(inputs=to_struct(inputs), failures=failures)

    def Diff(self, request: Any, context: Any) -> Any:
        self._record("Diff", request)
        paths = changed_paths(from_struct(request.old_inputs), from_struct(request.news))
        kinds = {"add": 0, "delete": 2, "update": 4}
        replacing = [path for path in paths if path in ("key", "keyFirst")]
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if paths else provider_pb2.DiffResponse.DIFF_NONE,
            hasDetailedDiff=True,
            detailedDiff={path: provider_pb2.PropertyDiff(kind=kinds[kind] + (path in replacing)) for path, kind in paths.items()},
            replaces=replacing,
            deleteBeforeReplace="keyFirst" in replacing,
        )

    def Create(self, request: Any, context: Any) -> Any:
        self._record("preview Create" if request.preview else "Create", request)
        inputs = from_struct(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=to_struct(inputs))
        self._work(inputs)
        id_ = inputs.get("bucket") or f"{request.name}-id-{next(self._ids)}"
        if id_ in self.alive:
            raise Refused(f"{id_} already exists")
        return provider_pb2.CreateResponse(id=id_, properties=to_struct(self._keep(id_, inputs)))

    def Update(self, request: Any, context: Any) -> Any:
        self._record("preview Update" if request.preview else "Update", request)
        inputs = from_struct(request.news)
        if request.preview:
            return provider_pb2.UpdateResponse(properties=to_struct(inputs))
        self._work(inputs)
        return provider_pb2.UpdateResponse(properties=to_struct(self._keep(request.id, inputs)))

    def Delete(self, request: Any, context: Any) -> Any:
        self._record("Delete", request)
        self._work({})
        with self._lock:
            del self.alive[request.id]
            self._persist()

    def Read(self, request: Any, context: Any) -> Any:
        self._record("Read", request)
        found = self.alive.get(request.id)
        if found is None:
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(id=request.id, properties=to_struct(found), inputs=request.inputs)

    def Invoke(self, request: Any, context: Any) -> Any:
        self.calls.append(("Invoke", request.tok))
        response = provider_pb2.InvokeResponse()
        getattr(response, "return").update({"echo": from_struct(request.args)})
        return response

    def _record(self, method: str, request: Any) -> None:
        with self._lock:
            self.calls.append((method, request.name))

    def _work(self, inputs: Properties) -> None:
        if has_unknown(inputs):
            raise AssertionError("a real operation must not see unknowns")
        with self._lock:
            self._running += 1
            self.overlap = max(self.overlap, self._running)
        self.during()
        with self._lock:
            self._running -= 1
        if "fail" in inputs:
            raise Refused(inputs["fail"])

    def _keep(self, id_: str, inputs: Properties) -> Properties:
        outputs = {**without_secrets(inputs), "size": len(inputs), "hidden": f"secret of {id_}"}
        with self._lock:
            self.alive[id_] = outputs
            self._persist()
        return outputs

    def _persist(self) -> None:
        if self._store is not None:
            replace_text(self._store, json.dumps(self.alive))
