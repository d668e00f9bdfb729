"""Resource options: each does what it does under the CLI, or is refused by name."""

from __future__ import annotations

import pytest
from pulumi.runtime.proto import provider_pb2

from tests.unit.conftest import Bench


def test_a_protected_resource_is_not_deleted(bench: Bench):
    bench.up('Thing("a", ResourceOptions(protect=True))')

    run = bench.up("")

    assert bench.provider.writes() == []
    assert run.failures == [
        'test:index:Thing (a): resource "urn:pulumi:dev::proj::test:index:Thing::a" cannot be deleted because it is '
        "protected. To unprotect the resource, remove the `protect` flag from the resource in your Pulumi program and "
        "run `pulumi up`"
    ]
    assert bench.resource("a").protect


def test_a_preview_shows_the_whole_plan_beside_the_protected_resource(bench: Bench):
    bench.up('Thing("a", ResourceOptions(protect=True)); Thing("b")')

    run = bench.preview("")

    assert run.ops() == {"proj-dev": "same", "a": "delete", "b": "delete"}
    assert len(run.failures) == 1


def test_a_protected_resource_is_not_replaced(bench: Bench):
    program = 'Thing("a", ResourceOptions(protect=True), key="{}")'
    bench.up(program.format(1))

    run = bench.up(program.format(2))

    assert bench.provider.writes() == []
    assert "as it is currently marked for protection" in run.failures[0]


def test_taking_the_protection_away_and_deleting_takes_two_updates(bench: Bench):
    bench.up('Thing("a", ResourceOptions(protect=True))')

    unprotect = bench.up('Thing("a")')
    delete = bench.up("")

    assert unprotect.changes == {"same": 2}
    assert delete.changes == {"same": 1, "delete": 1}


def test_retain_on_delete_forgets_without_deleting(bench: Bench):
    bench.up('Thing("a", ResourceOptions(retain_on_delete=True))')

    run = bench.up("")

    assert run.changes == {"same": 1, "delete": 1}
    assert bench.provider.writes() == []
    assert len(bench.provider.alive) == 1


def test_ignored_changes_are_not_seen(bench: Bench):
    program = 'Thing("a", ResourceOptions(ignore_changes=["value", "tags.x"]), value="{0}", tags={{"x": "{0}", "y": "{1}"}})'
    bench.up(program.format(1, 1))

    ignored = bench.up(program.format(2, 1))
    seen = bench.up(program.format(3, 2))

    assert ignored.changes == {"same": 2}
    assert seen.changes == {"same": 1, "update": 1}
    assert bench.resource("a").inputs == {"value": "1", "tags": {"x": "1", "y": "2"}}


def test_all_changes_can_be_ignored(bench: Bench):
    program = 'Thing("a", ResourceOptions(ignore_changes=["*"]), value="{0}", {1})'
    bench.up(program.format(1, "bucket='auto'"))

    run = bench.up(program.format(2, "other='x'"))

    assert run.changes == {"same": 2}
    assert bench.resource("a").inputs["value"] == "1"


def test_an_alias_renames_without_replacing(bench: Bench):
    bench.up('a = Thing("old", value="1"); Thing("b", value=a.id)')
    id_before = bench.resource("old").id

    run = bench.up('a = Thing("new", ResourceOptions(aliases=[pulumi.Alias(name="old")]), value="1"); Thing("b", value=a.id)')

    assert run.changes == {"same": 3}
    assert bench.resource("new").id == id_before
    assert bench.resource("b").dependencies == [bench.resource("new").urn]


def test_children_follow_the_alias_of_their_parent(bench: Bench):
    bench.up('g = Group("old"); Thing("old-a", ResourceOptions(parent=g))')

    run = bench.up("""
        g = Group("new", ResourceOptions(aliases=[pulumi.Alias(name="old")]))
        Thing("new-a", ResourceOptions(parent=g))
    """)

    assert run.changes == {"same": 3}
    assert [resource.name for resource in bench.state.resources] == ["proj-dev", "new", "new-a"]


def test_moving_a_resource_under_a_component_keeps_it_when_aliased(bench: Bench):
    bench.up('Thing("a")')

    run = bench.up("""
        g = Group("g")
        Thing("a", ResourceOptions(parent=g, aliases=[pulumi.Alias(parent=pulumi.ROOT_STACK_RESOURCE)]))
    """)

    assert run.changes == {"same": 2, "create": 1}
    assert bench.provider.writes() == []


def test_custom_timeouts_reach_the_provider(bench: Bench):
    seen = []
    create = bench.provider.Create
    bench.provider.Create = lambda request, context: seen.append(request.timeout) or create(request, context)

    bench.up('Thing("a", ResourceOptions(custom_timeouts=pulumi.CustomTimeouts(create="1m30s")))')

    assert seen == [90]
    assert bench.resource("a").custom_timeouts == {"create": 90}


@pytest.mark.parametrize("accepts_secrets", [True, False])
def test_secret_inputs_stay_secret_whether_or_not_the_provider_knows_secrets(bench: Bench, accepts_secrets: bool):
    bench.provider.accepts_secrets = accepts_secrets

    bench.up("""
        a = Thing("a", value=pulumi.Output.secret("hush"))
        pulumi.export("value", a.value)
        pulumi.export("open", "shown")
    """)

    assert bench.outputs()["open"] == "shown"
    assert bench.outputs()["value"]["value"] == "hush"
    assert "hush" not in bench.file.path.read_text()
    assert "ciphertext" in bench.file.path.read_text()


def test_additional_secret_outputs_are_kept_secret(bench: Bench):
    bench.up('a = Thing("a", ResourceOptions(additional_secret_outputs=["hidden"])); pulumi.export("h", a.hidden)')

    assert "secret of" not in bench.file.path.read_text()
    assert bench.outputs()["h"]["value"].startswith("secret of a")


def test_a_secret_tag_is_secret_among_all_tags_too(bench: Bench):
    create = bench.provider.Create
    bench.provider.Create = lambda request, context: with_all_tags(create(request, context))

    bench.up('Thing("a", tags={"token": pulumi.Output.secret("hush")})')

    assert "hush" not in bench.file.path.read_text()


def with_all_tags(response: provider_pb2.CreateResponse) -> provider_pb2.CreateResponse:
    response.properties.update({"tagsAll": {"token": "hush"}})
    return response


def test_a_secret_that_did_not_change_is_no_change(bench: Bench):
    program = 'Thing("a", value=pulumi.Output.secret("hush"))'
    bench.up(program)

    assert bench.up(program).changes == {"same": 2}


def test_a_changed_file_behind_an_asset_is_a_change(bench: Bench):
    program = 'Thing("a", code=pulumi.FileArchive("code"), text=pulumi.StringAsset("x"))'
    (bench.folder / "code").mkdir()
    source = bench.folder / "code" / "main.py"
    source.write_text("1")
    bench.up(program)

    same = bench.up(program)
    source.write_text("2")
    changed = bench.up(program)

    assert same.changes == {"same": 2}
    assert changed.changes == {"same": 1, "update": 1}


@pytest.mark.parametrize(
    ("program", "named"),
    [
        ('Thing("a", ResourceOptions(import_="x"))', "import_"),
        ('Thing("a", ResourceOptions(provider=pulumi.ProviderResource("test", "p", {})))', "explicit providers"),
        ('Thing("a", ResourceOptions(transforms=[lambda args: None]))', "transforms"),
        ("pulumi.runtime.register_resource_transform(lambda args: None)", "transforms"),
        ('Thing("a", ResourceOptions(replace_with=[Thing("b")]))', "replace_with"),
        ('Thing("a", ResourceOptions(replacement_trigger="1"))', "replacement_trigger"),
        ('Thing("a", ResourceOptions(deleted_with=Thing("b")))', "deleted_with"),
        ('Thing("a", ResourceOptions(replace_on_changes=["value"]))', "replace_on_changes"),
        ('Thing("a", ResourceOptions(hide_diffs=["x"]))', "hide_diffs"),
        ('Thing("a", ResourceOptions(plugin_download_url="https://x"))', "plugin_download_url"),
        ('Thing("a", ResourceOptions(hooks=pulumi.ResourceHookBinding(before_create=[lambda args: None])))', "hook"),
        ('pulumi.StackReference("org/proj/stack")', "stack references"),
        ('pulumi.require_pulumi_version(">=3.0.0")', "require_pulumi_version"),
        ('pulumi.CustomResource("other:index:Thing", "a", {})', "package 'other'"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(bench: Bench, program: str, named: str):
    run = bench.up(program)

    message = str(run.failures or run.error)
    assert named in message
    assert "use --cli" in message
    assert bench.provider.names("Create") in ([], ["b"])
