"""What tests make beside a deployed stack."""

import io
import zipfile

import boto3

from client import Stack
from local.emulator import Emulator


def existing_function(emulator: Emulator, account: str, source: str, name: str = "existing") -> str:
    """The ARN of a function that was there before the stack. source: defines `handler(event, context)`."""
    functions = boto3.client(
        "lambda",
        endpoint_url=emulator.endpoint,
        region_name="us-east-1",
        aws_access_key_id=account,
        aws_secret_access_key="test",
        aws_session_token=emulator.session_token,
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("existing.py", source)
    return functions.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler="existing.handler",
        Code={"ZipFile": packed.getvalue()},
        Timeout=60,
        Role=f"arn:aws:iam::{account}:role/existing",
    )["FunctionArn"]


def express_machine(stack: Stack, variant: str) -> str:
    """The ARN of an Express machine with the definition of the stack's own: a second stack would differ in nothing but that."""
    workflows = stack.client("stepfunctions")
    made = workflows.describe_state_machine(stateMachineArn=stack.outputs[f"{variant}StateMachineArn"])
    return workflows.create_state_machine(
        name=f"{variant}-express", type="EXPRESS", definition=made["definition"], roleArn=made["roleArn"]
    )["stateMachineArn"]
