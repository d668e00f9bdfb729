"""verify: an acceptance run against the deployed stack. It sends requests of its own through every carrier, provokes what can be provoked
without harm, holds what was stored to the invariants, and deletes its records."""

import argparse
import http.client
import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from client import arguments, costs, display, invariants
from client.errors import StackError, UsageError
from client.stack import Stack
from handlers.contract import InvalidRequest

if TYPE_CHECKING:
    from rich.console import Console

SECONDS = 60.0
"""For each thing to happen, cold starts and one redelivery included."""

POLL_SECONDS = 0.25
ALARMS_AT_ONCE = 100
"""That CloudWatch describes in one call."""

PASSED, FAILED, NOT_SHOWN = "passed", "FAILED", "not shown"
UNKNOWN_RESPONDER = "nobody-of-this-name"
AT_ONCE = 0.001
"""A deadline (seconds) that is over before anybody can answer."""


class Unmet(Exception):
    """Something else was seen than what was expected; the message says what."""


class NotShown(Exception):
    """It cannot be shown on this stack; the message says why."""


@dataclass(frozen=True)
class Check:
    """look: returns what was seen; raises Unmet, NotShown, or what the stack's methods raise."""

    part: str
    expected: str
    look: Callable[[], str]


@dataclass(frozen=True)
class Line:
    """A check that was made. verdict: passed, FAILED or not shown."""

    part: str
    expected: str
    seen: str
    verdict: str
    seconds: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    arguments.add_request(parser)
    parser.add_argument(
        "--since",
        type=arguments.ago,
        metavar="TIME",
        help="hold all requests of that time, such as 24h, to the invariants too; it reads the whole table",
    )
    parser.add_argument(
        "--poison",
        action="store_true",
        help="send a message that is no answer, which must become a dead letter; it is deleted again, and may raise the alarm",
    )
    parser.add_argument("--list", action="store_true", help="run the list processor over the list that it has")


def run(options: argparse.Namespace, stack: Stack) -> int:
    acceptance = Acceptance(stack, arguments.read_request(options, stack))
    lines: list[Line] = []
    with display.progress(quiet=options.json) as tell:
        try:
            for check in acceptance.checks(since=options.since, poison=options.poison, runs_list=options.list):
                tell(f"{check.part}: {check.expected}")
                lines.append(made(check))
        finally:
            acceptance.clean_up()
    if options.json:
        display.print_json({"lines": [asdict(line) for line in lines], "failed": sum(line.verdict == FAILED for line in lines)})
    else:
        _print(display.console(), lines)
    return 1 if any(line.verdict == FAILED for line in lines) else 0


def made(check: Check) -> Line:
    from botocore.exceptions import BotoCoreError, ClientError

    began = time.monotonic()
    try:
        seen, verdict = check.look(), PASSED
    except NotShown as reason:
        seen, verdict = str(reason), NOT_SHOWN
    except (Unmet, StackError, InvalidRequest, BotoCoreError, ClientError) as reason:
        seen, verdict = " ".join(str(reason).split()), FAILED
    return Line(check.part, check.expected, seen, verdict, round(time.monotonic() - began, 1))


@dataclass
class Acceptance:
    """request: what is sent, to all whom it names. ids: of the requests that were sent."""

    stack: Stack
    request: Mapping[str, Any]
    ids: list[str] = field(default_factory=list)

    def checks(self, *, since: float | None = None, poison: bool = False, runs_list: bool = False) -> Iterator[Check]:
        before, began = self._dead_letters(), time.time()
        for carrier in self.stack.variants:
            yield from self._of_a_carrier(carrier)
        yield from self._of_the_api()
        yield Check("list", "its run succeeds, or says which items failed", lambda: self._runs_its_list(asked=runs_list))
        yield Check("queues", "each one has its dead-letter queue behind it", self._has_dead_letter_queues)
        yield Check("queues", "what is no answer becomes a dead letter, with the reason", lambda: self._poisons(asked=poison))
        yield Check("queues", "there are no more dead letters than before", lambda: self._adds_no_dead_letters(before))
        yield Check("logs", "the functions tell of each request, and of no error", lambda: self._is_logged(began))
        yield Check("records", "each request of this run keeps to the invariants", self._keeps_to_the_invariants)
        yield Check("records", "so does each one of the time before", lambda: self._kept_to_the_invariants(since))
        yield Check("alarms", "none is raised", self._is_calm)

    def _of_a_carrier(self, carrier: str) -> Iterator[Check]:
        closed: dict[str, Any] = {}

        def answers() -> str:
            result = self._closed(carrier, self._named(carrier))
            closed.update(result)
            if result["received"] != result["expected"]:
                raise Unmet(f"{result['received']} of {result['expected']} answered, {_summary(result)}")
            if result["status"] == "FAILED":
                raise Unmet(f"nobody quoted: {_summary(result)}")
            return _summary(result)

        def repeats() -> str:
            if not closed:
                raise NotShown("the first request was not answered")
            again = self._closed(carrier, {**self.request, "requestId": closed["requestId"]})
            if again["answers"] != closed["answers"] or again["completedAt"] != closed["completedAt"]:
                raise Unmet(f"another result: {_summary(again)} at {again['completedAt']}, not {closed['completedAt']}")
            return "the same result"

        def conflicts() -> str:
            if not closed:
                raise NotShown("the first request was not answered")
            return self._refused(carrier, {**self.request, "requestId": closed["requestId"], "description": f"another {uuid.uuid4().hex}"})

        yield Check(carrier, "every recipient has an answer", answers)
        yield Check(carrier, "the same request again has the same result, and asks nobody", repeats)
        yield Check(carrier, "another request with its id is refused", conflicts)
        yield Check(carrier, "a request that breaks the contract is refused, and not kept", lambda: self._rejects(carrier))
        yield Check(carrier, "the first quote closes a request that one is enough for", lambda: self._closes_early(carrier))
        yield Check(carrier, "at its deadline a request closes without those who were silent", lambda: self._times_out(carrier))
        if self.stack.workflow_type(carrier) == costs.STANDARD:
            yield Check(carrier, "it takes the state transitions that its price counts", lambda: self._costs_its_price(carrier, closed))
        if self.stack.workflow_type(carrier):
            yield Check(carrier, "its states choose and fail by what they are given", lambda: self._chooses(carrier))

    def _named(self, carrier: str) -> dict[str, Any]:
        self.ids.append(f"verify-{carrier[:20]}-{uuid.uuid4().hex[:12]}")
        return {**self.request, "requestId": self.ids[-1]}

    def _closed(self, carrier: str, request: Mapping[str, Any]) -> Any:
        return self.stack.request(carrier, request, SECONDS)

    def _refused(self, carrier: str, request: Mapping[str, Any]) -> str:
        try:
            result = self._closed(carrier, request)
        except InvalidRequest as reason:
            return str(reason)
        raise Unmet(f"it was taken: {_summary(result)}")

    def _rejects(self, carrier: str) -> str:
        reason = self._refused(carrier, {**self._named(carrier), "recipients": [UNKNOWN_RESPONDER]})
        if self.stack.record(self.ids[-1]) is not None:
            raise Unmet(f"refused, and yet kept: {reason}")
        return reason

    def _closes_early(self, carrier: str) -> str:
        result = self._closed(carrier, {**self._named(carrier), "completion": {"quorum": 1}})
        if result["expected"] == 1:
            raise NotShown("the request asks one responder")
        if result["completedBy"] not in ("QUORUM", "CONDITION", "ALL"):
            raise Unmet(f"closed by {result['completedBy']}: {_summary(result)}")
        missing = result["expected"] - len(result["answers"])
        if not missing:
            return f"{result['completedBy']}; all had answered by then"
        if not self._until(lambda: sum(self._after_the_close(self.ids[-1])) == missing or None):
            raise Unmet(f"{result['completedBy']}; of the other {missing} not all came late or were spared within {SECONDS:g} seconds")
        late, spared = self._after_the_close(self.ids[-1])
        return f"{result['completedBy']} after {len(result['answers'])} of {result['expected']}; {late} came late, {spared} were spared"

    def _after_the_close(self, request_id: str) -> tuple[int, int]:
        """How many answered then, and how many had not begun."""
        record = self.stack.record(request_id) or {}
        return len(record.get("late", ())), len(record.get("spared", ()))

    def _times_out(self, carrier: str) -> str:
        result = self._closed(carrier, {**self._named(carrier), "completion": {"deadlineSeconds": AT_ONCE}})
        if result["completedBy"] != "DEADLINE" or {answer["status"] for answer in result["answers"]} != {"TIMED_OUT"}:
            raise Unmet(f"closed by {result['completedBy']}: {_summary(result)}")
        return f"DEADLINE: {_summary(result)}"

    def _costs_its_price(self, carrier: str, result: Mapping[str, Any]) -> str:
        """As many as the first request took, which is nearly always one that nothing had to be tried again for."""
        if not result:
            raise NotShown("the first request was not answered")
        entrance, workflows = self.stack.entrances[carrier], self.stack.client("stepfunctions")
        pages = workflows.get_paginator("list_executions").paginate(stateMachineArn=entrance["stateMachineArn"])
        named = [each for page in pages for each in page["executions"] if each["name"].startswith(result["requestId"])]
        execution = min(named, key=lambda each: each["startDate"])["executionArn"]
        if not self._until(lambda: workflows.describe_execution(executionArn=execution)["status"] != "RUNNING" or None):
            raise Unmet(f"{execution} is still running")
        events = [
            event["type"]
            for page in workflows.get_paginator("get_execution_history").paginate(executionArn=execution)
            for event in page["events"]
        ]
        if {"TaskFailed", "TaskTimedOut"} & set(events):
            raise NotShown("a task failed, and each retry is a transition more")
        # Of the states inside a Map or Parallel state the emulator tells no more than that their tasks were scheduled.
        taken = sum(kind.endswith("StateEntered") for kind in events) - events.count("TaskStateEntered") + events.count("TaskScheduled")
        workload = costs.Workload(asked=result["expected"], configured=len(self.stack.outputs["responderNames"]))
        priced = costs.usage(costs.kind_of(entrance), workload).transitions
        if taken != priced:
            raise Unmet(f"{taken} transitions for {result['expected']} responders, not {priced}")
        return f"{taken} for {result['expected']} responders"

    def _chooses(self, carrier: str) -> str:
        """By TestState, which runs one state alone: those that call nothing."""
        workflows = self.stack.client("stepfunctions")
        machine = workflows.describe_state_machine(stateMachineArn=self.stack.entrances[carrier]["stateMachineArn"])
        states = json.loads(machine["definition"])["States"]

        def tested(kind: str, given: Mapping[str, Any]) -> Any:
            [state] = [state for state in states.values() if state["Type"] == kind]
            return workflows.test_state(definition=json.dumps(state), roleArn=machine["roleArn"], input=json.dumps(given))

        nexts = {outcome: tested("Choice", {"outcome": outcome}).get("nextState") for outcome in ("OPENED", "REPEATED", "REJECTED")}
        if len(set(nexts.values()) & states.keys()) != len(nexts):
            raise Unmet(f"after the request is opened: {nexts}")
        failure = tested("Fail", {"error": {"type": "InvalidRequest", "message": "data is missing"}})
        if (failure.get("error"), failure.get("cause")) != ("InvalidRequest", "data is missing"):
            raise Unmet(f"a rejected request ends {failure.get('error')}: {failure.get('cause')}")
        return ", ".join(f"{outcome}: {name}" for outcome, name in nexts.items())

    def _of_the_api(self) -> Iterator[Check]:
        if "apiId" not in self.stack.outputs:
            yield Check("api", "it takes a request", _not_shown("the stack has no API: api.enabled is false"))
            return
        yield Check("api", "who brings no credentials is refused", self._is_shut)
        yield Check("api", "a request that it takes is answered, and read by who sent it", self._answers_by_api)

    def _is_shut(self) -> str:
        from client.api_url import api_url

        url = f"{api_url(self.stack.outputs, self.stack.endpoint)}/requests/verify-{uuid.uuid4().hex[:12]}"
        status, body = _get(url)
        if status in (401, 403):
            return str(status)
        document = _get(f"{api_url(self.stack.outputs, self.stack.endpoint)}/openapi.json")[1]
        if status == 404 and "security" not in document:
            raise NotShown("api.auth is NONE: whoever has the address can send requests and read every one")
        raise Unmet(f"{status}: {json.dumps(body)[:100]}")

    def _answers_by_api(self) -> str:
        from client.api_stack import ApiStack
        from client.errors import RequestFailed

        api = ApiStack(self.stack.outputs, self.stack.endpoint, self.stack.session_token)
        carrier = self.stack.variants[0]
        try:
            result = api.request(carrier, self._named(carrier), SECONDS)
        except RequestFailed as reason:
            if "refused the caller" in str(reason):
                raise NotShown(str(reason)) from None
            raise
        if result["received"] != result["expected"]:
            raise Unmet(_summary(result))
        return f"{carrier}: {_summary(result)}"

    def _runs_its_list(self, *, asked: bool) -> str:
        from client import run as list_run

        if "distributedStateMachineArn" not in self.stack.outputs:
            raise NotShown("variant distributed is not deployed")
        if not asked:
            raise NotShown("it would process the list that is there: --list does")
        execution = list_run.start(self.stack)
        for _ in list_run.watch(self.stack, execution):
            pass
        ended = list_run.result(self.stack, execution)
        if ended.error == "InvalidSource":
            raise NotShown(f"{ended.cause}; python -m client load puts a list there")
        counts = f"{ended.succeeded} of {ended.items} items, {ended.failed} failed"
        if ended.failed is None or (ended.status != "SUCCEEDED" and ended.error != "ToleranceExceeded"):
            raise Unmet(f"{ended.status}: {ended.error}: {ended.cause}")
        if len(ended.failures) != min(ended.failed, list_run.SHOWN_FAILURES):
            raise Unmet(f"{counts}, of which {len(ended.failures)} are told")
        return f"{ended.status}: {counts}"

    def _has_dead_letter_queues(self) -> str:
        from client import redrive

        queues = redrive.queues(self.stack)
        sqs = self.stack.client("sqs")
        for queue in queues:
            attributes = sqs.get_queue_attributes(QueueUrl=queue.source_url, AttributeNames=["RedrivePolicy"]).get("Attributes", {})
            behind = json.loads(attributes.get("RedrivePolicy", "{}")).get("deadLetterTargetArn", "")
            if behind.rpartition(":")[2] != queue.dead_url.rpartition("/")[2]:
                raise Unmet(f"behind {queue.name} is {behind or 'nothing'}")
        return ", ".join(queue.name for queue in queues)

    def _poisons(self, *, asked: bool) -> str:
        if not asked:
            raise NotShown("it may raise an alarm: --poison does it")
        sqs, body = self.stack.client("sqs"), f"verify: no answer {uuid.uuid4().hex}"
        sqs.send_message(QueueUrl=self.stack.outputs["responseQueueUrl"], MessageBody=body)
        letter = self._until(lambda: self._taken_out(body))
        if letter is None:
            raise Unmet(f"it is not in the dead-letter queue after {SECONDS:g} seconds")
        return letter.get("MessageAttributes", {}).get("reason", {}).get("StringValue", "no reason")

    def _taken_out(self, body: str) -> Any:
        """The dead letter with that body, which is then deleted."""
        sqs, url = self.stack.client("sqs"), self.stack.outputs["deadLetterQueueUrl"]
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=1, MessageAttributeNames=["All"]).get(
            "Messages", []
        ):
            if message["Body"] == body:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                return message
        return None

    def _dead_letters(self) -> int:
        from client import redrive

        return sum(found.count for found in redrive.dead_letters(self.stack))

    def _adds_no_dead_letters(self, before: int) -> str:
        now = self._dead_letters()
        if now > before:
            raise Unmet(f"{now}, {before} before: python -m client redrive --dry-run shows them")
        return str(now)

    def _is_logged(self, began: float) -> str:
        from client import logs

        kept, groups = self._kept().keys(), self.stack.outputs["logGroups"]

        def written() -> list[logs.Event] | None:
            events = [event for event in logs.events(self.stack, groups, began) if event.content.get("correlation_id") in self.ids]
            return events if kept <= {event.content["correlation_id"] for event in events} else None

        events = self._until(written)
        if events is None:
            raise Unmet(f"of some requests no function has logged anything after {SECONDS:g} seconds")
        errors = [event for event in events if event.content.get("level") in ("ERROR", "CRITICAL")]
        if errors:
            first = errors[0]
            raise Unmet(
                f"errors: {len(errors)}, the first of {first.source}: {first.content.get('message')}; "
                f"python -m client logs {first.content['correlation_id']}"
            )
        return f"{len(events)} lines of {len({event.source for event in events})} functions"

    def _kept(self) -> dict[str, Any]:
        """The records of this run's requests, by their ids."""
        return {request_id: record for request_id in self.ids if (record := self.stack.record(request_id)) is not None}

    def _keeps_to_the_invariants(self) -> str:
        return self._held_to_the_invariants(self._kept().values())

    def _kept_to_the_invariants(self, since: float | None) -> str:
        if since is None:
            raise NotShown("it reads the whole table: --since 24h does, for a day")
        return self._held_to_the_invariants(self._records_since(time.time() - since))

    def _held_to_the_invariants(self, records: Any) -> str:
        policy, now, count = json.loads(self.stack.outputs.get("completion", "{}")), time.time(), 0
        found = []
        for record in records:
            count += 1
            found += [f"{record['requestId']} is {each.kind}: {each.what}" for each in invariants.violations(record, now, policy)]
        if found:
            raise Unmet(f"{len(found)} violations in {count} requests: {'; '.join(found[:5])}")
        return f"{count} requests"

    def _records_since(self, moment: float) -> Iterator[Any]:
        from handlers.attribute_values import decode_item

        pages = (
            self.stack.client("dynamodb")
            .get_paginator("scan")
            .paginate(
                TableName=self.stack.outputs["quoteTableName"],
                FilterExpression="createdAt >= :since",
                ExpressionAttributeValues={":since": {"S": datetime.fromtimestamp(moment, UTC).isoformat()}},
            )
        )
        return (decode_item(item) for page in pages for item in page["Items"])

    def _is_calm(self) -> str:
        names = self.stack.outputs.get("alarmNames")
        if not names:
            raise NotShown("the stack has no alarms: alarms.enabled is false")
        cloudwatch = self.stack.client("cloudwatch")
        states = {
            alarm["AlarmName"]: alarm["StateValue"]
            for start in range(0, len(names), ALARMS_AT_ONCE)
            for alarm in cloudwatch.describe_alarms(AlarmNames=names[start : start + ALARMS_AT_ONCE])["MetricAlarms"]
        }
        raised = [name for name, state in states.items() if state == "ALARM"]
        if raised:
            raise Unmet(", ".join(raised))
        return f"{len(states)} alarms"

    def _until(self, look: Callable[[], Any]) -> Any:
        """What `look` finds, or None after SECONDS."""
        ends = time.monotonic() + SECONDS
        while (found := look()) is None and time.monotonic() < ends:
            time.sleep(POLL_SECONDS)
        return found

    def clean_up(self) -> None:
        """Deletes the records of this run's requests. What Step Functions and the logs have of them expires there."""
        store = self.stack.client("dynamodb")
        for request_id in self.ids:
            store.delete_item(TableName=self.stack.outputs["quoteTableName"], Key={"requestId": {"S": request_id}})


def _not_shown(why: str) -> Callable[[], str]:
    def look() -> str:
        raise NotShown(why)

    return look


def _get(url: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as reply:
            return reply.status, json.loads(reply.read() or b"{}")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, {"message": error.reason}
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise UsageError(f"{url} cannot be read: {error}") from None


def _summary(result: Mapping[str, Any]) -> str:
    statuses = [answer["status"] for answer in result["answers"]]
    return ", ".join(f"{statuses.count(status)} {status}" for status in dict.fromkeys(statuses)) or "no answers"


def _print(out: "Console", lines: list[Line]) -> None:
    from rich.table import Table
    from rich.text import Text

    styles = {PASSED: "green", FAILED: "bold red", NOT_SHOWN: "dim"}
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("", "expected", "seen", "", "s"):
        table.add_column(column, justify="right" if column == "s" else "left")
    for line in lines:
        table.add_row(
            line.part, line.expected, Text(display.visible(line.seen)), Text(line.verdict, styles[line.verdict]), f"{line.seconds:.1f}"
        )
    out.print(table)
    counts = {verdict: sum(line.verdict == verdict for line in lines) for verdict in (PASSED, FAILED, NOT_SHOWN)}
    out.print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
