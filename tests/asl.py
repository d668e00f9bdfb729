"""A strict check of Amazon States Language, for any state machine: `problems(definition)` is a list of what AWS would refuse, or
what can never be reached.

Rules: the Amazon States Language specification and its pages in the Step Functions developer guide, for JSONPath and JSONata,
with a query language per state. What only shows at run time (does a path exist? does a function?) is not looked at.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import jsonata

MAX_BYTES = 1_048_576
MAX_NAME = 80
TOKEN = re.compile(r"\$\{\w+\}")

MACHINE = {"Comment", "StartAt", "States", "Version", "TimeoutSeconds", "QueryLanguage"}
EVERY_STATE = {"Type", "Comment", "QueryLanguage"}
MOVES = {"Next", "End"}
RETRIES = {"Retry", "Catch"}
DISTRIBUTED = {
    "ItemReader",
    "ItemBatcher",
    "ResultWriter",
    "ToleratedFailureCount",
    "ToleratedFailurePercentage",
    "Label",
    "ToleratedFailureCountPath",
    "ToleratedFailurePercentagePath",
}
MAP = {"ItemProcessor", "ItemSelector", "MaxConcurrency", *DISTRIBUTED}

FIELDS: dict[str, set[str]] = {
    "Pass": MOVES,
    "Task": {*MOVES, *RETRIES, "Resource", "TimeoutSeconds", "HeartbeatSeconds", "Credentials"},
    "Choice": {"Choices", "Default"},
    "Wait": {*MOVES, "Seconds", "Timestamp"},
    "Succeed": set(),
    "Fail": {"Error", "Cause"},
    "Parallel": {*MOVES, *RETRIES, "Branches"},
    "Map": {*MOVES, *RETRIES, *MAP},
}
"""Of both query languages, beside EVERY_STATE."""

PATHS = {"InputPath", "OutputPath"}
RESULTS = {"Parameters", "ResultSelector", "ResultPath"}
JSONPATH: dict[str, set[str]] = {
    "Pass": {*PATHS, "Assign", "Result", "ResultPath", "Parameters"},
    "Task": {*PATHS, *RESULTS, "Assign", "TimeoutSecondsPath", "HeartbeatSecondsPath"},
    "Choice": {*PATHS, "Assign"},
    "Wait": {*PATHS, "Assign", "SecondsPath", "TimestampPath"},
    "Succeed": PATHS,
    "Fail": {"ErrorPath", "CausePath"},
    "Parallel": {*PATHS, *RESULTS, "Assign"},
    "Map": {*PATHS, "ResultSelector", "ResultPath", "Assign", "ItemsPath", "MaxConcurrencyPath"},
}
JSONATA: dict[str, set[str]] = {
    "Pass": {"Output", "Assign"},
    "Task": {"Output", "Assign", "Arguments"},
    "Choice": {"Output", "Assign"},
    "Wait": {"Output", "Assign"},
    "Succeed": {"Output"},
    "Fail": set(),
    "Parallel": {"Output", "Assign", "Arguments"},
    "Map": {"Output", "Assign", "Items"},
}
PATH_FIELDS = {
    "InputPath",
    "OutputPath",
    "ResultPath",
    "ItemsPath",
    "TimeoutSecondsPath",
    "HeartbeatSecondsPath",
    "SecondsPath",
    "TimestampPath",
    "MaxConcurrencyPath",
    "ErrorPath",
    "CausePath",
}
NULLABLE = {"InputPath", "OutputPath", "ResultPath"}
REQUIRED = {"Task": {"Resource"}, "Choice": {"Choices"}, "Parallel": {"Branches"}, "Map": {"ItemProcessor"}}
NESTED = {"Branches", "ItemProcessor"}
"""Hold machines, whose states say for themselves what their query language is."""

RETRIER = {"ErrorEquals", "IntervalSeconds", "MaxAttempts", "BackoffRate", "MaxDelaySeconds", "JitterStrategy", "Comment"}
CATCHER = {
    "JSONPath": {"ErrorEquals", "Next", "ResultPath", "Assign", "Comment"},
    "JSONata": {"ErrorEquals", "Next", "Output", "Assign", "Comment"},
}
COMPARISON = re.compile(
    r"(String|Numeric|Timestamp|Boolean)(Equals|LessThan|GreaterThan|LessThanEquals|GreaterThanEquals|Matches)(Path)?"
    r"|Is(Null|Present|Numeric|String|Boolean|Timestamp)"
)
READERS = {"JSON", "JSONL", "CSV", "MANIFEST", "PARQUET"}


def problems(definition: str | Mapping[str, Any]) -> list[str]:
    """Each as "where: what", empty where the definition is sound."""
    text = definition if isinstance(definition, str) else json.dumps(definition)
    machine = json.loads(text)
    found = list(_machine(machine, "", machine.get("QueryLanguage", "JSONPath"), MACHINE))
    found += [f"the token {token} is left over" for token in sorted(set(TOKEN.findall(text)))]
    names = list(_names(machine))
    found += [f"two states are called {name}" for name in sorted({name for name in names if names.count(name) > 1})]
    if len(text.encode()) > MAX_BYTES:
        found.append(f"{len(text.encode())} bytes; {MAX_BYTES} are allowed")
    return found


def states(machine: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(name, state) of the machine and of all machines inside it."""
    for name, state in machine["States"].items():
        yield name, state
        for inner in _inner(state):
            yield from states(inner)


def _inner(state: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [*state.get("Branches", []), *([state["ItemProcessor"]] if "ItemProcessor" in state else [])]


def _names(machine: Mapping[str, Any]) -> Iterator[str]:
    return (name for name, _ in states(machine))


def _machine(machine: Mapping[str, Any], where: str, language: str, allowed: set[str]) -> Iterator[str]:
    place = where or "the machine"
    yield from _unknown(machine, allowed, place)
    if not machine.get("States"):
        yield f"{place}: no States"
        return
    if machine.get("StartAt") not in machine["States"]:
        yield f"{place}: StartAt names no state"
    if not where and "TimeoutSeconds" in machine and not _is_whole(machine["TimeoutSeconds"], 1):
        yield f"{place}: TimeoutSeconds must be a whole number of 1 or more"
    for name, state in machine["States"].items():
        yield from _state(name, state, f"{where}{name}", machine, language)
    reached = _reached(machine)
    yield from (f"{where}{name}: nothing leads here" for name in machine["States"] if name not in reached)
    if not any(_ends(state) for name, state in machine["States"].items() if name in reached):
        yield f"{place}: no state ends it"


def _ends(state: Mapping[str, Any]) -> bool:
    return state.get("End") is True or state.get("Type") in ("Succeed", "Fail")


def _reached(machine: Mapping[str, Any]) -> set[str]:
    reached: set[str] = set()
    ahead = [str(machine.get("StartAt"))]
    while ahead:
        name = ahead.pop()
        if name in machine["States"] and name not in reached:
            reached.add(name)
            ahead += _targets(machine["States"][name])
    return reached


def _targets(state: Mapping[str, Any]) -> list[str]:
    ways = [state, *state.get("Choices", []), *state.get("Catch", [])]
    return [way[key] for way in ways for key in ("Next", "Default") if key in way]


def _state(name: str, state: Mapping[str, Any], where: str, machine: Mapping[str, Any], inherited: str) -> Iterator[str]:
    kind = state.get("Type")
    if kind not in FIELDS:
        yield f"{where}: Type {kind!r} is unknown"
        return
    language = state.get("QueryLanguage", inherited)
    if language not in ("JSONPath", "JSONata"):
        yield f"{where}: QueryLanguage {language!r} is unknown"
        return
    if inherited == "JSONata" and language == "JSONPath":
        yield f"{where}: a JSONPath state in a JSONata machine"
    if len(name) > MAX_NAME:
        yield f"{where}: a name has at most {MAX_NAME} characters"
    yield from _unknown(state, EVERY_STATE | FIELDS[kind] | (JSONATA if language == "JSONata" else JSONPATH)[kind], where)
    yield from (f"{where}: {field} is missing" for field in sorted(REQUIRED.get(kind, set()) - state.keys()))
    if FIELDS[kind] & MOVES and ("Next" in state) == (state.get("End") is True):
        yield f"{where}: either Next or End"
    yield from (f"{where}: leads to {target}, which is no state here" for target in _targets(state) if target not in machine["States"])
    yield from (f"{where}: {field} is no path" for field in sorted(PATH_FIELDS & state.keys()) if not _is_path(state[field], field))
    yield from _templates({key: value for key, value in state.items() if key not in NESTED}, where, language)
    yield from _errors(state, where, language)
    yield from {"Choice": _choice, "Wait": _wait, "Fail": _fail, "Map": _map, "Task": _task}.get(kind, _nothing)(state, where, language)
    for index, branch in enumerate(state.get("Branches", [])):
        yield from _machine(branch, f"{where}[{index}]/", language, {"Comment", "StartAt", "States"})
    if "ItemProcessor" in state:
        yield from _machine(state["ItemProcessor"], f"{where}/", language, {"Comment", "StartAt", "States", "ProcessorConfig"})


def _nothing(state: Mapping[str, Any], where: str, language: str) -> Iterator[str]:
    return iter(())


def _unknown(found: Mapping[str, Any], allowed: set[str], where: str) -> Iterator[str]:
    yield from (f"{where}: {field} is not allowed" for field in found if field not in allowed)


def _task(state: Mapping[str, Any], where: str, language: str) -> Iterator[str]:
    if not str(state.get("Resource", "")).startswith("arn:"):
        yield f"{where}: Resource is no ARN"
    for field in ("TimeoutSeconds", "HeartbeatSeconds"):
        if {field, f"{field}Path"} <= state.keys():
            yield f"{where}: either {field} or {field}Path"
        if field in state and not _is_whole(state[field], 1) and not _is_expression(state[field], language):
            yield f"{where}: {field} must be a whole number of 1 or more"


def _choice(state: Mapping[str, Any], where: str, language: str) -> Iterator[str]:
    if not state.get("Choices"):
        yield f"{where}: no Choices"
    for rule in state.get("Choices", []):
        if "Next" not in rule:
            yield f"{where}: a choice without Next"
        if language == "JSONata":
            yield from _unknown(rule, {"Condition", "Next", "Output", "Assign", "Comment"}, where)
            if not (isinstance(rule.get("Condition"), bool) or _is_expression(rule.get("Condition"), language)):
                yield f"{where}: Condition is no expression"
        else:
            yield from _rule({key: value for key, value in rule.items() if key not in ("Next", "Assign", "Comment")}, where)


def _rule(rule: Mapping[str, Any], where: str) -> Iterator[str]:
    for combined in ("And", "Or"):
        if combined in rule:
            yield from _unknown(rule, {combined}, where)
            for inner in rule[combined]:
                yield from _rule(inner, where)
            return
    if "Not" in rule:
        yield from _unknown(rule, {"Not"}, where)
        yield from _rule(rule["Not"], where)
        return
    comparisons = [field for field in rule if COMPARISON.fullmatch(field)]
    if len(comparisons) != 1 or not str(rule.get("Variable", "")).startswith("$"):
        yield f"{where}: a choice needs a Variable and one comparison, not {', '.join(rule)}"
    yield from _unknown(rule, {"Variable", *comparisons}, where)


def _wait(state: Mapping[str, Any], where: str, language: str) -> Iterator[str]:
    given = [field for field in ("Seconds", "Timestamp", "SecondsPath", "TimestampPath") if field in state]
    if len(given) != 1:
        yield f"{where}: a Wait needs one of Seconds and Timestamp"
    if "Seconds" in state and not _is_whole(state["Seconds"], 0) and not _is_expression(state["Seconds"], language):
        yield f"{where}: Seconds must be a whole number of 0 or more"


def _fail(state: Mapping[str, Any], where: str, language: str) -> Iterator[str]:
    yield from (f"{where}: either {field} or {field}Path" for field in ("Error", "Cause") if {field, f"{field}Path"} <= state.keys())


def _map(state: Mapping[str, Any], where: str, language: str) -> Iterator[str]:
    config = state["ItemProcessor"].get("ProcessorConfig", {}) if "ItemProcessor" in state else {}
    mode = config.get("Mode", "INLINE")
    limit = state.get("MaxConcurrency", 0)
    if not _is_expression(limit, language) and not (_is_whole(limit, 0) and limit <= (40 if mode == "INLINE" else 10_000)):
        yield f"{where}: MaxConcurrency {limit!r} is out of the range of mode {mode}"
    if mode == "INLINE":
        yield from (f"{where}: {field} needs mode DISTRIBUTED" for field in sorted(DISTRIBUTED & state.keys()))
        yield from _unknown(config, {"Mode"}, where)
        return
    yield from _unknown(config, {"Mode", "ExecutionType"}, where)
    if mode != "DISTRIBUTED" or config.get("ExecutionType") not in ("STANDARD", "EXPRESS"):
        yield f"{where}: mode DISTRIBUTED needs ExecutionType STANDARD or EXPRESS"
    if not re.fullmatch(r"[^\s?*<>{}\[\]:;,\\|^~$#%&`\"]{1,40}", state.get("Label", "label")):
        yield f"{where}: Label {state['Label']!r} is not allowed"
    count, share = state.get("ToleratedFailureCount", 0), state.get("ToleratedFailurePercentage", 0)
    if not _is_expression(count, language) and not _is_whole(count, 0):
        yield f"{where}: ToleratedFailureCount must be a whole number of 0 or more"
    if not _is_expression(share, language) and not (_is_number(share) and 0 <= share <= 100):
        yield f"{where}: ToleratedFailurePercentage must be from 0 to 100"
    arguments = "Arguments" if language == "JSONata" else "Parameters"
    if "ItemReader" in state:
        yield from _reader(state["ItemReader"], f"{where}: ItemReader", arguments)
        if {"ItemsPath", "Items"} & state.keys():
            yield f"{where}: either ItemReader or items from the input"
    if "ItemBatcher" in state:
        yield from _batcher(state["ItemBatcher"], f"{where}: ItemBatcher", language)
    if "ResultWriter" in state:
        yield from _writer(state["ResultWriter"], f"{where}: ResultWriter", arguments)


def _reader(reader: Mapping[str, Any], where: str, arguments: str) -> Iterator[str]:
    yield from _unknown(reader, {"Resource", "ReaderConfig", arguments}, where)
    if reader.get("Resource") not in ("arn:aws:states:::s3:getObject", "arn:aws:states:::s3:listObjectsV2"):
        yield f"{where}: Resource must be s3:getObject or s3:listObjectsV2"
        return
    config = reader.get("ReaderConfig", {})
    yield from _unknown(
        config,
        {
            "InputType",
            "CSVHeaderLocation",
            "CSVHeaders",
            "CSVDelimiter",
            "MaxItems",
            "MaxItemsPath",
            "ItemsPointer",
            "Transformation",
            "ManifestType",
        },
        where,
    )
    if reader["Resource"].endswith("getObject") and config.get("InputType") not in READERS:
        yield f"{where}: InputType {config.get('InputType')!r} is unknown"
    if (config.get("InputType") == "CSV") != ("CSVHeaderLocation" in config):
        yield f"{where}: CSVHeaderLocation belongs to InputType CSV"
    if config.get("CSVHeaderLocation", "FIRST_ROW") not in ("FIRST_ROW", "GIVEN"):
        yield f"{where}: CSVHeaderLocation must be FIRST_ROW or GIVEN"


def _batcher(batcher: Mapping[str, Any], where: str, language: str) -> Iterator[str]:
    limits = {"MaxItemsPerBatch", "MaxInputBytesPerBatch"}
    yield from _unknown(batcher, {*limits, *(f"{limit}Path" for limit in limits), "BatchInput"}, where)
    if not any(key.removesuffix("Path") in limits for key in batcher):
        yield f"{where}: needs MaxItemsPerBatch or MaxInputBytesPerBatch"
    for limit in limits & batcher.keys():
        most = 262_144 if limit == "MaxInputBytesPerBatch" else 10**9
        if not _is_expression(batcher[limit], language) and not (_is_whole(batcher[limit], 1) and batcher[limit] <= most):
            yield f"{where}: {limit} must be a whole number from 1 to {most}"


def _writer(writer: Mapping[str, Any], where: str, arguments: str) -> Iterator[str]:
    yield from _unknown(writer, {"Resource", "WriterConfig", arguments}, where)
    if not writer or ("Resource" in writer) != (arguments in writer):
        yield f"{where}: Resource and {arguments} belong together"
    if writer.get("Resource", "arn:aws:states:::s3:putObject") != "arn:aws:states:::s3:putObject":
        yield f"{where}: Resource must be s3:putObject"
    config = writer.get("WriterConfig", {"Transformation": "NONE", "OutputType": "JSON"})
    if (
        config.keys() != {"Transformation", "OutputType"}
        or config["Transformation"] not in ("NONE", "COMPACT", "FLATTEN")
        or config["OutputType"] not in ("JSON", "JSONL")
    ):
        yield f"{where}: WriterConfig {config} is not allowed"


def _errors(state: Mapping[str, Any], where: str, language: str) -> Iterator[str]:
    for field, allowed in (("Retry", RETRIER), ("Catch", CATCHER[language])):
        for index, entry in enumerate(state.get(field, [])):
            place = f"{where}: {field}[{index}]"
            yield from _unknown(entry, allowed, place)
            names = entry.get("ErrorEquals")
            if not names or not all(isinstance(name, str) and name for name in names):
                yield f"{place}: ErrorEquals names no error"
            elif "States.ALL" in names and (len(names) > 1 or index < len(state[field]) - 1):
                yield f"{place}: States.ALL must be alone and last"
            if field == "Catch" and "Next" not in entry:
                yield f"{place}: Next is missing"
            if field == "Retry":
                yield from _retrier(entry, place)


def _retrier(entry: Mapping[str, Any], place: str) -> Iterator[str]:
    for field, least in (("IntervalSeconds", 1), ("MaxAttempts", 0), ("MaxDelaySeconds", 1)):
        if field in entry and not _is_whole(entry[field], least):
            yield f"{place}: {field} must be a whole number of {least} or more"
    if not (_is_number(entry.get("BackoffRate", 1)) and entry.get("BackoffRate", 1) >= 1):
        yield f"{place}: BackoffRate must be 1 or more"
    if entry.get("MaxDelaySeconds", 2**31) <= entry.get("IntervalSeconds", 1):
        yield f"{place}: MaxDelaySeconds must be above IntervalSeconds"
    if entry.get("JitterStrategy", "NONE") not in ("FULL", "NONE"):
        yield f"{place}: JitterStrategy must be FULL or NONE"


def _templates(node: Any, where: str, language: str) -> Iterator[str]:
    """Expressions of the other query language, and those that do not parse."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key.endswith(".$"):
                if language == "JSONata":
                    yield f"{where}: {key} is JSONPath in a JSONata state"
                elif not (isinstance(value, str) and re.match(r"\$|States\.", value)):
                    yield f"{where}: {key} must be a path or an intrinsic function"
            yield from _templates(value, where, language)
    elif isinstance(node, list):
        for value in node:
            yield from _templates(value, where, language)
    elif isinstance(node, str) and (node.startswith("{%") or node.endswith("%}")):
        if language == "JSONPath":
            yield f"{where}: {node[:40]!r} is JSONata in a JSONPath state"
        elif not _is_expression(node, language):
            yield f"{where}: {node[:40]!r} must start with {{% and end with %}}"
        else:
            yield from _expression(node[2:-2], where)


def _expression(source: str, where: str) -> Iterator[str]:
    refusal = _refusal(source)
    if refusal is not None:
        yield f"{where}: JSONata does not parse: {refusal}"
    if re.search(r"\$eval\b", source):
        yield f"{where}: Step Functions has no $eval"


# A hundred branches have the same expressions.
@cache
def _refusal(source: str) -> str | None:
    try:
        jsonata.Jsonata.jsonata(source)
    except Exception as error:  # noqa: BLE001 - the parser's errors have no common type; each is a finding
        return str(error)
    return None


def _is_expression(value: Any, language: str) -> bool:
    return language == "JSONata" and isinstance(value, str) and value.startswith("{%") and value.endswith("%}")


def _is_path(value: Any, field: str) -> bool:
    """Fail's two may be intrinsic functions as well (AWS's documentation of the state)."""
    if value is None:
        return field in NULLABLE
    return isinstance(value, str) and (value.startswith("$") or (field in ("ErrorPath", "CausePath") and value.startswith("States.")))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
