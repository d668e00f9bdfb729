"""Where the client finds a stack: a file, the embedded engine's state, or the Pulumi CLI (a script in its place)."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from client import NoStack, outputs
from local import emulator
from local.state import Resource, State, StateFile, root_urn

OUTPUTS = {"quoteTableName": "quotes", "sampleInput": "{}"}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """An empty place for the embedded engine's stacks, and a PATH without any CLI."""
    folder = tmp_path / ".local"
    (tmp_path / "Pulumi.yaml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def pulumi(tmp_path):
    """`pulumi(script)` puts a shell script in the CLI's place."""

    def put(script: str) -> None:
        file = tmp_path / "pulumi"
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    return put


@pytest.fixture
def deployed(folder):
    """`deployed("local")` leaves an embedded stack of that name."""

    def leave(name: str) -> None:
        StateFile(folder, name).save(State([Resource(root_urn(name, "scatter-gather"), custom=False, outputs=OUTPUTS)]))

    return leave


@pytest.mark.parametrize("name", [None, "local", "dev"])
def test_an_embedded_stack_comes_before_the_clis(deployed, pulumi, monkeypatch, name):
    pulumi("echo '{}'")
    deployed(name or "local")
    monkeypatch.setattr(emulator, "find", lambda folder: SimpleNamespace(endpoint="http://127.0.0.1:9", session_token="token"))

    assert outputs.find(name) == (OUTPUTS, "http://127.0.0.1:9", "token")


@pytest.fixture
def deployed_by_cli(folder):
    """A stack `local` in the backend that `python -m local up --cli` has the CLI use."""
    stacks = folder / "cli" / ".pulumi" / "stacks" / "scatter-gather"
    stacks.mkdir(parents=True)
    (stacks / "local.json").write_text("{}")
    return folder / "cli"


def test_a_stack_that_the_cli_deployed_to_the_emulator(deployed_by_cli, pulumi, monkeypatch):
    pulumi(f"""[ "$PULUMI_BACKEND_URL" = "file://{deployed_by_cli}" ] && echo '{json.dumps(OUTPUTS)}'""")
    monkeypatch.setattr(emulator, "find", lambda folder: SimpleNamespace(endpoint="http://127.0.0.1:9", session_token="token"))

    assert outputs.find() == (OUTPUTS, "http://127.0.0.1:9", "token")


def test_a_stack_on_the_emulator_that_was_destroyed_gives_way_to_the_users_own(deployed_by_cli, pulumi):
    pulumi(f"""[ -n "$PULUMI_BACKEND_URL" ] && echo '{{}}' || echo '{json.dumps(OUTPUTS)}'""")

    assert outputs.find() == (OUTPUTS, None, None)


def test_an_embedded_stack_whose_emulator_does_not_run(deployed):
    deployed("local")

    with pytest.raises(NoStack, match="stack local lives in an emulator that is not running: python -m local up"):
        outputs.find()


def test_an_address_that_is_given_wins(deployed, monkeypatch):
    deployed("local")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:8")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of-the-user")

    assert outputs.find() == (OUTPUTS, "http://127.0.0.1:8", "of-the-user")


def test_the_address_of_the_projects_own_emulator_comes_with_its_token(deployed, monkeypatch):
    deployed("local")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of-another-start")
    monkeypatch.setattr(emulator, "find", lambda folder: SimpleNamespace(endpoint="http://127.0.0.1:9", session_token="token"))

    assert outputs.find() == (OUTPUTS, "http://127.0.0.1:9", "token")


def test_a_state_that_cannot_be_read(folder):
    folder.mkdir()
    (folder / "local.state.json").write_text("{")

    with pytest.raises(NoStack, match="is not a state file"):
        outputs.find()


def test_without_any_stack_it_says_what_to_do():
    with pytest.raises(NoStack, match=r"no stack is deployed: python -m local up \(or pulumi up, or --outputs FILE\)"):
        outputs.find()


def test_the_clis_selected_stack(pulumi):
    pulumi(f"echo '{json.dumps(OUTPUTS)}'")

    assert outputs.find() == (OUTPUTS, None, None)


def test_the_clis_stack_of_that_name(pulumi):
    pulumi("""printf '{"asked": "%s"}' "$*" """)

    found, *_ = outputs.find("dev")

    assert found == {"asked": "stack output --json --non-interactive --stack dev"}


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo 'error: no stack named dev found' >&2; exit 255", "stack dev is not deployed: error: no stack named dev found"),
        ("echo '{}'", "stack dev is not deployed: it has no outputs"),
    ],
)
def test_what_the_cli_cannot_find(pulumi, script, reason):
    pulumi(script)

    with pytest.raises(NoStack, match=reason):
        outputs.find("dev")


def test_a_cli_that_hangs_is_left(pulumi, monkeypatch):
    monkeypatch.setattr(outputs, "CLI_SECONDS", 0.05)
    pulumi("exec /bin/sleep 10")

    with pytest.raises(NoStack, match="did not end within"):
        outputs.find()
