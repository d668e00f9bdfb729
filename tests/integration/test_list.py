"""`client list`: the last requests, from the index of them."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from client import __main__ as client
from handlers.attribute_values import encode_item

STORED = 1_000


@pytest.fixture(scope="module")
def stack(deployed):
    """With so many requests of other days, and then four of today."""
    stack = deployed(variants=["map", "sns"], responderCount=3, api={"enabled": False}, alarms={"enabled": False})
    result = stack.request("map", {**stack.sample_request, "requestId": "template"})
    record = stack.record(result["requestId"])
    store, table = stack.client("dynamodb"), stack.outputs["quoteTableName"]
    store.delete_item(TableName=table, Key={"requestId": {"S": "template"}})
    for start in range(0, STORED, 25):
        made = [datetime.now(UTC) - timedelta(days=1, minutes=number) for number in range(start, start + 25)]
        store.batch_write_item(
            RequestItems={
                table: [
                    {
                        "PutRequest": {
                            "Item": encode_item(
                                {
                                    **record,
                                    "requestId": f"old-{start + number}",
                                    "createdAt": at.isoformat(),
                                    "listed": at.date().isoformat(),
                                }
                            )
                        }
                    }
                    for number, at in enumerate(made)
                ]
            }
        )
    stack.request("map", {**stack.sample_request, "requestId": "first"})
    stack.request("sns", {**stack.sample_request, "requestId": "second"})
    stack.request("map", {**stack.sample_request, "requestId": "third", "completion": {"deadlineSeconds": 0.001}})
    stack.request("sns", {**stack.sample_request, "requestId": "fourth"})
    return stack


@pytest.fixture
def listed(stack, monkeypatch, capsys):
    """`listed(*arguments)` is what the verb prints as JSON."""
    monkeypatch.setattr("client.outputs.find", lambda *_: (stack.outputs, stack.endpoint, stack.session_token))

    def call(*arguments):
        assert client.main(["list", "--json", *arguments]) == 0
        return json.loads(capsys.readouterr().out)

    return call


def ids(found):
    return [request["requestId"] for request in found["requests"]]


def test_the_last_requests_come_newest_first(listed):
    found = listed("--limit", "6")

    assert ids(found) == ["fourth", "third", "second", "first", "old-0", "old-1"]
    assert [(request["variant"], request["status"]) for request in found["requests"][:4]] == [
        ("sns", "COMPLETE"),
        ("map", "FAILED"),
        ("sns", "COMPLETE"),
        ("map", "COMPLETE"),
    ]


def test_it_reads_what_it_shows_and_no_more_however_many_are_stored(listed):
    assert listed("--limit", "20")["read"] == 20


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--since", "1h"], ["fourth", "third", "second", "first"]),
        (["--since", "1h", "--variant", "sns"], ["fourth", "second"]),
        (["--since", "1h", "--status", "FAILED"], ["third"]),
        (["--since", "1h", "--best-below", "3000"], ["fourth", "second", "first"]),
        (["--since", "1h", "--best-below", "1"], []),
    ],
)
def test_what_is_not_wanted_is_left_out(listed, arguments, expected):
    assert ids(listed(*arguments)) == expected


def test_a_page_is_read_after_the_other_where_many_are_wanted(listed):
    found = listed("--limit", "250")

    assert (len(found["requests"]), len(set(ids(found))), found["read"]) == (250, 250, 300)


def test_a_terminal_sees_a_table(stack, monkeypatch, capsys):
    monkeypatch.setattr("client.outputs.find", lambda *_: (stack.outputs, stack.endpoint, stack.session_token))

    assert client.main(["list", "--limit", "2"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[2:5] for line in lines[1:3]] == [["fourth", "sns", "COMPLETE"], ["third", "map", "FAILED"]]
    assert lines[3].strip() == "2 shown, 2 read; times in UTC"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--limit", "0"], "0 is no number of requests; allowed: a whole number from 1 to 10000"),
        (["--best-below", "cheap"], "cheap is no amount; allowed: a decimal number such as 99.50"),
        (["--since", "yesterday"], "yesterday is no time; allowed: a number with s, m, h or d, such as 10m"),
        (["--status", "DONE"], "invalid choice: 'DONE'"),
    ],
)
def test_a_wrong_argument_is_named(arguments, reason, capsys):
    with pytest.raises(SystemExit) as ended:
        client.main(["list", *arguments])

    assert (ended.value.code, reason in capsys.readouterr().err) == (2, True)
