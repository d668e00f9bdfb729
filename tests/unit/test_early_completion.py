"""A request that may close early, from end to end on a second interpreter (`tests.moto_workflows`): the execution returns while a responder
still hangs, and the recorder goes on."""

import json
import threading
import time
from collections import Counter

import boto3
import pytest
from moto import mock_aws
from moto.stepfunctions.parser import quotas

from components import gathering, map_scatter_gather, parallel_scatter_gather
from tests import moto_workflows
from tests.jsonata_engine import ARGS

WAIT_SECONDS = 60
NAME = "run-1"
AMOUNTS = {"avis": 120, "alamo": 110, "held": 90}
KNOWN = {"responders": [{"name": name, "functionArn": f"arn:aws:lambda:us-east-1:123456789012:function:{name}", "timeoutSeconds": 60.0,
                         "retries": 0} for name in AMOUNTS], "table": "quotes", "selector": ""}


class Workflows:
    """Both machines and the table. While `gate` is closed, the responder "held" does not answer."""

    def __init__(self):
        self.gate = threading.Event()
        self.details = {}
        self.states = boto3.client("stepfunctions", region_name="us-east-1")
        self.table = boto3.client("dynamodb", region_name="us-east-1")
        self.table.create_table(
            TableName="quotes", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "requestId", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "requestId", "AttributeType": "S"}])
        self.role = boto3.client("iam").create_role(RoleName="runs", AssumeRolePolicyDocument="{}")["Role"]["Arn"]

    def respond(self, name, payload):
        if name == "held":
            assert self.gate.wait(WAIT_SECONDS)
        return {"amount": AMOUNTS[name], "details": self.details}

    def create(self, name, definition):
        return self.states.create_state_machine(name=name, definition=definition, roleArn=self.role)["stateMachineArn"]

    def create_recorder(self):
        return self.create("recorder", gathering.recording("map", ARGS, 10, KNOWN))

    def run(self, render, request, recorder=None):
        """The ended execution of the main machine, and the ARN of the recorder."""
        recorder = recorder or self.create_recorder()
        main = self.create("main", render({**KNOWN, "recorder": recorder}))
        started = self.states.start_execution(stateMachineArn=main, name=NAME, input=json.dumps(request))["executionArn"]
        ended = self.until(lambda: self.states.describe_execution(executionArn=started), lambda found: found["status"] != "RUNNING")
        return ended, recorder

    def ended_recording(self, recorder):
        """The one execution of the recorder, once it is over."""
        [found] = self.until(lambda: self.states.list_executions(stateMachineArn=recorder)["executions"],
                             lambda found: found[0]["status"] != "RUNNING")
        return found

    def entered(self, execution):
        """The names of the states that were entered: what AWS charges for."""
        events = self.states.get_execution_history(executionArn=execution, maxResults=1000)["events"]
        return [event["stateEnteredEventDetails"]["name"] for event in events if event["type"].endswith("StateEntered")]

    def record(self):
        return self.table.get_item(TableName="quotes", Key={"requestId": {"S": "r1"}})["Item"]

    def finish(self):
        """What still ran when moto is gone would call somebody else."""
        self.gate.set()
        for machine in self.states.list_state_machines()["stateMachines"]:
            self.until(lambda arn=machine["stateMachineArn"]: self.states.list_executions(
                stateMachineArn=arn, statusFilter="RUNNING")["executions"], lambda running: not running)

    def until(self, look, is_so):
        ends = time.monotonic() + WAIT_SECONDS
        while not is_so(found := look()):
            assert time.monotonic() < ends, found
            time.sleep(0.05)
        return found


@pytest.fixture
def workflows(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
        found = Workflows()
        moto_workflows.correct(monkeypatch, found.respond)
        yield found
        found.finish()


RENDER = {
    "map": lambda known: map_scatter_gather._definition({**ARGS, "maxConcurrency": 10}, known),
    "parallel": lambda known: parallel_scatter_gather._definition(ARGS, known),
}


def early(data):
    return {"requestId": "r1", "data": data, "completion": {"quorum": 2}}


@pytest.mark.parametrize("render", RENDER.values(), ids=RENDER)
def test_it_returns_with_the_quorum_and_what_comes_later_is_late(workflows, render):
    ended, recorder = workflows.run(render, early({}))

    result = json.loads(ended["output"])
    assert (result["status"], result["completedBy"], result["best"]["responder"]) == ("COMPLETE", "QUORUM", "alamo")
    assert [answer["responder"] for answer in result["answers"]] == ["avis", "alamo"]
    closed = workflows.record()
    assert closed["late"] == {"M": {}}
    workflows.gate.set()
    assert workflows.ended_recording(recorder)["status"] == "SUCCEEDED"
    afterwards = workflows.record()
    assert afterwards.pop("late")["M"].keys() == {"held"}
    assert afterwards == {key: value for key, value in closed.items() if key != "late"}


def test_a_record_that_is_more_than_a_state_takes_is_closed_all_the_same(workflows, monkeypatch):
    """In small: as the answers of a hundred responders beside the largest request are more than AWS allows."""
    monkeypatch.setattr(quotas, "MAX_STATE_SIZE_UTF8_BYTES", 65_536)
    workflows.details = {"text": "x" * 16_000}

    ended, _ = workflows.run(RENDER["map"], early({"text": "x" * 36_000}))

    assert (ended["status"], json.loads(ended.get("output", "{}")).get("completedBy")) == ("SUCCEEDED", "QUORUM")


def test_it_costs_eight_transitions_two_for_each_responder_and_one_for_each_late_answer(workflows):
    ended, recorder = workflows.run(RENDER["map"], early({}))
    workflows.gate.set()

    recording = workflows.ended_recording(recorder)

    assert workflows.entered(ended["executionArn"]) == ["Open", "Turn", "Await completion"]
    assert Counter(workflows.entered(recording["executionArn"])) == {
        "Scatter": 1, "Ask": 3, "Record": 3, "Reread": 1, "Verdict": 1, "Close": 1, "Reply": 1, "Record late": 1}


def test_a_recorder_that_runs_already_is_not_started_again(workflows):
    """As after a start whose reply was lost: the next attempt comes with another token."""
    recorder = workflows.create_recorder()
    workflows.states.start_execution(stateMachineArn=recorder, name=NAME, input='{"token": "of the first attempt"}')

    ended, _ = workflows.run(RENDER["map"], early({}), recorder)

    assert (ended["status"], json.loads(ended.get("output", "{}")).get("status")) == ("SUCCEEDED", "OPEN")
    assert len(workflows.states.list_executions(stateMachineArn=recorder)["executions"]) == 1
