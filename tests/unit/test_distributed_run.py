"""`run` after the end: the counts, and the failures where AWS puts them."""

import io
import json
from argparse import ArgumentParser

import pytest
from botocore.exceptions import ClientError
from botocore.response import StreamingBody

from client import Stack, UnknownVariant, run

MACHINE = "arn:aws:states:us-east-1:000000000000:stateMachine:machine"
EXECUTION = "arn:aws:states:us-east-1:000000000000:execution:machine:1"
RUN = "arn:aws:states:us-east-1:000000000000:mapRun:machine/items:1a2b"
SUMMARY = {"items": 4, "succeeded": 1, "failed": 3, "withinTolerance": False, "results": "s3://rows/results/1a2b/", "failures": []}


class Aws:
    """Step Functions and S3 as they are after a run."""

    def __init__(self, state, objects=None, map_run=None, history=()):
        self.state, self.objects, self.map_run, self.history = state, objects or {}, map_run, history
        self.looked_up = 0

    def start_execution(self, stateMachineArn, input, **named):
        return {"executionArn": EXECUTION}

    def describe_execution(self, executionArn):
        return self.state

    def list_map_runs(self, executionArn):
        self.looked_up += 1
        return {"mapRuns": [self.map_run] if self.map_run else []}

    def describe_map_run(self, mapRunArn):
        return self.map_run

    def get_paginator(self, operation):
        assert operation == "get_execution_history"
        return self

    def paginate(self, **_):
        return [{"events": self.history}]

    def get_object(self, Bucket, Key):
        if Key not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        body = self.objects[Key].encode()
        return {"Body": StreamingBody(io.BytesIO(body), len(body))}


class StackOf(Stack):
    def client(self, service):
        return self.outputs["aws"]


def stack_with(aws, results="s3://rows/results/"):
    return StackOf({"distributedStateMachineArn": MACHINE, "distributedResults": results, "aws": aws})


INLINE = "the execution's output"


def counts(**given):
    none = dict.fromkeys(("total", "succeeded", "failed", "timedOut", "aborted", "pending", "running"), 0)
    return {"mapRunArn": RUN, "itemCounts": {**none, **given}}


def lines(*values):
    return "".join(json.dumps(value) + "\n" for value in values)


RESULTS = {
    "results/1a2b/failures.jsonl": lines(
        {
            "index": 1,
            "status": "FAILED",
            "item": {"$decimal": "12345678901234567890"},
            "error": {"type": "ValueError", "message": "too big"},
        },
        {"index": 2, "status": "FAILED", "error": {"type": "Lambda.Unknown", "message": "out of memory"}},
        {"index": 3, "status": "FAILED", "item": {"$decimal": "abc"}, "error": {"type": "ValueError", "message": "no number"}},
    )
}


def test_failures_come_from_the_file_of_the_tally():
    state = {"status": "FAILED", "error": "ToleranceExceeded", "cause": json.dumps(SUMMARY)}

    ended = run.result(stack_with(Aws(state, RESULTS, counts(total=4))), EXECUTION)

    assert (ended.status, ended.items, ended.succeeded, ended.failed, ended.exit_code) == ("FAILED", 4, 1, 3, 1)
    assert ended.failures == [
        {"index": 1, "item": 12345678901234567890, "error": {"type": "ValueError", "message": "too big"}},
        {"index": 2, "item": None, "error": {"type": "Lambda.Unknown", "message": "out of memory"}},
        {"index": 3, "item": {"$decimal": "abc"}, "error": {"type": "ValueError", "message": "no number"}},
    ]


def test_no_more_failures_are_fetched_than_asked_for():
    state = {"status": "FAILED", "error": "ToleranceExceeded", "cause": json.dumps(SUMMARY)}

    assert len(run.result(stack_with(Aws(state, RESULTS, counts(total=4))), EXECUTION, failures=1).failures) == 1


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ({"status": "SUCCEEDED", "output": json.dumps({"items": 0, "succeeded": 0, "failed": 0, "results": [], "failures": []})}, 0),
        (
            {
                "status": "FAILED",
                "error": "ToleranceExceeded",
                "cause": json.dumps({"items": 2, "succeeded": 0, "failed": 2, "failures": []}),
            },
            1,
        ),
        ({"status": "TIMED_OUT"}, 1),
        ({"status": "ABORTED"}, 1),
        ({"status": "FAILED", "error": "InvalidSource", "cause": "no list"}, 2),
    ],
)
def test_the_exit_code_tells_how_it_ended(state, code):
    assert run.result(stack_with(Aws(state)), EXECUTION).exit_code == code


def test_a_run_that_was_cut_short_says_how_far_it_came(capsys):
    aws = Aws({"status": "TIMED_OUT"}, map_run=counts(total=10, succeeded=6, failed=1, pending=2, running=1))

    assert run.run(arguments("--name", "1"), stack_with(aws)) == 1
    ended = run.result(stack_with(aws), EXECUTION)

    assert (ended.items, ended.done, ended.succeeded, ended.failed, ended.failures) == (10, 7, None, None, [])
    assert capsys.readouterr().out == "run timed_out: 7 of 10 items done\nwhat failed or was not reached: run --again 1\n"


def test_the_map_run_of_an_execution_is_looked_up_once():
    class Ending(Aws):
        statuses = iter(["RUNNING"] * 5 + ["SUCCEEDED"])

        def describe_execution(self, executionArn):
            return {"status": next(self.statuses)}

    aws = Ending({}, map_run=counts(total=2, succeeded=1, running=1))

    assert list(run.watch(stack_with(aws), EXECUTION, poll_seconds=0)) == [run.Progress(1, 1)]
    assert aws.looked_up == 1


class Metered(Aws):
    """An account whose calls take a token each, out of buckets that AWS fills again, while time goes by only where somebody sleeps."""

    def __init__(self, monkeypatch, seconds, **buckets):
        self.buckets = buckets or {"describe_execution": (300, 15.0), "list_map_runs": (100, 1.0), "describe_map_run": (200, 1.0)}
        super().__init__({}, map_run=counts(total=2, succeeded=1, running=1))
        self.now, self.ends, self.refused = 0.0, seconds, 0
        self.left = {call: (float(size), 0.0) for call, (size, _) in self.buckets.items()}
        monkeypatch.setattr(run.time, "sleep", self._sleep)

    def _sleep(self, seconds):
        self.now += seconds

    def _take(self, call):
        (size, refill), (left, since) = self.buckets[call], self.left[call]
        left = min(size, left + refill * (self.now - since))
        self.left[call] = (left - 1 if left >= 1 else left, self.now)
        if left < 1:
            self.refused += 1
            raise ClientError({"Error": {"Code": "ThrottlingException"}}, call)

    def describe_execution(self, executionArn):
        self._take("describe_execution")
        return {"status": "RUNNING" if self.now < self.ends else "SUCCEEDED"}

    def list_map_runs(self, executionArn):
        self._take("list_map_runs")
        return super().list_map_runs(executionArn)

    def describe_map_run(self, mapRunArn):
        self._take("describe_map_run")
        return super().describe_map_run(mapRunArn)


def test_a_run_of_an_hour_is_followed_within_the_quotas_of_the_account(monkeypatch):
    account = Metered(monkeypatch, seconds=3600)

    assert list(run.watch(stack_with(account), EXECUTION)) == [run.Progress(1, 1)]
    assert account.refused == 0


def test_a_throttle_is_a_reason_to_wait(monkeypatch):
    account = Metered(monkeypatch, seconds=3600, describe_execution=(2, 0.1), list_map_runs=(1, 0.1), describe_map_run=(1, 0.1))

    assert list(run.watch(stack_with(account), EXECUTION)) == [run.Progress(1, 1)]
    assert account.refused > 0


def test_any_other_refusal_is_told(monkeypatch):
    class Shut(Aws):
        def describe_execution(self, executionArn):
            raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "DescribeExecution")

    with pytest.raises(ClientError, match="AccessDeniedException"):
        list(run.watch(stack_with(Shut({})), EXECUTION))


def test_who_stops_watching_is_told_how_to_go_on():
    class Interrupting(Aws):
        def describe_execution(self, executionArn):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as interrupt:
        run.run(arguments("--name", "1"), stack_with(Interrupting({})))
    follow, stop = (f"python -m client run {how} {EXECUTION}" for how in ("--follow", "--stop"))
    assert str(interrupt.value) == f"what was started goes on: {follow}; to stop it: {stop}"


@pytest.mark.parametrize("given", ["1", EXECUTION])
def test_a_run_is_stopped_by_its_name_or_its_arn(given):
    class Stopping(Aws):
        stopped: tuple[str, ...] = ()

        def stop_execution(self, executionArn):
            self.stopped = (executionArn,)

    aws = Stopping({"status": "ABORTED"}, map_run=counts(total=3, succeeded=1, aborted=2))

    assert run.run(arguments("--stop", given), stack_with(aws)) == 1
    assert aws.stopped == (EXECUTION,)


def test_an_inline_run_is_followed_by_its_history():
    history = [{"type": "MapStateStarted", "mapStateStartedEventDetails": {"length": 3}}, {"type": "MapIterationSucceeded"}]

    [progress] = run.watch(stack_with(Aws({"status": "SUCCEEDED"}, history=history), INLINE), EXECUTION)

    assert progress == run.Progress(1, 2)


def arguments(*flags):
    parser = ArgumentParser()
    parser.add_argument("--json", action="store_true")
    run.add_arguments(parser)
    return parser.parse_args(flags)


def test_the_verb_prints_a_summary_and_the_failures(capsys):
    state = {"status": "FAILED", "error": "ToleranceExceeded", "cause": json.dumps(SUMMARY)}

    assert run.run(arguments("--name", "1", "--failures", "1"), stack_with(Aws(state, RESULTS, counts(total=4, failed=3)))) == 1
    assert capsys.readouterr().out.splitlines() == [
        "run failed: 4 items, 1 succeeded, 3 failed",
        "results: s3://rows/results/1a2b/",
        "  item 1: ValueError: too big",
        "  and 2 more (--failures N)",
        "one file: results 1 -o FILE",
        "what failed or was not reached: run --again 1",
    ]


def test_the_verb_prints_json(capsys):
    state = {"status": "FAILED", "error": "InvalidSource", "cause": "items is a string, not a list"}

    assert run.run(arguments("--json"), stack_with(Aws(state), INLINE)) == 2
    assert json.loads(capsys.readouterr().out)["cause"] == "items is a string, not a list"


def test_as_json_each_step_is_a_line(capsys, monkeypatch):
    class Ending(Aws):
        looks = iter([(4, 6), (10, 0)])
        statuses = iter(["RUNNING", "SUCCEEDED"])

        def describe_execution(self, executionArn):
            return {"status": next(self.statuses, "SUCCEEDED"), "output": json.dumps({**SUMMARY, "failed": 0})}

        def describe_map_run(self, mapRunArn):
            done, pending = next(self.looks, (10, 0))
            return counts(total=done + pending, succeeded=done, pending=pending)

        def head_object(self, Bucket, Key):
            assert (Bucket, Key) == ("rows", "results/1/items.jsonl")
            return {"ContentLength": 1_000}

    monkeypatch.setattr(run, "AWS_POLL_SECONDS", (0.01, 0.02))
    stack = stack_with(Ending({}, map_run=counts(total=10)))

    assert run.run(arguments("--json", "--name", "1"), stack) == 0

    first, second, ended = map(json.loads, capsys.readouterr().out.splitlines())
    steps = [first["progress"], second["progress"]]
    assert [(step["done"], step["pending"], step["items"]) for step in steps] == [(4, 6, 10), (10, 0, 10)]
    assert [(step["bytesDone"], step["bytes"]) for step in steps] == [(400, 1_000), (1_000, 1_000)]
    assert steps[1]["perSecond"] > 0 and steps[1]["secondsLeft"] == 0
    assert ended["status"] == "SUCCEEDED"


def test_the_reason_of_a_refused_source_is_printed(capsys):
    state = {"status": "FAILED", "error": "InvalidSource", "cause": "items is a string, not a list"}

    run.run(arguments(), stack_with(Aws(state), INLINE))

    assert capsys.readouterr().out == "run failed\nInvalidSource: items is a string, not a list\n"


def test_without_the_variant_there_is_nothing_to_run():
    with pytest.raises(UnknownVariant, match="variant distributed is not deployed: add it to variants"):
        run.start(Stack({}))
