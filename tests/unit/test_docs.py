"""The documentation against the code: pages that are complete, links that lead somewhere, tables that are true."""

import inspect
import json
import re
import shutil
import subprocess
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

import components
from client import costs
from client.__main__ import CODES, EXIT_CODES, VERBS
from client.comparison import PER_MONTH
from components import definition
from components.responder_fleet import ResponderArgs
from components.settings import Settings, SettingsError, parse
from docs import graphs
from handlers import contract, openapi
from tests import asl, documents, program
from tests.documents import ROOT, Block

LANGUAGES = {"sh", "python", "js", "yaml", "json", "mermaid", "text"}
COMPONENTS = ROOT / "docs" / "components"
CONFIGURATION = ROOT / "docs" / "configuration.md"
PROGRAMS = ("python -m ", "make ", "pulumi ", "aws ")
SCREENS = 3 * 50


def of_all_pages(*languages: str) -> list[Any]:
    return [pytest.param(block, id=str(block)) for page in documents.pages() for block in documents.blocks(page, *languages)]


def pages() -> list[Any]:
    return [pytest.param(page, id=str(page.relative_to(ROOT))) for page in documents.pages()]


@pytest.mark.parametrize("page", pages())
def test_every_link_leads_somewhere(page):
    broken = [link for link in documents.links(page) if not leads_somewhere(page, link)]

    assert broken == []


def leads_somewhere(page: Path, link: str) -> bool:
    if link.startswith("https://"):
        return True
    file, _, anchor = link.partition("#")
    target = (page.parent / file).resolve() if file else page
    return target.exists() and (not anchor or anchor in documents.anchors(target))


@pytest.mark.parametrize("page", pages())
def test_every_block_says_what_it_is(page):
    assert [str(block) for block in documents.blocks(page) if block.language not in LANGUAGES] == []


@pytest.mark.parametrize("page", pages())
def test_a_block_for_the_shell_has_no_comments(page):
    """zsh, the shell of a Mac, knows no comments where commands are typed: behind one it is more arguments, on a line of its own it is a
    command that is not found, and an apostrophe in it swallows the lines that follow."""
    commented = [
        f"{block}: {line}" for block in documents.blocks(page, "sh") for line in block.text.splitlines() if documents.COMMENT.search(line)
    ]

    assert commented == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_block_for_the_shell_is_one_of_each_shell(shell):
    """Those that this machine has; without running anything."""
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    texts = [block.text for page in documents.pages() for block in documents.blocks(page, "sh")]

    refused = [text for text in texts if subprocess.run([shell, "-n", "-c", text], capture_output=True, check=False).returncode]

    assert refused == []


@pytest.mark.parametrize("page", pages())
def test_a_text_block_hides_no_command(page):
    hidden = [
        line
        for block in documents.blocks(page, "text", "yaml", "json")
        for line in block.text.splitlines()
        if line.removeprefix("$ ").startswith((*PROGRAMS, "$ "))
    ]

    assert hidden == []


@pytest.mark.parametrize("page", pages())
def test_a_command_within_a_sentence_also_stands_in_a_block(page):
    in_blocks = [command for every in documents.pages() for block in documents.blocks(every, "sh") for command in block.commands]
    # A word in capitals stands for something of the reader's own.
    named = [re.sub(r"( [A-Z]+)+$", "", words) for words in documents.inline(page) if words.startswith(PROGRAMS)]
    lost = [words for words in named if not any(words in command for command in in_blocks)]

    assert lost == []


def test_the_readme_fits_three_screens():
    assert len((ROOT / "README.md").read_text().splitlines()) <= SCREENS


def test_every_page_can_be_reached_from_the_readme():
    reached, ahead = set(), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page not in reached:
            reached.add(page)
            ahead += [
                (page.parent / link.partition("#")[0]).resolve()
                for link in documents.links(page)
                if not link.startswith("https://") and link.partition("#")[0].endswith(".md")
            ]

    assert set(documents.pages()) - reached == set()


@pytest.mark.parametrize("block", of_all_pages("json"))
def test_a_json_block_is_json(block: Block):
    json.loads(block.text)


@pytest.mark.parametrize("block", [param for param in of_all_pages("yaml") if "config:" in param.values[0].text])
def test_a_configuration_block_is_a_configuration(block: Block):
    configuration(block.text)


def configuration(text: str) -> Settings:
    """The settings that a stack's file has; SettingsError where it is wrong."""
    prefix = "scatter-gather:"
    config = yaml.safe_load(text)["config"]
    return parse({key.removeprefix(prefix): value for key, value in config.items() if key.startswith(prefix)})


def test_the_graphs_are_those_of_the_definitions():
    assert graphs.PAGE.read_text() == graphs.page(), "draw them again: python -m docs.graphs"


@pytest.mark.parametrize("file", sorted(file.name for file in definition.FOLDER.glob("*.asl.json")))
def test_a_graph_has_every_state_and_every_way_to_another(file):
    machine = definition.load(file)
    drawn = graphs.draw(machine)

    labels = re.findall(r'"([^"<\n]+)[^"\n]*"', drawn)
    ways = sum(
        len(state.get("Choices", []))
        + ("Default" in state)
        + ("Next" in state)
        + bool(state.get("End"))
        + len({catch["Next"] for catch in state.get("Catch", [])})
        for _, state in asl.states(machine)
    )
    starts = json.dumps(machine).count('"StartAt"')
    assert sorted(labels) == sorted(re.sub(r"( of)? \$\{\w+\}", "", name) for name, _ in asl.states(machine))
    assert drawn.count("-->") + drawn.count("-.->") == ways + starts


def page_of(component: str) -> Path:
    named = {"Alarms": "alarms", "Dashboard": "alarms"}
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", component).lower()
    return COMPONENTS / f"{named.get(component, words)}.md"


NAMES = [name for name in components.__all__ if not name.endswith("Args")]


@pytest.mark.parametrize("name", NAMES)
def test_a_component_has_a_page_with_its_arguments(name):
    args = getattr(components, f"{name}Args")
    arguments = {*args.__required_keys__, *args.__optional_keys__}

    column = f"argument of {name}"
    written = {argument for row in documents.tables(page_of(name), column) for argument in documents.names(row[column])}

    assert written == arguments


def test_the_keys_of_a_responder_are_those_of_the_component():
    rows = documents.tables(page_of("ResponderFleet"), "key of a responder")

    assert {key for row in rows for key in documents.names(row["key of a responder"])} == {
        *ResponderArgs.__required_keys__,
        *ResponderArgs.__optional_keys__,
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_component_has_a_page_with_its_outputs(name):
    outputs = set(inspect.get_annotations(getattr(components, name)))

    column = f"output of {name}"
    written = {output for row in documents.tables(page_of(name), column) for output in documents.names(row[column])}

    assert written == outputs


@pytest.mark.parametrize("name", NAMES)
def test_a_component_page_begins_with_the_smallest_construction(name, monkeypatch):
    smallest = documents.blocks(page_of(name))[0]
    monkeypatch.chdir(documents.ROOT / "examples" / "own_program")

    made = program.registered(lambda: exec(smallest.text, {}))

    assert smallest.is_pulumi_program
    assert f"scatter-gather:index:{name}" in {resource.type for resource in made.resources}


@pytest.mark.parametrize("page", sorted({page_of(name) for name in NAMES}), ids=lambda page: page.stem)
def test_a_component_page_says_all_that_is_asked_of_it(page):
    headings = set(documents.HEADING.findall(documents.prose(page)))

    assert {"Cost", "Limits", "When something fails"} <= headings
    assert documents.blocks(page, "mermaid")


def test_no_component_page_is_left_over():
    assert set(COMPONENTS.glob("*.md")) == {page_of(name) for name in NAMES}


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(key, default), nested ones by their path; the default of one that has none is None."""
    for name, field in model.model_fields.items():
        nested = [
            kind
            for kind in (field.annotation, *typing.get_args(field.annotation))
            if isinstance(kind, type) and issubclass(kind, BaseModel)
        ]
        if field.annotation not in nested:
            yield f"{prefix}{name}", None if field.is_required() else field.get_default(call_default_factory=True)
        for kind in nested:
            yield from keys(kind, f"{prefix}{name}{'[]' if typing.get_origin(field.annotation) is list else ''}.")


KEYS = dict(keys(Settings))
REFUSED = ({"no such": "value"}, "\n", 2.5, 2)
OF_ANY_VALUE = {
    "variants",
    "responders",
    "completion.required",
    "completion.weights",
    "api.audience",
    "api.scopes",
    "api.readers",
    "api.corsOrigins",
    "distributed.idempotent",
    "distributed.sortKey",
    "distributed.sortKey.value",
    "distributed.sortKey.beginsWith",
    "distributed.runSources",
    "distributed.reading.header",
    "distributed.reading.pointer",
    "api.enabled",
    "alarms.enabled",
    "alarms.dashboard",
    "retainData",
    "responders[].circuitBreaker",
    "judge.instructions",
    "responders[].settings",
    "responders[].inference.system",
    "responders[].http.hmac",
    "responders[].http.hmac.prefix",
    "responders[].http.privateHosts",
    "responders[].answer",
    "responders[].answer.sample",
    "responders[].permissions",
    "responders[].permissions[].actions",
    "responders[].permissions[].resources",
    "responders[].vpc.subnetIds",
    "responders[].vpc.securityGroupIds",
    "responders[].permissions[].conditions",
    "responders[].permissions[].wildcards",
    "responders[].vpc",
    "responders[].layers",
}
"""Lists, objects and truth values, of which nothing but their type is said."""


def written_keys() -> dict[str, dict[str, str]]:
    return {documents.names(row["key"])[0]: row for row in documents.tables(CONFIGURATION, "key")}


def test_every_key_of_the_configuration_is_explained():
    assert set(written_keys()) == set(KEYS)


@pytest.mark.parametrize("key", KEYS)
def test_the_default_of_a_key_is_the_one_of_the_program(key):
    [written] = documents.names(written_keys()[key]["default"]) or [None]

    assert (None if written is None else yaml.safe_load(written)) == KEYS[key]


@pytest.mark.parametrize("key", [key for key in KEYS if key not in OF_ANY_VALUE])
def test_what_a_key_allows_is_what_the_program_says(key):
    """A value that it does not take is refused with what is allowed; the page has the same words."""
    refused = [re.search(r"allowed: (.*)$", refusal(key, value)) for value in REFUSED]
    said = [found[1] for found in refused if found and not found[1].startswith("a valid ")]

    assert said
    assert [words for words in said if words not in written_keys()[key]["allowed"].replace("`", "")] == []


def refusal(key: str, value: Any) -> str:
    """What the program says to that value; nothing where it takes it."""
    try:
        parse(at_path(key, value))
    except SettingsError as error:
        return str(error)
    return ""


NEEDED = {"responders[]": {"name": "acme", "settings": {"rate": 1}}, "answer": {"amount": "total"}, "hmac": {"secret": "key"}}
"""What else an object must have."""


def at_path(key: str, value: Any) -> dict[str, Any]:
    for name in reversed(key.split(".")):
        within = {**NEEDED[name], **value} if name in NEEDED and isinstance(value, dict) else value
        value = {name.removesuffix("[]"): [within] if name.endswith("[]") else within}
    return value


def test_every_verb_and_exit_code_of_the_client_is_explained():
    page = ROOT / "docs" / "client.md"

    assert {documents.names(row["verb"])[0].split()[0] for row in documents.tables(page, "verb")} == set(VERBS)
    assert {int(row["code"]) for row in documents.tables(page, "code")} == {
        *(int(code) for code in re.findall(r"^ +(\d+) ", EXIT_CODES, re.MULTILINE)),
        *(code for _, code in CODES),
    }


def test_the_prices_are_those_of_the_cost_model():
    rows = documents.tables(ROOT / "docs" / "choosing.md", "priced")

    assert {(row["priced"], row["dollars"], row["for"]) for row in rows} == {
        (f"[{price.unit}]({price.source})", f"{price.dollars:f}", f"{int(price.per):,}") for price in costs.PRICES.values()
    }


CHOICES = [
    ("`map` (Standard)", "map", costs.STANDARD, False),
    ("`map` (Express)", "map", costs.EXPRESS, False),
    ("`map` (Standard, may close early)", "map", costs.STANDARD, True),
    ("`map` (Express, may close early)", "map", costs.EXPRESS, True),
    ("`sns`", "sns", None, True),
    ("`sns`", "sns", None, False),
]


@pytest.mark.parametrize(("label", "variant", "kind", "early"), CHOICES)
def test_the_cost_of_a_request_is_the_one_of_the_cost_model(label, variant, kind, early):
    row = row_of("1,000 requests of", label)

    for count in (3, 5, 20, 100):
        used = costs.usage(costs.KINDS[variant], costs.Workload(count, count, early=early), kind)
        assert row[f"{count} responders"] == f"${costs.price_per_thousand(used):.3f}"


@pytest.mark.parametrize(("label", "variant", "kind", "early"), CHOICES)
def test_the_cost_of_a_month_is_the_one_of_the_cost_model(label, variant, kind, early):
    row = row_of("a month with 5 responders", label)

    for requests in PER_MONTH:
        used = costs.usage(costs.KINDS[variant], costs.Workload(5, 5, early=early), kind)
        assert row[f"{requests:,} requests"] == f"${costs.price_per_month(used, requests):,.2f}"


def test_parallel_costs_what_map_does_where_all_are_asked():
    for early in (False, True):
        for kind in (costs.STANDARD, costs.EXPRESS):
            workload = costs.Workload(5, 5, early=early)
            assert costs.usage(costs.KINDS["parallel"], workload, kind) == costs.usage(costs.KINDS["map"], workload, kind)


def row_of(column: str, label: str) -> dict[str, str]:
    [row] = [row for row in documents.tables(ROOT / "docs" / "choosing.md", column) if row[column] == label]
    return row


@pytest.mark.parametrize("constant", ["MAX_REQUEST_BYTES", "DETAILS_BUDGET_BYTES", "MAX_AMOUNT_DIGITS"])
def test_the_limits_of_the_contract_are_the_ones_that_are_written(constant):
    page = documents.prose(COMPONENTS / "map-scatter-gather.md")

    assert f"{getattr(contract, constant):,}" in page


@pytest.mark.parametrize("file", sorted((ROOT / "examples").glob("*/Pulumi.*.yaml")), ids=lambda file: file.parent.name)
def test_a_scenario_has_a_configuration_and_a_request_for_it(file):
    settings = configuration(file.read_text())

    request = contract.check_request(json.loads((file.parent / "input.json").read_text()), [each.name for each in settings.responders])

    assert request["data"]


def test_the_schema_of_the_completed_event_is_that_of_the_code():
    """To write it anew: python -c 'import json; from handlers import openapi; print(json.dumps(openapi.completed_event(), indent=2))'"""
    written = json.loads((documents.ROOT / "docs" / "request-completed.schema.json").read_text())

    assert written == openapi.completed_event()
