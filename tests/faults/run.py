"""Carries out a plan: the whole program on the faulty emulator, its functions behind the fault-injecting proxy."""

import io
import json
import threading
import time
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from client import RequestFailed, Stack, redrive
from components import code
from local import emulator as emulator_control
from local.emulator import Emulator
from tests.faults import faulty_emulator, ledger
from tests.faults.oracle import Evidence, Verdict, judge
from tests.faults.plan import CARRIERS, HASTY, PATIENT, RESTART_DEADLINE_SECONDS, Plan
from tests.faults.proxy import Proxy
from tests.faults.request import BARGAIN_BELOW, BENIGN, EXISTING, THROTTLED, Request
from tests.integration.conftest import deploy

ACCOUNT = "000000000042"
EXISTING_SECONDS = 3
TIME_LIMITS = dict.fromkeys(HASTY, 2) | dict.fromkeys(PATIENT, RESTART_DEADLINE_SECONDS) | {EXISTING: 2 * EXISTING_SECONDS}
RETRIES = 1
SENDERS = 8
SEND_SECONDS, SEND_PAUSE_SECONDS = 30, 0.5
"""How long a caller tries, which is longer than any outage, and its pause."""

REST_SECONDS = 180
POLL_SECONDS = 0.25
CONFIG = {
    "maxConcurrency": 4,
    "completion": {"deadlineSeconds": RESTART_DEADLINE_SECONDS},
    "api": {"enabled": False},
    "alarms": {"enabled": False},
}

STACK = "stack"
"""Whom a fault hits that hits all carriers at once."""


class NotAtRest(Exception):
    """The stack still had messages or executions under way when the time was up."""


@dataclass(frozen=True)
class Report:
    """seconds: that it took. injected: faults by kind, by carrier or STACK. redriven: dead letters that were sent once more. hit: how many
    requests a fault was meant for, and met."""

    verdict: Verdict
    injected: dict[str, Counter[str]]
    redriven: int
    hit: int
    seconds: float


def carry_out(plan: Plan, folder: Path, sabotage: Callable[["Bench"], None] | None = None) -> Report:
    """folder: for the emulator and the ledger. sabotage: changes the deployed stack before the first request."""
    began, folder = time.monotonic(), folder.resolve()
    (folder / "faults.json").write_text(json.dumps({request.id: request.faults for request in plan.all_requests}))
    emulator = _start(folder, 0)
    try:
        with Proxy(emulator.endpoint, plan.all_requests) as proxy:
            bench = Bench(emulator, proxy, folder, config_for(plan, make_existing_function(emulator)))
            if sabotage:
                sabotage(bench)
            return bench.run(plan, began)
    finally:
        found = emulator_control.find(folder / "emulator")
        if found:
            found.stop()


def make_existing_function(emulator: Emulator) -> str:
    """Its ARN."""
    functions = Stack({"functionArn": f"arn:aws:lambda:us-east-1:{ACCOUNT}:"}, emulator.endpoint, emulator.session_token).client("lambda")
    return functions.create_function(
        FunctionName=EXISTING,
        Runtime=code.RUNTIME,
        Handler="tests.faults.existing.handler",
        Timeout=EXISTING_SECONDS,
        Role=f"arn:aws:iam::{ACCOUNT}:role/existing",
        Code={"ZipFile": packed("tests.faults.existing")},
    )["FunctionArn"]


def packed(*modules: str, instead: Mapping[str, str] | None = None) -> bytes:
    """The modules and what they import as a function's code. instead: other texts for some of these files."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        for name, file in code.sources(*modules).items():
            files.writestr(name, (instead or {}).get(name) or file.read_text())
    return archive.getvalue()


def config_for(plan: Plan, existing_function: str) -> dict[str, Any]:
    """The configuration of a stack with all carriers and the responders that the plan takes."""
    asked = {ask.responder for request in plan.all_requests for ask in request.asks}
    source = {EXISTING: {"functionArn": existing_function}}
    return {
        **CONFIG,
        "variants": [*CARRIERS],
        "responders": [
            {
                "name": name,
                **source.get(name, {"module": "tests.faults.responders"}),
                "timeoutSeconds": TIME_LIMITS[name],
                "queueConcurrency": 4,
                "retries": RETRIES,
            }
            for name in sorted(asked)
        ],
    }


def _start(folder: Path, port: int) -> Emulator:
    return emulator_control.start(folder / "emulator", port=port, state_folder=folder / "state", script=(faulty_emulator.__file__, folder))


class Bench:
    """The deployed stack, and what the run does to it."""

    def __init__(self, emulator: Emulator, proxy: Proxy, folder: Path, config: dict[str, Any]) -> None:
        self.emulator, self.proxy, self.folder = emulator, proxy, folder
        self.ledger = folder / "ledger.jsonl"
        self.stack: Stack = deploy(emulator, ACCOUNT, config)
        self.results: dict[str, list[Any]] = {}
        self.injected: dict[str, Counter[str]] = defaultdict(Counter)
        self.held: list[Request] = []
        self.to_stop: list[Request] = []
        self.outages: list[tuple[float, float]] = []
        self.is_over = threading.Event()
        self._route_through_the_proxy()
        self.events = self._catch_events()

    def run(self, plan: Plan, began: float) -> Report:
        with ThreadPoolExecutor(1) as gatekeeper:
            letting_go = gatekeeper.submit(self._let_go)
            try:
                self._send_everything(plan)
            finally:
                self.is_over.set()
            letting_go.result()
        self.proxy.calm()
        left_open = {request_id for request_id, record in self._records(plan).items() if record["status"] == "OPEN"}
        # As an operator does once the faults are over.
        redriven = sum(queue.count for queue in redrive.dead_letters(self.stack))
        if redriven:
            redrive.redrive(self.stack)
            self._come_to_rest(plan)
        return self._report(plan, left_open, redriven, began)

    def _send_everything(self, plan: Plan) -> None:
        half = len(plan.requests) // 2 if plan.before_restart else 0
        if plan.before_restart:
            self._send_all(plan, range(half))
            # What the emulator is about when it stops, it saves partly: an execution ends, a message is gone, its effect too.
            self._come_to_rest(plan)
            self._cross_a_restart(plan.before_restart)
        self._send_all(plan, range(half, len(plan.requests)))
        self._come_to_rest(plan)

    def _report(self, plan: Plan, left_open: Collection[str], redriven: int, began: float) -> Report:
        journal = ledger.read(self.folder / "journal.jsonl")
        carriers = {request.id: request.variant for request in plan.all_requests}
        entries = ledger.read(self.ledger)
        verdict = judge(
            Evidence(
                plan.all_requests,
                entries,
                self._records(plan),
                self.results,
                self._completed_events(),
                self._dead_bodies(),
                self.proxy.closes,
                left_open,
                self.outages,
                self.proxy.killed,
            )
        )
        for request_id, its in self.proxy.injected.items():
            self.injected[carriers[request_id]] += its
        for entry in journal:
            self.injected[carriers[entry["requestId"]]][f"{entry['point']} {entry['fault']}"] += 1
        told = {(request.id, ask.responder): ask.behaviour for request in plan.all_requests for ask in request.asks}
        for entry in entries:
            behaviour = told[entry["requestId"], entry["responder"]]
            if entry["kind"] == "asked" and behaviour not in BENIGN:
                self.injected[carriers[entry["requestId"]]][f"responder {behaviour}"] += 1
        hit = {request_id for request_id, its in self.proxy.injected.items() if its.total()} | {entry["requestId"] for entry in journal}
        return Report(verdict, self.injected, redriven, len(hit), time.monotonic() - began)

    def _let_go(self) -> None:
        """Opens the gate of each request that somebody is held in, once it is closed, and stops each execution that is to be stopped."""
        while not self.is_over.wait(POLL_SECONDS):
            asked = {entry["requestId"] for entry in ledger.read(self.ledger)} if self.to_stop else set()
            for request in [each for each in self.to_stop if each.id in asked]:
                self._stop(request)
                self.to_stop.remove(request)
            for request in [*self.held]:
                record = self.stack.record(request.id)
                if record is not None and record["status"] != "OPEN":
                    self._gate(request).touch()
                    self.held.remove(request)

    def _stop(self, request: Request) -> None:
        workflows, arn = self.stack.client("stepfunctions"), self.stack.outputs[f"{request.variant}StateMachineArn"]
        for execution in workflows.list_executions(stateMachineArn=arn, statusFilter="RUNNING")["executions"]:
            if execution["name"].startswith(f"{request.id}-"):
                try:
                    workflows.stop_execution(executionArn=execution["executionArn"])
                except workflows.exceptions.ClientError as error:
                    # It may have ended between the two calls.
                    if "not running" not in str(error):
                        raise
                else:
                    self.injected[request.variant]["execution stopped"] += 1

    def _gate(self, request: Request) -> Path:
        return self.folder / f"gate-{request.id}"

    def _route_through_the_proxy(self) -> None:
        functions = self.stack.client("lambda")
        for function in functions.list_functions()["Functions"]:
            variables = {**function.get("Environment", {}).get("Variables", {}), "AWS_ENDPOINT_URL": self.proxy.endpoint}
            functions.update_function_configuration(FunctionName=function["FunctionName"], Environment={"Variables": variables})
            if variables.get("RESPONDER") == THROTTLED:
                functions.put_function_concurrency(FunctionName=function["FunctionName"], ReservedConcurrentExecutions=1)

    def _catch_events(self) -> str:
        sqs, events, bus = self.stack.client("sqs"), self.stack.client("events"), self.stack.outputs["eventBusName"]
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
                self.injected[request.variant]["submission repeated"] += request.submissions - 1 + request.is_repeated_when_closed
                if any(ask.behaviour == "held" for ask in request.asks):
                    self.held.append(request)
                if request.is_stopped:
                    self.to_stop.append(request)
                sent += [senders.submit(self._send, request) for _ in range(request.submissions)]
                if number in windows:
                    self._wait_for(sent)  # so that what the window hits does not depend on how fast this machine is
                    self._open(windows[number].kind, windows[number].seconds, senders, sent)
            self._wait_for(sent)

    def _wait_for(self, sent: list[Future[None]]) -> None:
        for each in sent:
            each.result()

    def _open(self, kind: str, seconds: float, senders: ThreadPoolExecutor, sent: list[Future[None]]) -> None:
        self.outages.append((time.time(), time.time() + seconds))
        if kind == "outage":
            self.proxy.refuse_writes(seconds)
            self.injected[STACK]["outage"] += 1
        else:
            sent.append(senders.submit(self._throttle, seconds))

    def _throttle(self, seconds: float) -> None:
        functions, name = self.stack.client("lambda"), self.stack.outputs["aggregatorFunctionName"]
        functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
        self.injected[STACK]["throttle"] += 1
        time.sleep(seconds)
        functions.delete_function_concurrency(FunctionName=name)

    def _send(self, request: Request) -> None:
        """As a caller does: with an id of its own, again where the carrier was broken."""
        self._submit(request)
        if request.is_repeated_when_closed:
            self.stack.wait(request.id)
            self._submit(request)

    def _submit(self, request: Request) -> None:
        body = self._body(request)
        ends = time.monotonic() + SEND_SECONDS
        while True:
            try:
                if request.variant == "sns":
                    self.stack.send("sns", body)
                else:
                    result = self.stack.request(request.variant, body, timeout=60)
                    self.results.setdefault(request.id, []).append(result)
            except RequestFailed:
                if time.monotonic() > ends:
                    raise
                time.sleep(SEND_PAUSE_SECONDS)
            else:
                return

    def _body(self, request: Request) -> dict[str, Any]:
        policy = {
            "quorum": request.quorum,
            "amountBelow": str(BARGAIN_BELOW) if request.wants_bargain else None,
            "required": list(request.required),
        }
        return {
            "requestId": request.id,
            "recipients": [ask.responder for ask in request.asks],
            "data": {
                "ledger": str(self.ledger),
                "replyTo": self.stack.outputs["responseQueueUrl"],
                "gate": str(self._gate(request)),
                "busy": str(self.folder / f"busy-{request.id}"),
                "behaviours": {ask.responder: ask.behaviour for ask in request.asks},
            },
            "completion": {"deadlineSeconds": request.deadline_seconds, **{key: value for key, value in policy.items() if value}},
        }

    def _cross_a_restart(self, requests: tuple[Request, ...]) -> None:
        """Down and up again while answers and deadlines wait in the queues, with the state that was persisted."""
        for request in requests:
            self._send(request)
        awaited = {(request.id, ask.responder) for request in requests for ask in request.asks}
        _until(
            lambda: (
                awaited <= {(entry["requestId"], entry["responder"]) for entry in ledger.read(self.ledger) if entry["kind"] == "answered"}
            ),
            RESTART_DEADLINE_SECONDS / 2,
        )
        time.sleep(1)  # the last of them is on its way to the queue
        stopped = time.time()
        port = int(self.emulator.endpoint.rpartition(":")[2])
        self.emulator.stop()
        self.emulator = _start(self.folder, port)
        self.outages.append((stopped, time.time()))
        self.stack = Stack(self.stack.outputs, self.emulator.endpoint, self.emulator.session_token)
        self.injected[STACK]["restart"] += 1

    def _come_to_rest(self, plan: Plan) -> None:
        """Waits until no message and no execution is under way and nothing is open, or until nothing has moved for a while."""
        if not _until(self._is_at_rest, REST_SECONDS):
            raise NotAtRest(f"after {REST_SECONDS} seconds: {self._under_way()}, executions {self._executions()}")
        # A request whose deadline went to the dead letters stays open until that is redriven.
        _until(lambda: all(record["status"] != "OPEN" for record in self._records(plan).values()), 3)

    def _is_at_rest(self) -> bool:
        return not any(self._under_way().values()) and not self._executions()

    def _under_way(self) -> dict[str, int]:
        """Messages in the queues that have a dead-letter queue, by queue."""
        sqs, found = self.stack.client("sqs"), {}
        counts = [f"ApproximateNumberOfMessages{which}" for which in ("", "NotVisible", "Delayed")]
        for queue in redrive.queues(self.stack):
            attributes = sqs.get_queue_attributes(QueueUrl=queue.source_url, AttributeNames=counts)["Attributes"]
            found[queue.name] = sum(int(attributes[count]) for count in counts)
        return found

    def _executions(self) -> list[str]:
        """The names of those that run."""
        workflows = self.stack.client("stepfunctions")
        arns = [machine["stateMachineArn"] for machine in workflows.list_state_machines()["stateMachines"]]
        return [
            execution["name"]
            for arn in arns
            for execution in workflows.list_executions(stateMachineArn=arn, statusFilter="RUNNING")["executions"]
        ]

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
