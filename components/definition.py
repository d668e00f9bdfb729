"""State machine definitions: a file of `statemachines/` with its ${Tokens} bound.

The file is the machine: nothing is added to it or left out. A token that is a whole JSON string becomes the value itself, of whatever
type; inside a longer string it becomes text.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "statemachines"
TOKEN = re.compile(r"\$\{(\w+)\}")

MAX_BYTES = 1_048_576
"""Step Functions' limit for a definition."""

EXPRESS_SECONDS, STANDARD_SECONDS = 300, 31_536_000
"""How long an execution may run (Step Functions' limits)."""


class DefinitionError(ValueError):
    """A token of the file has no value, or a value has no token."""


def render(file: str, tokens: Mapping[str, Any], branches: Sequence[Mapping[str, Any]] = ()) -> str:
    """The definition as JSON text. file: its name in `statemachines/`; tokens: a value for each of its tokens. A token left over on
    either side is a DefinitionError.

    branches: where the file has a Parallel state, its one branch is repeated with each of these sets of tokens.
    """
    used: set[str] = set()
    source = load(file)
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


def bind(node: Any, tokens: Mapping[str, Any], used: set[str]) -> Any:
    """`node` (JSON) with its tokens bound; the names met are added to `used`."""
    if isinstance(node, dict):
        return {bind(key, tokens, used): bind(value, tokens, used) for key, value in node.items()}
    if isinstance(node, list):
        return [bind(value, tokens, used) for value in node]
    if not isinstance(node, str):
        return node
    whole = TOKEN.fullmatch(node)
    if whole:
        return _value(whole[1], tokens, used)
    return TOKEN.sub(lambda match: _text(_value(match[1], tokens, used)), node)


def _value(name: str, tokens: Mapping[str, Any], used: set[str]) -> Any:
    if name not in tokens:
        raise DefinitionError(f"token ${{{name}}} has no value")
    used.add(name)
    return tokens[name]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
