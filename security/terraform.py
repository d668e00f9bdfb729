"""The program as Terraform JSON, which is what scanners read. Nothing is deployed from it."""

import re
from collections.abc import Mapping
from typing import Any

from tests.program import Registered, Resource

TYPES = {"aws:sqs/redriveAllowPolicy:RedriveAllowPolicy": "aws_sqs_queue_redrive_allow_policy"}
IRREGULAR = {
    "aws_dynamodb_table": {"attributes": "attribute"},
    "aws_lambda_function": {"name": "function_name"},
    "aws_lambda_permission": {"function": "function_name"},
    "aws_s3_bucket_lifecycle_configuration": {"rules": "rule"},
    "aws_s3_bucket_server_side_encryption_configuration": {"rules": "rule"},
    "aws_sns_topic_subscription": {"topic": "topic_arn"},
}
"""Where Pulumi's name of an argument is not Terraform's in camel case."""

VERBATIM = ("variables", "tags", "dimensions", "requestParameters")
"""Maps whose keys are the user's."""


def render(registered: Registered) -> dict[str, dict[str, Any]]:
    """{type: {name: arguments}}; what one resource takes from another is a reference to it."""
    references = {value: f"${{{_type(resource)}.{_name(resource)}.{output}}}" for value, (resource, output) in registered.meant_by.items()}
    rendered: dict[str, dict[str, Any]] = {}
    for resource in registered.of_aws:
        rendered.setdefault(_type(resource), {})[_name(resource)] = _referring(_arguments(resource), references)
    return rendered


def _type(resource: Resource) -> str:
    _, module, name = resource.type.split(":")
    return TYPES.get(resource.type, f"aws_{module.partition('/')[0]}_{_snake(name)}")


def _name(resource: Resource) -> str:
    return re.sub(r"\W", "_", resource.name)


def _arguments(resource: Resource) -> dict[str, Any]:
    renamed = IRREGULAR.get(_type(resource), {})
    return {renamed.get(key, _snake(key)): _converted(key, value) for key, value in resource.inputs.items() if value is not None}


def _converted(key: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value) if key in VERBATIM else {_snake(inner): _converted(inner, each) for inner, each in value.items()}
    if isinstance(value, list):
        return [_converted(key, each) for each in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, str | int | float | bool) else str(value)


def _referring(value: Any, references: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _referring(each, references) for key, each in value.items()}
    if isinstance(value, list):
        return [_referring(each, references) for each in value]
    return references.get(value, value) if isinstance(value, str) else value


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
