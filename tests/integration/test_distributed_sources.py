"""Every form of a source that the emulator can read, run: what a run names, and what it gets."""

import gzip
import json

import pytest

from client import results, run


def finish(stack, **given):
    execution = run.start(stack, None, given)
    list(run.watch(stack, execution, poll_seconds=0.05))
    return run.result(stack, execution)


def items_of(stack, ended):
    return [row["result"]["item"] for row in results.rows(stack, ended.execution)]


def in_s3(deployed, **config):
    return deployed(
        variants=["distributed"], responderCount=1, maxConcurrency=10, distributed={"source": "s3", "module": "tests.processes", **config}
    )


def put(stack, key, body):
    stack.client("s3").put_object(Bucket=stack.outputs["distributedSource"]["bucket"], Key=key, Body=body)


@pytest.mark.parametrize(
    ("key", "body", "items"),
    [
        ("data/a.csv", "id;pris\r\n1;2,5\r\n".encode("utf-8-sig"), [{"id": "1", "pris": "2,5"}]),
        ("data/a.tsv", b"id\tn\n1\tx\n", [{"id": "1", "n": "x"}]),
        ("data/b.csv", "id|naïve\n1|ü\n".encode("utf-16"), [{"id": "1", "naïve": "ü"}]),
        ("data/a.json", b'[{"n": 1}, {"n": 2.5}]', [{"n": 1}, {"n": 2.5}]),
        ("data/a.jsonl.gz", gzip.compress(b'{"n": 1}\n\n{"n": null}\n', mtime=0), [{"n": 1}, {"n": None}]),
        ("data/empty.csv", b"id,n\n", []),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_run_names_its_own_object_of_any_form(deployed, key, body, items):
    stack = in_s3(deployed)
    put(stack, key, body)

    ended = finish(stack, key=key)

    assert ended.status == "SUCCEEDED", ended
    assert items_of(stack, ended) == items


def test_a_run_names_its_own_prefix_tolerance_and_concurrency(deployed):
    stack = in_s3(deployed)
    put(stack, "data/2027/b.csv", b"id,fail\n2,no\n")
    put(stack, "data/2027/a.jsonl", b'{"id": 1}\n')

    refused, ended = finish(stack, prefix="data/2027/"), finish(stack, prefix="data/2027/", tolerance={"count": 1}, maxConcurrency=1)

    assert refused.error == "ToleranceExceeded"
    assert (ended.status, ended.items, ended.failed) == ("SUCCEEDED", 2, 1)


@pytest.mark.parametrize(
    ("given", "error", "cause"),
    [
        ({"key": "secret/a.csv"}, "InvalidInput", "which this stack may not read; allowed: s3://"),
        (
            {"kye": "a"},
            "InvalidInput",
            "the input has kye; allowed with source s3: bucket, key, prefix, tolerance, maxConcurrency, label, again",
        ),
        ({"again": "never"}, "InvalidSource", "there is no object s3://"),
    ],
)
def test_what_a_run_may_not_say_ends_it_at_once(deployed, given, error, cause):
    ended = finish(in_s3(deployed), **given)

    assert (ended.status, ended.error, ended.exit_code) == ("FAILED", error, 2)
    assert cause in (ended.cause or "")


def test_an_array_inside_an_object_is_found_by_its_pointer(deployed):
    stack = in_s3(deployed, reading={"pointer": "/answer/Items"}, key="data/answer.json")
    put(stack, "data/answer.json", json.dumps({"count": 2, "answer": {"Items": [{"n": 1}, {"n": 2}]}}).encode())

    assert items_of(stack, finish(stack)) == [{"n": 1}, {"n": 2}]


@pytest.fixture
def orders(module_clients):
    """A table with a sort key, 3,000 items for one customer and one for another."""
    dynamodb = module_clients("dynamodb")
    if "orders" not in dynamodb.list_tables()["TableNames"]:
        dynamodb.create_table(
            TableName="orders",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "customer", "KeyType": "HASH"}, {"AttributeName": "number", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": "customer", "AttributeType": "S"}, {"AttributeName": "number", "AttributeType": "N"}],
        )
        for first in range(0, 3_000, 25):
            puts = [
                {"PutRequest": {"Item": {"customer": {"S": "acme"}, "number": {"N": str(number)}, "text": {"S": "x" * 500}}}}
                for number in range(first, first + 25)
            ]
            dynamodb.batch_write_item(RequestItems={"orders": puts})
        items = {"customer": {"S": "other"}, "number": {"N": "1"}, "lines": {"L": [{"N": "1"}, {"S": "a"}]}}
        dynamodb.put_item(TableName="orders", Item=items)
    return "orders"


def in_dynamodb(deployed, **config):
    return deployed(
        variants=["distributed"],
        responderCount=1,
        maxConcurrency=10,
        distributed={"table": "orders", "module": "tests.processes", "waitSeconds": 0, "timeoutSeconds": 300, **config},
    )


def test_a_query_of_any_length_is_laid_out_for_a_distributed_map(deployed, orders):
    stack = in_dynamodb(deployed, read="query", keyName="customer", keyValue="acme", mode="DISTRIBUTED", childType="EXPRESS", batchSize=200)

    ended = finish(stack)

    assert (ended.status, ended.items) == ("SUCCEEDED", 3_000)
    assert [item["number"] for item in items_of(stack, ended)] == list(range(3_000))
    assert finish(stack, keyValue="other").items == 1


def test_a_short_query_runs_inline_and_a_long_one_is_refused(deployed, orders):
    stack = in_dynamodb(deployed, read="query", keyName="customer", keyValue="other")

    assert [item["number"] for item in items_of(stack, finish(stack))] == [1]
    refused = finish(stack, keyValue="acme")
    assert (refused.error, refused.exit_code) == ("InvalidSource", 2)
    assert "use mode DISTRIBUTED" in (refused.cause or "")


def test_a_scan_has_all_items(deployed, orders):
    ended = finish(in_dynamodb(deployed, read="scan", mode="DISTRIBUTED", childType="EXPRESS", batchSize=500))

    assert (ended.status, ended.items) == ("SUCCEEDED", 3_001)


def test_a_list_in_an_item_of_a_table_with_a_sort_key(deployed, orders):
    stack = in_dynamodb(deployed, keyName="customer", keyValue="other", sortKey={"name": "number", "value": 1}, attribute="lines")

    assert items_of(stack, finish(stack)) == [1, "a"]
