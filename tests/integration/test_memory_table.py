"""The simulation's table is DynamoDB's, as far as the handlers use it: whatever is done to both leaves both alike."""

import itertools
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers import clock, rate_cap
from handlers.aggregation import Closing
from handlers.rate_cap import RateCap
from handlers.records import Records
from handlers.selection import Ranking
from tests.in_process import make_table
from tests.simulation.memory_table import ConditionalCheckFailed, Table

CREATED = "2027-01-01T00:00:00.000Z"
NAMES = st.sampled_from(["avis", "budget", "hertz"])
SECONDS = st.integers(0, 9)
ANSWERS = st.dictionaries(NAMES, st.integers(1, 3), min_size=1, max_size=3)
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("create"), st.sampled_from(["one", "another"]), SECONDS, st.booleans()),
        st.tuples(st.just("add"), ANSWERS),
        st.tuples(st.just("add_late"), ANSWERS),
        st.tuples(st.just("close"), ANSWERS, SECONDS),
        st.tuples(st.just("claim_announcement"), SECONDS, SECONDS),
        st.tuples(st.just("announced"), SECONDS),
        st.tuples(st.just("published"), SECONDS),
        st.tuples(st.just("not_published"), SECONDS),
    ),
    min_size=1,
    max_size=10,
)


class InMemory:
    exceptions = SimpleNamespace(ConditionalCheckFailedException=ConditionalCheckFailed)

    def __init__(self) -> None:
        self.table = Table("requestId")

    def get_item(self, **call: Any) -> Any:
        return self.table.get_item(call)

    def put_item(self, **call: Any) -> Any:
        return self.table.put_item(call)

    def update_item(self, **call: Any) -> Any:
        return self.table.update_item(call)


@pytest.fixture(scope="module")
def dynamodb(emulator, module_account):
    import boto3

    session = boto3.Session(
        aws_access_key_id=module_account, aws_secret_access_key="test", aws_session_token=emulator.session_token, region_name="us-east-1"
    )
    return session.client("dynamodb", endpoint_url=emulator.endpoint)


@pytest.fixture(scope="module")
def table(dynamodb):
    return make_table(dynamodb)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(OPERATIONS)
def test_both_tables_say_and_keep_the_same(dynamodb, table, operations):
    dynamodb.delete_item(TableName=table, Key={"requestId": {"S": "r1"}})
    real, simulated = Records(table, dynamodb), Records("requests", InMemory())

    said = [[done(records, operation) for operation in operations] for records in (real, simulated)]

    assert said[0] == said[1]
    assert without_token(real.read("r1")) == without_token(simulated.read("r1"))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 900)), max_size=12))
def test_both_tables_give_a_capped_call_the_same_place(dynamodb, table, calls):
    dynamodb.delete_item(TableName=table, Key={"requestId": {"S": rate_cap.key("avis")}})
    real, simulated = (RateCap("avis", 5, 60, name, client) for name, client in ((table, dynamodb), ("requests", InMemory())))
    moments = list(itertools.accumulate((pause for pause, _ in calls), initial=10_000_000))

    said = [[cap.place(now, now + patience) for now, (_, patience) in zip(moments, calls, strict=False)] for cap in (real, simulated)]

    assert said[0] == said[1]


def done(records: Records, operation: Any) -> Any:
    """What it says, or the name of the error that it raises."""
    verb, *its = operation
    try:
        returned = OPERATION[verb](records, *its)
    except ClientError as refusal:
        return refusal.response["Error"]["Code"]
    return tuple(without_token(part) if isinstance(part, dict) else part for part in returned) if isinstance(returned, tuple) else returned


def at(seconds: int) -> str:
    return clock.later(CREATED, seconds)


def answers(given: dict[str, int]) -> dict[str, Any]:
    return {name: {"status": "QUOTED", "amount": f"{number}.50", "details": {"days": number}} for name, number in given.items()}


def opened(request: str = "one", publish_by: int | None = None) -> dict[str, Any]:
    return {
        "requestId": "r1",
        "variant": "sns",
        "status": "OPEN",
        "request": {"data": {"which": request}},
        "recipients": ["avis", "budget"],
        "answers": {},
        "late": {},
        "createdAt": CREATED,
        "deadlineAt": at(60),
        "openedBy": "caller",
        **({"publishBy": at(publish_by)} if publish_by is not None else {}),
    }


def kept(records: Records) -> dict[str, Any]:
    """The record as a caller has it: as it is, or the one that it has just opened."""
    return records.read("r1") or opened()


def close(records: Records, silent: dict[str, int], seconds: int) -> Any:
    return records.close(
        kept(records),
        Closing(
            status="PARTIAL",
            completed_by="DEADLINE",
            completed_at=at(seconds),
            silent=answers(silent),
            ranking=Ranking(("avis",)),
            announce_by=at(seconds),
        ),
    )


OPERATION: dict[str, Any] = {
    "create": lambda records, request, seconds, publishes: records.create(opened(request, seconds if publishes else None), at(seconds + 1)),
    "add": lambda records, given: records.add(kept(records), answers(given)),
    "add_late": lambda records, given: records.add_late(kept(records), answers(given)),
    "close": close,
    "claim_announcement": lambda records, now, until: records.claim_announcement(kept(records), at(now), at(until)),
    "announced": lambda records, now: records.announced(kept(records), at(now)),
    "published": lambda records, now: records.published(kept(records), at(now)),
    "not_published": lambda records, now: records.not_published(kept(records), at(now)),
}


def without_token(record: dict[str, Any] | None) -> dict[str, Any] | None:
    return record and {key: value for key, value in record.items() if key != "writtenBy"}
