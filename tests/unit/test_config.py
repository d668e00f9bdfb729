"""Configuration: what the files say, what is allowed, and how a value is saved."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.config import ConfigError, StackConfig, load_project

PROJECT = """\
name: proj
runtime: python
config:
  maxConcurrency:
    type: integer
    default: 10
    description: most at once
  variants: {type: array, items: {type: string}, default: [map, sns]}
  distributed: {type: object, default: {mode: INLINE}}
  retainData: {type: boolean, default: false}
  label: {type: string, default: x}
  token: {type: string, default: t, secret: true}
  short: value
  aws:region: {value: us-east-1}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.yaml").write_text(PROJECT)
    return tmp_path


def stack_config(folder: Path, text: str | None = None) -> StackConfig:
    if text is not None:
        (folder / "Pulumi.dev.yaml").write_text(text)
    return StackConfig(load_project(folder), "dev")


def test_values_of_the_stack_win_over_defaults_of_the_project(folder: Path):
    config = stack_config(folder, "config:\n  proj:maxConcurrency: 3\n")

    assert config.get("maxConcurrency") == "3"
    assert config.get("label") == "x"
    assert config.get("proj:short") == "value"


def test_the_program_receives_texts_and_objects_as_json(folder: Path):
    texts = stack_config(folder, 'config:\n  proj:label: "007"\n').texts()

    assert texts == {
        "aws:region": "us-east-1",
        "proj:distributed": '{"mode":"INLINE"}',
        "proj:label": "007",
        "proj:maxConcurrency": "10",
        "proj:retainData": "false",
        "proj:short": "value",
        "proj:token": "t",
        "proj:variants": '["map","sns"]',
    }


def test_keys_of_a_provider_are_found_by_their_namespace(folder: Path):
    config = stack_config(folder, "config:\n  aws:endpoints:\n    - sqs: http://127.0.0.1\n")

    assert config.provider_config("aws") == {"region": "us-east-1", "endpoints": '[{"sqs":"http://127.0.0.1"}]'}


def test_the_project_is_found_from_a_folder_below_it(folder: Path):
    below = folder / "a" / "b"
    below.mkdir(parents=True)

    assert load_project(below).folder == folder


def test_without_a_project_the_error_says_what_is_missing(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"no Pulumi.yaml project file found"):
        load_project(tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("maxConcurrency: many", "'maxConcurrency' of stack 'dev' is 'many', but must be an integer"),
        ("maxConcurrency: 1.5", "'maxConcurrency' of stack 'dev' is '1.5', but must be an integer"),
        ("maxConcurrency: true", "'maxConcurrency' of stack 'dev' is 'true', but must be an integer"),
        ("retainData: 1", "'retainData' of stack 'dev' is '1', but must be true or false"),
        ("variants: map", "'variants' of stack 'dev' is 'map', but must be an array whose items are each a string"),
        ("variants: [{}]", "'variants' of stack 'dev' is '[{}]', but must be an array whose items are each a string"),
        ("distributed: 3", "'distributed' of stack 'dev' is '3', but must be an object"),
        ('variants: "[map]"', "'variants' of stack 'dev' is '[map]', but must be an array whose items are each a string"),
        ("distributed: '{}'", "'distributed' of stack 'dev' is '{}', but must be an object"),
        ("token: t", "'token' of stack 'dev' must be encrypted as it's secret, which the local engine can't do; use --cli"),
    ],
)
def test_a_value_of_the_wrong_type_is_named_with_what_is_allowed(folder: Path, line: str, message: str):
    config = stack_config(folder, f"config:\n  proj:{line}\n")

    with pytest.raises(ConfigError) as refused:
        config.validate()

    assert str(refused.value) == f"configuration key {message}"


@pytest.mark.parametrize("value", ['"3"', "3", "-1"])
def test_integers_may_be_written_as_strings_as_the_cli_saves_them(folder: Path, value: str):
    stack_config(folder, f"config:\n  proj:maxConcurrency: {value}\n").validate()


def test_a_declared_key_without_default_must_have_a_value(folder: Path):
    (folder / "Pulumi.yaml").write_text("name: proj\nruntime: python\nconfig:\n  needed: {type: integer}\n")

    with pytest.raises(ConfigError, match="stack dev is missing configuration value 'needed': an integer"):
        stack_config(folder).validate()


def test_encrypted_values_are_refused_by_name(folder: Path):
    with pytest.raises(ConfigError, match=r"'password' is encrypted \(secure:\).* use --cli"):
        stack_config(folder, "config:\n  proj:password:\n    secure: v1:abc\n").validate()


def test_set_writes_what_the_cli_writes_and_keeps_comments(folder: Path):
    config = stack_config(folder, "# top\nconfig:\n  # why\n  proj:label: hello # trailing\n")

    config.set("maxConcurrency", "3")
    config.set("other", "007")

    assert (folder / "Pulumi.dev.yaml").read_text() == (
        '# top\nconfig:\n  # why\n  proj:label: hello # trailing\n  proj:maxConcurrency: "3"\n  proj:other: "007"\n'
    )


def test_set_makes_the_file_of_a_new_stack(folder: Path):
    stack_config(folder).set("label", "new")

    assert (folder / "Pulumi.dev.yaml").read_text() == "config:\n  proj:label: new\n"


def test_set_by_path_makes_the_objects_and_types_that_the_cli_makes(folder: Path):
    config = stack_config(folder)

    config.set("distributed.mode", "DISTRIBUTED", path=True)
    config.set("distributed.batchSize", "5", path=True)
    config.set("variants[0]", "map", path=True)
    config.set("nested.deep.on", "true", path=True)

    assert (folder / "Pulumi.dev.yaml").read_text() == (
        "config:\n  proj:distributed:\n    mode: DISTRIBUTED\n    batchSize: 5\n  proj:variants:\n    - map\n"
        "  proj:nested:\n    deep:\n      on: true\n"
    )
    assert config.get("distributed.mode", path=True) == "DISTRIBUTED"


def test_set_refuses_a_value_of_the_wrong_type_and_leaves_the_file(folder: Path):
    config = stack_config(folder, "config:\n  proj:maxConcurrency: 4\n")

    with pytest.raises(ConfigError, match="is 'many', but must be an integer"):
        config.set("maxConcurrency", "many")

    assert (folder / "Pulumi.dev.yaml").read_text() == "config:\n  proj:maxConcurrency: 4\n"


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [("variants", '["map"]', "must be an array"), ("distributed", "{}", "must be an object"), ("token", "t", "must be encrypted")],
)
def test_set_refuses_what_the_cli_refuses_later(folder: Path, key: str, value: str, message: str):
    with pytest.raises(ConfigError, match=message):
        stack_config(folder).set(key, value)

    assert not (folder / "Pulumi.dev.yaml").exists()


def test_set_refuses_an_index_beyond_the_end(folder: Path):
    with pytest.raises(ConfigError, match=r"variants\[5\]: array index out of range"):
        stack_config(folder).set("variants[5]", "map", path=True)


def test_removing_a_value_brings_the_default_back(folder: Path):
    config = stack_config(folder, "config:\n  proj:maxConcurrency: 4\n  proj:nested: {a: 1, b: 2}\n")

    config.remove("maxConcurrency")
    config.remove("nested.a", path=True)
    config.remove("never-set")

    assert config.get("maxConcurrency") == "10"
    assert config.get("nested") == '{"b":2}'


def test_a_key_that_is_nowhere_is_named(folder: Path):
    with pytest.raises(ConfigError, match="configuration key 'nope' not found for stack 'dev'"):
        stack_config(folder).get("nope")


@pytest.mark.parametrize(
    ("project", "message"),
    [
        ("runtime: python\n", "must have a name"),
        ("name: p\nruntime: nodejs\n", "runtime 'nodejs' isn't supported"),
        ("name: p\nruntime: python\nconfig: {a: {type: number}}\n", "type 'number' must be one of"),
        ("name: p\nruntime: python\nconfig: {a: {type: array}}\n", "must say what its items are"),
        ("name: p\nruntime: python\nconfig: {a: {type: integer, default: x}}\n", "default 'x' must be an integer"),
        ("name: [", "is not YAML"),
    ],
)
def test_a_wrong_project_file_is_named_with_what_is_wrong(tmp_path: Path, project: str, message: str):
    (tmp_path / "Pulumi.yaml").write_text(project)

    with pytest.raises(ConfigError, match=message):
        load_project(tmp_path)


def test_a_stack_name_cannot_leave_the_folder(folder: Path):
    with pytest.raises(ConfigError, match=r"stack name '\.\./x'"):
        StackConfig(load_project(folder), "../x")
