"""Whether a program deploys to an emulator, where a warning about AWS is none, and one about the emulator is due."""

import json
import os

import pulumi


def is_in_use() -> bool:
    """By what leads AWS's tools to one: the address in the environment, or that of any service in the stack's `aws:endpoints`."""
    configured = json.loads(pulumi.Config("aws").get("endpoints") or "[]")
    return bool(os.environ.get("AWS_ENDPOINT_URL") or any(url for entry in configured for url in entry.values()))
