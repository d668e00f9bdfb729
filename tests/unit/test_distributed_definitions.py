"""The machines of DistributedMapProcessor, rendered for every source, mode and option."""

import itertools
import json

import pytest

from components import distributed_map_processor as processor
from components.settings import Distributed
from tests import asl

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:"

SHAPES = {
    "list inline": {"mode": "INLINE"},
    "list distributed": {"mode": "DISTRIBUTED"},
    "json": {"source": "s3", "format": "json"},
    "jsonl": {"source": "s3", "format": "jsonl"},
    "csv": {"source": "s3", "format": "csv"},
}
OPTIONS = [
    {}, {"waitSeconds": 0}, {"waitSeconds": 3, "timeoutSeconds": 2}, {"toleratedFailureCount": 5}, {"toleratedFailurePercentage": 2.5},
    {"toleratedFailureCount": 5, "toleratedFailurePercentage": 1}, {"idempotent": True}, {"retries": 0},
]
ONLY_DISTRIBUTED = [
    {"batchSize": 100}, {"childType": "EXPRESS", "waitSeconds": 0}, {"batchSize": 2, "childType": "EXPRESS", "waitSeconds": 0},
]


def arguments(max_concurrency=10, **distributed):
    own = Distributed.model_validate(distributed)
    return {
        **own.model_dump(), "keyValue": str(own.keyValue), "keyType": own.key_type, "waitSeconds": own.wait_seconds,
        "timeoutSeconds": own.timeout_seconds, "maxConcurrency": max_concurrency, "layerArn": "", "resultRetentionDays": 30,
        "logRetentionDays": 14, "retainData": False}


def render(max_concurrency=10, **distributed):
    args = arguments(max_concurrency, **distributed)
    return json.loads(processor.render(
        args, processor.choose_mode(args).mode, table="subjects", bucket="rows", object_key="data/items.csv",
        processor=f"{FUNCTION}process", tally=f"{FUNCTION}tally"))


def states(machine):
    return dict(asl.states(machine))


CASES = [
    (shape, options) for (_, shape), options in itertools.product(SHAPES.items(), OPTIONS + ONLY_DISTRIBUTED)
    if not (shape.get("mode") == "INLINE" and options in ONLY_DISTRIBUTED)
]


@pytest.mark.parametrize(("shape", "options"), CASES, ids=lambda value: json.dumps(value))
def test_every_source_mode_and_option_is_sound(shape, options):
    assert asl.problems(render(**shape, **options)) == []


@pytest.mark.parametrize("shape", [shape for name, shape in SHAPES.items() if name != "list inline"], ids=json.dumps)
def test_tolerance_batches_and_results_are_in_the_distributed_map(shape):
    each = states(render(5000, **shape, batchSize=100, toleratedFailureCount=7, toleratedFailurePercentage=2.5, childType="EXPRESS",
                         waitSeconds=0))["Each"]

    assert each["ItemBatcher"] == {"MaxItemsPerBatch": 100, "MaxInputBytesPerBatch": 200_000}
    assert (each["ToleratedFailureCount"], each["ToleratedFailurePercentage"], each["MaxConcurrency"]) == (7, 2.5, 5000)
    assert each["ItemProcessor"]["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"}
    assert each["ResultWriter"] == {
        "Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "rows", "Prefix": "results"},
        "WriterConfig": {"Transformation": "FLATTEN", "OutputType": "JSONL"}}
    assert each["ItemSelector"] == {"run.$": "$$.Execution.Name", "index.$": "$$.Map.Item.Index", "item.$": "$$.Map.Item.Value"}


def test_what_was_not_asked_for_is_left_out():
    each = states(render(source="s3"))["Each"]

    assert not {"ItemBatcher", "ToleratedFailureCount", "ToleratedFailurePercentage"} & each.keys()
    assert each["ItemProcessor"]["StartAt"] == "Process"
    assert "Wait" not in each["ItemProcessor"]["States"]


@pytest.mark.parametrize(("format", "config"), [
    ("json", {"InputType": "JSON"}), ("jsonl", {"InputType": "JSONL"}), ("csv", {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"})])
def test_the_reader_knows_the_format(format, config):
    reader = states(render(source="s3", format=format))["Each"]["ItemReader"]

    assert reader == {"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": config,
                      "Parameters": {"Bucket": "rows", "Key": "data/items.csv"}}


@pytest.mark.parametrize("mode", ["INLINE", "DISTRIBUTED"])
def test_table_key_and_attribute_are_those_of_the_configuration(mode):
    machine = render(mode=mode, keyName="term", keyValue=2027, attribute="topics")

    read = machine["States"]["Read"]["Arguments"]
    assert (read["TableName"], read["Key"]) == ("subjects", {"term": {"N": "2027"}})
    assert read["ExpressionAttributeNames"] == {"#key": "term", "#list": "topics"}
    assert '$lookup($item, "topics")' in machine["States"]["Read"]["Output"]


def test_the_original_lesson_is_the_default():
    machine = render(1)

    assert machine["TimeoutSeconds"] == 20
    assert machine["States"]["Each"]["MaxConcurrency"] == 1
    assert states(machine)["Wait"]["Seconds"] == 2


def test_a_data_set_neither_waits_nor_ends_after_twenty_seconds():
    assert render(source="s3")["TimeoutSeconds"] == 86_400


def test_asking_again_outlasts_the_claim_of_a_call_that_broke():
    retry = states(render(idempotent=True, functionTimeoutSeconds=30, retries=0))["Process"]["Retry"]

    assert retry[0]["ErrorEquals"][0] == "ItemInProgress"
    assert retry[0]["IntervalSeconds"] > 32  # the function's own limit: 30 and 2
    assert retry[0]["MaxAttempts"] >= 2
    assert retry[-1]["MaxAttempts"] == 0


@pytest.mark.parametrize(("distributed", "concurrency", "mode", "why"), [
    ({"mode": "INLINE"}, 1, "INLINE", "the configuration says so"),
    ({"mode": "DISTRIBUTED"}, 1, "DISTRIBUTED", "the configuration says so"),
    ({}, 1, "INLINE", "up to 2000 items fits one execution"),
    ({"sizeHint": 2000}, 1, "INLINE", "sizeHint is 2000"),
    ({"sizeHint": 2001}, 1, "DISTRIBUTED", "sizeHint 2001 is above"),
    ({"source": "s3"}, 1, "DISTRIBUTED", "only a Distributed Map reads from S3"),
    ({}, 41, "DISTRIBUTED", "maxConcurrency 41 is above the 40"),
    ({"batchSize": 2}, 1, "DISTRIBUTED", "batchSize"),
])
def test_auto_chooses_by_source_and_size_and_says_why(distributed, concurrency, mode, why):
    choice = processor.choose_mode(arguments(concurrency, **distributed))

    assert choice.mode == mode
    assert why in choice.why


@pytest.mark.parametrize(("distributed", "concurrency", "seconds"), [
    ({"waitSeconds": 25}, 1, 25), ({"sizeHint": 10}, 3, 8), ({"sizeHint": 10}, 0, 2), ({"waitSeconds": 0, "sizeHint": 10}, 1, 0)])
def test_how_long_the_waiting_takes(distributed, concurrency, seconds):
    assert processor.shortest_seconds(arguments(concurrency, **distributed)) == seconds
