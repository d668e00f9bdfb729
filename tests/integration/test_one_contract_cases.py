"""The contract's edges through every carrier: one text for what is wrong with a request, one answer for whatever a responder does.

Each case is sent through map, parallel and sns, and through map and parallel as Express workflows. What comes back (but for times, ids and
the variant) is compared with what the case expects, letter by letter, and so between the carriers.
"""

import json
import math
import re
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from client import Stack
from tests.integration.beside_the_stack import existing_function, express_machine
from tests.odd_responders import LONG_TEXT, deep
from tests.results import result_of, without_times

AT_ONCE = 3
"""Requests under way. A function's process is kept for each of them."""

ENDS_WITHIN_SECONDS = 300
ATTEMPTS = 5
ID = "an-id"
"""Stands for the id of a request in a case; each carrier gets another."""

FOREIGN = """
import time


class TransientError(Exception):
    pass


def handler(event, context):
    do = event["data"].get("do", {}).get("acme", {})
    if "raise" in do:
        raise ValueError(do["raise"] * do.get("times", 1))
    if "busy" in do:
        raise TransientError(do["busy"])
    time.sleep(do.get("sleep", 0))
    if "digits" in do:
        return {"amount": 100, "details": {"n": int(do["digits"])}}
    if "repeat" in do:
        return {"amount": 100, "details": {"text": do["repeat"] * do["times"]}}
    return do.get("return", {"amount": 100})
"""

ODD = ["odd", "odd-2", "odd-3"]
KNOWN = [*ODD, "unset", "acme", "brisk", "hasty"]
KNOWN_NAMES = f"known responders: {', '.join(KNOWN)}"
REQUEST_KEYS = "requestId, description, data, recipients, completion"
COUNTS = {"QUOTED": (1, 0, 0), "DECLINED": (1, 1, 0), "FAILED": (1, 0, 1), "TIMED_OUT": (0, 0, 0)}
"""What an answer adds to received, declined and failed."""


@dataclass(frozen=True)
class Case:
    """requests: sent one after the other, as JSON; the outcome of the last one counts. Either reason, for a request that is rejected, or
    the answers that its result has."""

    name: str
    requests: list[Any]
    reason: str | None = None
    answers: tuple[dict[str, Any], ...] = ()
    completed_by: str = "ALL"

    @property
    def outcome(self) -> Any:
        if self.reason is not None:
            return self.reason
        statuses = [answer["status"] for answer in self.answers]
        quotes = sorted((answer for answer in self.answers if answer["status"] == "QUOTED"), key=lambda quote: Decimal(quote["amount"]))
        received, declined, failed = (sum(COUNTS[status][place] for status in statuses) for place in range(3))
        unanswered = any(status in ("FAILED", "TIMED_OUT") for status in statuses)
        return {
            "status": ("PARTIAL" if quotes else "FAILED") if unanswered else "COMPLETE",
            "completedBy": self.completed_by,
            "expected": len(statuses),
            "received": received,
            "declined": declined,
            "failed": failed,
            "late": 0,
            "spared": 0,
            "missing": [answer["responder"] for answer in self.answers if answer["status"] == "TIMED_OUT"],
            "best": quotes[0] if quotes else None,
            "top": [quote["responder"] for quote in quotes[:3]],
            "answers": list(self.answers),
        }


def quoted(responder: str, amount: str = "100", details: Any = None) -> dict[str, Any]:
    return {"responder": responder, "status": "QUOTED", "amount": amount, "currency": "USD", "details": details or {}}


def other(responder: str, status: str, kind: str, message: str) -> dict[str, Any]:
    return {"responder": responder, "status": status, "error": {"type": kind, "message": message}}


def left_out(responder: str, reason: str) -> dict[str, Any]:
    return quoted(responder, details={"omitted": reason})


def rejected(name: str, request: Any, reason: str) -> Case:
    return Case(name, [request], reason=reason)


def asking(name: str, data: Any, *answers: dict[str, Any]) -> Case:
    """A request to those that answer."""
    return Case(name, [{"data": data, "recipients": [answer["responder"] for answer in answers]}], answers=answers)


def declined(reason: str) -> dict[str, Any]:
    return other("", "DECLINED", "Declined", reason)


def failed(kind: str, message: str) -> dict[str, Any]:
    return other("", "FAILED", kind, message)


def invalid(message: str) -> dict[str, Any]:
    return failed("InvalidAnswer", message)


def batches() -> Iterator[Case]:
    """A request asks as many as there are for their own code's answers, and one existing function."""
    own = list(OWN_CODE.items())
    for number in range(max(math.ceil(len(own) / len(ODD)), len(EXISTING))):
        asked: dict[str, tuple[Any, dict[str, Any]]] = dict(zip(ODD, own[number * len(ODD) : (number + 1) * len(ODD)], strict=False))
        if number < len(EXISTING):
            asked["acme"] = EXISTING[number]
        shown = (do if isinstance(do, str) else json.dumps(do, ensure_ascii=False)[:60] for do, _ in asked.values())
        yield Case(
            f"answers: {'; '.join(shown)}",
            [{"data": {"do": {name: do for name, (do, _) in asked.items()}}, "recipients": list(asked)}],
            answers=tuple({**answer, "responder": name} for name, (_, answer) in asked.items()),
        )


def again(name: str, *requests: Any) -> Case:
    """Requests with one id that are the same one: odd is asked once."""
    return Case(name, [{"requestId": ID, "recipients": ["odd"], **request} for request in requests], answers=(quoted("odd"),))


BAD_AMOUNT = "amount must be a decimal of 0 or more with at most 15 digits"
FLOAT = "amount must be a Decimal, an int or a decimal string, not a float"
DIGITS = "a number has more than 15 significant digits, which not every carrier keeps: send it as a string"
RANGE = "a number is out of range: 0, or from 1e-130 up to 1e+126, of either sign, is allowed"
EMPTY_KEY = "a key is empty; each must have at least one character"
CANNOT = "details cannot be kept: "


def sized(size: int, filler: str) -> dict[str, Any]:
    """A request to odd of so many bytes, most of them of the filler."""
    request = {"data": {"text": ""}, "recipients": ["odd"]}
    left = size - len(json.dumps(request, separators=(",", ":")))
    many, rest = divmod(left, len(filler.encode()))
    return {**request, "data": {"text": filler * many + "x" * rest}}


def cut(text: str, size: int) -> str:
    return text.encode()[:size].decode(errors="ignore")


REJECTED = [
    *(
        rejected(f"a request that is {kind}", body, f"the request must be a JSON object, not {kind}")
        for kind, body in [("a list", []), ("a string", "text"), ("a number", 5), ("a boolean", True), ("nothing", None)]
    ),
    *(
        rejected(f"data that is {kind}", {"data": data}, f"data must be an object, not {kind}")
        for kind, data in [("nothing", None), ("a list", [1]), ("a string", "x"), ("a number", 0)]
    ),
    rejected("no data", {}, "data must be an object, not nothing"),
    rejected("an unknown key", {"data": {}, "colour": 1}, f'the request has an unknown key "colour"; allowed: {REQUEST_KEYS}'),
    rejected("an unknown key that is null", {"data": {}, "é\n": None}, f'the request has an unknown key "é\\n"; allowed: {REQUEST_KEYS}'),
    *(
        rejected(
            f"the requestId {shown[:10]}",
            {"requestId": request_id, "data": {}},
            f"requestId must be 1 to 64 letters, digits, _ or -, not {shown}",
        )
        for request_id, shown in [("", '""'), ("x" * 65, f'"{"x" * 65}"'), ("a b", '"a b"'), ("é", '"é"'), (7, "7"), ("a\n", '"a\\n"')]
    ),
    rejected("a description that is a number", {"data": {}, "description": 7}, "description must be a string, not a number"),
    rejected(
        "recipients that are a text", {"data": {}, "recipients": "odd"}, f"recipients must be a list of names, not a string; {KNOWN_NAMES}"
    ),
    rejected("no recipients", {"data": {}, "recipients": []}, f"recipients must not be empty; {KNOWN_NAMES}"),
    rejected("a number as recipient", {"data": {}, "recipients": [7]}, f"recipients must be names, not a number; {KNOWN_NAMES}"),
    rejected("null as recipient", {"data": {}, "recipients": ["odd", None]}, f"recipients must be names, not nothing; {KNOWN_NAMES}"),
    rejected("an ARN as recipient", {"data": {}, "recipients": [{"arn": "x"}]}, f"recipients must be names, not an object; {KNOWN_NAMES}"),
    rejected("an unknown recipient", {"data": {}, "recipients": ["odd", 'zip"é']}, f'unknown recipient "zip\\"é"; {KNOWN_NAMES}'),
    rejected("a recipient with a long name", {"data": {}, "recipients": ["x" * 100]}, f'unknown recipient "{"x" * 76}...; {KNOWN_NAMES}'),
    rejected(
        "a recipient twice", {"data": {}, "recipients": ["odd", "acme", "odd"]}, f'recipient "odd" is named more than once; {KNOWN_NAMES}'
    ),
    *(
        rejected(f"completion {json.dumps(completion)}", {"data": {}, "recipients": ["odd", "acme"], "completion": completion}, reason)
        for completion, reason in [
            ([], "completion must be an object, not a list"),
            ({"qourum": 1}, 'completion has an unknown key "qourum"; allowed: quorum, deadlineSeconds, amountBelow, required'),
            ({"quorum": 0}, "completion.quorum must be a whole number from 1 to 2, not 0"),
            ({"quorum": 3}, "completion.quorum must be a whole number from 1 to 2, not 3"),
            ({"quorum": 1.5}, "completion.quorum must be a whole number from 1 to 2, not 1.5"),
            ({"quorum": True}, "completion.quorum must be a whole number from 1 to 2, not true"),
            ({"deadlineSeconds": 0}, "completion.deadlineSeconds must be above 0 and at most 900, not 0"),
            ({"deadlineSeconds": 900.5}, "completion.deadlineSeconds must be above 0 and at most 900, not 900.5"),
            ({"deadlineSeconds": "5"}, 'completion.deadlineSeconds must be above 0 and at most 900, not "5"'),
            ({"amountBelow": "0"}, 'completion.amountBelow must be a decimal above 0 with at most 15 digits, not "0"'),
            ({"amountBelow": -1}, "completion.amountBelow must be a decimal above 0 with at most 15 digits, not -1"),
            ({"required": ["unset"]}, "completion.required must be a list of recipients of the request: odd, acme"),
            ({"required": ["odd", "odd"]}, 'completion.required names "odd" more than once'),
        ]
    ),
    *(
        rejected(
            f"a request of 65,537 bytes of {filler}",
            sized(65_537, filler),
            "the request takes 65537 bytes as JSON; at most 65536 are allowed",
        )
        for filler in "xé🚗"
    ),
    rejected("data of 17 levels", {"data": deep(16)}, "the request is nested too deep: at most 16 levels are allowed"),
    rejected("data of 300 levels", {"data": deep(300)}, "the request is nested too deep: at most 16 levels are allowed"),
    *(
        rejected(f"the number {number}", {"data": {"n": number}}, reason)
        for number, reason in [
            (12345678901234567, DIGITS),
            (0.12345678901234567, DIGITS),
            (1e200, RANGE),
            (-1e-200, RANGE),
            (10**200, RANGE),
        ]
    ),
    rejected("an empty key", {"data": {"a": [{"": 1}]}}, EMPTY_KEY),
    Case(
        "an id of other data",
        [
            {"requestId": ID, "data": {"n": 1}, "recipients": ["odd"]},
            {"requestId": ID, "data": {"n": 1.00000000000001}, "recipients": ["odd"]},
        ],
        reason=f"requestId {ID} was already used for another request",
    ),
    Case(
        "an id of others in another order",
        [{"requestId": ID, "data": {}, "recipients": ["odd", "acme"]}, {"requestId": ID, "data": {}, "recipients": ["acme", "odd"]}],
        reason=f"requestId {ID} was already used for another request",
    ),
    Case(
        "an id of a list in a list",
        [
            {"requestId": ID, "data": {"legs": [["LHR", "JFK"]]}, "recipients": ["odd"]},
            {"requestId": ID, "data": {"legs": ["LHR", "JFK"]}, "recipients": ["odd"]},
        ],
        reason=f"requestId {ID} was already used for another request",
    ),
]

LEGS = {"data": {"legs": [["LHR", "JFK"]]}}
SMALL = {"data": {"n": [number % 100 for number in range(5_000)]}}
EXACT = {
    "integer": 123456789012345,
    "tenth": 0.1,
    "large": 1e20,
    "small": 2.5e-7,
    "negative": -99.99,
    "zero": 0,
    "digits": 1.00000000000001,
}
NESTED = {"none": None, "nones": [None, {"none": None}], "empty": {}, "list": [], "one": [[]], "two": [[[1]], [["é"]]], "true": True}

REPEATED = [
    again("a list of one list twice", LEGS, LEGS),
    again("5,000 small numbers twice", SMALL, SMALL),
    again("30 and 30.0", {"data": {"days": 30}}, {"data": {"days": 30.0}}),
    again("keys in another order", {"data": {"a": 1, "b": {"c": 2, "d": 3}}}, {"data": {"b": {"d": 3, "c": 2}, "a": 1}}),
    again("null and absent", {"data": {}, "description": None, "completion": None}, {"data": {}}),
    again("null in completion and absent", {"data": {}, "completion": {"quorum": None}}, {"data": {}, "completion": {}}),
    again("65,536 bytes twice", {"data": {"text": "é" * 32_700}}, {"data": {"text": "é" * 32_700}}),
]

ACCEPTED = [
    Case("no id", [{"requestId": None, "data": {}, "recipients": ["odd"]}], answers=(quoted("odd"),)),
    Case("in the recipients' order", [{"data": {}, "recipients": ["acme", "odd"]}], answers=(quoted("acme"), quoted("odd"))),
    Case("in their other order", [{"data": {}, "recipients": ["odd", "acme"]}], answers=(quoted("odd"), quoted("acme"))),
    Case(
        "null recipients are all, even one whose module cannot be imported",
        [{"data": {"do": {"acme": {"sleep": 3}}}, "recipients": None}],
        answers=(
            *map(quoted, ODD),
            other("unset", "FAILED", "KeyError", "'RATE_PER_DAY'"),
            quoted("acme"),
            other("brisk", "TIMED_OUT", "Timeout", "no answer within 1 seconds"),
            other("hasty", "TIMED_OUT", "Timeout", "no answer within 1 seconds"),
        ),
    ),
    Case("65,536 bytes", [sized(65_536, "é")], answers=(quoted("odd"),)),
    Case(
        "a description",
        [{"data": {"do": {"odd": "description"}}, "description": 'Zürich\n"Ü" \\ 🚗', "recipients": ["odd"]}],
        answers=(quoted("odd", details={"description": 'Zürich\n"Ü" \\ 🚗'}),),
    ),
    asking("numbers as they were written", {"do": {"odd": "echo"}, **EXACT}, quoted("odd", details={"do": {"odd": "echo"}, **EXACT})),
    asking("30,000 small numbers", {"n": [1] * 30_000}, quoted("odd")),
    asking("nulls and lists in lists", {"do": {"odd": "echo"}, **NESTED}, quoted("odd", details={"do": {"odd": "echo"}, **NESTED})),
    asking(
        "15 levels of data", {"do": {"odd": "echo"}, "deeper": deep(14)}, quoted("odd", details={"do": {"odd": "echo"}, "deeper": deep(14)})
    ),
    Case(
        "nobody in time",
        [{"data": {}, "recipients": ["odd", "acme"], "completion": {"deadlineSeconds": 0.001}}],
        completed_by="DEADLINE",
        answers=tuple(other(name, "TIMED_OUT", "Deadline", "no answer before the deadline") for name in ("odd", "acme")),
    ),
]

OWN_CODE: dict[str, dict[str, Any]] = {
    "details fit": quoted("", details={"text": "é" + "x" * 23_987}),
    "details too large": left_out("", "details take 24001 bytes; at most 24000 fit beside the other answers"),
    "details emoji": left_out("", "details take 68011 bytes; at most 24000 fit beside the other answers"),
    "decline": declined("sold out"),
    "decline None": declined("no reason given"),
    "decline 404": declined("404"),
    "decline empty": declined(""),
    "decline object": declined('{"code": [4, "é"]}'),
    "decline long": declined("é" * 250),
    "int": quoted("", "5"),
    "zero": quoted("", "0"),
    "text": quoted("", "99.50"),
    "Decimal": quoted("", "2970.50"),
    "Decimal exponent": quoted("", "1000"),
    "no details": quoted("", "1"),
    "no currency": quoted("", "1"),
    **dict.fromkeys(["None", "True", "negative", "no number", "exponent", "Decimal NaN", "16 digits", "Quote None"], invalid(BAD_AMOUNT)),
    "float": invalid(FLOAT),
    "Quote float": invalid(FLOAT),
    "euros": invalid("currency must be USD"),
    "currency 7": invalid("currency must be USD"),
    "list of details": invalid("details must be an object, not a list"),
    "details Decimal": quoted("", details={"rate": 1.5, "days": 3, "exact": 0.1}),
    "details long Decimal": left_out("", CANNOT + DIGITS),
    "details long int": left_out("", CANNOT + DIGITS),
    "details date": left_out("", CANNOT + "date is not JSON"),
    "details set": left_out("", CANNOT + "set is not JSON"),
    "details bytes": left_out("", CANNOT + "bytes is not JSON"),
    **dict.fromkeys(["details NaN", "details infinity", "details large number", "details small number"], left_out("", CANNOT + RANGE)),
    **dict.fromkeys(["details deep", "details 17 levels"], left_out("", CANNOT + "it is nested too deep: at most 16 levels are allowed")),
    "details surrogate": left_out("", CANNOT + '"\\ud83d" has half of a surrogate pair, which is no character'),
    "details surrogate key": left_out("", CANNOT + '"\\udcff" has half of a surrogate pair, which is no character'),
    "details empty key": left_out("", CANNOT + EMPTY_KEY),
    "details number as key": quoted("", details={"7": "seven"}),
    "details tuple": quoted("", details={"both": [1, "é"]}),
    "details 16 levels": quoted("", details=deep(16)),
    "details None inside": quoted("", details={"a": None, "b": [None], "c": {}, "d": [], "e": [[1, [2]]]}),
    "raise": failed("RuntimeError", "out of cars"),
    "raise nothing": failed("RuntimeError", ""),
    "raise lines": failed("ValueError", "prix élevé\nline two"),
    "raise long": failed("ValueError", cut(LONG_TEXT, 500)),
    "raise surrogate": failed("FileNotFoundError", "no file ?"),
    "exit": failed("SystemExit", "3"),
    "interrupt": failed("KeyboardInterrupt", ""),
    "raise unreadable": failed("Unreadable", "its message cannot be read: RuntimeError"),
    "assert": failed("AssertionError", "🚗" * 125),
    "long name": failed("É" * 50, "x"),
    "busy": failed("TransientError", "busy, asked 2 times"),
    "busy once": quoted("", details={"asked": 2}),
}

EXISTING: list[tuple[Any, dict[str, Any]]] = [
    ({"repeat": "é" + "x" * 19, "times": 1_200}, left_out("", "details take 25211 bytes; at most 24000 fit beside the other answers")),
    *(
        ({"return": returned}, answer)
        for returned, answer in [
            ({"amount": 100, "currency": None, "details": None}, quoted("")),
            (
                {"amount": "95.50", "details": {"model": "Ü", "doors": 5, "none": None}},
                quoted("", "95.50", {"model": "Ü", "doors": 5, "none": None}),
            ),
            ({"amount": 95.5}, quoted("", "95.5")),
            ({"amount": -1}, invalid(BAD_AMOUNT)),
            ({"amount": [1]}, invalid(BAD_AMOUNT)),
            ({"price": 3}, invalid(BAD_AMOUNT)),
            ({"amount": 1, "currency": "EUR"}, invalid("currency must be USD")),
            ({"amount": 1, "details": [1]}, invalid("details must be an object, not a list")),
            ([], invalid("the answer must be a JSON object, not a list")),
            ("text", invalid("the answer must be a JSON object, not a string")),
            (5, invalid("the answer must be a JSON object, not a number")),
            (None, invalid("the answer must be a JSON object, not nothing")),
            ({"declined": "sold out\n🚗"}, declined("sold out\n🚗")),
            ({"declined": 404}, declined("404")),
            ({"status": "FAILED", "error": None}, failed("Failed", "no reason given")),
            ({"status": "FAILED", "error": {"type": None, "message": 7}}, failed("Failed", "7")),
            ({"status": "DECLINED", "error": "no"}, declined("no reason given")),
            ({"status": "WON", "amount": 1}, invalid("status must be QUOTED, DECLINED, FAILED or TIMED_OUT")),
        ]
    ),
    ({"digits": "12345678901234567"}, quoted("", "100", {"omitted": CANNOT + DIGITS})),
    ({"raise": "prix élevé\nline two"}, failed("ValueError", "prix élevé\nline two")),
    ({"raise": LONG_TEXT[:19], "times": 1_600}, failed("ValueError", cut(LONG_TEXT, 500))),
    ({"busy": "no prices yet"}, failed("TransientError", "no prices yet")),
]

TOO_LONG = [
    Case(
        "own code and an existing function that take longer than their limits",
        [{"data": {"do": {"acme": {"sleep": 3}}}, "recipients": ["brisk", "hasty", "odd"]}],
        answers=(
            other("brisk", "TIMED_OUT", "Timeout", "no answer within 1 seconds"),
            other("hasty", "TIMED_OUT", "Timeout", "no answer within 1 seconds"),
            quoted("odd"),
        ),
    ),
]

CASES = [*REJECTED, *REPEATED, *ACCEPTED, *batches(), *TOO_LONG]
CARRIERS = ("map", "parallel", "sns", "map EXPRESS", "parallel EXPRESS")


class Carriers:
    """Sends every case through every carrier, a few at once; whoever asks for an outcome waits until it is there."""

    def __init__(self, stack: Stack, folder: str) -> None:
        self._stack, self._folder = stack, folder
        self._express = {variant: express_machine(stack, variant) for variant in ("map", "parallel")}
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._outcomes: dict[tuple[str, str], Future[Any]] = {
            (case.name, carrier): self._pool.submit(self._send, case, carrier) for case in CASES for carrier in CARRIERS
        }

    def outcome(self, case: Case, carrier: str) -> Any:
        return self._outcomes[case.name, carrier].result()

    def end(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _send(self, case: Case, carrier: str) -> Any:
        variant, _, workflow_type = carrier.partition(" ")
        request_id, outcome = uuid.uuid4().hex, None
        for request in case.requests:
            outcome = self._ended(variant, workflow_type, json.dumps(self._filled_in(request, request_id)))
        # The line that raised is one of the tests' own code.
        text = re.sub(r', "at": "tests/[a-z_]+\.py:\d+"', "", json.dumps(without_times(outcome)))
        return json.loads(text.replace(request_id, ID))

    def _filled_in(self, request: Any, request_id: str) -> Any:
        if not isinstance(request, dict):
            return request
        changes: dict[str, Any] = {"requestId": request_id} if request.get("requestId") == ID else {}
        if "busy" in json.dumps(request):
            changes["data"] = {**request["data"], "folder": self._folder}
        return {**request, **changes}

    def _ended(self, variant: str, workflow_type: str, text: str) -> Any:
        """The Result, or the reason why the request was rejected."""
        if variant == "sns":
            return self._published(text)
        workflows = self._stack.client("stepfunctions")
        if workflow_type == "EXPRESS":
            ended = workflows.start_sync_execution(stateMachineArn=self._express[variant], input=text)
        else:
            machine = self._stack.outputs[f"{variant}StateMachineArn"]
            execution = workflows.start_execution(stateMachineArn=machine, input=text)["executionArn"]
            ended = _until(lambda: workflows.describe_execution(executionArn=execution), lambda state: state["status"] != "RUNNING")
        if ended["status"] == "SUCCEEDED":
            return json.loads(ended["output"])
        assert (ended["status"], ended.get("error")) == ("FAILED", "InvalidRequest"), ended
        return ended["cause"]

    def _published(self, text: str) -> Any:
        stack = self._stack
        for _ in range(ATTEMPTS):
            invoked = stack.client("lambda").invoke(FunctionName=stack.outputs["snsRequesterFunctionArn"], Payload=text)
            returned = json.loads(invoked["Payload"].read())
            # A machine that is busy may need longer to keep a large record than the requester has to publish it.
            if "FunctionError" not in invoked or "repeat it" not in returned["errorMessage"]:
                break
        assert "FunctionError" not in invoked, returned
        if "error" in returned:
            assert returned["error"]["type"] == "InvalidRequest"
            return returned["error"]["message"]
        stored = _until(lambda: stack.result(returned["requestId"]), lambda stored: stored is not None and stored["status"] != "OPEN")
        return result_of(stored)


def _until(look: Any, is_over: Any) -> Any:
    ends = time.monotonic() + ENDS_WITHIN_SECONDS
    while not is_over(found := look()):
        assert time.monotonic() < ends, found
        time.sleep(0.03)
    return found


@pytest.fixture(scope="module")
def carriers(deployed, emulator, module_account, tmp_path_factory):
    acme_arn = existing_function(emulator, module_account, FOREIGN)
    stack = deployed(
        variants=["map", "parallel", "sns"],
        api={"enabled": False},
        alarms={"enabled": False},
        completion={"deadlineSeconds": 900},
        responders=[
            *({"name": name, "module": "tests.odd_responders", "retries": 1, "timeoutSeconds": 60} for name in ODD),
            {"name": "unset", "module": "tests.unset_responder", "timeoutSeconds": 60},
            {"name": "acme", "functionArn": acme_arn, "retries": 0, "timeoutSeconds": 60},
            {"name": "brisk", "module": "tests.responders", "behaviour": "sleep", "seconds": 8, "timeoutSeconds": 1},
            {"name": "hasty", "functionArn": acme_arn, "timeoutSeconds": 1},
        ],
    )
    running = Carriers(stack, str(tmp_path_factory.mktemp("busy")))
    yield running
    running.end()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_carrier_gives_the_same_outcome(carriers, case):
    found = {carrier: carriers.outcome(case, carrier) for carrier in CARRIERS}

    assert found == dict.fromkeys(CARRIERS, json.loads(json.dumps(case.outcome)))
