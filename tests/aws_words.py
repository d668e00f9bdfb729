"""`aws SERVICE OPERATION --option value …` by boto3: for machines that do not have the AWS CLI.

The operation and its options are looked up in the service's model, which is where the AWS CLI has its commands from; an unknown
one, or a value of the wrong type, is an error. What the CLI has beyond the model (`aws logs tail`, `aws s3 cp`) is not there.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import boto3
import jmespath
from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError, UnknownServiceError
from botocore.model import OperationModel, Shape, StringShape

OWN_OPTIONS = {("create-function", "--zip-file"): ("Code", "ZipFile")}
"""The options that the CLI has instead of the model's: the parameter that takes them, and its member."""


class WrongWords(ValueError):
    """What was typed is no command; the message says which part."""


def main(words: list[str]) -> int:
    try:
        client, operation, parameters, shown = parse(words)
        answer = getattr(client, xform_name(operation.name))(**parameters)
    except (WrongWords, BotoCoreError, ClientError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, WrongWords) else 1
    answer.pop("ResponseMetadata", None)
    value = jmespath.search(shown.query, answer) if shown.query else answer
    if shown.output == "text":
        print(*value if isinstance(value, list) else [value], sep="\t")
    else:
        print(json.dumps(value, indent=4, default=str))
    return 0


def parse(words: list[str]) -> tuple[Any, OperationModel, dict[str, Any], argparse.Namespace]:
    """The client, the operation, its parameters and how to show what it returns."""
    if len(words) < 2:
        raise WrongWords("aws SERVICE OPERATION --option value …")
    service, name, *options = words
    try:
        client = boto3.client(service)
    except UnknownServiceError as error:
        raise WrongWords(str(error)) from None
    model = client.meta.service_model
    operation = next((known for known in model.operation_names if xform_name(known, "-") == name), None)
    if operation is None:
        raise WrongWords(f"{service} has no operation {name}")
    own = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    own.add_argument("--query")
    own.add_argument("--output", choices=("json", "text"), default="json")
    shown, rest = own.parse_known_args(options)
    return client, model.operation_model(operation), _parameters(model.operation_model(operation), rest), shown


def _parameters(operation: OperationModel, options: list[str]) -> dict[str, Any]:
    name, shape = xform_name(operation.name, "-"), operation.input_shape
    members = {f"--{xform_name(member, '-')}": (member, inner) for member, inner in shape.members.items()} if shape else {}
    found: dict[str, Any] = {}
    while options:
        option, *options = options
        values = []
        while options and not options[0].startswith("--"):
            values.append(options.pop(0))
        if (name, option) in OWN_OPTIONS:
            member, inner = OWN_OPTIONS[name, option]
            found[member] = {inner: _value(option, shape.members[member].members[inner], values)}
        elif option in members:
            member, inner = members[option]
            found[member] = _value(option, inner, values)
        else:
            raise WrongWords(f"{name} has no option {option}; it has {', '.join(members)}")
    missing = [option for option, (member, _) in members.items() if member in shape.required_members and member not in found]
    if missing:
        raise WrongWords(f"{name} needs {', '.join(missing)}")
    return found


def _value(option: str, shape: Shape, values: list[str]) -> Any:
    if shape.type_name == "list" and not (values and values[0].startswith("[")):
        return values
    if len(values) != 1:
        raise WrongWords(f"{option} takes one value, not {len(values)}")
    text = values[0]
    if isinstance(shape, StringShape):
        if shape.enum and text not in shape.enum:
            raise WrongWords(f"{option} is {text}; allowed: {', '.join(shape.enum)}")
        return text
    if shape.type_name == "blob" and text.startswith("fileb://"):
        return Path(text.removeprefix("fileb://")).read_bytes()
    try:
        return json.loads(text)
    except ValueError:
        raise WrongWords(f"{option} takes JSON ({shape.type_name}), not {text}") from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
