"""The emulator with faults in what goes past the proxy, inside of it: its workflows' calls and its queues' deliveries. Run as a script:

    faulty_emulator.py FOLDER     a folder with

    faults.json     {request id: {point: [fault]}}, one fault for each call made there in turn
    journal.jsonl   what happened: {"requestId", "point", "fault"}

Points: workflow opens, workflow asks, workflow gathers (its call of the requester, a responder, the aggregator); receive (a message that
a queue hands to a function).

Faults: throttle (Lambda.TooManyRequestsException, nothing done), refuse (Lambda.ServiceException, nothing done), lose (done, but answered
with Lambda.ServiceException); of a message, again (another invocation receives it too, at the same time); none (this one goes through,
the next may not).
"""

import json
import runpy
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[2]
THROTTLED, BROKEN = "Lambda.TooManyRequestsException", "Lambda.ServiceException"

Note = Callable[..., None]


def point_of(payload: Any) -> tuple[str, str]:
    """The point of a workflow's call by what it sends, and the request's id."""
    if "execution" in payload:
        return "workflow opens", payload["request"].get("requestId", "")
    if "question" in payload:
        return "workflow asks", payload["question"]["requestId"]
    return "workflow gathers", payload["requestId"]


class Faults:
    """planned: as `faults.json` has it."""

    def __init__(self, planned: Mapping[str, Mapping[str, Sequence[str]]], note: Note) -> None:
        self._planned = {(request_id, point): deque(kinds) for request_id, points in planned.items() for point, kinds in points.items()}
        self._note = note
        self._lock = threading.Lock()

    def next_for(self, request_id: str, point: str) -> str | None:
        with self._lock:
            waiting = self._planned.get((request_id, point))
            fault = waiting.popleft() if waiting else "none"
        if fault == "none":
            return None
        self._note(requestId=request_id, point=point, fault=fault)
        return fault


def faulty(call: Callable[[str, Any], Any], failure: Callable[[str, str], Exception], faults: Faults) -> Callable[[str, Any], Any]:
    """`call`, a workflow's call of whatever it uses, with faults. failure: makes what the workflow sees, of a name and a cause."""

    def called(resource: str, arguments: Any) -> Any:
        if not resource.endswith("lambda:invoke"):
            return call(resource, arguments)
        point, request_id = point_of(arguments["Payload"])
        fault = faults.next_for(request_id, point)
        if fault in ("throttle", "refuse"):
            raise failure(THROTTLED if fault == "throttle" else BROKEN, "injected")
        result = call(resource, arguments)
        if fault == "lose":
            raise failure(BROKEN, "injected")
        return result

    return called


def received_again(receive: Callable[[str, int], list[dict[str, Any]]], faults: Faults) -> Callable[[str, int], list[dict[str, Any]]]:
    """`receive`, which hides messages of a queue for its visibility timeout, and leaves some where the next may receive them too."""

    def received(queue_url: str, most: int) -> list[dict[str, Any]]:
        messages = receive(queue_url, most)
        for message in messages:
            if faults.next_for(_request_of(message["body"]), "receive") == "again":
                message["visible_at"] = 0
        return messages

    return received


def _request_of(body: str) -> str:
    try:
        content = json.loads(body)
    except ValueError:
        return ""
    return content.get("requestId", "") if isinstance(content, dict) else ""


def main(folder: Path) -> None:
    # After everything else: what is named as in the project is the emulator's.
    sys.path.append(str(PROJECT))
    from ministack.services import sqs, stepfunctions

    from tests.faults import ledger

    def note(**entry: Any) -> None:
        ledger.note(folder / "journal.jsonl", **entry)

    def replace(owner: Any, name: str, make: Callable[..., Any], *arguments: Any) -> None:
        setattr(owner, name, make(getattr(owner, name), *arguments))

    faults = Faults(json.loads((folder / "faults.json").read_text()), note)
    replace(stepfunctions, "_invoke_resource", faulty, stepfunctions._ExecutionError, faults)
    replace(sqs, "_receive_messages_for_esm", received_again, faults)


if __name__ == "__main__":
    main(Path(sys.argv.pop()))
    runpy.run_path(str(PROJECT / "local" / "emulator_process.py"), run_name="__main__")
