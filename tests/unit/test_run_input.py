"""The input of a run: what it may say, what that changes, and one sentence for everything else."""

import pytest

from handlers import run_input
from handlers.run_input import InvalidInput, checked, tolerance_of

LIST = {
    "source": "dynamodb",
    "read": "list",
    "table": "subjects",
    "keyName": "id",
    "keyType": "S",
    "keyValue": "list",
    "attribute": "items",
}
YEARS = {**LIST, "keyType": "N", "keyValue": "2027"}
READABLE = ["s3://rows/data/", "s3://incoming/today.csv"]
OBJECT = {"source": "s3", "bucket": "rows", "key": "data/items.jsonl", "format": "auto", "reading": {}, "readable": READABLE}


def test_an_empty_input_is_what_the_stack_is_configured_with():
    assert checked({}, OBJECT, "DISTRIBUTED", 10) == run_input.RunInput(OBJECT, 10, None, None)


@pytest.mark.parametrize(
    ("given", "changed"),
    [
        ({"key": "data/2027.csv"}, {"key": "data/2027.csv"}),
        ({"prefix": "data/2027/"}, {"prefix": "data/2027/"}),
        ({"prefix": "data/"}, {"prefix": "data/"}),
        ({"bucket": "incoming", "key": "today.csv"}, {"bucket": "incoming", "key": "today.csv"}),
        ({"bucket": "rows"}, {"key": "data/items.jsonl"}),
    ],
)
def test_a_run_names_its_own_object_or_prefix(given, changed):
    expected = {name: value for name, value in OBJECT.items() if name != "key"} | changed

    assert checked(given, OBJECT, "DISTRIBUTED", 10).source == expected


@pytest.mark.parametrize(("source", "given", "value"), [(LIST, "2027", "2027"), (YEARS, 2028, "2028")])
def test_a_run_names_its_own_key_value(source, given, value):
    assert checked({"keyValue": given}, source, "INLINE", 1).source == {**source, "keyValue": value}


def test_a_run_has_its_own_concurrency_and_label():
    found = checked({"maxConcurrency": 3, "label": "2027-01-03", "tolerance": {"count": 1}}, LIST, "INLINE", 10)

    assert (found.max_concurrency, found.label) == (3, "2027-01-03")


def test_a_run_goes_back_to_an_earlier_one():
    assert checked({"again": "run-1"}, OBJECT, "DISTRIBUTED", 10).again == "run-1"


ALLOWED = "allowed with source s3: bucket, key, prefix, tolerance, maxConcurrency, label, again"


@pytest.mark.parametrize(
    ("source", "mode", "given", "why"),
    [
        (OBJECT, "DISTRIBUTED", ["a"], 'the input is ["a"]; allowed: an object, such as {}'),
        (OBJECT, "DISTRIBUTED", None, "the input is null; allowed: an object, such as {}"),
        (OBJECT, "DISTRIBUTED", {"Comment": "hello"}, f"the input has Comment; {ALLOWED}"),
        (OBJECT, "DISTRIBUTED", {"keyValue": "a"}, f"the input has keyValue; {ALLOWED}"),
        (LIST, "INLINE", {"key": "a"}, "the input has key; allowed with source dynamodb: keyValue, tolerance, maxConcurrency, label"),
        (
            LIST,
            "INLINE",
            {"again": "run-1"},
            "the input has again; allowed with source dynamodb: keyValue, tolerance, maxConcurrency, label "
            "(again needs mode DISTRIBUTED, whose rows and results are kept)",
        ),
        (
            OBJECT,
            "DISTRIBUTED",
            {"again": "run-1", "key": "data/a"},
            "the input has again and key: the rows are those of the earlier run; leave one out",
        ),
        (OBJECT, "DISTRIBUTED", {"key": "data/a", "prefix": "data/"}, "the input has key and prefix; allowed: one of them"),
        (OBJECT, "DISTRIBUTED", {"key": ""}, 'the input\'s key is ""; allowed: a text'),
        (OBJECT, "DISTRIBUTED", {"bucket": 3}, "the input's bucket is 3; allowed: a text"),
        (
            OBJECT,
            "DISTRIBUTED",
            {"key": "secret/a.csv"},
            "the input names s3://rows/secret/a.csv, which this stack may not read; allowed: s3://rows/data/, s3://incoming/today.csv "
            "(runSources adds to them)",
        ),
        (
            OBJECT,
            "DISTRIBUTED",
            {"bucket": "incoming", "prefix": "today.csv"},
            "the input names s3://incoming/today.csv, which this stack may not read; allowed: s3://rows/data/, s3://incoming/today.csv "
            "(runSources adds to them)",
        ),
        (YEARS, "INLINE", {"keyValue": "2027"}, 'the input\'s keyValue is "2027"; allowed: a whole number'),
        (LIST, "INLINE", {"keyValue": 2027}, "the input's keyValue is 2027; allowed: a text"),
        ({**LIST, "read": "scan"}, "INLINE", {"keyValue": "a"}, "the input has keyValue; a scan has none: leave it out"),
        (LIST, "INLINE", {"maxConcurrency": 41}, "the input's maxConcurrency is 41; allowed: a whole number from 0 to 40"),
        (OBJECT, "DISTRIBUTED", {"maxConcurrency": True}, "the input's maxConcurrency is true; allowed: a whole number from 0 to 10000"),
        (LIST, "INLINE", {"label": "a b"}, 'the input\'s label is "a b"; allowed: 1 to 80 letters, digits, _ or -'),
        (OBJECT, "DISTRIBUTED", {"again": "../a"}, 'the input\'s again is "../a"; allowed: 1 to 80 letters, digits, _ or -'),
        (
            LIST,
            "INLINE",
            {"tolerance": 3},
            'the input\'s tolerance is 3; allowed: like {"count": 10} or {"percentage": 1}',
        ),
        (
            LIST,
            "INLINE",
            {"tolerance": {"percent": 3}},
            'the input\'s tolerance is {"percent": 3}; allowed: like {"count": 10} or {"percentage": 1}',
        ),
        (LIST, "INLINE", {"tolerance": {"count": 1.5}}, "the input's tolerance.count is 1.5; allowed: a whole number of 0 or more"),
        (LIST, "INLINE", {"tolerance": {"percentage": 101}}, "the input's tolerance.percentage is 101; allowed: a number from 0 to 100"),
    ],
)
def test_what_is_not_allowed_is_refused_by_name(source, mode, given, why):
    with pytest.raises(InvalidInput) as refused:
        checked(given, source, mode, 10)

    assert str(refused.value) == why


@pytest.mark.parametrize(
    ("given", "tolerance"), [({}, {"count": 5}), ({"tolerance": {"percentage": 1}}, {"percentage": 1}), ({"tolerance": {}}, {})]
)
def test_the_tolerance_of_a_run_takes_the_place_of_the_configured_one(given, tolerance):
    assert tolerance_of(given, {"count": 5}) == tolerance
