"""Functions of the `aws` package that a program calls for a value."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from local.properties import Properties
from local.provider.aws import Aws
from local.provider.errors import ProviderError

Function = Callable[[Properties, Aws], Properties]


def get_caller_identity(args: Properties, aws: Aws) -> Properties:
    identity = aws.identity
    return {
        "id": identity["Account"],
        "accountId": identity["Account"],
        "arn": identity["Arn"],
        "userId": identity["UserId"],
    }


def get_region(args: Properties, aws: Aws) -> Properties:
    region = args.get("region") or args.get("name") or aws.region
    return {
        "id": region,
        "region": region,
        "name": region,
        "description": region,
        "endpoint": f"ec2.{region}.amazonaws.com",
    }


def get_partition(args: Properties, aws: Aws) -> Properties:
    return {
        "id": aws.partition,
        "partition": aws.partition,
        "dnsSuffix": "amazonaws.com",
        "reverseDnsPrefix": "com.amazonaws",
    }


def get_policy_document(args: Properties, aws: Aws) -> Properties:
    """An IAM policy from its description. Later statements replace earlier ones of the same Sid, as in AWS's own."""
    statements = [
        *_statements_of(args.get("sourcePolicyDocuments")),
        *map(_statement, args.get("statements") or []),
        *_statements_of(args.get("overridePolicyDocuments")),
    ]
    by_sid: dict[Any, Properties] = {}
    for position, statement in enumerate(statements):
        by_sid[statement.get("Sid") or position] = statement
    document = {"Version": args.get("version") or "2012-10-17"}
    if args.get("policyId"):
        document["Id"] = args["policyId"]
    document |= {"Statement": list(by_sid.values())}
    minified = json.dumps(document, separators=(",", ":"))
    return args | {"id": str(zlib.crc32(minified.encode())), "json": json.dumps(document, indent=2), "minifiedJson": minified}


def _statements_of(documents: list[str] | None) -> Iterator[Properties]:
    for document in documents or []:
        statements = json.loads(document).get("Statement", [])
        yield from statements if isinstance(statements, list) else [statements]


def _statement(statement: Properties) -> Properties:
    result: Properties = {"Sid": statement["sid"]} if statement.get("sid") else {}
    result["Effect"] = statement.get("effect") or "Allow"
    for source, target in (
        ("actions", "Action"),
        ("notActions", "NotAction"),
        ("resources", "Resource"),
        ("notResources", "NotResource"),
    ):
        if statement.get(source):
            result[target] = _single(sorted(statement[source], reverse=True))
    for source, target in (("principals", "Principal"), ("notPrincipals", "NotPrincipal")):
        if statement.get(source):
            result[target] = _principals(statement[source])
    for condition in statement.get("conditions") or []:
        result.setdefault("Condition", {}).setdefault(condition["test"], {})[condition["variable"]] = _single(
            condition["values"]
        )
    return result


def _principals(principals: list[Properties]) -> Any:
    merged: dict[str, list[str]] = {}
    for principal in principals:
        merged.setdefault(principal["type"], []).extend(principal["identifiers"])
    if merged == {"*": ["*"]}:
        return "*"
    return {kind: _single(sorted(identifiers, reverse=True)) for kind, identifiers in merged.items()}


def _single(values: list[str]) -> Any:
    return values[0] if len(values) == 1 else values


FUNCTIONS: dict[str, Function] = {
    "aws:index/getCallerIdentity:getCallerIdentity": get_caller_identity,
    "aws:index/getRegion:getRegion": get_region,
    "aws:index/getPartition:getPartition": get_partition,
    "aws:iam/getPolicyDocument:getPolicyDocument": get_policy_document,
}


def call(token: str, args: Properties, aws: Aws) -> Properties:
    """The result of the function with that token, in its long or short spelling (`aws:index:getRegion`)."""
    package, module, name = [*token.split(":"), "", ""][:3]
    long_token = token if "/" in module else f"{package}:{module or 'index'}/{name}:{name}"
    if long_token not in FUNCTIONS:
        raise ProviderError(f"The local provider doesn't implement {token}. It implements {', '.join(FUNCTIONS)}.")
    return FUNCTIONS[long_token](args, aws)
