"""Functions of the `aws` package that a program calls for a value."""

from local.properties import Properties
from local.provider.aws import Aws
from local.provider.errors import ProviderError

FUNCTIONS = ("getCallerIdentity", "getPartition", "getRegion")


def call(token: str, args: Properties, aws: Aws) -> Properties:
    """The result of the function with that token, in its long or short spelling (`aws:index:getRegion`)."""
    package, module, name = [*token.split(":"), "", ""][:3]
    if package != "aws" or module not in ("", "index", f"index/{name}") or name not in FUNCTIONS:
        implemented = ", ".join(f"aws:index/{each}:{each}" for each in FUNCTIONS)
        raise ProviderError(f"the local provider doesn't implement {token}; it implements {implemented}")
    if name == "getCallerIdentity":
        account, arn, user = (aws.identity[key] for key in ("Account", "Arn", "UserId"))
        return {"id": account, "accountId": account, "arn": arn, "userId": user}
    if name == "getPartition":
        return {"id": aws.partition, "partition": aws.partition, "dnsSuffix": "amazonaws.com", "reverseDnsPrefix": "com.amazonaws"}
    region = args.get("region") or args.get("name") or aws.region
    return {"id": region, "region": region, "name": region, "description": region, "endpoint": f"ec2.{region}.amazonaws.com"}
