"""The state file: what it holds, and that no interrupt can break it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.files import replace_text
from local.properties import secret
from local.state import (
    BEGIN,
    DONE,
    DROP,
    END,
    KEEP,
    PUT,
    Change,
    Resource,
    State,
    StateError,
    StateFile,
    creation_of,
    deletion_of,
    make_urn,
    urn_name,
    urn_type,
)

URN = "urn:pulumi:dev::proj::aws:sqs/queue:Queue::q"
STACK_URN = "urn:pulumi:dev::proj::pulumi:pulumi:Stack::proj-dev"


@pytest.fixture
def file(tmp_path: Path) -> StateFile:
    return StateFile(tmp_path / ".local", "dev")


def test_urns_carry_the_types_of_their_parents_but_not_the_stack():
    group = make_urn("dev", "proj", STACK_URN, "pkg:index:Group", "g")
    child = make_urn("dev", "proj", group, "aws:sqs/queue:Queue", "q::with colons")

    assert group == "urn:pulumi:dev::proj::pkg:index:Group::g"
    assert child == "urn:pulumi:dev::proj::pkg:index:Group$aws:sqs/queue:Queue::q::with colons"
    assert (urn_type(child), urn_name(child)) == ("aws:sqs/queue:Queue", "q::with colons")


def test_what_is_saved_is_what_is_loaded(file: StateFile):
    queue = Resource(URN, True, "id-1", STACK_URN, {"a": [1, {"b": None}]}, {"c": 2.5}, [STACK_URN], protect=True)
    state = State([Resource(STACK_URN, False, outputs={"x": "y"}), queue], [Resource(URN, True)], "life-1")

    file.save(state)

    assert file.load() == state
    assert file.load().outputs() == {"x": "y"}


def test_a_stack_that_was_never_updated_has_no_state(file: StateFile):
    assert file.load() == State()
    assert file.load().outputs() == {}


def test_the_file_reads_like_a_checkpoint_of_pulumi(file: StateFile):
    file.save(State([Resource(URN, True, "id-1", property_dependencies={"a": [STACK_URN]}, retain_on_delete=True)]))

    assert json.loads(file.path.read_text())["resources"] == [
        {
            "urn": URN,
            "type": "aws:sqs/queue:Queue",
            "custom": True,
            "id": "id-1",
            "propertyDependencies": {"a": [STACK_URN]},
            "retainOnDelete": True,
        }
    ]


def test_secrets_are_encrypted_with_a_key_that_only_the_owner_can_read(file: StateFile):
    state = State([Resource(URN, True, outputs={"password": secret({"nested": "hush"})})])

    file.save(state)

    assert "hush" not in file.path.read_text()
    assert file.load() == state
    assert (file.folder / "secrets.key").stat().st_mode & 0o777 == 0o600


def test_secrets_without_their_key_are_an_error_that_names_the_key(file: StateFile):
    file.save(State([Resource(URN, True, outputs={"password": secret("hush")})]))
    (file.folder / "secrets.key").unlink()

    with pytest.raises(StateError, match=r"has secrets that .*secrets\.key doesn't open"):
        file.load()


@pytest.mark.parametrize(
    ("text", "message"), [("{", "is not a state file"), ("[]", "is not a state file"), ('{"version": 99}', "has version 99")]
)
def test_a_file_that_cannot_be_read_is_named(file: StateFile, text: str, message: str):
    file.folder.mkdir()
    file.path.write_text(text)

    with pytest.raises(StateError, match=message):
        file.load()


def changed(file: StateFile, *changes: Change) -> State:
    """What a state of two resources is after these changes, when the update never came to its end."""
    journal = file.journal(file.load())
    for change in changes:
        journal(change)
    return file.load()


def thing(name: str, **more: Any) -> Resource:
    return Resource(f"urn:pulumi:dev::proj::test:index:Thing::{name}", True, f"id of {name}", **more)


def test_changes_are_found_again_though_the_update_did_not_end(file: StateFile):
    file.save(State([thing("a"), thing("b"), thing("c")], emulator="life-1"))
    new = thing("b", inputs={"value": 2})

    state = changed(
        file,
        [(KEEP, 0)],
        [(BEGIN, creation_of(new), new), (BEGIN, deletion_of(thing("c")), thing("c"))],
        [(DONE, new), (END, creation_of(new)), (DROP, 0), (PUT, 0, thing("c", delete=True))],
    )

    assert state == State([thing("a"), new, thing("c", delete=True)], emulator="life-1", pending_deletes=[thing("c")])


def test_the_end_of_an_update_puts_its_changes_into_the_state(file: StateFile):
    file.save(State([thing("a")]))
    state = changed(file, [(DONE, thing("b"))])

    file.settle(state)

    assert not file.journal_path.exists()
    assert file.load() == state


def test_a_line_that_was_torn_does_not_count(file: StateFile):
    state = changed(file, [(DONE, thing("a"))])
    with file.journal_path.open("ab") as journal:
        journal.write(b'[["done", {"urn": "urn:pul')

    assert file.load() == state
    assert changed(file, [(KEEP, 0), (DONE, thing("b"))]).resources == [thing("a"), thing("b")]


def test_a_journal_of_an_earlier_state_does_not_count(file: StateFile):
    """As after a crash between the whole state and the removal of the journal that led to it."""
    changed(file, [(DONE, thing("a"))])
    left = file.journal_path.read_bytes()
    file.save(State([thing("b")]))
    file.journal_path.write_bytes(left)

    assert file.load().resources == [thing("b")]


def test_a_state_of_the_form_before_the_journal_is_read(file: StateFile):
    file.save(State([thing("a")]))
    content = json.loads(file.path.read_text())
    del content["journal"]
    file.path.write_text(json.dumps(content))

    assert changed(file, [(KEEP, 0), (DONE, thing("b"))]).resources == [thing("a"), thing("b")]


def test_a_damaged_journal_is_named(file: StateFile):
    changed(file, [(DONE, thing("a"))], [(DONE, thing("b"))])
    file.journal_path.write_bytes(file.journal_path.read_bytes().replace(b"done", b"\xff", 1))

    with pytest.raises(StateError, match=r"dev\.journal is not a state file"):
        file.load()


def test_a_change_that_the_disk_does_not_take_leaves_no_trace(file: StateFile, monkeypatch: pytest.MonkeyPatch):
    journal = file.journal(file.load())
    journal([(DONE, thing("a"))])
    write = os.pwrite
    with monkeypatch.context() as full:
        full.setattr(os, "pwrite", lambda descriptor, text, place: write(descriptor, text[:9], place) and no_space())
        with pytest.raises(OSError, match="no space"):
            journal([(DONE, thing("b"))])

    journal([(DONE, thing("c"))])

    assert file.load().resources == [thing("a"), thing("c")]


def no_space() -> int:
    raise OSError("no space left on device")


def test_replacing_a_file_keeps_the_old_text_when_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "file"
    path.write_text("old")

    def full(_: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(OSError, match="no space"):
        replace_text(path, "new")

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_lock_is_free_again_when_its_holder_was_killed(file: StateFile):
    holder = subprocess.Popen([sys.executable, "-c", HOLD_LOCK, str(file.folder)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    holder.stdout.readline()

    with pytest.raises(StateError, match=rf"\(pid {holder.pid}\)"), file.lock():
        pass
    holder.kill()
    holder.wait()

    with file.lock():
        pass


HOLD_LOCK = """
import sys, time, pathlib
from local.state import StateFile
with StateFile(pathlib.Path(sys.argv[1]), "dev").lock():
    print("held", flush=True)
    time.sleep(60)
"""

UPDATE = """
import pathlib, sys, time
from local.interrupt import stopping
from tests.unit.conftest import Bench
from tests.unit.fake_provider import FakeProvider

folder = pathlib.Path(sys.argv[1])
bench = Bench(folder)
provider = bench.provider = FakeProvider(store=folder / "alive.json")
if "--stuck" in sys.argv:
    provider.during = lambda: time.sleep(600) if len(provider.names("Create")) > 3 else None
print("ready", flush=True)
run = bench.up('''
previous = None
for number in range(6):
    previous = Thing(f"t{number}", value=previous.id if previous else "first")
''')
print(run.error or run.changes)
"""


def update(folder: Path, *options: str) -> subprocess.Popen[str]:
    """Creates six resources; with --stuck the fourth never comes to an end."""
    return subprocess.Popen([sys.executable, "-c", UPDATE, str(folder), *options], stdout=subprocess.PIPE, text=True)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def created(file: StateFile) -> list[str]:
    return [resource.name for resource in file.load().resources if resource.custom]


def test_an_update_killed_in_the_middle_is_finished_by_the_next(tmp_path: Path):
    file = StateFile(tmp_path / ".local", "dev")
    killed = update(tmp_path, "--stuck")
    wait_until(lambda: len(created(file)) == 3)

    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    left = file.load()
    finishing = update(tmp_path)
    output, _ = finishing.communicate(timeout=120)

    assert len(left.resources) == 4
    assert [resource.name for resource in left.pending_creates] in ([], ["t3"])
    assert "{'same': 4, 'create': 3}" in output
    assert created(file) == [f"t{number}" for number in range(6)]
    assert file.load().pending_creates == []
