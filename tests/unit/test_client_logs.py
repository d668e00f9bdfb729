"""The verb logs: which groups it reads, and how it shows what stands there."""

import argparse
import json
from types import SimpleNamespace

import pytest

from client import logs
from client.errors import UsageError

GROUPS = {"avis": "group-avis", "aggregator": "group-aggregator"}
RAISED = {
    "level": "ERROR",
    "message": "its code raised",
    "correlation_id": "r1",
    "service": "responder",
    "exception": "Traceback (most recent call last):\n  File \"acme.py\", line 5, in quote\nKeyError: 'days'",
}


class Stack:
    """A stack whose log groups have these messages, at the seconds 1, 2 …, a page for each."""

    outputs = {"logGroups": GROUPS}  # noqa: RUF012 - nothing changes it

    def __init__(self, **messages):
        self.messages = {GROUPS[source]: its for source, its in messages.items()}
        self.asked = []

    def client(self, service):
        assert service == "logs"
        return SimpleNamespace(get_paginator=lambda operation: SimpleNamespace(paginate=self._paginate))

    def _paginate(self, **call):
        self.asked.append(call)
        for second, message in enumerate(self.messages.get(call["logGroupName"], ()), start=1):
            yield {"events": [{"timestamp": 1000 * second, "message": message, "eventId": f"{call['logGroupName']}-{second}"}]}


def show(stack, capsys, *arguments, as_json=False):
    parser = argparse.ArgumentParser()
    logs.add_arguments(parser)
    assert logs.run(parser.parse_args(arguments, argparse.Namespace(json=as_json)), stack) == 0
    return capsys.readouterr().out.splitlines()


def test_events_of_all_functions_are_in_the_order_of_their_times(capsys):
    shown = show(Stack(avis=["first", "third"], aggregator=[json.dumps({"message": "second", "level": "INFO"})]), capsys)

    assert shown == ["00:00:01.000  aggregator  INFO  second", "00:00:01.000  avis  first", "00:00:02.000  avis  third"]


def test_an_exception_is_one_line_with_its_request_and_its_last_words(capsys):
    shown = show(Stack(avis=[json.dumps(RAISED)]), capsys)

    assert shown == ["00:00:01.000  avis  ERROR  r1  its code raised: KeyError: 'days'"]


def test_its_traceback_is_shown_when_it_is_asked_for(capsys):
    shown = show(Stack(avis=[json.dumps(RAISED)]), capsys, "--traceback")

    assert shown[1:] == ["    Traceback (most recent call last):", '      File "acme.py", line 5, in quote', "    KeyError: 'days'"]


def test_json_has_the_event_as_it_is_with_its_source_and_time(capsys):
    [line] = show(Stack(avis=[json.dumps(RAISED)]), capsys, as_json=True)

    assert json.loads(line) == {"source": "avis", "time": "1970-01-01T00:00:01.000+00:00", **RAISED}


@pytest.mark.parametrize(
    "line",
    [
        "START RequestId: 1 Version: $LATEST",
        "END RequestId: 1",
        "REPORT RequestId: 1\tDuration: 3 ms",
        "INIT_START Runtime Version: …",
        json.dumps({"time": "…", "type": "platform.report", "record": {}}),
    ],
)
def test_what_lambda_says_of_itself_is_left_out(capsys, line):
    assert show(Stack(avis=[line]), capsys) == []


def test_a_name_reads_its_own_log_alone(capsys):
    stack = Stack(avis=["one"], aggregator=["two"])

    assert show(stack, capsys, "avis") == ["00:00:01.000  avis  one"]
    assert [call["logGroupName"] for call in stack.asked] == ["group-avis"]


def test_the_id_of_a_request_is_looked_for_in_every_log(capsys):
    stack = Stack()

    show(stack, capsys, "3f2c")

    assert {(call["logGroupName"], call["filterPattern"]) for call in stack.asked} == {(group, '"3f2c"') for group in GROUPS.values()}


def test_what_could_steer_a_terminal_is_written_out(capsys):
    assert show(Stack(avis=["\x1b[31mred"]), capsys) == ["00:00:01.000  avis  \\x1b[31mred"]


def test_what_is_no_name_and_no_id_is_refused(capsys):
    with pytest.raises(UsageError, match=r"nobody! is no id of a request; allowed: such an id, or one of avis, aggregator"):
        show(Stack(), capsys, "nobody!")


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("10m", 600), ("2h", 7200), ("1d", 86_400)])
def test_how_far_back(text, seconds):
    parser = argparse.ArgumentParser()
    logs.add_arguments(parser)

    assert parser.parse_args(["--since", text]).since == seconds
