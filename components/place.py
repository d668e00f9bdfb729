"""Where a component's resources are: in the partition, region and account of the AWS provider that it was given."""

import weakref
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any, Optional

import pulumi
import pulumi_aws as aws


@dataclass(frozen=True)
class Place:
    partition: pulumi.Output[str]
    region: pulumi.Output[str]
    account: pulumi.Output[str]

    def arn(self, service: str, resource: pulumi.Input[str]) -> pulumi.Output[str]:
        return pulumi.Output.concat("arn:", self.partition, f":{service}:", self.region, ":", self.account, ":", resource)

    def usable(self, what: str, arn: pulumi.Input[str], owner_lets: Optional[str] = None) -> pulumi.Output[str]:
        """The ARN of something that exists already, which whoever uses it finds in its own region only.

        what: the setting, for messages. owner_lets: what its owner has to allow, if that is another account, which is warned of. Raises
        pulumi.RunError where it is in another region or partition.
        """

        def check(known: dict[str, str]) -> str:
            _, partition, _, region, account, *_ = known["arn"].split(":", 5)
            if (partition, region) != (known["partition"], known["region"]):
                raise pulumi.RunError(
                    f"{what} is {known['arn']}, in {region}; allowed: one in {known['region']} "
                    f"(partition {known['partition']}), where the stack is"
                )
            if owner_lets and account != known["account"]:
                pulumi.warn(f"{what} belongs to account {account}, not to the stack's: its owner must let {owner_lets}")
            return known["arn"]

        return pulumi.Output.all(arn=arn, partition=self.partition, region=self.region, account=self.account).apply(check)


def provider_of(component: Optional[pulumi.Resource]) -> Optional[pulumi.ProviderResource]:
    """The explicit AWS provider, its own or its parent's; None for the program's default."""
    return component.get_provider("aws:index/getRegion:getRegion") if component else None


def of(component: Optional[pulumi.Resource]) -> Place:
    """Looked up once for each provider of the program that runs."""
    provider = provider_of(component)
    places = _places.setdefault(pulumi.runtime.settings.get_monitor(), {})
    if provider not in places:
        looked_up = pulumi.InvokeOutputOptions(provider=provider)
        places[provider] = Place(
            aws.get_partition_output(opts=looked_up).partition,
            aws.get_region_output(opts=looked_up).region,
            aws.get_caller_identity_output(opts=looked_up).account_id,
        )
    return places[provider]


_places: MutableMapping[Any, dict[Optional[pulumi.ProviderResource], Place]] = weakref.WeakKeyDictionary()
"""By what a program registers its resources with."""
