"""The circuit breaker on the emulator's table, and with the retries in whole stacks: the same on every carrier."""

import threading
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
from botocore.config import Config

from handlers import circuit_breaker, clock, contract
from handlers.circuit_breaker import Policy
from handlers.circuit_store import CircuitBreaker
from handlers.quoting import TransientError
from tests.in_process import make_table

POLICY = Policy(failures=3, pause_seconds=3600, trial_seconds=3600)
CALLERS = 16
QUOTED = {"responder": "avis", "status": "QUOTED", "amount": "1", "currency": "USD", "details": {}}
FAILED = contract.unsuccessful("avis", "FAILED", "RuntimeError", "out of cars")
LONG_AGO = "2020-01-01T00:00:00.000Z"


@pytest.fixture
def dynamodb(clients):
    make_table(clients("dynamodb"))
    return clients("dynamodb")


@pytest.fixture
def guard(dynamodb):
    return CircuitBreaker("avis", POLICY, "quotes", dynamodb).guard


def kept(dynamodb, table="quotes", responder="avis"):
    return dynamodb.get_item(TableName=table, Key={"requestId": {"S": circuit_breaker.key(responder)}}, ConsistentRead=True).get("Item")


def state(dynamodb):
    return {key: next(iter(value.values())) for key, value in kept(dynamodb)["circuit"]["M"].items()}


def let_the_pause_pass(dynamodb, table="quotes", responder="avis"):
    dynamodb.update_item(
        TableName=table,
        Key={"requestId": {"S": circuit_breaker.key(responder)}},
        UpdateExpression="SET circuit.nextTrialAt = :long_ago",
        ExpressionAttributeValues={":long_ago": {"S": LONG_AGO}},
    )


def opened(guard):
    for _ in range(POLICY.failures):
        assert guard(lambda: FAILED) == FAILED


def refused(answer):
    return answer["status"] == "FAILED" and answer["error"]["type"] == "CircuitOpen"


def test_a_success_that_changes_nothing_writes_nothing(guard, dynamodb):
    assert guard(lambda: QUOTED) == QUOTED

    assert kept(dynamodb) is None


def test_failures_in_a_row_open_it_and_a_success_between_them_counts_anew(guard, dynamodb):
    for outcome in (FAILED, FAILED, QUOTED, FAILED, FAILED):
        guard(lambda outcome=outcome: outcome)
    assert state(dynamodb) == {"failures": "2", "openedAt": True, "nextTrialAt": True}, "closed: neither time is there"

    guard(lambda: FAILED)

    asked = []
    assert refused(guard(lambda: asked.append(1) or QUOTED))
    assert asked == []


def test_a_passing_fault_is_a_failure_and_reaches_the_carrier(guard, dynamodb):
    def busy():
        raise TransientError("busy")

    for _ in range(POLICY.failures):
        with pytest.raises(TransientError):
            guard(busy)

    assert refused(guard(busy))


def test_what_the_deadline_cuts_off_says_nothing(guard, dynamodb):
    for _ in range(POLICY.failures):
        guard(lambda: contract.silent("avis"))

    assert kept(dynamodb) is None


@pytest.mark.parametrize("outcome", [QUOTED, FAILED], ids=["closes", "stays open"])
def test_after_the_pause_one_of_many_callers_tries(guard, dynamodb, outcome):
    opened(guard)
    let_the_pause_pass(dynamodb)
    asked, together, others_are_done = [], threading.Barrier(CALLERS), threading.Semaphore(0)

    def ask():
        asked.append(1)
        for _ in range(CALLERS - 1):
            assert others_are_done.acquire(timeout=60)
        return outcome

    def call(_):
        together.wait(60)
        answer = guard(ask)
        others_are_done.release()
        return answer

    with ThreadPoolExecutor(CALLERS) as pool:
        answers = list(pool.map(call, range(CALLERS)))

    assert (len(asked), answers.count(outcome), sum(map(refused, answers))) == (1, 1, CALLERS - 1)
    assert refused(guard(lambda: QUOTED)) == (outcome == FAILED)


def test_failures_at_the_same_time_are_all_counted(guard, dynamodb):
    together = threading.Barrier(POLICY.failures)

    def fail():
        together.wait(60)
        return FAILED

    with ThreadPoolExecutor(POLICY.failures) as pool:
        list(pool.map(lambda _: guard(fail), range(POLICY.failures)))

    assert refused(guard(lambda: QUOTED))


def test_a_circuit_expires_after_its_pause(guard, dynamodb):
    opened(guard)

    until = clock.moment(state(dynamodb)["nextTrialAt"]).timestamp()
    assert int(kept(dynamodb)["expiresAt"]["N"]) > until


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9", None], ids=["no network", "no table"])
def test_a_table_that_cannot_be_reached_is_no_reason_not_to_ask(endpoint, emulator, account):
    client = boto3.client(
        "dynamodb",
        endpoint_url=endpoint or emulator.endpoint,
        region_name="us-east-1",
        aws_access_key_id=account,
        aws_secret_access_key="test",
        aws_session_token=emulator.session_token,
        config=Config(retries={"total_max_attempts": 1}),
    )
    guard = CircuitBreaker("avis", POLICY, "quotes", client).guard

    assert [guard(lambda: FAILED) for _ in range(POLICY.failures + 1)] == [FAILED] * (POLICY.failures + 1)


VARIANTS = ["map", "parallel", "sns"]
MOODY = {"module": "tests.moods", "timeoutSeconds": 30}


@pytest.fixture(scope="module")
def stack(deployed):
    return deployed(
        variants=VARIANTS,
        api={"enabled": False},
        responders=[
            {"name": "once", "retries": 0, **MOODY},
            {"name": "twice", "retries": 1, **MOODY},
            {"name": "guarded", "circuitBreaker": {"failures": 2, "pauseSeconds": 3600}, **MOODY},
        ],
    )


@pytest.fixture(scope="module")
def asked_in_vain(stack, tmp_path_factory):
    """{variant: (the answers of both, how often each was asked)}; all carriers at the same time, because they pause."""

    def ask(variant):
        folder = tmp_path_factory.mktemp(variant)
        result = stack.request(variant, {"data": {"mood": "busy", "folder": str(folder)}, "recipients": ["once", "twice"]}, timeout=60)
        return result["answers"], [len((folder / name).read_text()) for name in ("once", "twice")]

    with ThreadPoolExecutor(len(VARIANTS)) as pool:
        return dict(zip(VARIANTS, pool.map(ask, VARIANTS), strict=True))


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_passing_fault_is_asked_again_as_often_as_its_responder_says_on_every_carrier(asked_in_vain, variant):
    answers, asked = asked_in_vain[variant]

    assert [(answer["status"], answer["error"]) for answer in answers] == [("FAILED", {"type": "TransientError", "message": "busy"})] * 2
    assert asked == [1, 2]


def test_every_carrier_finds_the_circuit_that_another_one_opened_or_closed(stack, tmp_path):
    """A call whose turn at the table takes too long goes on as if the circuit were closed, so each step is asked until it shows."""
    dynamodb, table = stack.client("dynamodb"), stack.outputs["quoteTableName"]

    def ask(variant, mood):
        result = stack.request(variant, {"data": {"mood": mood, "folder": str(tmp_path)}, "recipients": ["guarded"]}, timeout=60)
        return result["answers"][0]

    def is_open():
        item = kept(dynamodb, table, "guarded")
        return item is not None and "S" in item["circuit"]["M"]["openedAt"]

    assert ask("map", "broken")["error"]["type"] == "RuntimeError"
    for _ in range(10):
        if is_open():
            break
        ask("map", "broken")
    assert is_open()

    assert any(refused(ask("sns", "calm")) for _ in range(5))
    assert any(refused(ask("parallel", "calm")) for _ in range(5))

    for _ in range(5):
        if not is_open():
            break
        let_the_pause_pass(dynamodb, table, "guarded")
        ask("sns", "calm")
    assert not is_open()
    assert ask("map", "calm")["status"] == "QUOTED"
