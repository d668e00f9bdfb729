"""The emulator with faults in the writes of its workflows, which go to the store inside of it, past the proxy. Run as a script:

    faulty_emulator.py FOLDER     a folder with

    store-faults.json   {request id: {point: [fault]}}, one fault for each write made there in turn; `point_of` has the points
    outage              until when (epoch seconds) all writes are refused; may be absent
    journal.jsonl       what happened, by its `kind`: {"kind": "fault", "requestId", "point", "fault"}, {"kind": "closed", "requestId"},
                        {"kind": "cut off", "requestId", "functionArn"} for a responder that was given up when its time was over

Faults: throttle (ProvisionedThroughputExceededException, nothing done), refuse (InternalServerError, nothing done), lose (done, but
answered with InternalServerError), none (this one goes through, the next may not), outage (as throttle). No write fails more than
MOST_IN_A_ROW times, since with the last of its retries a workflow fails as it should.
"""

import json
import runpy
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

MOST_IN_A_ROW = 3
"""A workflow repeats a write four times (`definition.STORE_RETRY`)."""

PROJECT = Path(__file__).parents[2]
THROTTLED, REFUSED = "DynamoDB.ProvisionedThroughputExceededException", "DynamoDB.InternalServerError"

Names = tuple[str, str, str]


def point_of(operation: str, arguments: Mapping[str, Any]) -> Names:
    """The request's id, the point (open, record, record late or close) and, of an answer, the responder."""
    if operation == "putItem":
        return arguments["Item"]["requestId"]["S"], "open", ""
    request_id, expression = arguments["Key"]["requestId"]["S"], arguments["UpdateExpression"]
    if "completedBy" in expression:
        return request_id, "close", ""
    return request_id, "record late" if "late.#responder" in expression else "record", arguments["ExpressionAttributeNames"]["#responder"]


class StoreFaults:
    """Which write fails, and how. planned: as `store-faults.json` has it."""

    def __init__(self, planned: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
        self._planned = {(request_id, point): deque(kinds) for request_id, points in planned.items() for point, kinds in points.items()}
        self._in_a_row: Counter[Names] = Counter()
        self._lock = threading.Lock()

    def next_for(self, names: Names, *, is_outage: bool) -> str | None:
        with self._lock:
            fault = self._next(names, is_outage)
            self._in_a_row[names] = self._in_a_row[names] + 1 if fault else 0
            return fault

    def _next(self, names: Names, is_outage: bool) -> str | None:
        if self._in_a_row[names] >= MOST_IN_A_ROW:
            return None
        if is_outage:
            return "outage"
        waiting = self._planned.get(names[:2])
        fault = waiting.popleft() if waiting else None
        return None if fault == "none" else fault


def faulty(call: Callable[[str, Any], Any], failure: Callable[[str, str], Exception], faults: StoreFaults, is_outage: Callable[[], bool],
           note: Callable[..., None]) -> Callable[[str, Any], Any]:
    """`call`, a workflow's call of the store, with faults. failure: makes the error that the workflow sees, of a name and a cause."""
    def called(operation: str, arguments: Any) -> Any:
        if operation not in ("putItem", "updateItem"):
            return call(operation, arguments)
        names = point_of(operation, arguments)
        fault = faults.next_for(names, is_outage=is_outage())
        if fault:
            note(kind="fault", requestId=names[0], point=names[1], fault=fault)
        if fault in ("throttle", "outage"):
            raise failure(THROTTLED, "injected")
        if fault == "refuse":
            raise failure(REFUSED, "injected")
        result = call(operation, arguments)
        if names[1] == "close":
            note(kind="closed", requestId=names[0])
        if fault == "lose":
            raise failure(REFUSED, "injected")
        return result

    return called


def watched(call: Callable[..., Any], failure: type[Any], note: Callable[..., None]) -> Callable[..., Any]:
    """`call`, a workflow's call of whatever it waits for so long, that notes which responder it gives up. failure: what it raises."""
    def called(resource: str, arguments: Any, timeout: float) -> Any:
        try:
            return call(resource, arguments, timeout)
        except failure as error:
            if resource.endswith("lambda:invoke") and (error.error == "States.Timeout" or "timed out" in str(error.cause)):
                note(kind="cut off", requestId=arguments["Payload"]["requestId"], functionArn=arguments["FunctionName"])
            raise

    return called


def untimed(compile_: Callable[..., Any]) -> Any:
    """The second that an expression has would be the clock of this machine, which may be busy, not of the program."""
    return staticmethod(lambda expression, timeout=None: compile_(expression))


def main(folder: Path) -> None:
    # After everything else: what is named as in the project is the emulator's.
    sys.path.append(str(PROJECT))
    import jsonata
    from ministack.services import stepfunctions

    from tests.faults import ledger

    def note(**entry: Any) -> None:
        ledger.note(folder / "journal.jsonl", **entry)

    def is_outage() -> bool:
        until = folder / "outage"
        return until.exists() and time.time() < float(until.read_text())

    def replace(owner: Any, name: str, make: Callable[..., Any], *arguments: Any) -> None:
        setattr(owner, name, make(getattr(owner, name), *arguments))

    faults = StoreFaults(json.loads((folder / "store-faults.json").read_text()))
    replace(stepfunctions, "_invoke_dynamodb", faulty, stepfunctions._ExecutionError, faults, is_outage, note)
    replace(stepfunctions, "_invoke_resource_with_timeout", watched, stepfunctions._ExecutionError, note)
    replace(jsonata.Jsonata, "jsonata", untimed)


if __name__ == "__main__":
    main(Path(sys.argv.pop()))
    runpy.run_path(str(PROJECT / "local" / "emulator_process.py"), run_name="__main__")
