"""Gathering answers: exactly once, in whatever order, however often and from however many aggregators at once they come."""

import copy
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers import aggregation, attribute_values, clock, contract
from handlers.aggregation import Message, Rejected, Rules
from handlers.completion import Policy
from handlers.selection import Selection

CREATED = "2027-01-01T00:00:00.000Z"
DEADLINE = "2027-01-01T00:01:00.000Z"
RULES = Rules(Policy(60), Selection("lowest", 3), "USD")
NAMES = ["avis", "alamo", "hertz", "sixt", "budget"]
LEASE_SECONDS = 20


class Killed(BaseException):
    """The aggregator's process is gone."""


class MemoryStore:
    """The conditions of `Records`, in memory. step: called before and after each change, to let others in or to kill."""

    def __init__(self, record=None, step=lambda: None):
        self.records = {record["requestId"]: copy.deepcopy(record)} if record else {}
        self.step = step
        self.closes = []
        self.writes = 0

    def read(self, request_id):
        return copy.deepcopy(self.records.get(request_id))

    def _change(self, record, condition, change):
        self.step()
        kept = self.records[record["requestId"]]
        done = kept["createdAt"] == record["createdAt"] and condition(kept)
        if done:
            change(kept)
            self.writes += 1
        as_it_is = copy.deepcopy(kept)
        self.step()
        return as_it_is, done

    def add(self, record, answers):
        return self._change(
            record, lambda kept: kept["status"] == "OPEN", lambda kept: kept["answers"].update({**answers, **kept["answers"]})
        )

    def add_late(self, record, answers):
        return self._change(record, lambda kept: True, lambda kept: kept["late"].update({**answers, **kept["late"]}))

    def add_spared(self, record, names):
        return self._change(record, lambda kept: True, lambda kept: kept.setdefault("spared", {}).update(dict.fromkeys(names, True)))

    def close(self, record, change):
        def apply(kept):
            kept.update(
                status=change.status,
                completedBy=change.completed_by,
                completedAt=change.completed_at,
                top=list(change.ranking.top),
                announceBy=change.announce_by,
            )
            kept["answers"].update(change.silent)
            self.closes.append(copy.deepcopy(kept))

        return self._change(record, lambda kept: kept["status"] == "OPEN" and len(kept["answers"]) == len(record["answers"]), apply)

    def claim_announcement(self, record, now, until):
        return self._change(
            record, lambda kept: kept["announceBy"] < now and "announcedAt" not in kept, lambda kept: kept.update(announceBy=until)
        )[1]

    def announced(self, record, now):
        self._change(record, lambda kept: True, lambda kept: kept.update(announcedAt=now))


def record(recipients=NAMES, **changes):
    return {
        "requestId": "r1",
        "variant": "sns",
        "status": "OPEN",
        "request": {"data": {}},
        "recipients": recipients,
        "answers": {},
        "late": {},
        "createdAt": CREATED,
        "deadlineAt": DEADLINE,
        "expiresAt": 1,
        **changes,
    }


def answer(name, amount="100", status="QUOTED", seconds=1.0, **changes):
    outcome = (
        {"amount": amount, "currency": "USD", "details": {}}
        if status == "QUOTED"
        else {"error": {"type": "Some", "message": "some reason"}}
    )
    return {"responder": name, "status": status, **outcome, "respondedAt": clock.later(CREATED, seconds), **changes}


def message(content, number=0):
    if isinstance(content, str):
        return Message(f"m{number}", "r1", deadline_at=content)
    return Message(f"m{number}", "r1", answer=content)


def gather(store, contents, rules=RULES, seconds=2.0, announced=None):
    now = clock.later(CREATED, seconds)
    return aggregation.gather(
        store,
        rules,
        "r1",
        [message(content, number) for number, content in enumerate(contents)],
        (announced if announced is not None else []).append,
        now=now,
        alive_until=clock.later(now, LEASE_SECONDS),
    )


def test_when_all_have_answered_the_request_closes_and_says_so_once():
    store, announced = MemoryStore(record(["avis", "alamo"])), []

    assert not gather(store, [answer("alamo", "99")], announced=announced).closed
    gathered = gather(store, [answer("avis", "120", seconds=1.5)], announced=announced)

    assert gathered.closed
    assert (gathered.record["status"], gathered.record["completedBy"], gathered.record["top"][0]) == ("COMPLETE", "ALL", "alamo")
    assert gathered.record["answers"]["avis"]["latencyMs"] == 1500
    assert [result["requestId"] for result in announced] == ["r1"]
    assert announced[0]["best"]["amount"] == "99"
    assert [given["responder"] for given in announced[0]["answers"]] == ["avis", "alamo"]


def test_a_request_is_completed_no_earlier_than_its_last_answer_whatever_the_clocks():
    store = MemoryStore(record(["avis"]))

    closed = gather(store, [answer("avis", seconds=5)], seconds=2).record

    assert closed["completedAt"] == closed["answers"]["avis"]["respondedAt"] == clock.later(CREATED, 5)


def test_a_batch_is_one_update_and_its_repetition_none():
    store = MemoryStore(record())
    batch = [answer("avis"), answer("alamo"), answer("avis")]

    gather(store, batch)
    assert store.writes == 1

    gather(store, batch)
    assert store.writes == 1


def test_the_deadline_closes_with_those_that_came():
    names = [f"r{number}" for number in range(10)]
    store, announced = MemoryStore(record(names)), []
    gather(store, [answer("r3", "30"), answer("r1", "10"), answer("r2", "20")])

    gathered = gather(store, [DEADLINE], seconds=60, announced=announced)

    result = announced[0]
    assert (result["status"], result["completedBy"], result["best"]["responder"]) == ("PARTIAL", "DEADLINE", "r1")
    assert [given["status"] for given in result["answers"]].count("TIMED_OUT") == 7
    assert result["answers"][0] == contract.silent("r0")

    late = gather(store, [answer("r0", "1", seconds=59)], seconds=61, announced=announced)
    assert late.record["late"]["r0"]["amount"] == "1"
    assert result == aggregation.result_of(gathered.record, RULES.selection)
    assert {**result, "late": 1} == aggregation.result_of(late.record, RULES.selection)
    assert len(announced) == 1


def test_a_deadline_message_of_another_attempt_closes_nothing():
    store = MemoryStore(record())

    gathered = gather(store, [clock.later(DEADLINE, -30)], seconds=30)

    assert gathered.record["status"] == "OPEN"


def test_an_open_request_whose_deadline_has_passed_closes_with_whatever_comes_next():
    store = MemoryStore(record(["avis", "alamo", "hertz"]))
    gather(store, [answer("avis", "100")])

    gathered = gather(store, [answer("alamo", "50", seconds=59.9), answer("hertz", "1", seconds=60.1)], seconds=60.2)

    assert (gathered.record["completedBy"], gathered.record["top"][0]) == ("DEADLINE", "alamo")
    assert list(gathered.record["late"]) == ["hertz"]


def test_a_quorum_of_quotes_closes_and_what_comes_later_is_late():
    rules = Rules(Policy(60, quorum=2), Selection("lowest", 3), "USD")
    store = MemoryStore(record())
    gather(store, [answer("avis", status="DECLINED"), answer("alamo", "120")], rules)

    gathered = gather(store, [answer("sixt", "110")], rules)
    assert (gathered.record["status"], gathered.record["completedBy"], gathered.record["top"][0]) == ("COMPLETE", "QUORUM", "sixt")

    late = gather(store, [answer("hertz", "1"), answer("budget", status="TIMED_OUT")], rules).record
    assert (list(late["late"]), late["top"][0], len(late["answers"])) == (["hertz"], "sixt", 3)


def test_a_request_may_tighten_the_policy():
    store = MemoryStore(record(request={"data": {}, "completion": {"quorum": 1}}))

    assert gather(store, [answer("hertz")]).record["completedBy"] == "QUORUM"


def test_what_a_responder_answers_beside_giving_up_is_late_and_not_lost():
    """It was asked twice, and one of its two calls took longer than it may."""
    store = MemoryStore(record(["avis", "alamo"]))
    gave_up = {**contract.overdue("avis", 10), "respondedAt": answer("avis")["respondedAt"]}

    gather(store, [gave_up])
    kept = gather(store, [answer("avis", "99")]).record

    assert kept["answers"]["avis"]["status"] == "TIMED_OUT"
    assert kept["late"]["avis"]["amount"] == "99"


def test_who_stopped_at_the_deadline_of_an_earlier_attempt_has_said_nothing_yet():
    """The request was opened anew, with a later deadline, and the responder asked again."""
    store = MemoryStore(record(["avis", "alamo"]))
    stopped = {**contract.silent("avis"), "respondedAt": answer("avis")["respondedAt"]}

    gather(store, [answer("alamo"), stopped])
    kept = gather(store, [answer("avis", "99", seconds=3)], seconds=3).record

    assert kept["answers"]["avis"]["amount"] == "99"
    assert kept["completedBy"] == "ALL"


def test_an_answer_of_an_earlier_attempt_is_kept_though_the_request_is_opened_anew_meanwhile():
    anew = record(createdAt=clock.later(CREATED, 61), deadlineAt=clock.later(DEADLINE, 61))
    openings = [anew]

    def open_anew():
        if openings:
            store.records["r1"] = openings.pop()

    store = MemoryStore(record(), open_anew)
    kept = gather(store, [answer("avis", seconds=61)], seconds=59).record

    assert (kept["createdAt"], kept["answers"]["avis"]["status"]) == (anew["createdAt"], "QUOTED")


def test_a_state_machine_whose_responder_stopped_at_the_deadline_closes_by_it_whatever_the_clock_says():
    store = MemoryStore(record(["avis", "alamo"]))
    stopped = {**contract.silent("avis"), "respondedAt": clock.later(CREATED, 60)}
    messages = aggregation.replies([{"requestId": "r1", "answer": each} for each in (stopped, answer("alamo"))], CREATED)

    now = clock.later(CREATED, 59.9)
    closed = aggregation.gather(store, RULES, "r1", messages, [].append, now=now, alive_until=now).record

    assert closed is not None
    assert (closed["completedBy"], closed["completedAt"]) == ("DEADLINE", closed["deadlineAt"])
    assert closed["answers"]["avis"]["error"]["type"] == "Deadline"


def test_a_responder_that_gives_up_after_the_close_adds_nothing():
    store = MemoryStore(record(["avis"]))
    gather(store, [DEADLINE], seconds=60)

    assert gather(store, [answer("avis", status="TIMED_OUT", seconds=60)], seconds=61).record["late"] == {}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (answer("zipcar"), '"zipcar" was not asked'),
        (answer(None), "null was not asked"),
        (answer(["avis"]), "was not asked"),
        (answer("avis", "-1"), "amount must be a decimal of 0 or more"),
        (answer("avis", "1e3"), "amount must be"),
        (answer("avis", None), "amount must be"),
        (answer("avis", currency="EUR"), "currency must be USD"),
        (answer("avis", details=[]), "details must be an object"),
        (answer("avis", status="MAYBE"), "status must be QUOTED, DECLINED, FAILED or TIMED_OUT"),
        ({"responder": "avis", "amount": "1", "respondedAt": CREATED}, "the answer has no status"),
        (answer("avis", respondedAt="yesterday"), "respondedAt must be a time"),
        (answer("avis", respondedAt=None), "respondedAt must be a time"),
        (answer("avis", respondedAt="2027-01-01T00:00:00"), "respondedAt must be a time"),
    ],
)
def test_a_poison_answer_is_rejected_with_its_reason_and_its_neighbours_are_counted(content, reason):
    store = MemoryStore(record(["avis", "alamo"]))

    gathered = gather(store, [answer("alamo"), content])

    assert [(rejected.message_id, reason in why) for rejected, why in gathered.rejected] == [("m1", True)]
    assert list(gathered.record["answers"]) == ["alamo"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "no requestId"),
        ('{"requestId": 7}', "no requestId"),
        ('{"requestId": ""}', "no requestId"),
        ('{"requestId": "r1"}', "neither an answer nor a deadlineAt"),
        ('{"requestId": "r1", "answer": 3}', "neither an answer nor a deadlineAt"),
    ],
)
def test_what_is_no_message_is_rejected(body, reason):
    with pytest.raises(Rejected, match=reason):
        aggregation.parse("m", body)


def test_an_answer_for_an_unknown_request_is_rejected_and_not_stored():
    store = MemoryStore()

    gathered = gather(store, [answer("avis"), DEADLINE])

    assert [(rejected.message_id, why) for rejected, why in gathered.rejected] == [("m0", "there is no such request")]
    assert store.writes == 0


def test_details_share_the_budget_of_one_item():
    names = [f"r{number}" for number in range(20)]
    store = MemoryStore(record(names))
    big = {"padding": "x" * 59_000}

    for name in names:
        gathered = gather(store, [answer(name, details=big)])

    assert all("at most" in given["details"]["omitted"] for given in gathered.record["answers"].values())
    assert len(json.dumps(attribute_values.encode(gathered.record))) < 400_000


def test_replies_of_a_state_machine_are_gathered_as_messages_are():
    store = MemoryStore(record(["avis", "alamo", "hertz"]))
    crash = {"Error": "Runtime.ExitError", "Cause": json.dumps({"errorType": "Runtime.ExitError", "errorMessage": "exit status 1"})}

    found = aggregation.replies(
        [
            {"requestId": "r1", "answer": answer("avis")},
            {"requestId": "r1", "responder": "alamo", "fault": crash},
            {"requestId": "r1", "responder": "sixt", "asked": False},
            {"requestId": "r1", "responder": "hertz", "fault": {"Error": "States.Timeout"}},
        ],
        clock.later(CREATED, 5),
    )
    gathered = aggregation.gather(
        store, RULES, "r1", found, lambda result: None, now=clock.later(CREATED, 5), alive_until=clock.later(CREATED, 20)
    )

    assert gathered.closed
    assert gathered.record is not None
    errors = {name: given.get("error") for name, given in gathered.record["answers"].items()}
    assert errors == {
        "avis": None,
        "alamo": {"type": "Runtime.ExitError", "message": "exit status 1"},
        "hertz": {"type": "Timeout", "message": "its function took too long"},
    }


@pytest.mark.parametrize(
    ("fault", "status", "kind", "message"),
    [
        ({"Error": "Lambda.Unknown", "Cause": "not JSON"}, "FAILED", "Lambda.Unknown", "not JSON"),
        (
            {
                "Error": "Sandbox.Timedout",
                "Cause": json.dumps({"errorType": "Sandbox.Timedout", "errorMessage": "Task timed out after 3.00 s"}),
            },
            "TIMED_OUT",
            "Timeout",
            "Task timed out after 3.00 s",
        ),
        ({"Error": "X", "Cause": "é" * 30_000}, "FAILED", "X", "é" * 250),
    ],
)
def test_a_function_that_broke_is_the_failure_of_its_responder(fault, status, kind, message):
    assert aggregation.broken("avis", fault) == {"responder": "avis", "status": status, "error": {"type": kind, "message": message}}


def test_a_closer_that_was_killed_before_its_event_is_stood_in_for():
    store, announced = MemoryStore(record(["avis"])), []

    def killed(result):
        raise Killed

    with pytest.raises(Killed):
        aggregation.gather(
            store,
            RULES,
            "r1",
            [message(answer("avis"))],
            killed,
            now=clock.later(CREATED, 2),
            alive_until=clock.later(CREATED, 2 + LEASE_SECONDS),
        )
    waiting = gather(store, [answer("avis")], seconds=3, announced=announced)
    assert announced == [], "the closer may still be at it"
    assert not waiting.announced, "and may have ended: its message must come again"

    gather(store, [answer("avis")], seconds=3 + LEASE_SECONDS, announced=announced)
    gather(store, [answer("avis")], seconds=90, announced=announced)
    assert len(announced) == 1
    assert len(store.closes) == 1


deliveries = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(["QUOTED", "QUOTED", "DECLINED", "FAILED"]), st.integers(1, 3)),
    min_size=1,
    max_size=12,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(deliveries, st.booleans(), st.sampled_from([None, 2]), st.data())
def test_exactly_once_whatever_happens(sent, with_deadline, quorum, data):
    """Batches at random, each answer up to three times, some inside of others (another aggregator between any two steps of
    one), some killed at any step and then delivered again, as SQS does. At the end the record is closed, once, if its policy
    was met, and announced, and each responder's answer is in exactly one place."""
    rules = Rules(Policy(600, quorum), Selection("lowest", 3), "USD")
    deadline = clock.later(CREATED, 600)
    contents = [answer(name, str(amount), status) for name, status, amount in sent]
    contents += [deadline] if with_deadline else []
    queue = data.draw(st.permutations([content for content in contents for _ in range(data.draw(st.integers(1, 3)))]))
    batches = []
    while queue:
        size = data.draw(st.integers(1, 4))
        batches.append(queue[:size])
        queue = queue[size:]
    announced, depth, kills, turn = [], 0, 0, 600.0 if with_deadline else 2.0

    def step():
        nonlocal depth, kills
        if depth > 4:
            return
        happening = data.draw(st.sampled_from(["nothing"] * 6 + ["another", "kill"]))
        if happening == "another" and batches:
            deliver(batches.pop())
        elif happening == "kill" and kills < 3:
            kills += 1
            raise Killed

    def deliver(batch):
        nonlocal depth
        depth += 1
        try:
            gather(store, batch, rules, seconds=turn, announced=announced)
        except Killed:
            killed.append(batch)
        finally:
            depth -= 1

    store, killed = MemoryStore(record(deadlineAt=deadline), step), []
    while batches or killed:
        while batches:
            deliver(batches.pop())
        # Visible again after the visibility timeout, by which whoever was killed is known to be dead.
        turn += LEASE_SECONDS + 1
        batches, killed = killed, []

    final = store.read("r1")
    answered = {name for name, _, _ in sent}
    enough = quorum and [given["status"] for given in final["answers"].values()].count("QUOTED") >= quorum
    if with_deadline or answered == set(NAMES) or enough:
        assert len(store.closes) == 1
        closed = store.closes[0]
        assert {key: final[key] for key in ("answers", "status", "completedBy", "completedAt", "top")} == {
            key: closed[key] for key in ("answers", "status", "completedBy", "completedAt", "top")
        }
        assert len(announced) == 1 or (kills and announced)
        assert "announcedAt" in final
    else:
        assert not store.closes
        assert not announced
    own = {name for name, given in final["answers"].items() if "respondedAt" in given}
    assert own | set(final["late"]) == answered
    assert not own & set(final["late"])


def test_of_two_answers_of_one_responder_that_come_together_the_first_counts():
    news = aggregation.sort(record(), [message(answer("avis", "100"), 1), message(answer("avis", "90"), 2)], "USD")

    assert news.on_time["avis"]["amount"] == "100"


def test_a_late_answer_is_late_once():
    silent = contract.silent("avis")
    closed = record(status="FAILED", answers={"avis": silent}, late={"avis": answer("avis", "100")})

    assert aggregation.sort(closed, [message(answer("avis", "90"))], "USD").late == {}
