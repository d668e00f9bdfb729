"""What MiniStack leaves out of a Distributed Map: batches, the files of the ResultWriter, MaxConcurrencyPath, and the end of a run that is
stopped.

The Map is changed into one that MiniStack knows: its items are read, selected and put into batches here, and what its children came to is
written here. The files have the names and the contents that the Step Functions developer guide gives for WriterConfig FLATTEN and JSONL:
https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultwriter.html
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ministack.services import s3, stepfunctions

State = Mapping[str, Any]

GROUPING = ("ItemReader", "ItemSelector", "ItemBatcher", "ResultWriter", "ResultSelector", "ResultPath", "OutputPath", "MaxConcurrencyPath")
"""Fields of the Map that are dealt with here."""

_run_items = stepfunctions._run_map_items
_run_distributed = stepfunctions._run_distributed_map
_run_states = stepfunctions._run_sub_machine
_view = stepfunctions._map_run_view

_items: dict[str, tuple[int, int]] = {}
"""Of each execution with a Map Run: how many items there are, and how many a batch has."""


def complete() -> None:
    """Puts this module's functions in the places of MiniStack's."""
    for name, function in (
        ("_run_map_items", _with_concurrency_of_path),
        ("_run_distributed_map", _with_batches_and_results),
        ("_run_sub_machine", _unless_stopped),
        ("_map_run_view", _counting_items),
    ):
        setattr(stepfunctions, name, function)


def _with_concurrency_of_path(state: State, raw_input: Any, execution: dict[str, Any], context: dict[str, Any]) -> Any:
    if "MaxConcurrencyPath" in state:
        effective = stepfunctions._apply_input_path(state, raw_input, context)
        most = stepfunctions._resolve_path_or_ctx(state["MaxConcurrencyPath"], effective, context)
        state = {**state, "MaxConcurrency": most}
    return _run_items(state, raw_input, execution, context)


def _with_batches_and_results(
    state: State, raw_input: Any, effective: Any, iterator: State, execution: dict[str, Any], context: dict[str, Any]
) -> Any:
    reader, selector = state.get("ItemReader"), state.get("ItemSelector")
    items = stepfunctions._read_map_items(reader, effective, context) if reader else _items_of_input(state, effective, context)
    selected = list(_selected(items, selector, effective, context)) if selector else items
    batcher = state.get("ItemBatcher")
    inputs = [{"Items": batch} for batch in _batches(selected, batcher)] if batcher else selected
    _items[execution["executionArn"]] = (len(items), batcher["MaxItemsPerBatch"] if batcher else 1)

    bare = {field: value for field, value in state.items() if field not in GROUPING}
    writer = state.get("ResultWriter")
    try:
        results, _ = _run_distributed({**bare, "ItemsPath": "$"}, raw_input, inputs, iterator, execution, context)
    finally:
        run = next(run for run in reversed(stepfunctions._map_runs.values()) if run["executionArn"] == execution["executionArn"])
        if writer:
            written = _write(stepfunctions._resolve_params_obj(writer["Parameters"], effective, context), run)
    result = {"MapRunArn": run["mapRunArn"], "ResultWriterDetails": written} if writer else results
    output = stepfunctions._apply_result_path(state, raw_input, stepfunctions._apply_result_selector(state, result))
    return stepfunctions._apply_output_path(state, output, context), stepfunctions._next_or_end(state)


def _items_of_input(state: State, effective: Any, context: dict[str, Any]) -> list[Any]:
    return stepfunctions._resolve_path_or_ctx(state.get("ItemsPath", "$"), effective, context)


def _selected(items: Iterable[Any], selector: Any, effective: Any, context: Mapping[str, Any]) -> Iterator[Any]:
    for index, value in enumerate(items):
        yield stepfunctions._resolve_params_obj(selector, effective, {**context, "Map": {"Item": {"Index": index, "Value": value}}})


def _batches(items: Iterable[Any], batcher: State) -> Iterator[list[Any]]:
    most, most_bytes = batcher["MaxItemsPerBatch"], batcher.get("MaxInputBytesPerBatch", 262_144)
    batch: list[Any] = []
    size = 0
    for item in items:
        length = len(json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode()) + 1
        if batch and (len(batch) == most or size + length > most_bytes):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += length
    if batch:
        yield batch


def _unless_stopped(states: State, start: str, given: Any, execution: dict[str, Any], context: dict[str, Any]) -> Any:
    """What has begun ends; what has not, and belongs to a run that was stopped, does not begin."""
    run = stepfunctions._map_runs.get(execution.get("mapRunArn"))
    if run and stepfunctions._executions[run["executionArn"]]["status"] == "ABORTED":
        raise stepfunctions._ExecutionError("States.Aborted", "")
    return _run_states(states, start, given, execution, context)


def _write(where: Mapping[str, str], run: Mapping[str, Any]) -> dict[str, str]:
    """The files of a run, below a folder that is called as the run."""
    bucket, folder = where["Bucket"], f"{where['Prefix']}/{run['mapRunArn'].rpartition(':')[2]}"
    children = [child for child in stepfunctions._executions.values() if child.get("mapRunArn") == run["mapRunArn"]]
    files: dict[str, list[dict[str, Any]]] = {"SUCCEEDED": [], "FAILED": [], "PENDING": []}
    for status in files:
        lines = list(_lines(children, status))
        if lines:
            key = f"{folder}/{status}_0.jsonl"
            body = "".join(line + "\n" for line in lines).encode()
            s3._put_object(bucket, key, body, {})
            files[status].append({"Key": key, "Size": len(body)})
    key = f"{folder}/manifest.json"
    s3._put_object(bucket, key, json.dumps({"DestinationBucket": bucket, "MapRunArn": run["mapRunArn"], "ResultFiles": files}).encode(), {})
    return {"Bucket": bucket, "Key": key}


def _lines(children: Iterable[Mapping[str, Any]], status: str) -> Iterator[str]:
    for child in children:
        state = "PENDING" if child.get("error") == "States.Aborted" else child["status"]
        if state != status:
            continue
        if status == "SUCCEEDED":
            output = json.loads(child["output"])
            yield from (json.dumps(one, ensure_ascii=False) for one in (output if isinstance(output, list) else [output]))
        else:
            told = {"Input": child["input"], "Name": child["name"], "Status": state}
            yield json.dumps({**told, **({"Error": child["error"], "Cause": child["cause"]} if state == "FAILED" else {})})


def _counting_items(run: dict[str, Any]) -> dict[str, Any]:
    """MiniStack counts children; a Map Run counts items too, where a batch has several."""
    view = _view(run)
    total, most = _items.get(run["executionArn"], (0, 1))
    if most == 1:
        return view
    counts = {name: min(number * most, total) for name, number in run["executionCounts"].items()}
    counts["pending"] = max(0, total - sum(counts[name] for name in ("running", "succeeded", "failed")))
    return {**view, "itemCounts": {**counts, "total": total}}
