"""The log groups that AWS itself delivers to."""

import pulumi
import pulumi_aws as aws


def vended_log_group(
    name: str,
    service: str,
    owner: pulumi.Input[str],
    retention_days: int,
    parent: pulumi.Resource,
) -> aws.cloudwatch.LogGroup:
    """owner: the name or the id, unique in the account, of what its logs are of. Pulumi's own unique names cannot begin with the prefix."""
    return aws.cloudwatch.LogGroup(
        name,
        # Log groups under this prefix do not count against the size of the account's log resource policy.
        name=pulumi.Output.concat(f"/aws/vendedlogs/{service}/{pulumi.get_project()}-{pulumi.get_stack()}-", owner),
        retention_in_days=retention_days,
        # A group of 1.0.0 keeps the name that it had, and so its logs.
        opts=pulumi.ResourceOptions(parent=parent, ignore_changes=["name"]),
    )
