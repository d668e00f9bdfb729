"""python -m docs.graphs: draws the state machines of `statemachines/` into docs/graphs.md, as Mermaid."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from components import definition

PAGE = Path(__file__).with_name("graphs.md")
INTRODUCTION = """\
# The state machines

Drawn from `statemachines/*.asl.json` by `python -m docs.graphs`. A dashed line is an error that is caught. A hexagon waits, a
diamond decides, a rounded box computes; a box with double sides calls a service. States inside a frame run once for each item
or responder.
"""
SHAPES = {
    "Task": '[["{}"]]',
    "Pass": '("{}")',
    "Wait": '{{{{"{}"}}}}',
    "Choice": '{{"{}"}}',
    "Succeed": '(["{}"])',
    "Fail": '(["{}"])',
}
FRAMES = {"INLINE": "for each, inline", "DISTRIBUTED": "for each, as an execution of its own", "PARALLEL": "a branch for each responder"}
TOKEN = re.compile(r"( of)? \$\{\w+\}")
"""What makes a state's name differ from branch to branch."""

COMPARED = {"BooleanEquals": "is {}", "StringEquals": "is {}", "IsPresent": "is there"}

Definition = Mapping[str, Any]


def page() -> str:
    """The whole of docs/graphs.md."""
    return "\n".join([INTRODUCTION, *(_section(file) for file in sorted(definition.FOLDER.glob("*.asl.json")))])


def draw(machine: Definition) -> str:
    """A state machine, tokens and all, as a Mermaid flowchart."""
    return "\n".join(["flowchart TD", *_machine(machine, "", "    "), "    classDef failed stroke:#c33"]) + "\n"


def _section(file: Path) -> str:
    machine = definition.load(file.name)
    return f"## {file.name.removesuffix('.asl.json')}\n\n{machine['Comment']}.\n\n```mermaid\n{draw(machine)}```\n"


def _machine(machine: Definition, inside: str, indent: str) -> Iterator[str]:
    """The lines of a machine. inside: the state that it belongs to, which makes its states' ids unique."""
    start, end = f"{inside}_start", f"{inside}_end"
    yield f"{indent}{start}((( ))) --> {_id(inside, machine['StartAt'])}"
    for name, state in machine["States"].items():
        yield from _state(name, state, inside, indent)
    for name, state in machine["States"].items():
        here = _id(inside, name)
        for label, target in _ways(state):
            yield f"{indent}{here} -->{f'|{label}|' if label else ''} {_id(inside, target)}"
        if state.get("End"):
            yield f"{indent}{here} --> {end}((( )))"
        for target, errors in _caught(state).items():
            yield f"{indent}{here} -.->|{'<br>'.join(errors)}| {_id(inside, target)}"


def _state(name: str, state: Definition, inside: str, indent: str) -> Iterator[str]:
    inner = [*state.get("Branches", []), *([state["ItemProcessor"]] if "ItemProcessor" in state else [])]
    if not inner:
        failed = ":::failed" if state["Type"] == "Fail" else ""
        yield f"{indent}{_id(inside, name)}{SHAPES[state['Type']].format(_label(name, state))}{failed}"
        return
    yield f'{indent}subgraph {_id(inside, name)}["{name}<br><small>{FRAMES[_mode(state)]}</small>"]'
    for machine in inner:
        yield from _machine(machine, _id(inside, name), f"{indent}    ")
    yield f"{indent}end"


def _mode(state: Definition) -> str:
    if state["Type"] == "Parallel":
        return "PARALLEL"
    return state["ItemProcessor"].get("ProcessorConfig", {}).get("Mode", "INLINE")


def _label(name: str, state: Definition) -> str:
    """The state's name, and the service that it calls."""
    text = TOKEN.sub("", name)
    if state["Type"] != "Task":
        return text
    return f"{text}<br><small>{' '.join(state['Resource'].split(':')[-2:])}</small>"


def _ways(state: Definition) -> Iterator[tuple[str, str]]:
    """(label, target) of what may come next."""
    for rule in state.get("Choices", []):
        yield _condition(rule), rule["Next"]
    if "Default" in state:
        yield "otherwise", state["Default"]
    if "Next" in state:
        yield "", state["Next"]


def _condition(rule: Definition) -> str:
    """What decides, in short: of several comparisons the last one, which the others only make possible."""
    rule = rule.get("And", [rule])[-1]
    if "Condition" in rule:
        return "if so"
    compared = next(key for key in rule if key in COMPARED)
    return f"{rule['Variable'].removeprefix('$.')} {COMPARED[compared].format(str(rule[compared]).lower())}"


def _caught(state: Definition) -> dict[str, list[str]]:
    """The errors that lead to each target, by their last names."""
    found: dict[str, list[str]] = {}
    for catch in state.get("Catch", []):
        names = (error.split(".")[-1].removesuffix("Exception") for error in catch["ErrorEquals"])
        listed = found.setdefault(catch["Next"], [])
        listed += [name for name in dict.fromkeys(names) if name not in listed]
    return {target: ["any error"] if "ALL" in errors else errors for target, errors in found.items()}


def _id(inside: str, name: str) -> str:
    return "_".join(filter(None, [inside, re.sub(r"\W+", "", name)]))


if __name__ == "__main__":
    PAGE.write_text(page())
