"""What a web page would do with an open emulator: make a function and call it, which is to run code on this machine."""

import base64
import io
import json
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3

from local.emulator import ACCOUNT, Emulator

FUNCTIONS = "/2015-03-31/functions"


def function(trace: Path) -> str:
    """The body that makes function `evil`, which leaves that file when it is called."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("evil.py", f"def handler(event, context):\n    open({str(trace)!r}, 'w').close()\n")
    return json.dumps(
        {
            "FunctionName": "evil",
            "Runtime": "python3.13",
            "Handler": "evil.handler",
            "Role": f"arn:aws:iam::{ACCOUNT}:role/evil",
            "Code": {"ZipFile": base64.b64encode(packed.getvalue()).decode()},
        }
    )


@contextmanager
def leaves_nothing(emulator: Emulator, trace: Path) -> Generator[Path]:
    """AssertionError where afterwards there is a function, a queue or the file. Looks where requests without credentials lead to."""
    yield trace

    def client(service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=emulator.endpoint,
            region_name="us-east-1",
            aws_access_key_id=ACCOUNT,
            aws_secret_access_key="test",
            aws_session_token=emulator.session_token,
        )

    functions = [each["FunctionName"] for each in client("lambda").list_functions()["Functions"]]
    queues = client("sqs").list_queues().get("QueueUrls", [])
    for name in functions:
        client("lambda").delete_function(FunctionName=name)
    for url in queues:
        client("sqs").delete_queue(QueueUrl=url)
    left = [*functions, *queues, *([trace] if trace.exists() else [])]
    assert not left, left
