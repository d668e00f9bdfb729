"""Pulumi's `aws` package over boto3, against an emulator on this machine.

`AwsProvider` speaks Pulumi's resource-provider protocol, in process or served by `python -m local.provider`.
"""

from local.provider.errors import ProviderError
from local.provider.servicer import AwsProvider

__all__ = ["AwsProvider", "ProviderError"]
