"""MapScatterGather: a Map state asks the responders that the request names, a capped number of them at once.

Builds: a Workflow from `statemachines/map_scatter_gather.asl.json`. N responders cost N + 3 state transitions.
"""

from typing import Any, Optional

import pulumi

from components import definition, gathering
from components.gathering import ScatterGatherArgs
from components.workflow import Workflow


class MapScatterGatherArgs(ScatterGatherArgs):
    maxConcurrency: int
    """0 to 40; 0 leaves the cap to Step Functions (about 40)."""


class MapScatterGather(pulumi.ComponentResource):
    """Outputs: stateMachineArn, stateMachineName."""

    stateMachineArn: pulumi.Output[str]
    stateMachineName: pulumi.Output[str]

    def __init__(self, name: str, args: MapScatterGatherArgs, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__("scatter-gather:index:MapScatterGather", name, {}, opts)
        self.workflow = Workflow(name, {
            "definition": pulumi.Output.all(responders=args["responders"], table=args["tableName"]).apply(
                lambda known: _definition(args, **known)),
            "workflowType": args["workflowType"],
            "statements": gathering.statements(args),
            "logRetentionDays": args["logRetentionDays"],
        }, pulumi.ResourceOptions(parent=self))
        self.stateMachineArn = self.workflow.stateMachineArn
        self.stateMachineName = self.workflow.stateMachineName
        self.register_outputs({"stateMachineArn": self.stateMachineArn, "stateMachineName": self.stateMachineName})


def _definition(args: MapScatterGatherArgs, responders: list[dict[str, Any]], table: str) -> str:
    return definition.render("map_scatter_gather.asl.json", {
        **gathering.tokens("map", args),
        "TableName": table,
        "ResponderNames": [responder["name"] for responder in responders],
        "FunctionArns": {responder["name"]: responder["functionArn"] for responder in responders},
        "AskTimeoutSeconds": gathering.ask_timeout(max(responder["timeoutSeconds"] for responder in responders)),
        "MaxConcurrency": int(args["maxConcurrency"]),
        "ResponderName": "$states.input.responder",
    })
