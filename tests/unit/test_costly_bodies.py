"""Bodies that are built to hurt cost about what plain ones of their size do."""

import contextlib
import gc
import json
import time

import pytest

from handlers import completion, request
from handlers.contract import InvalidRequest

BYTES = 230_000
KNOWN = [f"r{number}" for number in range(100)]
AT_MOST = 10
"""Times the processor time of a plain body; the worst here takes about a third of that."""


def rows(row: str) -> str:
    return '{"data":{"rows":[' + ",".join([row] * (BYTES // (len(row) + 1))) + "]}}"


PLAIN = rows('{"name": "a car", "price": 99.5, "days": 30}')

COSTLY = {
    "every key twice": '{"data":{' + ",".join(f'"k{number // 2}":1' for number in range(BYTES // 11)) + "}}",
    "one key": '{"data":{' + ",".join(['"a":1'] * (BYTES // 6)) + "}}",
    "lists in lists": "[" * BYTES,
    "objects in objects": '{"a":' * (BYTES // 5),
    "as deep as allowed, often": rows("[" * 13 + "]" * 13),
    "an integer": '{"data":{"a":' + "9" * BYTES + "}}",
    "a fraction": '{"data":{"a":0.' + "9" * BYTES + "}}",
    "long integers": rows("9" * 399),
    "integers": rows("9" * 15),
    "fractions": rows("1.5"),
    "long fractions": rows("0." + "0" * 390 + "1"),
    "exponents": rows("1e125"),
    "negative exponents": rows("1e-130"),
    "exponents out of range": rows("1e-99999"),
    "escapes": '{"data":{"a":"' + "\\u0041" * (BYTES // 6) + '"}}',
    "pairs of surrogates": '{"data":{"a":"' + "\\ud83d\\ude00" * (BYTES // 12) + '"}}',
    "halves of surrogates": '{"data":{"a":"' + "\\ud83d" * (BYTES // 6) + '"}}',
    "backslashes": '{"data":{"a":"' + "\\\\" * (BYTES // 2) + '"}}',
    "white space": '{"data":{}}' + " " * BYTES,
    "nothing but white space": " \t\n" * (BYTES // 3),
    "a string that never ends": '{"data":{"a":"' + "x" * BYTES,
    "an id": json.dumps({"requestId": "a" * BYTES, "data": {}}),
    "an id that is nearly right": json.dumps({"requestId": "a" * 64 + "\n", "description": "x" * BYTES, "data": {}}),
    "an amount of zeros": json.dumps({"data": {}, "completion": {"amountBelow": "0." + "0" * BYTES}}),
    "one recipient over and over": json.dumps({"recipients": ["r99"] * (BYTES // 7), "data": {}}),
    "unknown keys": json.dumps({f"k{number}": 1 for number in range(BYTES // 12)}),
    "empty objects": rows("{}"),
    "nulls": rows("null"),
}


@pytest.fixture(scope="module")
def plain():
    return seconds(PLAIN)


@pytest.mark.parametrize("body", [pytest.param(text, id=name) for name, text in COSTLY.items()])
def test_a_body_that_is_built_to_hurt_costs_little_more_than_a_plain_one(plain, body):
    assert seconds(body) <= AT_MOST * plain


def seconds(body: str) -> float:
    """Of the processor, the least of three: the machine may be busy."""
    return min(once(body.encode()) for _ in range(3))


def once(body: bytes) -> float:
    """Without the garbage collector, which would look at all that the other tests have left in this process."""
    gc.disable()
    try:
        began = time.process_time()
        with contextlib.suppress(InvalidRequest):
            request.read(body, KNOWN, completion.Policy(60))
        return time.process_time() - began
    finally:
        gc.enable()


@pytest.mark.parametrize("number", ["9" * 399 + "e5", "1." + "0" * 500, "0." + "0" * 397 + "1e-5", "9" * 5000])
def test_a_number_with_too_many_characters_is_refused_with_how_many_are_allowed(number):
    with pytest.raises(InvalidRequest, match=rf"a number is written with {len(number)} characters; at most 400 are allowed"):
        request.read(f'{{"data": {{"a": {number}}}}}'.encode(), KNOWN, completion.Policy(60))


def test_a_body_that_is_too_long_is_not_read_at_all():
    with pytest.raises(InvalidRequest, match="the body takes 300000 bytes"):
        request.read(b"{" * 300_000, KNOWN, completion.Policy(60))
