"""The command line: verbs, errors in one line, exit codes, and what is shown. No stack is needed."""

import argparse
import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest
from botocore import exceptions

from client import StackError, StillOpen, UnknownRequest, UnknownVariant, UsageError, arguments, display
from client.__main__ import VERBS, main
from client.errors import NoStack
from client.stack import Stack
from handlers.contract import InvalidRequest
from tests.unit.comparisons import HOSTILE, answer, result

ROOT = Path(__file__).parents[2]


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    """A file with the outputs of a stack that only has the map variant."""
    file = tmp_path / "outputs.json"
    file.write_text(
        json.dumps(
            {
                "quoteTableName": "quotes",
                "carriers": {
                    "map": {"stateMachineArn": "arn:aws:states:us-east-1:000000000000:stateMachine:map", "workflowType": "STANDARD"}
                },
                "responderNames": ["avis"],
                "sampleInput": '{"data": {}}',
            }
        )
    )
    return file


def test_help_imports_neither_boto3_nor_rich_nor_matplotlib():
    shown = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "client", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )

    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in shown.stderr.splitlines()}
    assert not {"boto3", "botocore", "rich", "matplotlib", "pulumi"} & imported
    assert "exit codes:" in shown.stdout


def test_a_package_that_is_not_installed_is_named_in_one_line(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "local.state", None)

    assert main(["get", "r1"]) == 2
    assert capsys.readouterr().err.startswith("error: local.state is not installed: activate the environment")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb, capsys):
    with pytest.raises(SystemExit) as ended:
        main([verb, "--help"])

    assert ended.value.code == 0
    assert VERBS[verb] in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "the following arguments are required: VERB"),
        (["fax"], "invalid choice: 'fax'"),
        (["get"], "the following arguments are required: id"),
        (["watch", "r1", "--timeout", "0"], "must be a number of seconds above 0, not 0"),
        (["compare", "-n", "0"], "must be a whole number of 1 or more, not 0"),
    ],
)
def test_wrong_use_is_one_line(arguments, reason, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    error = capsys.readouterr().err
    assert ended.value.code == 2
    assert reason in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidRequest("data must be an object"), 2),
        (UsageError("wrong"), 2),
        (UnknownVariant("wrong"), 2),
        (NoStack("none"), 3),
        (UnknownRequest("none"), 3),
        (StillOpen("open"), 5),
        (StackError("failed"), 1),
        (exceptions.NoCredentialsError(), 4),
        (exceptions.EndpointConnectionError(endpoint_url="http://127.0.0.1:1"), 4),
        (exceptions.ClientError({"Error": {"Code": "AccessDeniedException", "Message": "not\nyou"}}, "GetItem"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_errors_are_one_line_and_an_exit_code(error, code, monkeypatch, capsys):
    def find(*_: object) -> Stack:
        raise error

    monkeypatch.setattr(Stack, "find", find)

    assert main(["get", "r1"]) == code
    shown = capsys.readouterr()
    assert shown.err.startswith("error: ")
    assert shown.err.count("\n") == 1
    assert not shown.out


def test_a_mistake_of_ours_is_not_hidden(monkeypatch):
    monkeypatch.setattr(Stack, "find", lambda *_: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        main(["get", "r1"])


def test_without_credentials_it_says_what_to_do(outputs, monkeypatch, capsys, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    assert main(["get", "r1", "--outputs", str(outputs)]) == 4
    assert "aws sso login" in capsys.readouterr().err


def test_an_emulator_that_is_gone_is_named(outputs, monkeypatch, capsys):
    monkeypatch.setattr("client.stack.ATTEMPTS", 1)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    assert main(["get", "r1", "--outputs", str(outputs)]) == 4
    assert "http://127.0.0.1:1" in capsys.readouterr().err


def test_a_variant_that_is_not_deployed_is_named(outputs, capsys):
    assert main(["request", "fax", "--outputs", str(outputs)]) == 2
    assert capsys.readouterr().err == "error: variant fax is not deployed; deployed: map\n"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["load", "list.json"], "variant distributed is not deployed: add it to variants"),
        (["run"], "variant distributed is not deployed: add it to variants"),
        (["redrive"], "the stack has no dead-letter queues: it was deployed by an earlier version, without variant sns"),
        (["board", "--no-open"], "the stack has no API: set api.enabled to true, and variants to one that takes requests"),
        (["request", "map", "--api"], "the stack has no API: set api.enabled to true, and variants to one that takes requests"),
    ],
)
def test_what_is_not_deployed_is_wrong_use(arguments, reason, outputs, capsys):
    assert main([*arguments, "--outputs", str(outputs)]) == 2
    assert capsys.readouterr().err == f"error: {reason}\n"


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "No such file"), ("{", "it is not JSON"), ("[]", "does not hold this project's outputs"), ("{}", "does not hold")],
)
def test_outputs_that_cannot_be_used(content, reason, tmp_path, capsys):
    file = tmp_path / "outputs.json"
    if content is not None:
        file.write_text(content)

    assert main(["get", "r1", "--outputs", str(file)]) == 3
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize(("content", "reason"), [(None, "cannot read"), ("{", "is not JSON")])
def test_a_request_that_cannot_be_read(content, reason, outputs, tmp_path, capsys):
    file = tmp_path / "request.json"
    if content is not None:
        file.write_text(content)

    assert main(["request", "map", "--input", str(file), "--outputs", str(outputs)]) == 2
    assert reason in capsys.readouterr().err


CARRIERS = {"map": {"stateMachineArn": "arn", "workflowType": "STANDARD"}, "sns": {"functionArn": "arn"}}


class FakeStack(Stack):
    """Answers at once, and remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__({"carriers": CARRIERS, "responderNames": ["avis", "alamo"], "sampleInput": '{"data": {"days": 3}}'})
        self.requests: list[tuple[str, Any]] = []

    def request(self, variant: str, request: Any, timeout: float = 0) -> Any:
        self.requests.append((variant, request))
        return result(variant, requestId=request["requestId"])

    def record(self, request_id: str) -> dict[str, Any] | None:
        return {"requestId": request_id, "answers": {"avis": {"amount": "1"}, "alamo": {"amount": "2"}}}


@pytest.fixture
def fake_stack(monkeypatch):
    stack = FakeStack()
    monkeypatch.setattr(Stack, "find", lambda *_: stack)
    return stack


def test_compare_sends_the_same_request_through_each_carrier_in_turns(fake_stack, capsys):
    assert main(["compare", "-n", "2", "--warm-up", "1", "--json"]) == 0

    assert [variant for variant, _ in fake_stack.requests] == ["map", "sns"] * 3
    assert [request["data"] for _, request in fake_stack.requests] == [{"days": 3}] * 6
    assert len({request["requestId"] for _, request in fake_stack.requests}) == 6
    shown = json.loads(capsys.readouterr().out)
    counted = [run["result"]["requestId"] for carrier in shown["carriers"] for run in carrier["runs"]]
    assert sorted(counted) == sorted(request["requestId"] for _, request in fake_stack.requests[2:])


def test_compare_shows_tables_and_writes_its_report(fake_stack, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="the report is drawn with matplotlib")

    assert main(["compare", "-n", "1", "--per-month", "500", "--report", str(tmp_path / "report.html")]) == 0

    shown, errors = capsys.readouterr()
    assert "$ per 500 a month" in shown
    assert f"The report is in {tmp_path / 'report.html'}" in shown
    assert not errors, "progress is for those who watch"
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("words", "body", "completion"),
    [
        ([], {"data": {}}, None),
        ([], {"data": {}, "completion": {"quorum": 2}}, {"quorum": 2}),
        (
            ["--quorum", "3", "--deadline", "20"],
            {"data": {}, "completion": {"quorum": 2, "amountBelow": "9"}},
            {"quorum": 3, "deadlineSeconds": 20.0, "amountBelow": "9"},
        ),
        (
            ["--below", "99.50", "--require", "avis", "--require", "alamo"],
            {"data": {}},
            {"amountBelow": "99.50", "required": ["avis", "alamo"]},
        ),
        (["--quorum", "3"], {"data": {}, "completion": 7}, 7),
    ],
)
def test_when_a_request_closes_can_be_said_in_words(words, body, completion, tmp_path):
    file = tmp_path / "request.json"
    file.write_text(json.dumps(body))
    parser = argparse.ArgumentParser()
    arguments.add_request(parser)

    asked = arguments.read_request(parser.parse_args(["--input", str(file), *words]), Stack({"quoteTableName": "quotes"}, None))

    assert asked.get("completion") == completion


def test_compare_without_a_carrier_is_refused(fake_stack, monkeypatch, capsys):
    monkeypatch.setattr(FakeStack, "variants", [])

    assert main(["compare"]) == 1
    assert "no variant that takes requests is deployed" in capsys.readouterr().err


def test_a_report_that_could_not_be_written_is_refused_before_anything_is_sent(outputs, capsys):
    assert main(["compare", "--report", "/nowhere/report.html", "--outputs", str(outputs)]) == 2
    assert "there is no folder /nowhere" in capsys.readouterr().err


def test_output_whose_reader_has_left_is_a_broken_pipe(monkeypatch):
    reader, writer = os.pipe()
    os.close(reader)

    with contextlib.suppress(BrokenPipeError), os.fdopen(writer, "w") as closed:
        monkeypatch.setattr(sys, "stdout", closed)
        with pytest.raises(BrokenPipeError):
            display.console().print("an answer")


def test_piped_answers_are_lines_as_they_come(capsys):
    first, second = answer("avis", 40), answer("alamo", 90, "DECLINED")
    changes = [result("sns", [first], status="OPEN", completedBy=None), result("sns", [first, second], best=first)]

    last = display.last(cast(Stack, None), cast(Any, iter(changes)))

    assert last == changes[-1]
    assert capsys.readouterr().out.splitlines() == [
        "    40 ms  avis quoted 100 USD",
        "    90 ms  alamo declined sold out",
        "sns request r1 is complete (closed by all): 2 of 2 answered, best avis: 100 USD",
    ]


@pytest.mark.parametrize(
    ("more", "end"),
    [
        ({"completedBy": "CONDITION"}, "is complete (closed by condition): 1 of 1 answered, best avis: 100 USD"),
        ({"status": "OPEN", "completedBy": None, "expected": 2}, "is open: 1 of 2 answered, best avis: 100 USD"),
        ({"late": 2}, "1 of 1 answered, 2 late, best avis: 100 USD"),
        ({"expected": 3, "missing": ["alamo", "si\x1bxt"]}, "1 of 3 answered, without alamo, si\\x1bxt, best avis: 100 USD"),
        ({"expected": 2, "missing": ["alamo"], "status": "OPEN", "completedBy": None}, "1 of 2 answered, best avis: 100 USD"),
        ({"reasons": {"avis": "it\x1b is near", "alamo": "no"}}, "1 of 1 answered, best avis: 100 USD (it\\x1b is near)"),
        ({"best": None}, "1 of 1 answered, no quote"),
        ({"best": None, "selectionError": {"type": "ValueError", "message": "no\x1bidea"}}, "1 of 1 answered, no best: no\\x1bidea"),
    ],
)
def test_how_it_ended_is_one_line(more, end):
    assert display.summary(cast(Any, result("map", [answer("avis", 40)], **more))).plain.endswith(end)


def test_on_a_terminal_the_bars_show_answers_and_time():
    from rich.console import Console

    console = Console(force_terminal=True, width=100)
    open_result = result("sns", [answer("avis", 40)], status="OPEN", expected=3)
    record = {"recipients": ["avis", "alamo"], "createdAt": "2026-01-01T00:00:00.000Z", "deadlineAt": "2999-01-01T00:00:00.000Z"}

    with console.capture() as captured:
        console.print(display._progress(cast(Any, open_result), record))

    assert "1 of 3" in captured.get()
    assert "s until the deadline" in captured.get()
    assert "alamo" in captured.get()


def test_what_a_responder_said_steers_no_terminal(capsys):
    refused = answer("avis", 40, "DECLINED", error={"type": "T", "message": f"[red]{HOSTILE}[/red]\n\u202e"})

    display.print_result(cast(Any, result("map", [refused], best=None)))

    shown = capsys.readouterr().out
    assert "[red]<script>alert(1)" in shown
    assert "\\x1b[31m" in shown
    assert "\x1b" not in shown
    assert "\u202e" not in shown
