"""The machines of DistributedMapProcessor, rendered for every source, mode and option."""

import itertools
import json

import pytest

from components import definition
from components import distributed_map_processor as processor
from components.settings import DistributedSettings
from tests import asl

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:"

SHAPES = {
    "list inline": {"mode": "INLINE"},
    "list distributed": {"mode": "DISTRIBUTED"},
    "object": {"source": "s3"},
    "prefix": {"source": "s3", "prefix": "data/2027/"},
    "query": {"table": "subjects", "read": "query", "mode": "DISTRIBUTED"},
    "parquet": {"source": "s3", "format": "parquet"},
    "inventory": {"source": "s3", "format": "inventory"},
    "athena": {"source": "s3", "format": "athena"},
}
OPTIONS = [
    {},
    {"waitSeconds": 0},
    {"waitSeconds": 3, "timeoutSeconds": 2},
    {"toleratedFailureCount": 5},
    {"toleratedFailurePercentage": 2.5},
    {"toleratedFailureCount": 5, "toleratedFailurePercentage": 1},
    {"idempotent": True},
    {"retries": 0},
]
ONLY_DISTRIBUTED = [
    {"batchSize": 100},
    {"childType": "EXPRESS", "waitSeconds": 0},
    {"batchSize": 2, "childType": "EXPRESS", "waitSeconds": 0},
]


def arguments(max_concurrency=10, **distributed):
    return DistributedSettings.model_validate({**distributed, "maxConcurrency": max_concurrency})


def render(max_concurrency=10, **distributed):
    args = arguments(max_concurrency, **distributed)
    return json.loads(
        processor.render(
            args,
            processor.choose_mode(args).mode,
            partition="aws",
            bucket="rows",
            reader=f"{FUNCTION}reader",
            processor=f"{FUNCTION}process",
            tally=f"{FUNCTION}tally",
        )
    )


def each(machine):
    return machine["States"]["Process each item"]


def states(machine):
    return dict(asl.states(machine))


CASES = [
    (shape, options)
    for (_, shape), options in itertools.product(SHAPES.items(), OPTIONS + ONLY_DISTRIBUTED)
    if not (shape.get("mode") == "INLINE" and options in ONLY_DISTRIBUTED)
]


@pytest.mark.parametrize(("shape", "options"), CASES, ids=lambda value: json.dumps(value))
def test_every_source_mode_and_option_is_sound(shape, options):
    assert asl.problems(render(**shape, **options)) == []


@pytest.mark.parametrize(("shape", "options"), CASES, ids=lambda value: json.dumps(value))
def test_the_states_are_those_of_one_file(shape, options):
    machine = render(**shape, **options)

    waits = "with_wait" if "Wait" in states(machine) else ""
    file = "_".join(filter(None, ["list", each(machine)["ItemProcessor"]["ProcessorConfig"]["Mode"].lower(), waits]))
    assert shape_of(definition.load(f"{file}.asl.json")) == shape_of(machine)


def shape_of(node):
    """States and fields, in order, without the values that a token may stand for."""
    if isinstance(node, dict):
        return {key: shape_of(value) for key, value in node.items() if key not in ("ReaderConfig", "tolerance")}
    return [shape_of(value) for value in node] if isinstance(node, list) else None


def test_a_wait_is_all_that_a_file_with_one_has_more():
    for mode in ("inline", "distributed"):
        without, waiting = (definition.load(f"list_{mode}{wait}.asl.json") for wait in ("", "_with_wait"))
        assert waiting.pop("Comment") == without.pop("Comment") + ", after a pause"
        inner = each(waiting)["ItemProcessor"]
        assert inner["States"].pop("Wait") == {"Type": "Wait", "Seconds": "${WaitSeconds}", "Next": "Process"}
        inner["StartAt"] = "Process"
        assert waiting == without


def test_inline_and_distributed_differ_in_the_map_alone():
    """And in how it ends where the Map itself reads, and cannot."""
    inline, distributed = (definition.load(f"list_{mode}.asl.json") for mode in ("inline", "distributed"))

    assert each(inline)["ItemSelector"].keys() == each(distributed)["ItemSelector"].keys()
    assert distributed["States"].pop("Source unreadable")["Error"] == "InvalidSource"
    for machine in (inline, distributed):
        del machine["Comment"], machine["States"]["Process each item"]
    assert inline == distributed


def test_no_file_has_jsonata():
    for file in definition.FOLDER.glob("list_*.asl.json"):
        assert "{%" not in file.read_text() and "JSONata" not in file.read_text()


@pytest.mark.parametrize("shape", [shape for name, shape in SHAPES.items() if name != "list inline"], ids=json.dumps)
def test_batches_and_results_are_in_the_distributed_map(shape):
    found = each(
        render(5000, **shape, batchSize=100, toleratedFailureCount=7, toleratedFailurePercentage=2.5, childType="EXPRESS", waitSeconds=0)
    )

    assert found["ItemBatcher"] == {"MaxItemsPerBatch": 100, "MaxInputBytesPerBatch": 200_000}
    assert (found["ToleratedFailurePercentage"], found["MaxConcurrencyPath"], found["Label"]) == (100, "$.maxConcurrency", processor.LABEL)
    assert found["ItemProcessor"]["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"}
    assert found["ResultWriter"] == {
        "Resource": "arn:aws:states:::s3:putObject",
        "Parameters": {"Bucket": "rows", "Prefix": "results"},
        "WriterConfig": {"Transformation": "FLATTEN", "OutputType": "JSONL"},
    }


@pytest.mark.parametrize("wait", ["", "_with_wait"])
def test_what_is_called_alone_is_called_as_the_batch_was(wait):
    """And so is an item of an inline Map: with the same patience."""
    inline, distributed = (
        each(definition.load(f"list_{mode}{wait}.asl.json"))["ItemProcessor"]["States"] for mode in ("inline", "distributed")
    )
    alone = distributed["Process each alone"]["ItemProcessor"]["States"]

    assert without(distributed["Process"]) == without(inline["Process"]) == without(alone["Process alone"])
    assert distributed["Record the crash"] == inline["Record the crash"] == alone["Record its crash"]


def without(call):
    """What it does, whatever comes next."""
    return {field: value for field, value in call.items() if field not in ("Comment", "Catch")}


@pytest.mark.parametrize(
    ("shape", "index", "item"),
    [
        ({"source": "s3"}, "$$.Map.Item.Value.index", "$$.Map.Item.Value.item"),
        ({"mode": "INLINE"}, "$$.Map.Item.Value.index", "$$.Map.Item.Value.item"),
        ({"source": "s3", "format": "parquet"}, "$$.Map.Item.Index", "$$.Map.Item.Value"),
    ],
)
def test_a_row_has_the_number_that_the_reader_gave_it_or_the_map(shape, index, item):
    assert each(render(**shape))["ItemSelector"] == {
        "run.$": "$$.Execution.Name",
        "label.$": "$.label",
        "index.$": index,
        "item.$": item,
    }


def test_a_batch_of_one_may_be_as_large_as_an_execution_takes():
    assert each(render(source="s3"))["ItemBatcher"] == {"MaxItemsPerBatch": 1, "MaxInputBytesPerBatch": 262_144}


@pytest.mark.parametrize("mode", ["INLINE", "DISTRIBUTED"])
def test_the_tally_judges_the_tolerance_in_both_modes(mode):
    tally = render(mode=mode, toleratedFailureCount=7, toleratedFailurePercentage=2.5)["States"]["Tally"]

    assert tally["Parameters"]["Payload"]["tolerance"] == {"count": 7, "percentage": 2.5}


@pytest.mark.parametrize(
    ("given", "config"),
    [
        ({"source": "s3", "format": "json"}, {"InputType": "JSONL"}),
        ({"source": "s3", "format": "csv"}, {"InputType": "JSONL"}),
        ({"source": "s3", "format": "parquet"}, {"InputType": "PARQUET"}),
        ({"source": "s3", "format": "inventory"}, {"InputType": "MANIFEST"}),
        ({"source": "s3", "format": "athena"}, {"InputType": "PARQUET", "ManifestType": "ATHENA_DATA"}),
        ({"mode": "DISTRIBUTED"}, {"InputType": "JSONL"}),
    ],
)
def test_the_map_knows_the_format_of_what_the_reader_found(given, config):
    assert each(render(**given))["ItemReader"] == {
        "Resource": "arn:aws:states:::s3:getObject",
        "ReaderConfig": config,
        "Parameters": {"Bucket.$": "$.bucket", "Key.$": "$.key"},
    }


def test_the_original_lesson_is_the_default():
    machine = render(1)

    assert machine["TimeoutSeconds"] == 20
    assert machine["States"]["Read the source"]["Parameters"]["Payload"]["maxConcurrency"] == 1
    assert states(machine)["Wait"]["Seconds"] == 2


def test_a_data_set_neither_waits_nor_ends_after_twenty_seconds():
    assert render(source="s3")["TimeoutSeconds"] == 86_400


def retries(machine, error):
    """(seconds, attempts) of the retrier that takes this error."""
    retrier = next(retrier for retrier in states(machine)["Process"]["Retry"] if error in retrier["ErrorEquals"])
    return retrier["IntervalSeconds"], retrier["MaxAttempts"]


@pytest.mark.parametrize("error", ["ItemInProgress", "Sandbox.Timedout", "Lambda.Unknown"])
def test_asking_again_outlasts_the_claim_of_a_call_that_broke(error):
    seconds, attempts = retries(render(idempotent=True, functionTimeoutSeconds=30, retries=0), error)

    assert seconds > 32  # the function's own limit: 30 and 2
    assert attempts >= 2


def test_without_claims_a_call_that_broke_is_not_made_again():
    machine = render(retries=2)

    assert retries(machine, "Sandbox.Timedout")[1] == retries(machine, "Runtime.ExitError")[1] == retries(machine, "Lambda.Unknown")[1] == 0
    assert retries(machine, "TransientError")[1] == 2


@pytest.mark.parametrize(
    ("distributed", "most"),
    [({}, 607), ({"waitSeconds": 0}, 638), ({"retries": 0}, 711), ({"retries": 10}, 383), ({"idempotent": True, "waitSeconds": 0}, 553)],
)
def test_as_many_items_fit_inline_as_the_history_has_room_for_at_the_worst(distributed, most):
    args = arguments(**distributed)

    assert processor.inline_items(args) == most
    process, crash = (states(render(**distributed))[name] for name in ("Process", "Record the crash"))
    attempts = 2 + sum(retrier["MaxAttempts"] for state in (process, crash) for retrier in state["Retry"])
    waits = 2 if args.wait_seconds else 0
    assert most * (2 + waits + 2 + 2 + 3 * attempts) < 25_000


@pytest.mark.parametrize(
    ("distributed", "concurrency", "mode", "why"),
    [
        ({"mode": "INLINE"}, 1, "INLINE", "the configuration says so"),
        ({"mode": "DISTRIBUTED"}, 1, "DISTRIBUTED", "the configuration says so"),
        ({}, 1, "INLINE", "up to 607 items fits one execution"),
        ({"sizeHint": 607}, 1, "INLINE", "sizeHint is 607"),
        ({"sizeHint": 608}, 1, "DISTRIBUTED", "sizeHint 608 is above the 607"),
        ({"source": "s3"}, 1, "DISTRIBUTED", "only a Distributed Map reads from S3"),
        ({}, 41, "DISTRIBUTED", "maxConcurrency 41 is above the 40"),
        ({"batchSize": 2}, 1, "DISTRIBUTED", "batchSize"),
    ],
)
def test_auto_chooses_by_source_and_size_and_says_why(distributed, concurrency, mode, why):
    choice = processor.choose_mode(arguments(concurrency, **distributed))

    assert choice.mode == mode
    assert why in choice.why


@pytest.mark.parametrize(
    ("distributed", "concurrency", "seconds"),
    [({"waitSeconds": 25}, 1, 25), ({"sizeHint": 10}, 3, 8), ({"sizeHint": 10}, 0, 2), ({"waitSeconds": 0, "sizeHint": 10}, 1, 0)],
)
def test_how_long_the_waiting_takes(distributed, concurrency, seconds):
    assert processor.shortest_seconds(arguments(concurrency, **distributed)) == seconds
