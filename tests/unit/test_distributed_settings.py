"""The `distributed` key: what fits together, and the message for what does not."""

import pytest

from components.settings import Distributed, Settings, SettingsError, parse


def test_the_defaults_reproduce_the_original():
    distributed = Settings().distributed

    assert (distributed.source, distributed.mode, distributed.keyName, distributed.keyValue, distributed.attribute) == (
        "dynamodb",
        "AUTO",
        "id",
        "list",
        "items",
    )
    assert (distributed.wait_seconds, distributed.timeout_seconds) == (2, 20)


def test_a_data_set_does_not_wait_unless_told_to():
    assert parse({"distributed": {"source": "s3"}}).distributed.wait_seconds == 0
    assert parse({"distributed": {"source": "s3", "waitSeconds": 1, "timeoutSeconds": 9}}).distributed.timeout_seconds == 9


@pytest.mark.parametrize(
    ("distributed", "message"),
    [
        (
            {"sorce": "s3"},
            f"distributed.sorce is not a known key; allowed: {', '.join(Distributed.model_fields)}; the nearest is source",
        ),
        ({"source": "s4"}, 'distributed.source is "s4"; allowed: dynamodb or s3'),
        ({"source": "s3", "table": "subjects"}, "distributed: table would have no effect with source s3: leave it out"),
        ({"format": "csv", "key": "a"}, "distributed: key, format would have no effect with source dynamodb: leave it out"),
        ({"source": "s3", "mode": "INLINE"}, "distributed: mode INLINE cannot read from S3; allowed with source s3: AUTO, DISTRIBUTED"),
        (
            {"mode": "INLINE", "batchSize": 2},
            "distributed: batchSize would have no effect in mode INLINE: leave it out, or take DISTRIBUTED",
        ),
        (
            {"sourceKmsKeyArn": "arn:aws:kms:us-east-1:000000000000:key/a"},
            "distributed: sourceKmsKeyArn is the key of an existing table or bucket: name one in table or bucket, or leave it out",
        ),
        ({"attribute": "id"}, 'distributed: attribute and keyName are both "id": the list needs an attribute of its own'),
        ({"sourceKmsKeyArn": "alias/a"}, 'distributed.sourceKmsKeyArn is "alias/a"; allowed: the ARN of a KMS key'),
        (
            {"keyValue": "{% 1 %}"},
            'distributed.keyValue is "{% 1 %}"; allowed: a whole number, or 1 to 1024 characters other than braces, $, '
            "backslashes, quotes and line breaks",
        ),
        ({"keyName": "a b"}, 'distributed.keyName is "a b"; allowed: 1 to 255 letters, digits, _, . or -'),
        ({"waitSeconds": -1}, "distributed.waitSeconds is -1; allowed: a whole number from 0 to 86400"),
        ({"timeoutSeconds": 0}, "distributed.timeoutSeconds is 0; allowed: a whole number from 1 to 31536000"),
        ({"toleratedFailurePercentage": 101}, "distributed.toleratedFailurePercentage is 101; allowed: a number from 0 to 100"),
        ({"batchSize": 0}, "distributed.batchSize is 0; allowed: a whole number from 1 to 10000"),
        (
            {"source": "s3", "batchSize": 1_001},
            "distributed: batchSize is 1001; allowed with childType STANDARD: a whole number from 1 to 1000, whose items fit one history "
            "where each has to be called alone (EXPRESS takes 10000)",
        ),
        ({"source": "s3", "read": "scan"}, "distributed: read would have no effect with source s3: leave it out"),
        ({"index": "by-term"}, "distributed: index would have no effect with read list: leave it out"),
        (
            {"table": "subjects", "read": "query", "attribute": "a"},
            "distributed: attribute would have no effect with read query: leave it out",
        ),
        ({"table": "subjects", "read": "scan", "keyValue": "a"}, "distributed: keyValue would have no effect with read scan: leave it out"),
        ({"read": "query"}, "distributed: read query is of an existing table: name it in table"),
        ({"sortKey": {"name": "part"}}, "distributed.sortKey: sortKey has one of value and beginsWith"),
        (
            {"sortKey": {"name": "part", "beginsWith": "a"}},
            "distributed: sortKey.beginsWith would have no effect with read list, which is one item: give sortKey.value",
        ),
        ({"source": "s3", "key": "a", "prefix": "b/"}, "distributed: key and prefix: an object, or all below a prefix; leave one out"),
        (
            {"source": "s3", "prefix": "b"},
            'distributed.prefix is "b"; allowed: a prefix of up to 900 letters, digits, _, ., /, = or -, ending in /',
        ),
        (
            {"source": "s3", "format": "parquet", "reading": {"delimiter": ";"}},
            "distributed: reading would have no effect with format parquet, whose one object Step Functions reads for itself: leave it out",
        ),
        (
            {"source": "s3", "reading": {"delimeter": ";"}},
            "distributed.reading.delimeter is not a known key; allowed: encoding, delimiter, quote, header, pointer"
            "; the nearest is delimiter",
        ),
        (
            {"source": "s3", "runSources": ["rows/a.csv"]},
            'distributed.runSources[0] is "rows/a.csv"; allowed: the address of an object (s3://bucket/key) or, ending in /, '
            "of all below a prefix",
        ),
        (
            {"childType": "EXPRESS", "waitSeconds": 280},
            "distributed: waitSeconds 280 and functionTimeoutSeconds 30 take more than the 300 seconds that a childType EXPRESS may run; "
            "allowed with them: STANDARD",
        ),
        ({"module": "my-module"}, 'distributed.module is "my-module"; allowed: a dotted Python module such as handlers.quotes.car_rental'),
    ],
)
def test_what_does_not_fit_is_refused_by_name(distributed, message):
    with pytest.raises(SettingsError) as refused:
        parse({"distributed": distributed})

    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("values", "allowed"),
    [
        ({"variants": ["map"]}, "0 to 40 for map (10000"),
        ({"variants": ["sns"]}, "0 to 40 (10000"),
        ({"variants": ["map", "distributed"], "distributed": {"mode": "DISTRIBUTED"}}, "0 to 40 for map (10000"),
        ({"variants": ["distributed"], "distributed": {"mode": "INLINE"}}, "0 to 40 for distributed.mode INLINE (10000"),
    ],
)
def test_the_bound_of_max_concurrency_is_that_of_the_variant(values, allowed):
    with pytest.raises(SettingsError, match="maxConcurrency is 41; allowed: a whole number from ") as refused:
        parse({**values, "maxConcurrency": 41})

    assert allowed in str(refused.value)


@pytest.mark.parametrize("mode", ["DISTRIBUTED", "AUTO"])
def test_a_distributed_map_alone_may_have_ten_thousand(mode):
    assert parse({"variants": ["distributed"], "maxConcurrency": 10_000, "distributed": {"mode": mode}}).maxConcurrency == 10_000

    with pytest.raises(SettingsError, match="maxConcurrency is 10001; allowed: a whole number from 0 to 10000"):
        parse({"variants": ["distributed"], "maxConcurrency": 10_001})
