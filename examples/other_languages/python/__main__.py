import pulumi
from pulumi_scatter_gather import ScatterGather

partner = pulumi.Config().require("partner")

quotes = ScatterGather(
    "quotes",
    variants=["map", "sns"],
    completion={"deadline_seconds": 10, "quorum": 1},
    responders=[{"name": "partner", "function_arn": partner, "retries": 1}],
)

pulumi.export("requester", quotes.sns_requester_function_arn)
