"""What is left when something goes wrong in the middle, and that the next update finishes."""

from __future__ import annotations

import os

import pytest

from local.state import Resource, StateError
from local.steps import Stopped
from tests.unit.conftest import Bench


def test_a_refused_creation_names_the_resource_and_keeps_what_was_made(bench: Bench):
    run = bench.up('a = Thing("a"); b = Thing("b", value=a.id, fail="no more\\n room"); Thing("c", value=b.id)')

    assert run.failures == ["test:index:Thing (b): no more room"]
    assert isinstance(run.error, Stopped)
    assert [resource.name for resource in bench.state.resources] == ["proj-dev", "a"]
    assert bench.state.pending_creates == []


def test_the_update_after_a_failure_makes_what_is_missing(bench: Bench):
    bench.up('a = Thing("a"); b = Thing("b", value=a.id, fail="no"); Thing("c", value=b.id)')

    run = bench.up('a = Thing("a"); b = Thing("b", value=a.id); Thing("c", value=b.id)')

    assert run.changes == {"same": 2, "create": 2}
    assert bench.provider.writes() == [("Create", "b"), ("Create", "c")]


def test_nothing_is_deleted_when_an_update_failed(bench: Bench):
    bench.up('Thing("old")')

    bench.up('Thing("new", fail="no")')

    assert bench.provider.names("Delete") == []
    assert [resource.name for resource in bench.state.resources] == ["proj-dev", "old"]


def test_a_failed_update_keeps_the_old_state_of_the_resource(bench: Bench):
    bench.up('Thing("a", value="1")')

    bench.up('Thing("a", value="2", fail="no")')

    assert bench.resource("a").inputs == {"value": "1"}


def test_a_failed_deletion_keeps_the_resource(bench: Bench):
    bench.up('a = Thing("a"); Thing("b", value=a.id)')
    refuse = RuntimeError("still in use")
    bench.provider._work = lambda inputs: (_ for _ in ()).throw(refuse)

    run = bench.destroy()

    assert run.failures == ["test:index:Thing (b): still in use"]
    assert [resource.name for resource in bench.state.resources] == ["proj-dev", "a", "b"]


def test_a_replacement_whose_new_resource_fails_keeps_the_old_one(bench: Bench):
    bench.up('Thing("a", key="1")')

    bench.up('Thing("a", key="2", fail="no")')

    assert bench.resource("a").inputs == {"key": "1"}
    assert len(bench.provider.alive) == 1


def test_a_replacement_interrupted_between_delete_and_create_is_finished(bench: Bench):
    bench.up('Thing("a", keyFirst="1")')
    bench.up('Thing("a", keyFirst="2", fail="no")')
    assert bench.resource("a").pending_replacement

    run = bench.up('Thing("a", keyFirst="2")')

    assert run.changes == {"same": 1, "replace": 1}
    assert bench.provider.writes() == [("Create", "a")]
    assert not bench.resource("a").pending_replacement


def test_an_old_resource_that_could_not_be_deleted_is_deleted_next_time(bench: Bench):
    bench.up('Thing("a", key="1")')
    work = bench.provider._work
    bench.provider._work = lambda inputs: work(inputs) if inputs else (_ for _ in ()).throw(RuntimeError("in use"))
    bench.up('Thing("a", key="2")')
    assert len(bench.provider.alive) == 2
    bench.provider._work = work

    run = bench.up('Thing("a", key="2")')

    assert run.changes == {"same": 2}
    assert bench.provider.writes() == [("Delete", "a")]
    assert len(bench.provider.alive) == 1


def test_wrong_inputs_are_refused_before_anything_is_created(bench: Bench):
    run = bench.up('Thing("a", forbidden=1)')

    assert run.failures == ["test:index:Thing (a): forbidden: is forbidden"]
    assert bench.provider.writes() == []


@pytest.mark.parametrize("statement", ['raise pulumi.RunError("no such variant")', 'raise ValueError("no such variant")'])
def test_an_exception_of_the_program_ends_the_update(bench: Bench, statement: str):
    bench.up('Thing("old")')

    run = bench.up(f'Thing("new")\n        {statement}'.replace("        ", ""))

    assert str(run.error) == "no such variant"
    assert "old" in [resource.name for resource in bench.state.resources]
    assert bench.provider.names("Delete") == []


def test_an_exception_in_an_apply_ends_the_update(bench: Bench):
    run = bench.up("""
        def refuse(value):
            raise pulumi.RunError(f"{value} is wrong")
        pulumi.export("x", Thing("a", value="1").value.apply(refuse))
    """)

    assert str(run.error) == "1 is wrong"


def test_modules_of_the_project_are_imported_anew_by_every_run(bench: Bench):
    (bench.folder / "parts.py").write_text("import pulumi\npulumi.export('ran', True)\n")

    bench.preview("import parts")
    bench.up("import parts")

    assert bench.outputs() == {"ran": True}


def test_what_the_program_logs_reaches_the_user(bench: Bench):
    run = bench.up('pulumi.log.warn("careful")')

    assert [(severity, message) for severity, message, _ in run.log if severity == "warning"] == [("warning", "careful")]


def test_a_second_engine_on_the_stack_is_refused_with_the_pid_of_the_first(bench: Bench):
    with bench.file.lock(), pytest.raises(StateError, match=rf"stack dev is locked .*\(pid {os.getpid()}\)"), bench.file.lock():
        pass


def interrupt_creation(bench: Bench, **inputs: str) -> None:
    """Leaves the state as a crash does in the middle of creating `a`."""
    state = bench.state
    state.pending_creates.append(Resource("urn:pulumi:dev::proj::test:index:Thing::a", custom=True, inputs=inputs))
    bench.file.save(state)


def test_a_creation_interrupted_before_it_happened_is_made_under_its_generated_name(bench: Bench):
    interrupt_creation(bench, bucket="a-7f3")

    run = bench.up('Thing("a", bucket="auto")')

    assert run.changes == {"create": 2}
    assert list(bench.provider.alive) == ["a-7f3"]
    assert bench.state.pending_creates == []


def test_a_creation_interrupted_after_it_happened_is_taken_up_and_completed(bench: Bench):
    interrupt_creation(bench, bucket="a-7f3", value="1")
    bench.provider.alive["a-7f3"] = {"bucket": "a-7f3", "value": "1"}

    run = bench.up('Thing("a", bucket="auto", value="2")')

    assert run.changes == {"create": 2}
    assert bench.provider.writes() == [("Update", "a")]
    assert bench.resource("a").id == "a-7f3"
    assert bench.resource("a").outputs["value"] == "2"


def test_what_an_interrupted_creation_left_is_destroyed_too(bench: Bench):
    interrupt_creation(bench, bucket="a-7f3")
    bench.provider.alive["a-7f3"] = {"bucket": "a-7f3"}

    bench.destroy()

    assert bench.provider.alive == {}
    assert bench.state.pending_creates == []


def test_an_interrupted_replacement_is_finished_with_one_new_resource(bench: Bench):
    bench.up('Thing("a", bucket="auto", key="1")')
    interrupt_creation(bench, bucket="a-new", key="2")
    bench.provider.alive["a-new"] = {"bucket": "a-new", "key": "2"}

    run = bench.up('Thing("a", bucket="auto", key="2")')

    assert run.changes == {"same": 1, "replace": 1}
    assert list(bench.provider.alive) == ["a-new"]
