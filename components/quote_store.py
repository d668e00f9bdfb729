"""QuoteStore: one item per request, with the request, its answers and its result, made once and shared by the variants.

Builds: a pay-per-request DynamoDB table, encrypted, with point-in-time recovery; items expire after their retention.
"""

from typing import Optional, TypedDict

import pulumi
import pulumi_aws as aws


class QuoteStoreArgs(TypedDict):
    retainData: bool
    """Keep the table when the stack is destroyed, and refuse its deletion until then."""


class QuoteStore(pulumi.ComponentResource):
    """Outputs: tableName, tableArn. Key: requestId (string)."""

    tableName: pulumi.Output[str]
    tableArn: pulumi.Output[str]

    def __init__(self, name: str, args: QuoteStoreArgs, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__("scatter-gather:index:QuoteStore", name, {}, opts)
        self.table = aws.dynamodb.Table(
            name,
            billing_mode="PAY_PER_REQUEST",
            hash_key="requestId",
            attributes=[{"name": "requestId", "type": "S"}],
            ttl={"attribute_name": "expiresAt", "enabled": True},
            point_in_time_recovery={"enabled": True},
            server_side_encryption={"enabled": True},
            deletion_protection_enabled=args["retainData"],
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=args["retainData"]),
        )
        self.tableName = self.table.name
        self.tableArn = self.table.arn
        self.register_outputs({"tableName": self.tableName, "tableArn": self.tableArn})
