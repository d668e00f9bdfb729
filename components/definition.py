"""State machine definitions: a file of `statemachines/` with its ${Tokens} bound.

A token that is a whole JSON string becomes the value itself, of whatever type; inside a longer string it becomes text. The
JSONata expressions that several states share are tokens too: `jsonata/close_values.jsonata` is ${CloseValues}.
"""

import functools
import json
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "statemachines"
TOKEN = re.compile(r"\$\{(\w+)\}")
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)

MAX_BYTES = 1_048_576
"""Step Functions' limit for a definition."""

EXPRESS_SECONDS, STANDARD_SECONDS = 300, 31_536_000
"""How long an execution may run (Step Functions' limits)."""

ASK_RETRY = [
    {
        "ErrorEquals": [
            "TransientError", "Lambda.ServiceException", "Lambda.AWSLambdaException", "Lambda.SdkClientException",
            "Lambda.TooManyRequestsException", "Lambda.ClientExecutionTimeoutException",
            # The emulator's names for what a function raised and for a throttle; AWS never uses the first.
            "Runtime.HandlerError", "Lambda.Unknown",
        ],
        "IntervalSeconds": 1, "BackoffRate": 2, "MaxAttempts": 2, "MaxDelaySeconds": 5, "JitterStrategy": "FULL",
    }
]
CALL_RETRY = [{**ASK_RETRY[0], "ErrorEquals": [error for error in ASK_RETRY[0]["ErrorEquals"] if error.startswith("Lambda.")]}]
"""For a function whose own errors are no passing faults."""

STORE_RETRY = [
    {
        "ErrorEquals": [
            "DynamoDB.InternalServerErrorException", "DynamoDB.InternalServerError", "DynamoDB.ThrottlingException",
            "DynamoDB.ProvisionedThroughputExceededException", "DynamoDB.RequestLimitExceeded", "DynamoDB.SdkClientException",
            "DynamoDB.TransactionConflictException",
            # What the integration has no name of its own for.
            "DynamoDB.AmazonDynamoDBException",
        ],
        "IntervalSeconds": 1, "BackoffRate": 2, "MaxAttempts": 4, "MaxDelaySeconds": 10, "JitterStrategy": "FULL",
    }
]

CLOSE_RETRY = [
    *STORE_RETRY,
    {
        # An expression has one second on the clock (AWS and emulator alike); when all answers are in, that must not be the end.
        "ErrorEquals": ["States.QueryEvaluationError"],
        "IntervalSeconds": 1, "BackoffRate": 2, "MaxAttempts": 3, "JitterStrategy": "FULL",
    },
]


def ask_retry(retries: Collection[int]) -> list[dict[str, Any]]:
    """ASK_RETRY for responders with so many retries each. Which attempt is a responder's last one, it decides by itself; this
    only has to allow the most of any."""
    return [{**retrier, "MaxAttempts": max(retrier["MaxAttempts"], *map(int, retries))} for retrier in ASK_RETRY]


class DefinitionError(ValueError):
    """A token of the file has no value, or a value has no token."""


def render(
    file: str, tokens: Mapping[str, Any], branches: Sequence[Mapping[str, Any]] = (), without: Collection[str] = (),
) -> str:
    """The definition as JSON text. file: its name in `statemachines/`; tokens: a value for each token that is not an
    expression. A token left over on either side is a DefinitionError.

    branches: where the file has a Parallel state, its one branch is a template, repeated with each of these sets of tokens.
    without: names of fields and states of the file to leave out; one that it does not have is a DefinitionError.
    """
    used: set[str] = set()
    source = load(file)
    for name in without:
        source = leave_out(source, name, used)
    absent = set(without) - used
    if absent:
        raise DefinitionError(f"{file} has no field or state {', '.join(sorted(absent))} to leave out")
    for state in source["States"].values():
        if state["Type"] == "Parallel":
            [template] = state["Branches"]
            state["Branches"] = [bind(template, {**tokens, **branch}, used) for branch in branches]
    bound = bind(source, tokens, used)
    unused = set(tokens).union(*branches) - used
    if unused:
        raise DefinitionError(f"{file} has no token {', '.join(sorted(unused))}")
    text = json.dumps(bound, separators=(",", ":"))
    if len(text) > MAX_BYTES:
        raise DefinitionError(f"{file}: the definition takes {len(text)} bytes; Step Functions allows {MAX_BYTES}")
    return text


def load(file: str) -> dict[str, Any]:
    return json.loads((FOLDER / file).read_text())


def leave_out(node: Any, name: str, used: set[str]) -> Any:
    """`node` (JSON) without the fields and states of that name. What led to such a state leads to the one after it, or, where it is a
    Choice, to its default; one that ends the machine must not be led to."""
    if isinstance(node, list):
        return [leave_out(value, name, used) for value in node]
    if not isinstance(node, dict):
        return node
    left = node.get("States", {}).get(name)
    if name in node:
        used.add(name)
    kept = {key: leave_out(value, name, used) for key, value in node.items() if key != name}
    return kept if left is None else _redirect(kept, name, left.get("Next", left.get("Default")))


def _redirect(node: Any, name: str, after: str | None) -> Any:
    if isinstance(node, list):
        return [_redirect(value, name, after) for value in node]
    if not isinstance(node, dict):
        return node
    if after is None and name in [node.get(key) for key in ("Next", "Default", "StartAt")]:
        raise DefinitionError(f"state {name} ends the machine and cannot be left out: something leads to it")
    return {key: after if key in ("Next", "Default", "StartAt") and value == name else _redirect(value, name, after)
            for key, value in node.items()}


def bind(node: Any, tokens: Mapping[str, Any], used: set[str]) -> Any:
    """`node` (JSON) with its tokens bound; the names met are added to `used`."""
    if isinstance(node, dict):
        return {bind(key, tokens, used): bind(value, tokens, used) for key, value in node.items()}
    if isinstance(node, list):
        return [bind(value, tokens, used) for value in node]
    if not isinstance(node, str):
        return node
    whole = TOKEN.fullmatch(node)
    if whole and whole[1] in tokens:
        used.add(whole[1])
        return tokens[whole[1]]
    return TOKEN.sub(lambda match: _text(match[1], tokens, used), node)


def _text(name: str, tokens: Mapping[str, Any], used: set[str]) -> str:
    if name in tokens:
        used.add(name)
        value = tokens[name]
        return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    expression = expressions().get(name)
    if expression is None:
        raise DefinitionError(f"token ${{{name}}} has no value")
    return TOKEN.sub(lambda match: _text(match[1], tokens, used), expression)


@functools.cache
def expressions() -> dict[str, str]:
    """The shared JSONata expressions by token name, on one line each and without their comments."""
    files = sorted((FOLDER / "jsonata").glob("*.jsonata"))
    return {_pascal_case(file.stem): _one_line(file.read_text()) for file in files}


def _pascal_case(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def _one_line(source: str) -> str:
    return " ".join(line.strip() for line in COMMENT.sub("", source).splitlines() if line.strip())
