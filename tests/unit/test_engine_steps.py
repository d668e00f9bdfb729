"""Which step the engine takes for a resource: create, same, update, replace, delete, read."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Collection
from typing import Any

import pytest
from pulumi.runtime import resource, stack

from tests.unit.conftest import Bench


def test_a_new_resource_is_created_after_what_it_depends_on(bench: Bench):
    run = bench.up("""
        a = Thing("a", value="1")
        b = Thing("b", value=a.id)
        pulumi.export("size", b.size)
    """)

    assert run.error is None
    assert run.changes == {"create": 3}
    assert bench.provider.writes() == [("Create", "a"), ("Create", "b")]
    assert bench.resource("b").inputs == {"value": bench.resource("a").id}
    assert bench.outputs() == {"size": 1}


def test_an_unchanged_program_writes_nothing(bench: Bench):
    program = 'a = Thing("a", value="1"); Thing("b", value=a.id); pulumi.export("a", a.id)'
    bench.up(program)
    before = bench.state

    run = bench.up(program)

    assert run.changes == {"same": 3}
    assert bench.provider.writes() == []
    assert bench.state == before


def test_one_changed_property_updates_just_its_resource(bench: Bench):
    bench.up('Thing("a", value="1"); Thing("b", value="2")')

    run = bench.up('Thing("a", value="1"); Thing("b", value="3")')

    assert run.changes == {"same": 2, "update": 1}
    assert bench.provider.writes() == [("Update", "b")]
    assert bench.resource("b").outputs["value"] == "3"
    assert [step.diff for step in run.deployment.steps if step.op == "update"] == [{"value": "update"}]


def test_an_update_keeps_the_id(bench: Bench):
    bench.up('Thing("a", value="1")')
    id_before = bench.resource("a").id

    bench.up('Thing("a", value="2")')

    assert bench.resource("a").id == id_before


def test_a_preview_changes_nothing_and_lists_the_steps_of_the_update(bench: Bench):
    bench.up('Thing("a", value="1"); Thing("old"); Thing("k", key="1")')
    program = 'a = Thing("a", value="2"); Thing("new", value=a.size); Thing("k", key="2")'
    before, alive = bench.state, dict(bench.provider.alive)

    preview = bench.preview(program)

    assert preview.error is None
    assert bench.provider.writes() == []
    assert (bench.state, bench.provider.alive) == (before, alive)
    update = bench.up(program)
    assert preview.ops() == update.ops()
    assert preview.changes == update.changes


def test_a_first_preview_saves_no_state(bench: Bench):
    bench.preview('Thing("a")')

    assert not bench.file.exists()


def test_what_a_preview_cannot_know_is_unknown_to_what_depends_on_it(bench: Bench):
    run = bench.preview("""
        a = Thing("a", value="1")
        a.hidden.apply(lambda value: 1 / 0)
        Thing("b", value=a.hidden)
        pulumi.export("known", a.value)
    """)

    assert run.error is None
    assert run.ops() == {"proj-dev": "create", "a": "create", "b": "create"}


def test_what_is_gone_from_the_program_is_deleted_dependents_first(bench: Bench):
    bench.up("""
        a = Thing("a")
        b = Thing("b", value=a.id)
        c = Thing("c", ResourceOptions(depends_on=[b]))
        Thing("kept")
    """)

    run = bench.up('Thing("kept")')

    assert bench.provider.writes() == [("Delete", "c"), ("Delete", "b"), ("Delete", "a")]
    assert run.changes == {"same": 2, "delete": 3}
    assert list(bench.provider.alive) == [bench.resource("kept").id]


def test_destroy_deletes_everything_in_reverse_order(bench: Bench):
    bench.up('g = Group("g"); a = Thing("a", ResourceOptions(parent=g)); Thing("b", value=a.id)')
    bench.provider.calls.clear()

    run = bench.destroy()

    assert bench.provider.writes() == [("Delete", "b"), ("Delete", "a")]
    assert [step.resource.name for step in run.deployment.steps] == ["b", "a", "g", "proj-dev"]
    assert bench.state.resources == []
    assert bench.provider.alive == {}


def test_a_replacement_is_created_first_and_the_old_one_deleted_last(bench: Bench):
    bench.up('a = Thing("a", key="1"); Thing("b", value=a.id)')
    old_id = bench.resource("a").id

    run = bench.up('a = Thing("a", key="2"); Thing("b", value=a.id)')

    assert bench.provider.writes() == [("Create", "a"), ("Update", "b"), ("Delete", "a")]
    assert run.changes == {"same": 1, "replace": 1, "update": 1}
    assert old_id not in bench.provider.alive
    assert bench.resource("b").inputs["value"] == bench.resource("a").id


def test_delete_before_replace_takes_dependents_that_must_go_with_it(bench: Bench):
    program = """
        a = Thing("a", keyFirst="{}")
        Thing("needs-replacement", key=a.id)
        Thing("can-be-updated", value=a.id)
    """
    bench.up(program.format(1))

    run = bench.up(program.format(2))

    writes = bench.provider.writes()
    assert writes[:3] == [("Delete", "needs-replacement"), ("Delete", "a"), ("Create", "a")]
    assert set(writes[3:]) == {("Create", "needs-replacement"), ("Update", "can-be-updated")}
    assert run.changes == {"same": 1, "replace": 2, "update": 1}


def test_the_option_delete_before_replace_overrides_the_provider(bench: Bench):
    program = 'Thing("a", ResourceOptions(delete_before_replace=True), key="{}")'
    bench.up(program.format(1))

    bench.up(program.format(2))

    assert bench.provider.writes() == [("Delete", "a"), ("Create", "a")]


def test_a_dependent_deleted_for_a_replacement_and_gone_from_the_program_stays_gone(bench: Bench):
    bench.up('a = Thing("a", keyFirst="1"); Thing("b", key=a.id)')

    run = bench.up('Thing("a", keyFirst="2")')

    assert run.error is None
    assert bench.provider.writes() == [("Delete", "b"), ("Delete", "a"), ("Create", "a")]
    assert [resource.name for resource in bench.state.resources] == ["proj-dev", "a"]


def test_components_need_no_provider_and_keep_their_outputs(bench: Bench):
    program = 'g = Group("g"); Thing("a", ResourceOptions(parent=g)); g.register_outputs({"x": 1})'
    bench.up(program)

    run = bench.up(program)

    group = bench.resource("g")
    assert (group.custom, group.outputs) == (False, {"x": 1})
    assert bench.resource("a").urn == "urn:pulumi:dev::proj::test:index:Group$test:index:Thing::a"
    assert run.changes == {"same": 3}


def test_independent_resources_are_created_at_the_same_time(bench: Bench):
    bench.provider.during = threading.Barrier(8, timeout=60).wait

    run = bench.up('[Thing(f"t{number}") for number in range(8)]')

    assert (run.failures, bench.provider.overlap) == ([], 8)


def test_two_resources_with_one_name_are_refused(bench: Bench):
    run = bench.up('Thing("a"); Thing("a")')

    assert "Duplicate resource URN" in str(run.error)
    assert "try giving it a unique name" in str(run.error)


def test_a_resource_can_be_read_without_being_owned(bench: Bench):
    bench.provider.alive["other-1"] = {"value": "from elsewhere"}
    program = """
        other = Thing("other", ResourceOptions(id="other-1"))
        pulumi.export("value", other.value)
    """

    run = bench.up(program)

    assert run.error is None
    assert bench.outputs() == {"value": "from elsewhere"}
    assert bench.resource("other").external
    bench.destroy()
    assert "other-1" in bench.provider.alive


def test_a_resource_that_was_only_read_is_discarded_not_deleted(bench: Bench):
    bench.provider.alive["other-1"] = {"value": "from elsewhere"}
    bench.up('Thing("other", ResourceOptions(id="other-1"))')

    run = bench.destroy()

    assert run.changes == {"discard": 1, "delete": 1}  # the stack itself is deleted


def test_invokes_reach_the_provider(bench: Bench):
    run = bench.up('pulumi.export("r", pulumi.runtime.invoke("test:index:get", {"q": 7}).value["echo"])')

    assert run.error is None
    assert bench.outputs() == {"r": {"q": 7}}


def test_refresh_takes_over_what_the_provider_sees(bench: Bench):
    bench.up('a = Thing("a", value="1"); b = Thing("b", value=a.id)')
    changed, gone = bench.resource("a").id, bench.resource("b").id
    bench.provider.alive[changed]["value"] = "drifted"
    del bench.provider.alive[gone]

    run = bench.refresh()

    assert run.changes == {"update": 1, "delete": 1}
    assert bench.resource("a").outputs["value"] == "drifted"
    assert [resource.name for resource in bench.state.resources] == ["proj-dev", "a"]


def test_what_an_emulator_lost_is_dropped_and_created_again(bench: Bench):
    program = 'a = Thing("a"); Thing("b", value=a.id); Thing("c")'
    bench.up(program)
    survivor = bench.resource("c").id
    bench.provider.alive = {survivor: bench.provider.alive[survivor]}
    deployment = bench.deployment(preview=False)

    missing = deployment.drop_missing()

    assert [resource.name for resource in missing] == ["a", "b"]
    assert bench.up(program).ops() == {"proj-dev": "same", "c": "same", "a": "create", "b": "create"}


def test_a_program_twice_as_large_is_waited_for_twice_as_long(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    waited: list[int] = []
    wait = asyncio.wait

    async def counted(outputs: Collection[Any], **options: Any) -> Any:
        waited.append(len(outputs))
        return await wait(outputs, **options)

    monkeypatch.setattr(asyncio, "wait", counted)
    totals = []
    for size in (10, 20):
        waited.clear()
        bench.preview(f'for number in range({size}): Thing(f"t{{number}}")')
        totals.append(sum(waited))

    assert totals[0] > 0
    assert totals[1] < 3 * totals[0]


def test_the_sdk_is_its_own_again_after_a_run(bench: Bench):
    own = stack.wait_for_rpcs, resource._get_stack_trace

    bench.preview("raise ValueError")

    assert (stack.wait_for_rpcs, resource._get_stack_trace) == own
    assert gc.isenabled()
