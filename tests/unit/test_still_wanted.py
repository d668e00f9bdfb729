"""What has not begun when a request closes is not begun, and is counted; what has begun is nobody's to stop."""

import json

import pytest
from botocore.exceptions import EndpointConnectionError

from handlers import aggregation, attempt, circuit_breaker, clock, contract, opening
from handlers.aggregation import Message, Rules
from handlers.completion import Policy
from handlers.own_code import OwnCode
from handlers.selection import Selection
from handlers.still_wanted import StillWanted
from tests import program
from tests.unit.test_aggregation import MemoryStore, record

LIMITS = attempt.Limits("avis", 10, 0)
NOW, LATER = "2027-01-01T00:00:00.000Z", "2027-01-01T00:00:05.000Z"
NOT_BEGUN = {**contract.not_begun("avis"), "respondedAt": LATER}
RULES = Rules(Policy(60), Selection("lowest", 3), "USD")


class Reader:
    """A table with one record of that status; None has none, and an error is raised."""

    def __init__(self, status):
        self.status, self.reads = status, []

    def get_item(self, **call):
        self.reads.append(call)
        if isinstance(self.status, Exception):
            raise self.status
        return {"Item": {"requestId": {"S": "r1"}, "status": {"S": self.status}}} if self.status else {}


def question(seconds=60.0, early=True):
    return {"requestId": "r1", "deadlineAt": clock.later(clock.now(), seconds), **({"closesEarly": True} if early else {})}


@pytest.mark.parametrize(
    ("status", "wanted"),
    [("OPEN", True), ("COMPLETE", False), ("PARTIAL", False), (None, True), (EndpointConnectionError(endpoint_url="x"), True)],
)
def test_it_is_wanted_while_its_record_is_open_or_unknown(status, wanted):
    assert StillWanted("quotes", lambda: Reader(status))(question()) == wanted


def test_nobody_looks_where_only_the_deadline_can_close():
    reader = Reader("COMPLETE")

    assert StillWanted("quotes", lambda: reader)(question(early=False))
    assert not StillWanted("quotes", lambda: reader)(question(seconds=-1, early=False))
    assert reader.reads == []


def test_it_reads_the_status_and_nothing_else_as_its_right_says():
    reader = Reader("OPEN")
    StillWanted("quotes", lambda: reader)(question())
    made = program.run({"variants": ["sns"], "api": {"enabled": False}, "responderCount": 1})

    document = json.loads(made.of_type("aws:iam/rolePolicy:RolePolicy")["responder-avis-runs"]["policy"])
    [right] = [each for each in document["Statement"] if each["Action"] == ["dynamodb:GetItem"]]
    [read] = reader.reads
    assert [read["ExpressionAttributeNames"].get(name, name) for name in read["ProjectionExpression"].split(", ")] == right["Condition"][
        "ForAllValues:StringEquals"
    ]["dynamodb:Attributes"]
    assert right["Condition"]["StringEquals"] == {"dynamodb:Select": "SPECIFIC_ATTRIBUTES"}


def never():
    raise AssertionError("begun")


@pytest.mark.parametrize("attempts", [1, 2])
def test_what_is_no_longer_wanted_is_not_begun(attempts):
    answer = attempt.answer(question(), attempts, LIMITS, never, wanted=lambda question: False)

    assert answer.pop("respondedAt")
    assert answer == contract.not_begun("avis")


def test_after_a_wait_for_its_turn_it_looks_again():
    looks = iter([True, False])

    answer = attempt.answer(question(), 1, LIMITS, never, turn=lambda until: None, wanted=lambda question: next(looks))

    assert contract.is_not_begun(answer)


def test_it_says_nothing_of_the_responder_to_its_circuit():
    assert circuit_breaker.success_of(contract.not_begun("avis")) is None
    assert circuit_breaker.success_of(contract.unsuccessful("avis", "TIMED_OUT", "Capped", "no place")) is None
    assert circuit_breaker.success_of(contract.overdue("avis", 3)) is False


def test_code_that_works_in_steps_can_ask(tmp_path, monkeypatch):
    (tmp_path / "steps_of_avis.py").write_text(
        "def quote(request):\n    steps = 0\n    while request.still_wanted():\n        steps += 1\n    return steps\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    looks = iter([True, True, False])
    asked = {**question(), "description": "", "data": {}, "wanted": lambda: next(looks)}

    answer = OwnCode("avis", "steps_of_avis", {}, "USD").ask(asked, 1, 1_000)()

    assert answer["amount"] == "2"


def gathered(store, *answers):
    messages = [Message(str(number), "r1", answer=answer) for number, answer in enumerate(answers)]
    return aggregation.gather(store, RULES, "r1", messages, lambda result: None, now=LATER, alive_until=LATER)


def closed(**more):
    return MemoryStore(
        record(
            ["avis", "alamo"],
            status="COMPLETE",
            completedBy="QUORUM",
            completedAt=NOW,
            top=[],
            announceBy=NOW,
            announcedAt=NOW,
            spared={},
            createdAt=NOW,
            deadlineAt=clock.later(NOW, 60),
            **more,
        )
    )


def quoted(name):
    return {"responder": name, "status": "QUOTED", "amount": "1", "currency": "USD", "details": {}, "respondedAt": LATER}


def test_the_result_counts_what_was_not_begun_once():
    store = closed()
    before = store.read("r1")

    for _ in range(2):
        gathered(store, NOT_BEGUN)

    result = aggregation.result_of(store.read("r1"), RULES.selection)
    assert (result["spared"], result["late"], store.writes) == (1, 0, 1)
    assert {**store.read("r1"), "spared": {}} == before


def test_who_answered_in_another_delivery_was_not_spared():
    store = closed()

    gathered(store, NOT_BEGUN)
    gathered(store, quoted("avis"))

    result = aggregation.result_of(store.read("r1"), RULES.selection)
    assert (result["spared"], result["late"]) == (0, 1)


def test_an_open_record_takes_no_notice_of_it():
    store = MemoryStore(record(["avis", "alamo"], createdAt=NOW, deadlineAt=clock.later(NOW, 60), spared={}))

    gathered(store, NOT_BEGUN)

    assert (store.read("r1")["answers"], store.read("r1")["spared"]) == ({}, {})


@pytest.mark.parametrize("early", [False, True])
def test_a_question_says_whether_its_request_can_close_early(early):
    asked = opening.question(record(["avis"]), early=early)

    assert asked.get("closesEarly", False) == early
