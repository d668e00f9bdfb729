"""The command line end to end: small programs, the real provider, the real emulator."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from local import emulator as emulator_control
from local.cli import main
from local.emulator import Emulator
from local.state import StateFile
from local.watch import stamps

ROOT = Path(__file__).resolve().parents[2]

PROJECT = """\
name: tiny
runtime: {{name: python, options: {{virtualenv: {virtualenv}}}}}
config:
  delay: {{type: integer, default: 0}}
  key: {{type: string, default: id}}
"""

STACK = """\
config:
  aws:region: us-east-1
  aws:accessKey: "{account}"
  aws:secretKey: test
"""

PROGRAM = """\
import pulumi
import pulumi_aws as aws

config = pulumi.Config()
queue = aws.sqs.Queue("queue", delay_seconds=config.require_int("delay"))
table = aws.dynamodb.Table(
    "table",
    billing_mode="PAY_PER_REQUEST",
    hash_key=config.require("key"),
    attributes=[{"name": config.require("key"), "type": "S"}],
)
logs = aws.cloudwatch.LogGroup("logs", retention_in_days=7)
pulumi.export("queueUrl", queue.url)
pulumi.export("tableName", table.name)
"""

STOPPING_HALFWAY = """\
import asyncio
from pathlib import Path

import pulumi
import pulumi_aws as aws

async def open_gate(arn):
    while not Path("{gate}").exists():
        await asyncio.sleep(0.01)
    return arn

previous = None
for name in {names}:
    after = "nothing" if previous is None else previous.arn.apply(open_gate) if name == "q4" else previous.arn
    previous = aws.sqs.Queue(name, tags={{"after": after}})
"""
"""Queues one after the other. The fifth, and those after it, are not made before there is a gate: a test then need not be quick."""


ONE_AFTER_THE_OTHER = """\
import pulumi_aws as aws

previous = None
for number in range(40):
    previous = aws.sqs.Queue(f"q{number}", tags={"after": previous.arn if previous else "nothing"})
"""


@dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def changes(self) -> dict[str, int]:
        return {op: count for op, count in self.json["changeSummary"].items() if count}


@dataclass
class Project:
    """A project of its own, in an account of its own of the emulator that all tests share."""

    folder: Path
    emulator: Emulator
    capture: pytest.CaptureFixture[str]

    def program(self, text: str) -> None:
        (self.folder / "__main__.py").write_text(textwrap.dedent(text))

    def run(self, *arguments: str) -> Result:
        """One command in this process, which has everything imported already."""
        self.capture.readouterr()
        code = main(["-C", str(self.folder), "--endpoint", self.emulator.endpoint, *arguments])
        return Result(code, *self.capture.readouterr())

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """One command as the user starts it."""
        return subprocess.Popen(
            [sys.executable, "-m", "local", "-C", str(self.folder), "--endpoint", self.emulator.endpoint, *arguments],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def resources(self) -> list[str]:
        state = StateFile(self.folder / ".local", "local").load()
        return sorted(resource.name for resource in state.resources if resource.custom)


@pytest.fixture
def project(
    tmp_path: Path, emulator: Emulator, account: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Project:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("AWS_SESSION_TOKEN", str(emulator.session_token))
    (tmp_path / "Pulumi.yaml").write_text(PROJECT.format(virtualenv=sys.prefix))
    (tmp_path / "Pulumi.local.yaml").write_text(STACK.format(account=account))
    made = Project(tmp_path, emulator, capsys)
    made.program(PROGRAM)
    return made


@pytest.fixture
def queues(clients: Callable[[str], Any]) -> Callable[[], list[str]]:
    return lambda: clients("sqs").list_queues().get("QueueUrls", [])


def test_up_then_up_again_then_one_change_then_destroy(project: Project, clients, queues):
    first = project.run("up", "--yes", "--json")
    again = project.run("up", "--yes", "--json")
    project.run("config", "set", "delay", "3")
    planned = project.run("preview", "--json")
    changed = project.run("up", "--yes", "--json")
    url = project.run("stack", "output", "queueUrl").out.strip()
    delay = clients("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["DelaySeconds"])["Attributes"]
    destroyed = project.run("destroy", "--yes", "--json")

    assert first.changes == {"create": 4}
    assert again.changes == {"same": 4}
    assert planned.changes == changed.changes == {"update": 1, "same": 3}
    assert [step["detailedDiff"] for step in changed.json["steps"]][1:] == [{"delaySeconds": {"kind": "update", "inputDiff": True}}]
    assert delay == {"DelaySeconds": "3"}
    assert destroyed.changes == {"delete": 4}
    assert queues() == []
    assert clients("dynamodb").list_tables()["TableNames"] == []
    assert clients("logs").describe_log_groups()["logGroups"] == []


READING_A_MODULE = """\
import pulumi_aws as aws

from delay import SECONDS

queue = aws.sqs.Queue("queue", delay_seconds=SECONDS)
"""


def interrupted_by(project: Project, *words: str) -> str:
    command = f"python -m local -C {project.folder} --endpoint {project.emulator.endpoint} {' '.join(words)}"
    return f"error: interrupted; what was done is saved; to go on: {command}"


def said(process: subprocess.Popen[str], words: str) -> list[str]:
    """Its lines up to the one with these words."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line.rstrip())
        if words in line:
            return lines
    raise AssertionError(f"it ended without {words!r}: {lines}")


def test_a_saved_file_is_deployed_while_up_watches(project: Project, clients, queues):
    project.program(READING_A_MODULE)
    module = project.folder / "delay.py"
    module.write_text("SECONDS = 1")
    watching = project.start("up", "--watch", "--yes", "--then", "echo and then")
    said(watching, "watching for changes")
    [url] = queues()

    module.write_text("SECONDS = 20")
    lines = said(watching, "watching for changes")

    assert clients("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["DelaySeconds"])["Attributes"] == {"DelaySeconds": "20"}
    assert any(line.endswith("changed: delay.py") for line in lines)
    assert "    ~ 1 updated" in lines
    assert "and then" in lines
    watching.send_signal(signal.SIGINT)
    told = interrupted_by(project, "up", "--watch", "--yes", "--then", "'echo and then'")
    assert (watching.wait(10), watching.communicate()[1]) == (130, f"{told}\n")


def test_ctrl_c_while_a_watched_file_is_deployed_ends_the_update_and_the_watch(project: Project):
    project.program(STOPPING_HALFWAY.format(names=[f"q{number}" for number in range(8)], gate=project.folder / "gate"))
    watching = project.start("up", "--watch", "--yes")
    wait_until(lambda: len(project.resources()) == 4)

    watching.send_signal(signal.SIGINT)
    assert watching.stderr is not None
    told = watching.stderr.readline()
    (project.folder / "gate").touch()

    assert told.startswith("interrupted: finishing the steps under way")
    assert watching.communicate(timeout=120)[1] == f"{interrupted_by(project, 'up', '--watch', '--yes')}\n"
    assert (watching.returncode, len(project.resources())) == (130, 4)


def test_a_mistake_that_is_saved_does_not_end_the_watch(project: Project, queues):
    project.program(READING_A_MODULE)
    module = project.folder / "delay.py"
    module.write_text("SECONDS = 1")
    watching = project.start("up", "--watch", "--yes", "--then", "echo and then")
    said(watching, "watching for changes")

    module.write_text("SECONDS = one")
    broken = said(watching, "watching for changes")
    module.write_text("SECONDS = 2")
    mended = said(watching, "watching for changes")

    assert ("and then" in broken, "and then" in mended) == (False, True)
    watching.send_signal(signal.SIGINT)
    assert watching.communicate(timeout=10)[1].splitlines()[:-1] == ["error: NameError: name 'one' is not defined (delay.py:1)"]


def test_what_is_no_part_of_the_program_is_not_watched(tmp_path):
    for file in ("a.py", "folder/b.json", ".hidden/c", ".local/d", "folder/__pycache__/e.pyc", "venv/pyvenv.cfg", "venv/lib/f.py"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()

    assert sorted(stamps(tmp_path)) == ["a.py", "folder/b.json"]


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--watch"], "--watch asks nobody and prints no JSON: pass --yes or --skip-preview, and no --json"),
        (["--watch", "--yes", "--json"], "--watch asks nobody and prints no JSON: pass --yes or --skip-preview, and no --json"),
        (["--then", "true", "--yes"], "--then has no effect without --watch"),
    ],
)
def test_a_watch_that_cannot_be_is_refused(project: Project, flags, reason):
    refused = project.run("up", *flags)

    assert (refused.code, refused.err.strip()) == (2, f"error: {reason}")


def test_items_in_a_table_survive_a_change_of_something_else(project: Project, clients):
    project.run("up", "--yes")
    table = project.run("stack", "output", "tableName").out.strip()
    clients("dynamodb").put_item(TableName=table, Item={"id": {"S": "kept"}})

    project.run("config", "set", "delay", "3")
    project.run("up", "--yes")

    assert clients("dynamodb").scan(TableName=table)["Count"] == 1


def test_the_key_of_a_table_replaces_it(project: Project, clients):
    project.run("up", "--yes")
    before = clients("dynamodb").list_tables()["TableNames"]
    project.run("config", "set", "key", "other")

    result = project.run("up", "--yes", "--json")

    after = clients("dynamodb").list_tables()["TableNames"]
    assert result.changes == {"replace": 1, "same": 3}
    assert len(before) == len(after) == 1
    assert before != after


def test_a_creation_that_the_emulator_refuses_is_finished_by_the_next_up(project: Project, clients):
    clients("logs").create_log_group(logGroupName="/taken")
    project.program(PROGRAM.replace("retention_in_days=7", 'retention_in_days=7, name="/taken"'))

    refused = project.run("up", "--yes")
    kept = project.resources()
    clients("logs").delete_log_group(logGroupName="/taken")
    finished = project.run("up", "--yes", "--json")

    assert refused.code == 1
    assert refused.err.count("\n") == 1
    assert refused.err.startswith("error: aws:cloudwatch/logGroup:LogGroup (logs): ")
    assert "already exists" in refused.err
    assert "logs" not in kept
    assert finished.code == 0
    assert project.resources() == ["logs", "queue", "table"]


def test_an_update_killed_in_the_middle_is_finished_by_the_next(project: Project, clients, queues):
    names = [f"q{number}" for number in range(8)]
    project.program(STOPPING_HALFWAY.format(names=names, gate=project.folder / "gate"))
    killed = project.start("up", "--yes", "--skip-preview")
    wait_until(lambda: len(project.resources()) == 4)

    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    left = project.resources()
    (project.folder / "gate").touch()
    finished = project.run("up", "--yes")

    assert left == names[:4]
    assert finished.code == 0
    assert project.resources() == sorted(names)
    assert len(queues()) == len(names)
    project.run("destroy", "--yes")
    assert queues() == []


def test_ctrl_c_finishes_what_is_under_way_and_says_so_in_one_line(project: Project, queues):
    names = [f"q{number}" for number in range(8)]
    project.program(STOPPING_HALFWAY.format(names=names, gate=project.folder / "gate"))
    interrupted = project.start("up", "--yes", "--skip-preview")
    wait_until(lambda: len(project.resources()) == 4)

    interrupted.send_signal(signal.SIGINT)
    assert interrupted.stderr is not None
    told = interrupted.stderr.readline()
    (project.folder / "gate").touch()
    _, err = interrupted.communicate(timeout=120)

    assert interrupted.returncode == 130
    assert told == "interrupted: finishing the steps under way; once more gives up on them\n"
    assert err == f"{interrupted_by(project, 'up', '--yes', '--skip-preview')}\n"
    assert StateFile(project.folder / ".local", "local").load().pending_creates == []
    assert len(project.resources()) == len(queues()) == 4


def test_a_destroy_that_is_interrupted_says_how_to_go_on(project: Project):
    project.program(ONE_AFTER_THE_OTHER)
    project.run("up", "--yes", "--skip-preview")
    interrupted = project.start("destroy", "--yes", "--skip-preview")
    wait_until(lambda: len(project.resources()) < 40)

    interrupted.send_signal(signal.SIGINT)
    _, err = interrupted.communicate(timeout=120)

    assert (interrupted.returncode, err.splitlines()[-1]) == (130, interrupted_by(project, "destroy", "--yes", "--skip-preview"))
    assert 0 < len(project.resources()) < 40


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_refresh_before_the_program_leaves_its_imports_alone(project: Project):
    project.run("up", "--yes", "--skip-preview")

    up = project.start("up", "--yes", "--skip-preview", "--refresh", "--json", "--parallel", "1")
    out, err = up.communicate(timeout=120)

    assert up.returncode == 0, err
    assert json.loads(out)["changeSummary"]["same"] == 4


def test_a_program_without_the_sdk_of_another_package_is_told_to_use_the_cli(project: Project):
    project.program('import pulumi; pulumi.CustomResource("other:index:Thing", "x", {})')

    result = project.run("preview")

    assert result.code == 1
    assert "package 'other' isn't supported by the local engine; use --cli" in result.err


@pytest.fixture
def own_emulator(project: Project) -> Iterator[Project]:
    """A project whose commands start and stop an emulator of its own."""
    yield project
    running = emulator_control.find(project.folder / ".local")
    if running is not None:
        running.stop()


def test_up_starts_the_emulator_destroy_leaves_it_and_stop_ends_it(own_emulator: Project, capsys):
    def run(*arguments: str) -> Result:
        capsys.readouterr()
        code = main(["-C", str(own_emulator.folder), *arguments])
        return Result(code, *capsys.readouterr())

    before, nothing_to_set = run("status"), run("status", "--env")
    up = run("up", "--yes", "--skip-preview")
    during, to_set = run("status", "--json").json, run("status", "--env").out
    stopped = run("stop")
    again = run("up", "--yes", "--skip-preview")
    destroyed = run("destroy", "--yes", "--skip-preview")

    assert (before.code, before.out) == (1, "The emulator isn't running\n")
    assert up.out.startswith("Started the emulator at http://127.0.0.1:")
    assert during["running"]
    assert (nothing_to_set.code, nothing_to_set.out) == (1, "")
    assert nothing_to_set.err == "error: the emulator isn't running: python -m local start\n"
    assert re.fullmatch(
        rf"export AWS_ENDPOINT_URL={during['endpoint']}\nexport AWS_SESSION_TOKEN=[\w-]{{43}}\nexport AWS_ACCESS_KEY_ID=0{{12}}\n"
        r"export AWS_SECRET_ACCESS_KEY=test\n",
        to_set,
    )
    kept = [own_emulator.folder / ".local", *(own_emulator.folder / ".local").iterdir()]
    assert {path.name for path in kept if path.stat().st_mode & 0o077} == set()
    assert stopped.out.startswith("Stopped the emulator")
    assert "was restarted and has lost 3 of this stack's 3 resources" in again.err
    assert "    + 3 created\n    1 unchanged\n" in again.out
    assert "The emulator keeps running at http://127.0.0.1:" in destroyed.out
    assert run("stop").code == 0


@pytest.mark.skipif(shutil.which("pulumi") is None, reason="the Pulumi CLI is not on PATH")
def test_cli_hands_the_verbs_to_the_pulumi_cli(project: Project, queues):
    stack_file = project.folder / "Pulumi.local.yaml"
    before = stack_file.read_text()

    def run(*arguments: str) -> Result:
        finished = project.start("--cli", *arguments)
        out, err = finished.communicate(timeout=120)
        return Result(finished.returncode, out, err)

    up = run("up", "--yes", "--skip-preview")
    unchanged = run("preview", "--json")
    output = run("stack", "output", "queueUrl")
    url = queues()
    destroyed = run("destroy", "--yes", "--skip-preview")

    assert up.code == 0, up.err
    assert unchanged.json["changeSummary"] == {"same": 4}
    assert [output.out.strip()] == url
    assert destroyed.code == 0
    assert queues() == []
    assert stack_file.read_text() == before
    assert not (project.folder / ".local" / "local.state.json").exists()


def test_an_emulator_that_the_command_starts_enforces_what_roles_may_do(project: Project):
    capture, folder = project.capture, project.folder
    main(["-C", str(folder), "start"])
    capture.readouterr()
    running = emulator_control.find(folder / ".local")
    assert running is not None
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{running.endpoint}/_ministack/health", headers=running.headers)) as reply:
            assert json.load(reply)["auth"] == "enabled"
    finally:
        main(["-C", str(folder), "stop"])


def test_what_is_refused_in_the_clear_is_taken_from_this_machine(tmp_path):
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"},
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": "sqs:*",
                "Resource": "*",
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            },
        ],
    }
    with emulator_control.start(tmp_path, port=0, auth=True) as running:
        sqs = boto3.client(
            "sqs",
            endpoint_url=running.endpoint,
            region_name="us-east-1",
            aws_access_key_id="000000000000",
            aws_secret_access_key="test",
            aws_session_token=running.session_token,
        )
        url = sqs.create_queue(QueueName="q", Attributes={"Policy": json.dumps(document)})["QueueUrl"]

        assert sqs.send_message(QueueUrl=url, MessageBody="in the clear")["MessageId"]


OF_NOTHING = """\
import pulumi
import pulumi_aws as aws

caller = aws.get_caller_identity()
queue = aws.sqs.Queue("queue")
pulumi.export("place", [caller.account_id, caller.arn, caller.user_id, aws.get_region().region, aws.get_partition().partition])
"""


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders in which an emulator was started."""
    started: list[Path] = []
    launch = emulator_control._launch
    monkeypatch.setattr(emulator_control, "_launch", lambda folder, *given: started.append(folder) or launch(folder, *given))
    return started


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["preview"], "    + 2 to create\n"),
        (["preview", "--json"], '"create": 2,'),
        (["destroy", "--yes"], "Stack local has no resources\n"),
        (["destroy", "--yes", "--json"], '"delete": 0,'),
        (["refresh", "--yes"], "Stack local has no resources\n"),
    ],
)
def test_of_a_stack_that_has_nothing_no_emulator_is_started(own_emulator: Project, starts, capsys, words, said):
    own_emulator.program(OF_NOTHING)

    code = main(["-C", str(own_emulator.folder), *words])

    assert (code, starts) == (0, [])
    assert said in capsys.readouterr().out


def test_a_second_destroy_starts_no_emulator(own_emulator: Project, starts, capsys):
    folder = ["-C", str(own_emulator.folder)]
    for words in (["up", "--yes", "--skip-preview"], ["destroy", "--yes"], ["stop"]):
        main([*folder, *words])
    capsys.readouterr()

    codes = [main([*folder, *words]) for words in (["destroy", "--yes"], ["destroy", "--yes", "--json"], ["preview"])]

    assert (codes, len(starts)) == ([0, 0, 0], 1)
    assert capsys.readouterr().err == ""


def test_without_an_emulator_a_program_is_told_of_the_place_what_the_emulator_says(own_emulator: Project, starts, capsys):
    own_emulator.program(OF_NOTHING)

    def place() -> list[str]:
        main(["-C", str(own_emulator.folder), "preview", "--json"])
        return json.loads(capsys.readouterr().out)["steps"][0]["newState"]["outputs"]["place"]

    alone = place()
    main(["-C", str(own_emulator.folder), "start"])
    capsys.readouterr()

    assert alone == place()
    assert len(starts) == 1


def test_what_only_an_emulator_knows_is_refused_in_a_line_where_none_runs(own_emulator: Project, starts, capsys):
    own_emulator.program('import pulumi_aws as aws\n\naws.sqs.Queue.get("queue", "http://127.0.0.1/000000000000/queue")\n')

    code = main(["-C", str(own_emulator.folder), "preview"])

    assert (code, starts) == (1, [])
    assert capsys.readouterr().err.endswith(": no emulator runs that could be asked for what sqs has: start it first\n")
