"""A hundred responders, the handlers in the test's own process, the records on the emulator: each selection closes on every carrier, and
the largest answers that the contract allows fit what Step Functions, DynamoDB and EventBridge carry."""

import io
import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from handlers import clock, contract
from tests.in_process import Context, loaded, make_queue, make_table, taken

NAMES = [f"responder-{number:03}-{'x' * 16}" for number in range(100)]
"""Of 30 characters, the longest that a configuration may have."""

ARNS = {name: f"arn:aws:lambda:ap-southeast-1:000000000000:function:{name:x<64}" for name in NAMES}
STATE_BYTES, ITEM_BYTES, EVENT_BYTES = 262_144, 409_600, 262_144
"""What a state's input or output, an item and an event may take (the services' limits)."""

BEST = {"lowest": NAMES[0], "highest": NAMES[27], "first": NAMES[7], "median": NAMES[77], "tests.rankings": NAMES[99]}
"""Of `quotes`."""


class Functions:
    """Lambda, with the selector as its one function, in this process."""

    def __init__(self, selector: Any) -> None:
        self._selector = selector

    def invoke(self, FunctionName: str, Payload: str) -> dict[str, Any]:
        return {"Payload": io.BytesIO(json.dumps(self._selector.handler(json.loads(Payload), Context())).encode())}


class Bench:
    """The requesters and the aggregator of one stack, with a table, and a queue that holds its events."""

    def __init__(self, modules: dict[str, Any], sqs: Any, events: str, dead: str) -> None:
        self._modules, self._sqs, self._events, self._dead = modules, sqs, events, dead

    def open(self, carrier: str, request: dict[str, Any]) -> dict[str, Any]:
        """The plan of a state machine; for sns, its Result so far."""
        if carrier == "sns":
            return self._modules["sns_requester"].handler(request, Context())
        functions = {"functions": ARNS} if carrier == "map" else {}
        return self._modules["requester"].handler(
            {"variant": carrier, "execution": {"id": "arn", "name": "name"}, "request": request, **functions}, Context()
        )

    def gather(self, carrier: str, request_id: str, answers: list[dict[str, Any]]) -> dict[str, Any]:
        """The Result. By queue the answers come in tens; from a state machine all at once."""
        replies = [{"requestId": request_id, "answer": answer} for answer in answers]
        aggregator = self._modules["aggregator"]
        if carrier != "sns":
            return aggregator.handler({"requestId": request_id, "replies": replies}, Context())
        for start in range(0, len(replies), 10):
            records = [{"messageId": str(place), "body": json.dumps(reply)} for place, reply in enumerate(replies[start : start + 10])]
            assert aggregator.handler({"Records": records}, Context()) == {"batchItemFailures": []}
        result = aggregator.store.result(request_id, aggregator.RULES.selection)
        return {key: value for key, value in result.items() if key != "request"}

    def announced(self) -> list[bytes]:
        """The details of the events that were sent."""
        details = (json.loads(message["Body"])["detail"] for message in taken(self._sqs, self._events))
        return [json.dumps(detail, ensure_ascii=False).encode() for detail in details]

    def rejected(self) -> list[Any]:
        return taken(self._sqs, self._dead)


@pytest.fixture
def benches(emulator, account, clients) -> Iterator[Any]:
    """`benches(selection)` is a stack of that selection."""
    sqs, events = clients("sqs"), clients("events")
    (dead, _), (answers, _), (caught, caught_arn) = (make_queue(sqs, name) for name in ("dead", "answers", "events"))
    bus = "completed"
    events.create_event_bus(Name=bus)
    events.put_rule(Name="all", EventBusName=bus, EventPattern=json.dumps({"source": ["scatter-gather"]}))
    events.put_targets(Rule="all", EventBusName=bus, Targets=[{"Id": "queue", "Arn": caught_arn}])
    topic = clients("sns").create_topic(Name="requests")["TopicArn"]
    table = make_table(clients("dynamodb"))
    with ExitStack() as stack:

        def bench(selection: str) -> Bench:
            environment = {
                "TABLE_NAME": table,
                "RESPONSE_QUEUE_URL": answers,
                "DEAD_LETTER_QUEUE_URL": dead,
                "EVENT_BUS_NAME": bus,
                "TOPIC_ARN": topic,
                "RESPONDERS": ",".join(NAMES),
                "COMPLETION": '{"deadlineSeconds":60}',
                "CURRENCY": "USD",
                "SELECTION": selection,
                "TOP_K": "3",
                "RESULT_RETENTION_SECONDS": "86400",
                **({"SELECTOR_ARN": "selector", "RANK_MODULE": selection} if "." in selection else {}),
            }
            names = ["requester", "sns_requester", "aggregator", *(["selector"] if "." in selection else [])]
            modules = {name: stack.enter_context(loaded(f"handlers.{name}", environment, emulator, account)) for name in names}
            if "selector" in modules:
                stack.enter_context(pytest.MonkeyPatch.context()).setattr(
                    modules["aggregator"], "functions", lambda: Functions(modules["selector"])
                )
            return Bench(modules, sqs, caught, dead)

        yield bench


def quotes(now: str) -> list[dict[str, Any]]:
    """Each amount from 100 to 199 once, and the eighth was the first to answer."""
    return [
        {
            "responder": name,
            "status": "QUOTED",
            "amount": str(100 + 37 * place % 100),
            "currency": "USD",
            "details": {"place": place},
            "respondedAt": now if place == 7 else clock.later(now, 0.5),
        }
        for place, name in enumerate(NAMES)
    ]


@pytest.mark.parametrize("carrier", ["map", "parallel", "sns"])
@pytest.mark.parametrize("selection", BEST)
def test_a_hundred_quotes_close_with_the_best_of_them(benches, selection, carrier):
    bench = benches(selection)
    opened = bench.open(carrier, {"requestId": "hundred", "data": {}})

    result = bench.gather(carrier, "hundred", quotes(clock.now()))

    assert opened.get("outcome", opened.get("status")) in ("OPENED", "OPEN")
    assert (result["status"], result["completedBy"], result["received"]) == ("COMPLETE", "ALL", 100)
    assert (result["best"]["responder"], len(result["top"])) == (BEST[selection], 3)
    assert [answer["responder"] for answer in result["answers"]] == NAMES
    assert bench.rejected() == []


LIMIT = contract.details_limit(len(NAMES))
LARGEST = {
    "details": lambda name: contract.normalise_answer(
        name, {"amount": "123456789012.345", "details": {"text": "é" * ((LIMIT - 11) // 2)}}, currency="USD", details_limit=LIMIT
    ),
    "details left out": lambda name: contract.normalise_answer(
        name, {"amount": 1, "details": {"x" * 2_000: 1}}, currency="USD", details_limit=LIMIT
    ),
    "errors": lambda name: contract.unsuccessful(name, "FAILED", "É" * 2_000, 'prix "élevé" \\\n' * 2_000),
    "declines": lambda name: contract.declined(name, "🚗" * 2_000),
}


@pytest.mark.parametrize("carrier", ["map", "parallel", "sns"])
@pytest.mark.parametrize("kind", LARGEST)
def test_a_hundred_of_the_largest_answers_fit_beside_the_largest_request(benches, kind, carrier):
    bench = benches("lowest")
    request = {"requestId": "l" * 64, "data": {"text": ""}}
    request["data"]["text"] = "é" * ((contract.MAX_REQUEST_BYTES - contract.byte_size(request)) // 2)
    answers = [{**LARGEST[kind](name), "respondedAt": clock.now()} for name in NAMES]

    opened = bench.open(carrier, request)
    result = bench.gather(carrier, request["requestId"], answers)

    assert [{key: value for key, value in answer.items() if key != "latencyMs"} for answer in result["answers"]] == answers
    # What is largest of all is what leaves the scatter: the plan, and the replies in it.
    replies = [{"requestId": request["requestId"], "answer": answer} for answer in answers]
    assert contract.byte_size({**opened, "replies": replies}) <= STATE_BYTES
    assert contract.byte_size(result) <= STATE_BYTES
    (announced,) = bench.announced()
    assert len(announced) <= EVENT_BYTES
    assert bench.rejected() == []
