"""`run` after the end: the counts, and the failures where AWS puts them."""

import io
import json
from argparse import ArgumentParser

import pytest
from botocore.exceptions import ClientError
from botocore.response import StreamingBody

from client import Stack, UnknownVariant, run

EXECUTION = "arn:aws:states:us-east-1:000000000000:execution:machine:1"
RUN = "arn:aws:states:us-east-1:000000000000:mapRun:machine/items:1a2b"
SUMMARY = {"items": 4, "succeeded": 1, "failed": 3, "withinTolerance": False, "results": "s3://rows/results/1a2b/"}


class Aws:
    """Step Functions and S3 as they are after a run."""

    def __init__(self, state, objects=None, map_run=None, history=()):
        self.state, self.objects, self.map_run, self.history = state, objects or {}, map_run, history

    def start_execution(self, stateMachineArn, input, **named):
        return {"executionArn": EXECUTION}

    def describe_execution(self, executionArn):
        return self.state

    def list_map_runs(self, executionArn):
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


def stack_with(aws, source="s3"):
    return StackOf({"distributedStateMachineArn": "arn:machine", "distributedSource": {"source": source}, "aws": aws})


def counts(**given):
    none = dict.fromkeys(("total", "succeeded", "failed", "timedOut", "aborted", "pending", "running"), 0)
    return {"mapRunArn": RUN, "itemCounts": {**none, **given}}


def lines(*values):
    return "".join(json.dumps(value) + "\n" for value in values)


RESULTS = {
    "results/1a2b/manifest.json": json.dumps({"DestinationBucket": "rows", "MapRunArn": RUN, "ResultFiles": {
        "FAILED": [{"Key": "results/1a2b/FAILED_0.jsonl", "Size": 1}], "PENDING": [],
        "SUCCEEDED": [{"Key": "results/1a2b/SUCCEEDED_0.jsonl", "Size": 1}]}}),
    "results/1a2b/SUCCEEDED_0.jsonl": lines(
        {"index": 0, "status": "SUCCEEDED", "result": 1},
        {"index": 1, "status": "FAILED", "item": {"$decimal": "12345678901234567890"},
         "error": {"type": "ValueError", "message": "too big"}}),
    "results/1a2b/FAILED_0.jsonl": lines(
        {"ExecutionArn": "arn",
         "Input": json.dumps({"Items": [{"run": "1", "index": 2, "item": "c"}, {"run": "1", "index": 3, "item": "d"}]}),
         "Status": "FAILED", "Error": "Lambda.Unknown", "Cause": "out of memory"}),
}


def test_failures_come_from_the_files_of_the_result_writer():
    state = {"status": "FAILED", "error": "ToleranceExceeded", "cause": json.dumps(SUMMARY)}

    ended = run.result(stack_with(Aws(state, RESULTS, counts(total=4))), EXECUTION)

    assert (ended.status, ended.items, ended.succeeded, ended.failed, ended.exit_code) == ("FAILED", 4, 1, 3, 1)
    lost = {"type": "Lambda.Unknown", "message": "out of memory"}
    assert ended.failures == [
        {"index": 1, "item": 12345678901234567890, "error": {"type": "ValueError", "message": "too big"}},
        {"index": 2, "item": "c", "error": lost}, {"index": 3, "item": "d", "error": lost}]


def test_no_more_failures_are_fetched_than_asked_for():
    state = {"status": "FAILED", "error": "ToleranceExceeded", "cause": json.dumps(SUMMARY)}

    assert len(run.result(stack_with(Aws(state, RESULTS, counts(total=4))), EXECUTION, failures=1).failures) == 1


@pytest.mark.parametrize(("state", "code"), [
    ({"status": "SUCCEEDED", "output": json.dumps({"items": 0, "succeeded": 0, "failed": 0, "results": [], "failures": []})}, 0),
    ({"status": "FAILED", "error": "ToleranceExceeded", "cause": '{"items": 2, "cut'}, 1),
    ({"status": "TIMED_OUT"}, 1), ({"status": "ABORTED"}, 1),
    ({"status": "FAILED", "error": "InvalidSource", "cause": "no list"}, 2)])
def test_the_exit_code_tells_how_it_ended(state, code):
    assert run.result(stack_with(Aws(state)), EXECUTION).exit_code == code


def test_a_run_that_timed_out_still_has_its_counts():
    map_run = counts(total=10, succeeded=6, failed=1, aborted=3)

    ended = run.result(stack_with(Aws({"status": "TIMED_OUT"}, map_run=map_run)), EXECUTION, failures=0)

    assert (ended.items, ended.succeeded, ended.failed) == (10, 6, 4)


def test_an_inline_run_is_followed_by_its_history():
    history = [{"type": "MapStateStarted", "mapStateStartedEventDetails": {"length": 3}}, {"type": "MapIterationSucceeded"}]

    [progress] = run.watch(stack_with(Aws({"status": "SUCCEEDED"}, history=history)), EXECUTION)

    assert progress == run.Progress(1, 0, 2)


def arguments(*flags):
    parser = ArgumentParser()
    parser.add_argument("--json", action="store_true")
    run.add_arguments(parser)
    return parser.parse_args(flags)


def test_the_verb_prints_a_summary_and_the_failures(capsys):
    state = {"status": "FAILED", "error": "ToleranceExceeded", "cause": json.dumps(SUMMARY)}

    assert run.run(arguments("--failures", "1"), stack_with(Aws(state, RESULTS, counts(total=4, failed=3)))) == 1
    assert capsys.readouterr().out.splitlines() == [
        "run failed: 4 items, 1 succeeded, 3 failed", "results: s3://rows/results/1a2b/", "  item 1: ValueError: too big",
        "  and 2 more (--failures N)"]


def test_the_verb_prints_json(capsys):
    state = {"status": "FAILED", "error": "InvalidSource", "cause": "items is a string, not a list"}

    assert run.run(arguments("--json"), stack_with(Aws(state), "dynamodb")) == 2
    assert json.loads(capsys.readouterr().out)["cause"] == "items is a string, not a list"


def test_the_reason_of_a_refused_source_is_printed(capsys):
    state = {"status": "FAILED", "error": "InvalidSource", "cause": "items is a string, not a list"}

    run.run(arguments(), stack_with(Aws(state), "dynamodb"))

    assert capsys.readouterr().out == "run failed\nInvalidSource: items is a string, not a list\n"


def test_without_the_variant_there_is_nothing_to_run():
    with pytest.raises(UnknownVariant, match="variant distributed is not deployed: add it to variants"):
        run.start(Stack({}))
