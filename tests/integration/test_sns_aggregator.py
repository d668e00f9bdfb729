"""The aggregator's handler on the emulator's DynamoDB, SQS and EventBridge: concurrent, killed, poisoned, too late."""

import json
import random
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import jsonschema_rs
import pytest

from handlers import clock
from handlers.aggregation import Closing
from handlers.selection import Ranking
from local.emulator import Emulator
from tests.documents import ROOT
from tests.in_process import Context, Killed, after_the_invocation, kill, loaded, make_queue, make_table, taken
from tests.results import result_of

NAMES = [f"responder-{number}" for number in range(10)]
DEADLINE_SECONDS = 60


class Bench:
    """The aggregator with a table, a bus whose events arrive in a queue, and a dead-letter queue of its own."""

    def __init__(self, module: ModuleType, sqs: Any, dead: str, events: str) -> None:
        self.module, self.sqs, self.dead, self.events = module, sqs, dead, events

    def open(self, recipients: list[str] = NAMES, **changes: Any) -> dict[str, Any]:
        now = clock.now()
        record = {
            "requestId": uuid.uuid4().hex,
            "variant": "sns",
            "status": "OPEN",
            "request": {"data": {}},
            "recipients": recipients,
            "answers": {},
            "late": {},
            "createdAt": now,
            "deadlineAt": clock.later(now, DEADLINE_SECONDS),
            "expiresAt": 2_000_000_000,
            "publishBy": now,
            **changes,
        }
        self.module.store.create(record, now)
        return record

    def read(self, record: dict[str, Any]) -> dict[str, Any]:
        found = self.module.store.read(record["requestId"])
        assert found is not None
        return found

    def deliver(self, *bodies: Any) -> list[int]:
        """Places, in the batch, of the messages that are to be delivered again. bodies: JSON, or text as it is."""
        records = [
            {
                "messageId": str(place),
                "receiptHandle": str(place),
                "attributes": {"ApproximateReceiveCount": "1"},
                "body": body if isinstance(body, str) else json.dumps(body),
            }
            for place, body in enumerate(bodies)
        ]
        failures = self.module.handler({"Records": records}, Context())["batchItemFailures"]
        return [int(failure["itemIdentifier"]) for failure in failures]

    def announced(self) -> list[dict[str, Any]]:
        return [json.loads(message["Body"])["detail"] for message in taken(self.sqs, self.events)]

    def rejected(self) -> list[tuple[str, str]]:
        """(body, reason) of each."""
        return [(message["Body"], message["MessageAttributes"]["reason"]["StringValue"]) for message in taken(self.sqs, self.dead)]


@pytest.fixture
def bench(emulator: Emulator, account: str, clients: Any) -> Iterator[Bench]:
    sqs, events = clients("sqs"), clients("events")
    dead, _ = make_queue(sqs, "dead")
    caught, caught_arn = make_queue(sqs, "events")
    events.create_event_bus(Name="bus")
    events.put_rule(
        Name="completed", EventBusName="bus", EventPattern=json.dumps({"source": ["scatter-gather"], "detail-type": ["Request Completed"]})
    )
    events.put_targets(Rule="completed", EventBusName="bus", Targets=[{"Id": "queue", "Arn": caught_arn}])
    environment = {
        "TABLE_NAME": make_table(clients("dynamodb")),
        "EVENT_BUS_NAME": "bus",
        "DEAD_LETTER_QUEUE_URL": dead,
        "COMPLETION": '{"deadlineSeconds": 60}',
        "SELECTION": "lowest",
        "TOP_K": "3",
        "CURRENCY": "USD",
        "RESPONSE_QUEUE_URL": make_queue(sqs, "responses")[0],
    }
    with loaded("handlers.aggregator", environment, emulator, account) as module:
        yield Bench(module, sqs, dead, caught)


def answer(record: dict[str, Any], name: str, amount: str = "100", **changes: Any) -> dict[str, Any]:
    return {
        "requestId": record["requestId"],
        "answer": {
            "responder": name,
            "status": "QUOTED",
            "amount": amount,
            "currency": "USD",
            "details": {},
            "respondedAt": clock.now(),
            **changes,
        },
    }


def deadline(record: dict[str, Any]) -> dict[str, Any]:
    return {"requestId": record["requestId"], "deadlineAt": record["deadlineAt"]}


def given(name: str, amount: str = "1") -> dict[str, Any]:
    return {"responder": name, "status": "QUOTED", "amount": amount, "respondedAt": clock.now()}


def closing(best: str) -> Closing:
    now = clock.now()
    return Closing(status="COMPLETE", completed_by="ALL", completed_at=now, silent={}, ranking=Ranking([best]), announce_by=now)


EVENT = jsonschema_rs.validator_for(json.loads((ROOT / "docs" / "request-completed.schema.json").read_text()))


@pytest.mark.parametrize("quorum", [1, 2])
def test_an_event_is_as_its_schema_says(bench, quorum):
    record = bench.open(["avis", "alamo"], request={"data": {}, "completion": {"quorum": quorum}})

    bench.deliver(answer(record, "avis", details={"seats": 5}), deadline(record))

    [event] = bench.announced()
    assert [str(error) for error in EVENT.iter_errors(event)] == []
    assert event["schemaVersion"] == 1


def test_an_event_that_would_be_too_large_says_what_it_leaves_out(bench):
    record = bench.open(["avis"])
    bench.deliver(answer(record, "avis"))
    [small] = bench.announced()

    bench.module.announce({**small, "answers": [{**small["answers"][0], "details": {"text": "é" * 125_000}}]})

    [large] = bench.announced()
    assert [str(error) for error in EVENT.iter_errors(large)] == []
    assert (large["answers"], large["answersOmitted"], large["best"], large["requestId"]) == ([], 1, small["best"], small["requestId"])


def test_the_store_holds_what_the_aggregation_relies_on(bench):
    """The conditions themselves, as an aggregator meets them that knows nothing of the others' last step."""
    store, stale = bench.module.store, bench.open(["a", "b"])

    assert store.add(stale, {"a": given("a", "1")})[1]
    record, done = store.add(stale, {"a": given("a", "2"), "b": given("b", "3")})
    assert (done, record["answers"]["a"]["amount"], record["answers"]["b"]["amount"]) == (True, "1", "3")

    as_it_is, done = store.close(stale, closing("a"))
    assert (done, as_it_is) == (False, record), "an answer that the closer did not see"
    closed, done = store.close(record, closing("a"))
    assert (done, closed["status"]) == (True, "COMPLETE")
    assert store.close(record, closing("b")) == (closed, False), "closed once"
    assert store.add(record, {"c": given("c")}) == (closed, False), "closed"

    late, _ = store.add_late(closed, {"c": given("c", "4")})
    late, _ = store.add_late(closed, {"c": given("c", "5")})
    assert {**late, "late": {}} == closed
    assert late["late"]["c"]["amount"] == "4"

    now = clock.later(clock.now(), 1)
    assert store.claim_announcement(closed, now, clock.later(now, 1))
    assert not store.claim_announcement(closed, now, clock.later(now, 1)), "somebody has it"
    store.announced(closed, now)
    assert not store.claim_announcement(closed, clock.later(now, 9), clock.later(now, 10)), "announced"

    nobody = {**closed, "requestId": "expired"}
    assert store.add(nobody, {"a": given("a")}) == (None, False)
    assert store.add_late(nobody, {"a": given("a")}) == (None, False)
    another_life = {**record, "createdAt": clock.later(record["createdAt"], 1)}
    as_it_is, done = store.add_late(another_life, {"d": given("d")})
    assert (done, as_it_is["late"]) == (False, late["late"])


def test_each_answer_three_times_in_random_order_by_sixteen_writers_counts_once(bench):
    records = [bench.open() for _ in range(8)]
    sent = [answer(record, name, str(100 + place)) for record in records for place, name in enumerate(NAMES)]
    deliveries = sent * 3
    random.Random(4).shuffle(deliveries)
    batches = [deliveries[start : start + 10] for start in range(0, len(deliveries), 10)]

    with ThreadPoolExecutor(16) as writers:
        again = list(writers.map(lambda batch: bench.deliver(*batch), batches))

    assert not any(again)
    announced = bench.announced()
    assert sorted(result["requestId"] for result in announced) == sorted(record["requestId"] for record in records)
    for record in records:
        final = bench.read(record)
        assert (final["status"], final["completedBy"], final["top"][0], final["late"]) == ("COMPLETE", "ALL", "responder-0", {})
        assert {name: given["amount"] for name, given in final["answers"].items()} == {
            name: str(100 + place) for place, name in enumerate(NAMES)
        }
    assert all((result["expected"], result["received"], result["late"]) == (10, 10, 0) for result in announced)
    assert bench.rejected() == []


def test_killed_after_its_write_and_before_its_acknowledgement(bench):
    record = bench.open(["a", "b"])
    batch = [answer(record, "a", "2"), answer(record, "b", "1")]
    bench.deliver(*batch)
    closed = bench.read(record)

    # Nobody acknowledged, so SQS delivers it once more, and again.
    assert bench.deliver(*batch) == []
    assert bench.deliver(*reversed(batch)) == []

    assert bench.read(record) == closed
    assert (closed["top"][0], len(bench.announced())) == ("b", 1)


@pytest.mark.parametrize("killed_in", ["add", "close", "put_events"])
def test_killed_in_between_it_is_made_up_for_by_the_redelivery(bench, monkeypatch, killed_in):
    record = bench.open(["a"])

    def kill_after(work):
        def killed(*args, **kwargs):
            if killed_in != "put_events":
                work(*args, **kwargs)
            raise Killed

        return killed

    owner = bench.module.events if killed_in == "put_events" else bench.module.store
    with monkeypatch.context() as patch:
        patch.setattr(owner, killed_in, kill_after(getattr(owner, killed_in)))
        with pytest.raises(Killed):
            bench.deliver(answer(record, "a"))
    assert bench.announced() == []
    after_the_invocation(monkeypatch)

    assert bench.deliver(answer(record, "a")) == []
    after_the_invocation(monkeypatch)
    assert bench.deliver(answer(record, "a")) == []

    assert (bench.read(record)["status"], len(bench.announced())) == ("COMPLETE", 1)


def test_killed_between_event_and_mark_the_event_is_repeated_not_lost(bench, monkeypatch):
    record = bench.open(["a"])
    with monkeypatch.context() as patch:
        patch.setattr(bench.module.store, "announced", kill)
        with pytest.raises(Killed):
            bench.deliver(answer(record, "a"))
    after_the_invocation(monkeypatch)

    bench.deliver(answer(record, "a"))
    bench.deliver(answer(record, "a"))

    first, second = bench.announced()
    assert first == second


def test_the_deadline_comes_again_until_whoever_closed_the_request_has_announced_it_or_must_have_ended(bench, monkeypatch):
    record = bench.open(["a"])
    with monkeypatch.context() as patch:
        patch.setattr(bench.module.events, "put_events", kill)
        with pytest.raises(Killed):
            bench.deliver(answer(record, "a"))

    assert bench.deliver(answer(record, "a")) == []
    assert bench.deliver(deadline(record)) == [0], "its announcement is promised, and nobody knows whether it is coming"
    after_the_invocation(monkeypatch)

    assert bench.deliver(deadline(record)) == []
    assert len(bench.announced()) == 1


def test_an_event_that_the_bus_did_not_take_is_sent_again(bench, monkeypatch):
    record = bench.open(["a"])
    with monkeypatch.context() as patch:
        patch.setattr(
            bench.module.events,
            "put_events",
            lambda **_: {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "ThrottlingException", "ErrorMessage": "later"}]},
        )
        assert bench.deliver(answer(record, "a")) == [0]
    after_the_invocation(monkeypatch)

    assert bench.deliver(answer(record, "a")) == []
    assert len(bench.announced()) == 1


def test_poison_goes_to_the_dead_letter_queue_and_its_neighbours_are_counted_once(bench):
    record = bench.open(["a", "b"])
    stranger = {**answer(record, "a"), "requestId": "never-heard-of"}
    batch = [
        "not JSON",
        answer(record, "a", "3"),
        stranger,
        answer(record, "b", "-1"),
        answer(record, "zipcar"),
        "{}",
        {"requestId": "never-heard-of", "deadlineAt": clock.now()},
    ]

    assert bench.deliver(*batch) == []

    rejected = dict(bench.rejected())
    assert rejected == {
        "not JSON": "the message is not JSON",
        "{}": "the message has no requestId",
        json.dumps(stranger): "there is no such request",
        json.dumps(batch[3]): "amount must be a decimal of 0 or more with at most 15 digits",
        json.dumps(batch[4]): '"zipcar" was not asked',
    }
    assert list(bench.read(record)["answers"]) == ["a"]
    assert bench.module.store.read("never-heard-of") is None


def test_an_answer_that_the_store_would_refuse_takes_none_of_its_neighbours_along(bench):
    record = bench.open(["a", "b", "c", "d"])

    assert (
        bench.deliver(
            answer(record, "a"),
            answer(record, "b", details={"x": 1e200}),
            answer(record, "c", details={"x": "\udcff"}),
            "[" * 100_000,
            answer(record, "d", details={"x": 10**50 + 1}),
        )
        == []
    )

    answers = bench.read(record)["answers"]
    assert sorted(answers) == ["a", "b", "c", "d"]
    assert all("omitted" in answers[name]["details"] for name in "bcd")


def test_a_store_that_refuses_writes_delays_and_loses_nothing(bench, monkeypatch):
    record, other = bench.open(["a"]), bench.open(["a"])
    refuse = bench.module.store.client.exceptions.InternalServerError(
        {"Error": {"Code": "InternalServerError", "Message": "later"}}, "UpdateItem"
    )
    update_item = bench.module.store.client.update_item

    def refusing(**request):
        if request["Key"]["requestId"]["S"] == record["requestId"]:
            raise refuse
        return update_item(**request)

    with monkeypatch.context() as patch:
        patch.setattr(bench.module.store.client, "update_item", refusing)
        assert bench.deliver(answer(record, "a"), answer(other, "a"), answer(record, "a")) == [0, 2]
    assert (bench.read(record)["status"], bench.read(other)["status"]) == ("OPEN", "COMPLETE")

    assert bench.deliver(answer(record, "a")) == []
    assert bench.read(record)["status"] == "COMPLETE"


def test_a_dead_letter_queue_that_refuses_gets_the_message_later(bench, monkeypatch):
    def refuse(**_):
        raise ConnectionError("later")

    with monkeypatch.context() as patch:
        patch.setattr(bench.module.queues(), "send_message", refuse)
        assert bench.deliver("not JSON") == [0]

    assert bench.deliver("not JSON") == []
    assert len(bench.rejected()) == 1


def test_the_deadline_closes_with_three_of_ten_and_a_late_answer_moves_nothing(bench, monkeypatch):
    record = bench.open()
    amounts = {"responder-4": "40", "responder-7": "30", "responder-2": "50"}
    bench.deliver(*(answer(record, name, amount) for name, amount in amounts.items()))
    late = answer(record, "responder-0", "1")
    now = clock.now
    monkeypatch.setattr(clock, "now", lambda: clock.later(now(), DEADLINE_SECONDS))

    bench.deliver(deadline(record))
    closed = bench.read(record)
    bench.deliver(late, answer(record, "responder-1", "2"), late, deadline(record))

    (result,) = bench.announced()
    assert (result["status"], result["completedBy"], result["best"]["responder"]) == ("PARTIAL", "DEADLINE", "responder-7")
    assert [given["status"] for given in result["answers"]].count("TIMED_OUT") == 7
    final = bench.read(record)
    assert {**final, "late": {}} == closed
    assert sorted(final["late"]) == ["responder-0", "responder-1"]
    after = bench.module.store.result(record["requestId"], "lowest")
    assert {**result_of(after), "late": 0} == result_of(result)
    assert [answer["amount"] for answer in after["lateAnswers"]] == ["1", "2"]
    assert after["late"] == 2


def test_a_hundred_large_answers_fit_into_one_item(bench):
    names = [f"responder-{number}" for number in range(100)]
    record = bench.open(names, request={"data": {"padding": "x" * 60_000}})
    large = {"text": "x" * 1_050}

    for start in range(0, 100, 10):
        assert bench.deliver(*(answer(record, name, details=large) for name in names[start : start + 10])) == []

    final = bench.read(record)
    assert (final["status"], len(final["answers"])) == ("COMPLETE", 100)
    assert all(given["details"] == large for given in final["answers"].values())
    assert len(bench.announced()[0]["answers"]) == 100
