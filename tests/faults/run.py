"""Carries out a plan: the whole program on an emulator of its own, its functions behind the fault-injecting proxy."""

import json
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from client import RequestFailed, Stack, redrive
from local import emulator as emulator_control
from local.emulator import Emulator
from tests.faults import ledger
from tests.faults.oracle import Evidence, Verdict, judge
from tests.faults.plan import RESPONDERS, RESTART_DEADLINE_SECONDS, THROTTLED, Plan, Request
from tests.faults.proxy import Proxy
from tests.integration.conftest import deploy

ACCOUNT = "000000000042"
RESPONDER_SECONDS = 2
AGGREGATOR_SECONDS, AGGREGATOR_VISIBILITY_SECONDS = 4, 12
"""Shorter than the component's 20 and 120, so that what was killed comes back soon. Still, a message comes back only when the function
that had it must have ended, cold start included: whoever closed a record is trusted to announce it until then."""

SENDERS = 4
SEND_ATTEMPTS, SEND_PAUSE_SECONDS = 8, 0.5
REST_SECONDS = 180
POLL_SECONDS = 0.25
CONFIG = {
    "maxConcurrency": 4,
    "completion": {"deadlineSeconds": RESTART_DEADLINE_SECONDS},
    "api": {"enabled": False},
    "responders": [
        {"name": name, "module": "tests.faults.responders", "timeoutSeconds": RESPONDER_SECONDS, "queueConcurrency": 4}
        for name in RESPONDERS],
}


class NotAtRest(Exception):
    """The stack still had messages under way when the time was up."""


@dataclass(frozen=True)
class Report:
    """seconds: that it took. injected: faults by kind. redriven: dead letters that were sent once more."""

    verdict: Verdict
    injected: dict[str, int]
    redriven: int
    seconds: float


def carry_out(plan: Plan, folder: Path, sabotage: Callable[["Bench"], None] | None = None) -> Report:
    """folder: for the emulator and the ledger. sabotage: changes the deployed stack before the first request."""
    began = time.monotonic()
    emulator = emulator_control.start(folder / "emulator", port=0, state_folder=folder / "state")
    try:
        with Proxy(emulator.endpoint, plan.all_requests) as proxy:
            bench = Bench(emulator, proxy, folder, sorted({request.variant for request in plan.all_requests}))
            if sabotage:
                sabotage(bench)
            return bench.run(plan, began)
    finally:
        found = emulator_control.find(folder / "emulator")
        if found:
            found.stop()


class Bench:
    """The deployed stack, and what the run does to it."""

    def __init__(self, emulator: Emulator, proxy: Proxy, folder: Path, variants: list[str]) -> None:
        self.emulator, self.proxy, self.folder = emulator, proxy, folder
        self.ledger = folder / "ledger.jsonl"
        self.stack: Stack = deploy(emulator, ACCOUNT, {**CONFIG, "variants": variants})
        self.results: dict[str, list[Any]] = {}
        self.injected: dict[str, int] = {"restart": 0, "throttle": 0, "submission repeated": 0}
        self._route_through_the_proxy()
        self.events = self._catch_events()

    def run(self, plan: Plan, began: float) -> Report:
        half = len(plan.requests) // 2
        self._send_all(plan, range(half))
        if plan.before_restart:
            self._cross_a_restart(plan.before_restart)
        self._send_all(plan, range(half, len(plan.requests)))
        self._come_to_rest(plan)
        self.proxy.calm()
        # As an operator does once the faults are over.
        redriven = sum(queue.count for queue in redrive.dead_letters(self.stack))
        if redriven:
            redrive.redrive(self.stack)
            self._come_to_rest(plan)
        verdict = judge(Evidence(
            plan.all_requests, ledger.read(self.ledger), self._records(plan), self.results, self._completed_events(),
            self._dead_bodies(), self.proxy.closes))
        injected = {**self.injected, **self.proxy.injected, **_misbehaved(ledger.read(self.ledger), plan)}
        return Report(verdict, {kind: count for kind, count in injected.items() if count}, redriven, time.monotonic() - began)

    def function(self, output: str) -> str:
        return self.stack.outputs[output]

    def _route_through_the_proxy(self) -> None:
        functions = self.stack.client("lambda")
        for function in functions.list_functions()["Functions"]:
            variables = {**function["Environment"]["Variables"], "AWS_ENDPOINT_URL": self.proxy.endpoint}
            functions.update_function_configuration(FunctionName=function["FunctionName"], Environment={"Variables": variables})
            if variables.get("RESPONDER") == THROTTLED:
                functions.put_function_concurrency(FunctionName=function["FunctionName"], ReservedConcurrentExecutions=1)
        functions.update_function_configuration(FunctionName=self.function("snsAggregatorFunctionName"), Timeout=AGGREGATOR_SECONDS)
        self.stack.client("sqs").set_queue_attributes(
            QueueUrl=self.stack.outputs["snsResponseQueueUrl"], Attributes={"VisibilityTimeout": str(AGGREGATOR_VISIBILITY_SECONDS)})

    def _catch_events(self) -> str:
        sqs, events, bus = self.stack.client("sqs"), self.stack.client("events"), self.stack.outputs["snsEventBusName"]
        url = sqs.create_queue(QueueName="caught-events")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        events.put_rule(Name="caught", EventBusName=bus, EventPattern=json.dumps({"source": ["scatter-gather"]}))
        events.put_targets(Rule="caught", EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])
        return url

    def _send_all(self, plan: Plan, numbers: Iterable[int]) -> None:
        windows = {window.after: window for window in plan.windows}
        with ThreadPoolExecutor(SENDERS) as senders:
            sent = []
            for number in numbers:
                request = plan.requests[number]
                self.injected["submission repeated"] += request.submissions - 1
                sent += [senders.submit(self._send, request) for _ in range(request.submissions)]
                if number in windows:
                    self._wait_for(sent)  # so that what the window hits does not depend on how fast this machine is
                    self._open(windows[number].kind, windows[number].seconds, senders, sent)
            self._wait_for(sent)

    def _wait_for(self, sent: list[Future[None]]) -> None:
        for each in sent:
            each.result()

    def _open(self, kind: str, seconds: float, senders: ThreadPoolExecutor, sent: list[Future[None]]) -> None:
        if kind == "outage":
            self.proxy.refuse_writes(seconds)
        else:
            sent.append(senders.submit(self._throttle, seconds))

    def _throttle(self, seconds: float) -> None:
        functions, name = self.stack.client("lambda"), self.function("snsAggregatorFunctionName")
        functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
        self.injected["throttle"] += 1
        time.sleep(seconds)
        functions.delete_function_concurrency(FunctionName=name)

    def _send(self, request: Request) -> None:
        """As a caller does: with an id of its own, again where the carrier was broken."""
        body = self._body(request)
        for attempt in range(1, SEND_ATTEMPTS + 1):
            try:
                if request.variant == "sns":
                    self.stack.send("sns", body)
                else:
                    result = self.stack.request(request.variant, body, timeout=60)
                    self.results.setdefault(request.id, []).append(result)
            except RequestFailed:
                if attempt == SEND_ATTEMPTS:
                    raise
                time.sleep(SEND_PAUSE_SECONDS)
            else:
                return

    def _body(self, request: Request) -> dict[str, Any]:
        quorum = {} if request.quorum is None else {"quorum": request.quorum}
        return {
            "requestId": request.id,
            "recipients": [ask.responder for ask in request.asks],
            "data": {"ledger": str(self.ledger), "replyTo": self.stack.outputs["snsResponseQueueUrl"],
                     "behaviours": {ask.responder: ask.behaviour for ask in request.asks}},
            "completion": {"deadlineSeconds": request.deadline_seconds, **quorum},
        }

    def _cross_a_restart(self, requests: tuple[Request, ...]) -> None:
        """Down and up again while answers and deadlines wait in the queues, with the state that was persisted."""
        for request in requests:
            self._send(request)
        awaited = {(request.id, ask.responder) for request in requests for ask in request.asks}
        _until(lambda: awaited <= {(entry["requestId"], entry["responder"]) for entry in ledger.read(self.ledger)
                                   if entry["kind"] == "answered"}, RESTART_DEADLINE_SECONDS / 2)
        time.sleep(1)  # the last of them is on its way to the queue
        port = int(self.emulator.endpoint.rpartition(":")[2])
        self.emulator.stop()
        self.emulator = emulator_control.start(
            self.folder / "emulator", port=port, state_folder=self.folder / "state")
        self.injected["restart"] += 1

    def _come_to_rest(self, plan: Plan) -> None:
        """Waits until no message is under way and nothing is open, or until nothing has moved for a while."""
        if not _until(self._is_at_rest, REST_SECONDS):
            raise NotAtRest(f"after {REST_SECONDS} seconds: {self._under_way()}")
        # A request whose deadline went to the dead letters stays open until that is redriven.
        _until(lambda: all(record["status"] != "OPEN" for record in self._records(plan).values()), 3)

    def _is_at_rest(self) -> bool:
        return not any(self._under_way().values())

    def _under_way(self) -> dict[str, int]:
        """Messages in the queues that have a dead-letter queue, by queue."""
        sqs, found = self.stack.client("sqs"), {}
        counts = [f"ApproximateNumberOfMessages{which}" for which in ("", "NotVisible", "Delayed")]
        for queue in redrive.queues(self.stack):
            attributes = sqs.get_queue_attributes(QueueUrl=queue.source_url, AttributeNames=counts)["Attributes"]
            found[queue.name] = sum(int(attributes[count]) for count in counts)
        return found

    def _records(self, plan: Plan) -> dict[str, Any]:
        found = ((request.id, self.stack.record(request.id)) for request in plan.all_requests)
        return {request_id: record for request_id, record in found if record is not None}

    def _completed_events(self) -> list[Any]:
        return [json.loads(body)["detail"] for body in self._taken(self.events)]

    def _dead_bodies(self) -> list[str]:
        return [body for url in self.stack.outputs["snsDeadLetterQueueUrls"].values() for body in self._taken(url)]

    def _taken(self, url: str) -> list[str]:
        sqs, bodies = self.stack.client("sqs"), []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=600).get("Messages"):
            bodies += [message["Body"] for message in messages]
        return bodies


def _until(look: Callable[[], bool], seconds: float) -> bool:
    ends = time.monotonic() + seconds
    while not look():
        if time.monotonic() > ends:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _misbehaved(entries: list[ledger.Entry], plan: Plan) -> dict[str, int]:
    """How often the responders did what they should not, by behaviour."""
    told = {(request.id, ask.responder): ask.behaviour for request in plan.all_requests for ask in request.asks}
    counts: dict[str, int] = {}
    for entry in entries:
        behaviour = told[entry["requestId"], entry["responder"]]
        if entry["kind"] == "asked" and behaviour not in ("quote", "decline"):
            counts[f"responder {behaviour}"] = counts.get(f"responder {behaviour}", 0) + 1
    return counts
