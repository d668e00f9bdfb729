"""Where the API of a stack answers, on AWS and on the emulator."""

import pytest

from client import UsageError
from client.api_url import api_url

OUTPUTS = {"apiUrl": "https://abc123.execute-api.eu-west-1.amazonaws.com", "apiId": "abc123"}


def test_on_aws_it_is_the_output():
    assert api_url(OUTPUTS) == OUTPUTS["apiUrl"]


def test_on_the_emulator_it_is_under_its_own_address():
    assert api_url(OUTPUTS, "http://127.0.0.1:4566/") == "http://127.0.0.1:4566/_aws/execute-api/abc123/$default"


def test_a_stack_without_one_says_what_to_set():
    with pytest.raises(UsageError, match=r"the stack has no API: set api\.enabled"):
        api_url({"mapStateMachineArn": "arn"}, "http://127.0.0.1:4566")
