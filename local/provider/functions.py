"""Functions of the `aws` package that a program calls for a value."""

from __future__ import annotations

from collections.abc import Callable

from local.properties import Properties
from local.provider.aws import Aws
from local.provider.errors import ProviderError

Function = Callable[[Properties, Aws], Properties]


def get_caller_identity(args: Properties, aws: Aws) -> Properties:
    identity = aws.identity
    return {"id": identity["Account"], "accountId": identity["Account"], "arn": identity["Arn"], "userId": identity["UserId"]}


def get_region(args: Properties, aws: Aws) -> Properties:
    region = args.get("region") or args.get("name") or aws.region
    return {"id": region, "region": region, "name": region, "description": region, "endpoint": f"ec2.{region}.amazonaws.com"}


def get_partition(args: Properties, aws: Aws) -> Properties:
    return {"id": aws.partition, "partition": aws.partition, "dnsSuffix": "amazonaws.com", "reverseDnsPrefix": "com.amazonaws"}


FUNCTIONS: dict[str, Function] = {
    "aws:index/getCallerIdentity:getCallerIdentity": get_caller_identity,
    "aws:index/getRegion:getRegion": get_region,
    "aws:index/getPartition:getPartition": get_partition,
}


def call(token: str, args: Properties, aws: Aws) -> Properties:
    """The result of the function with that token, in its long or short spelling (`aws:index:getRegion`)."""
    package, module, name = [*token.split(":"), "", ""][:3]
    long_token = token if "/" in module else f"{package}:{module or 'index'}/{name}:{name}"
    if long_token not in FUNCTIONS:
        raise ProviderError(f"the local provider doesn't implement {token}; it implements {', '.join(FUNCTIONS)}")
    return FUNCTIONS[long_token](args, aws)
