"""The command line over the fake provider: words, flags, shapes of output, exit codes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from local import interrupt, session
from local.cli import main
from local.emulator import Emulator
from local.plugin import Plugin
from local.state import StateFile
from tests.unit.conftest import PRELUDE
from tests.unit.fake_provider import FakeProvider

PROJECT = """\
name: proj
runtime: python
config:
  size: {type: integer, default: 1}
  token: {type: string, default: hush, secret: true}
"""

PROGRAM = """
config = pulumi.Config()
group = Group("g")
a = Thing("a", ResourceOptions(parent=group), value=config.require("size"))
pulumi.export("text", "plain")
pulumi.export("list", [1, {"a": "b"}])
pulumi.export("secret", pulumi.Output.secret("hush"))
pulumi.export("size", a.value)
"""


@dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@dataclass
class Project:
    folder: Path
    provider: FakeProvider
    emulator: Emulator
    capture: pytest.CaptureFixture[str]

    def program(self, text: str) -> None:
        (self.folder / "__main__.py").write_text(PRELUDE + textwrap.dedent(text))

    def run(self, *arguments: str) -> Result:
        self.capture.readouterr()
        try:
            code = main(["-C", str(self.folder), *arguments])
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        return Result(code, *self.capture.readouterr())


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Project:
    (tmp_path / "Pulumi.yaml").write_text(PROJECT)
    made = Project(tmp_path, FakeProvider(), Emulator("http://127.0.0.1:1", instance="first"), capsys)
    plugin = Plugin("test", made.provider)

    def configured(config: object, emulator: Emulator) -> Plugin:
        plugin.configure({})
        return plugin

    monkeypatch.setattr(session, "configure_provider", configured)
    monkeypatch.setattr(session, "open_emulator", lambda folder, endpoint, needed: made.emulator)
    made.program(PROGRAM)
    return made


def test_up_shows_steps_outputs_counts_and_duration(project: Project):
    result = project.run("up", "--yes")

    assert result.code == 0
    assert result.err == ""
    assert (
        re.sub(r" \([0-9.]+m?s\)", "", result.out).splitlines()[-20:]
        == textwrap.dedent("""\
        Updating (local):

         +  pulumi:pulumi:Stack proj-local creating
         +  pulumi:pulumi:Stack proj-local created
         +  test:index:Group g creating
         +  test:index:Group g created
         +  test:index:Thing a creating
         +  test:index:Thing a created

        Outputs:
            list  : [
                [0]: 1
                [1]: {
                    a: "b"
                }
            ]
            secret: [secret]
            size  : "1"
            text  : "plain"

        Resources:
            + 3 created

        Duration: 1s

        """).splitlines()[-20:]
    )


def test_a_preview_says_what_would_be_done_and_does_nothing(project: Project):
    result = project.run("preview")

    assert result.code == 0
    assert " +  test:index:Thing a create\n" in result.out
    assert "    + 3 to create\n" in result.out
    assert project.provider.writes() == []


def test_a_changed_setting_shows_the_property_that_changes(project: Project):
    project.run("up", "--yes")
    project.run("config", "set", "size", "2")

    result = project.run("preview")

    assert " ~  test:index:Thing a update [diff: ~value]\n" in result.out
    assert '  ~ size  : "1" => "2"\n' in result.out
    assert "    ~ 1 to update\n    2 unchanged\n" in result.out


def test_diff_shows_old_and_new_values(project: Project):
    project.run("up", "--yes")
    project.run("config", "set", "size", "2")

    result = project.run("preview", "--diff")

    assert '  ~ value: "1" => "2"\n' in result.out


def test_diff_names_the_files_of_an_archive_that_differ(project: Project):
    project.program("""
        from pulumi import AssetArchive, FileAsset, StringAsset
        from pathlib import Path
        files = {path.name: FileAsset(str(path)) for path in sorted(Path("code").iterdir())}
        Thing("a", value=AssetArchive({**files, "made.py": StringAsset("x = 1")}))
    """)
    code = project.folder / "code"
    code.mkdir()
    for name in ("gone.py", "kept.py", "mended.py"):
        (code / name).write_text("x = 1")
    project.run("up", "--yes")
    (code / "gone.py").unlink()
    (code / "mended.py").write_text("x = 2")
    (code / "new.py").write_text("x = 1")

    result = project.run("preview", "--diff")

    assert "  ~ value: [4 files]\n      - gone.py\n      ~ mended.py\n      + new.py\n" in result.out
    assert "made.py" not in result.out


@pytest.mark.parametrize("verb", ["destroy", "refresh"])
def test_no_emulator_is_started_for_a_stack_that_was_never_deployed(project: Project, monkeypatch: pytest.MonkeyPatch, verb: str):
    monkeypatch.setattr("local.session.open_emulator", lambda *_: pytest.fail("an emulator is started"))

    result = project.run(verb, "--yes")

    assert (result.code, result.out) == (0, "Stack local has no resources\n")


@pytest.mark.parametrize("verb", ["up", "destroy", "refresh"])
def test_without_yes_nobody_can_be_asked_in_a_pipe(project: Project, verb: str):
    result = project.run(verb)

    assert result.code == 2
    assert result.err == ("error: --yes or --skip-preview must be passed in to proceed when running in non-interactive mode\n")
    assert project.provider.calls == []


def test_json_of_up_is_one_object_with_every_count(project: Project):
    project.program(PROGRAM + '\nprint("hello from the program")')

    first = project.run("up", "--yes", "--json")
    second = project.run("up", "--yes", "--json")

    assert first.json["changeSummary"] == {"create": 3, "update": 0, "replace": 0, "delete": 0, "same": 0}
    assert second.json["changeSummary"] == {"create": 0, "update": 0, "replace": 0, "delete": 0, "same": 3}
    assert {"severity": "info", "message": "hello from the program"}.items() <= first.json["diagnostics"][0].items()
    assert "hush" not in first.out
    assert first.json["config"]["proj:token"] == "[secret]"


def test_json_lists_the_same_steps_for_preview_and_up(project: Project):
    project.run("up", "--yes")
    project.run("config", "set", "size", "2")

    preview, up = project.run("preview", "--json").json, project.run("up", "--yes", "--json").json

    expected = [
        ("same", "urn:pulumi:local::proj::pulumi:pulumi:Stack::proj-local", None),
        (
            "update",
            "urn:pulumi:local::proj::test:index:Group$test:index:Thing::a",
            {"value": {"kind": "update", "inputDiff": True}},
        ),
    ]
    for digest in (preview, up):
        assert [(step["op"], step["urn"], step["detailedDiff"]) for step in digest["steps"]] == expected
        assert digest["changeSummary"] == {"create": 0, "update": 1, "replace": 0, "delete": 0, "same": 2}
        assert isinstance(digest["duration"], int)


def test_show_sames_lists_what_does_not_change_too(project: Project):
    project.run("up", "--yes")

    steps = project.run("preview", "--json", "--show-sames").json["steps"]

    assert [step["op"] for step in steps] == ["same", "same", "same"]


def test_a_replacement_is_one_step(project: Project):
    project.program('Thing("a", key="1")')
    project.run("up", "--yes")
    project.program('Thing("a", key="2")')

    digest = project.run("up", "--yes", "--json").json

    assert [step["op"] for step in digest["steps"]] == ["same", "replace"]
    assert digest["steps"][1]["replaceReasons"] == ["key"]
    assert digest["changeSummary"] == {"create": 0, "update": 0, "replace": 1, "delete": 0, "same": 1}


def test_destroy_in_json_counts_the_deletions(project: Project):
    project.run("up", "--yes")

    digest = project.run("destroy", "--yes", "--json").json

    assert digest["changeSummary"] == {"create": 0, "update": 0, "replace": 0, "delete": 3, "same": 0}
    assert project.provider.alive == {}


def test_a_failure_is_one_line_on_stderr_and_in_the_json(project: Project):
    project.program('Thing("a", fail="quota\\nexceeded")')

    result = project.run("up", "--yes", "--json")

    assert result.code == 1
    assert result.err == "error: test:index:Thing (a): quota exceeded\n"
    assert result.json["diagnostics"][-1]["severity"] == "error"


@pytest.mark.parametrize(
    ("statement", "line"),
    [
        ('raise pulumi.RunError("no\\nvariant")', "error: no variant\n"),
        ('raise ValueError("no variant")', "error: no variant\n"),
        ("{}['missing']", "error: KeyError: 'missing' (__main__.py:20)\n"),
        ("import not_there", "error: No module named 'not_there'\n"),
        ("1 / 0", "error: ZeroDivisionError: division by zero (__main__.py:20)\n"),
        ("undefined", "error: NameError: name 'undefined' is not defined (__main__.py:20)\n"),
    ],
)
def test_what_the_program_raises_is_one_line(project: Project, statement: str, line: str):
    project.program(statement)

    result = project.run("preview")

    assert (result.code, result.err) == (1, line)


def test_debug_shows_the_traceback(project: Project):
    project.program('raise ValueError("no variant")')

    assert "Traceback" in project.run("preview", "--debug").err


def test_wrong_configuration_stops_before_anything_runs(project: Project):
    (project.folder / "Pulumi.local.yaml").write_text("config:\n  proj:size: many\n")

    result = project.run("preview")

    assert result.code == 1
    assert result.err == "error: configuration key 'size' of stack 'local' is 'many', but must be an integer\n"
    assert project.provider.calls == []


def test_expect_no_changes_fails_when_there_are_some(project: Project):
    changed = project.run("preview", "--expect-no-changes")
    project.run("up", "--yes")
    unchanged = project.run("preview", "--expect-no-changes")

    assert (changed.code, unchanged.code) == (7, 0)
    assert changed.err == "error: no changes were expected but changes were proposed\n"


def test_flags_that_are_not_supported_are_refused_by_name(project: Project):
    result = project.run("up", "--yes", "--target", "urn")

    assert (result.code, result.err) == (2, "error: --target isn't supported by the local engine; use --cli\n")


def test_flags_are_not_taken_for_others_that_begin_alike(project: Project):
    result = project.run("up", "--yes", "--config", "x=1")

    assert (result.code, result.err) == (2, "error: --config isn't supported by the local engine; use --cli\n")


@pytest.mark.parametrize("words", ["cancel", "import", "stack export", "stack import", "state"])
def test_verbs_that_only_the_cli_has_are_refused_in_one_line(project: Project, words: str):
    result = project.run(*words.split(), "--file", "x")

    assert (result.code, result.err) == (2, f"error: {words} isn't supported by the local engine; use --cli\n")


def test_a_stack_is_removed_when_it_has_no_resources(project: Project):
    project.run("up", "--yes")

    refused = project.run("stack", "rm", "--yes")
    project.run("destroy", "--yes")
    removed = project.run("stack", "rm", "--yes")

    assert (refused.code, "still has resources" in refused.err) == (1, True)
    assert (removed.code, removed.out) == (0, "Stack 'local' has been removed!\n")
    assert project.run("stack", "ls").out == "NAME  RESOURCE COUNT\n"


def test_what_the_cli_has_deployed_is_left_to_it(project: Project):
    stacks = project.folder / ".local" / "cli" / ".pulumi" / "stacks" / "proj"
    stacks.mkdir(parents=True)
    (stacks / "local.json").write_text('{"checkpoint": {"latest": {"resources": [{}, {}]}}}')

    result = project.run("up", "--yes")

    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("error: stack local has 2 resources that `--cli` made: go on with --cli")


def test_the_cli_leaves_alone_what_was_deployed_without_it(project: Project, monkeypatch: pytest.MonkeyPatch):
    project.run("up", "--yes")
    monkeypatch.setattr("shutil.which", lambda _: "/bin/false")

    result = project.run("up", "--cli", "--yes")

    assert result.code == 1
    assert result.err.startswith("error: stack local has 3 resources that were made without --cli")


@pytest.mark.parametrize(("code", "expected"), [("0", (0, "")), ("3", (1, "error: Program exited with non-zero exit code: 3\n"))])
def test_a_program_that_ends_itself_is_taken_at_its_exit_code(project: Project, code: str, expected: tuple[int, str]):
    project.program(f'import sys; Thing("a"); sys.exit({code})')

    result = project.run("up", "--yes")

    assert (result.code, result.err) == expected
    assert len(project.provider.alive) == (1 if code == "0" else 0)


def test_what_is_retained_says_so(project: Project):
    project.program('Thing("a", ResourceOptions(retain_on_delete=True))')
    project.run("up", "--yes")

    result = project.run("destroy", "--yes", "--skip-preview")

    assert re.search(r"^ -  test:index:Thing a deleted( \([0-9.]+s\))?\[retain\]$", result.out, re.MULTILINE)


def test_an_address_file_of_a_process_that_is_gone_is_not_believed(project: Project):
    project.run("up", "--yes")
    project.provider.alive.clear()
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    project.emulator.pid = gone.pid

    result = project.run("up", "--yes")

    assert result.err == "warning: the emulator at http://127.0.0.1:1 does not have 1 of this stack's 1 resources\n"
    assert "    + 1 created\n    2 unchanged\n" in result.out


def test_a_deletion_that_was_interrupted_after_it_happened_is_made_good(project: Project):
    project.run("up", "--yes")
    project.program('Thing("b")')
    file = StateFile(project.folder / ".local", "local")
    project.run("up", "--yes")
    project.program('Thing("b"); Thing("c")')
    project.run("up", "--yes")
    state = file.load()
    state.pending_deletes = [resource for resource in state.resources if resource.name == "b"]
    file.save(state)
    del project.provider.alive[state.pending_deletes[0].id]

    result = project.run("up", "--yes")

    assert "    + 1 created\n    2 unchanged\n" in result.out
    assert file.load().pending_deletes == []


@pytest.mark.parametrize("text", ["{", '{"version": 1}', '{"version": 1, "resources": [{"id": "x"}]}', '{"version": 1, "resources": 7}'])
def test_a_damaged_state_is_one_line_that_names_the_file(project: Project, text: str):
    project.run("up", "--yes")
    (project.folder / ".local" / "local.state.json").write_text(text)

    result = project.run("up", "--yes")

    assert result.code == 1
    assert re.fullmatch(r"error: \S+local\.state\.json is not a state file: [^\n]+\n", result.err)


def test_outputs_are_printed_as_the_cli_prints_them(project: Project):
    project.run("up", "--yes")

    assert project.run("stack", "output", "text").out == "plain\n"
    assert project.run("stack", "output", "list").out == '[1,{"a":"b"}]\n'
    assert project.run("stack", "output", "secret").out == "[secret]\n"
    assert project.run("stack", "output", "secret", "--show-secrets").out == "hush\n"
    assert project.run("stack", "output", "text", "--json").out == '"plain"\n'
    assert project.run("stack", "output", "--json").json == {
        "list": [1, {"a": "b"}], "secret": "[secret]", "size": "1", "text": "plain"
    }  # fmt: skip
    missing = project.run("stack", "output", "nope")
    assert (missing.code, missing.err) == (1, "error: current stack does not have output property 'nope'\n")


def test_config_lists_sets_gets_and_removes(project: Project):
    project.run("config", "set", "size", "7")

    assert project.run("config", "get", "size").out == "7\n"
    assert project.run("config").out == "KEY    VALUE\nsize   7\ntoken  [secret]\n"
    assert project.run("config", "--json").json["proj:size"] == {"value": "7", "secret": False}
    project.run("config", "rm", "size")
    assert project.run("config", "get", "size").out == "1\n"
    refused = project.run("config", "set", "size", "many")
    assert (refused.code, refused.out) == (1, "")


def test_an_unknown_stack_is_refused(project: Project):
    result = project.run("preview", "--stack", "typo")

    assert result.err == "error: no stack named 'typo' found: there is no Pulumi.typo.yaml\n"


def test_another_configuration_file_can_be_given(project: Project):
    file = project.folder / "elsewhere.yaml"
    file.write_text("config:\n  proj:size: 7\n")

    project.run("up", "--yes", "--stack", "other", "--config-file", str(file))

    assert project.run("stack", "output", "size", "--stack", "other").out == "7\n"


def test_a_configuration_file_that_is_not_there_is_named(project: Project):
    result = project.run("up", "--yes", "--config-file", "nowhere.yaml")

    assert result.code == 1
    assert "there is no configuration file nowhere.yaml" in result.err


def test_stacks_are_listed_with_their_resources(project: Project):
    project.run("up", "--yes")

    assert project.run("stack", "ls").out == "NAME    RESOURCE COUNT\nlocal*  3\n"
    assert "Current stack resources (3):" in project.run("stack").out


def test_an_emulator_that_lost_everything_is_noticed_and_filled_again(project: Project):
    project.run("up", "--yes")
    project.provider.alive.clear()
    project.emulator.instance = "second"

    result = project.run("up", "--yes")

    assert result.code == 0
    assert result.err == ("warning: the emulator at http://127.0.0.1:1 was restarted and has lost 1 of this stack's 1 resources\n")
    assert "    + 1 created\n    2 unchanged\n" in result.out
    assert project.run("up", "--yes").err == ""


def test_a_preview_after_a_restart_does_not_change_the_state(project: Project):
    project.run("up", "--yes")
    state = StateFile(project.folder / ".local", "local")
    before = state.load()
    project.provider.alive.clear()
    project.emulator.instance = "second"

    assert "    + 1 to create\n" in project.run("preview").out
    assert state.load() == before


def test_destroying_what_a_restarted_emulator_lost_just_forgets_it(project: Project):
    project.run("up", "--yes")
    project.provider.alive.clear()
    project.emulator.instance = "second"

    result = project.run("destroy", "--yes")

    assert result.code == 0
    assert project.provider.names("Delete") == []
    assert StateFile(project.folder / ".local", "local").load().resources == []


def test_two_updates_at_once_are_refused(project: Project):
    with StateFile(project.folder / ".local", "local").lock():
        result = project.run("up", "--yes")

    assert result.code == 1
    assert result.err == (f"error: stack local is locked by another update (pid {os.getpid()}); wait until it has ended\n")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_an_interrupt_finishes_what_is_under_way_and_loses_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch, number: int, code: int
):
    project.program("""
        first = Thing("first")
        Thing("second", value=first.id)
    """)
    interrupt_during_create(project.provider, number, monkeypatch)

    result = project.run("up", "--yes", "--skip-preview")

    assert result.code == code
    assert result.err.splitlines()[-1] == (
        f"error: interrupted; what was done is saved; to go on: python -m local -C {project.folder} up --yes --skip-preview"
    )
    state = StateFile(project.folder / ".local", "local").load()
    assert [resource.name for resource in state.resources if resource.custom] == ["first"]
    assert state.pending_creates == []
    assert "    + 1 created\n    2 unchanged\n" in project.run("up", "--yes", "--skip-preview").out


def interrupt_during_create(provider: FakeProvider, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first creation sends this process the signal, and is not done before the signal was taken."""
    taken = threading.Event()

    class Told(interrupt.Interrupted):
        def __init__(self, number: int) -> None:
            super().__init__(number)
            taken.set()

    def interrupted():
        provider.during = lambda: None
        signal.pthread_kill(threading.main_thread().ident or 0, number)
        taken.wait(30)

    monkeypatch.setattr(interrupt, "Interrupted", Told)
    provider.during = interrupted


@pytest.mark.parametrize("arguments", [["--help"], ["stack", "output"], ["config"], ["status"]])
def test_verbs_that_run_no_program_import_neither_the_sdk_nor_boto3(project: Project, arguments: list[str]):
    check = "import sys; from local.cli import main\ntry: main(sys.argv[1:])\nexcept SystemExit: pass\n"
    check += "heavy = {'pulumi', 'pulumi_aws', 'boto3', 'rich'} & set(sys.modules)\nassert not heavy, heavy"

    subprocess.run([sys.executable, "-c", check, "-C", str(project.folder), *arguments], check=True, capture_output=True)


def test_cli_says_so_when_there_is_no_pulumi(project: Project, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")

    result = project.run("up", "--cli", "--yes")

    assert (result.code, result.err) == (1, "error: --cli needs the Pulumi CLI, but there is no pulumi on PATH\n")


def test_what_the_preview_has_said_the_update_does_not_say_again(project):
    project.program("""
        pulumi.warn("this is dear")
        if not pulumi.runtime.is_dry_run():
            pulumi.warn("and this is for real")
    """)

    both, alone = project.run("up", "--yes"), project.run("up", "--yes", "--skip-preview")

    assert both.out.count("warning: this is dear") == 1
    assert both.out.count("warning: and this is for real") == 1
    assert alone.out.count("warning: this is dear") == 1
