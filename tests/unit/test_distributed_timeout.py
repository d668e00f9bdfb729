"""A run that takes longer than timeoutSeconds ends TIMED_OUT.

The emulator ignores a machine's TimeoutSeconds; moto's interpreter enforces it. It gets the machine of a data set as it is
deployed, but for ResultWriter's WriterConfig, which moto's grammar does not know.
"""

import json
import time

import boto3
import pytest
from moto import mock_aws

from components import definition
from tests.unit.test_distributed_definitions import render

WAIT_SECONDS = 60


@pytest.fixture
def aws(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="rows")
        s3.put_object(Bucket="rows", Key="data/items.csv", Body=b'["a"]')
        role = boto3.client("iam").create_role(RoleName="runs", AssumeRolePolicyDocument="{}")["Role"]["Arn"]

        def ended(machine):
            workflows = boto3.client("stepfunctions", region_name="us-east-1")
            machine = json.dumps(definition.leave_out(machine, "WriterConfig", set()))
            arn = workflows.create_state_machine(name="machine", definition=machine, roleArn=role)["stateMachineArn"]
            execution, started = workflows.start_execution(stateMachineArn=arn)["executionArn"], time.monotonic()
            status = "RUNNING"
            while status == "RUNNING" and time.monotonic() < started + WAIT_SECONDS:
                time.sleep(0.05)
                status = workflows.describe_execution(executionArn=execution)["status"]
            return status, time.monotonic() - started

        yield ended


def test_waiting_for_longer_than_two_seconds_with_two_allowed_times_out(aws):
    """A minute, not three seconds, so that however slow the machine is the wait is not over first."""
    status, seconds = aws(render(source="s3", format="json", waitSeconds=WAIT_SECONDS, timeoutSeconds=2))

    assert status == "TIMED_OUT"
    assert 1.9 < seconds < WAIT_SECONDS
