"""ParallelScatterGather: a Parallel state with one branch for each responder of the stack.

Builds: a Workflow from `statemachines/parallel_scatter_gather.asl.json`. N responders that are all asked cost N + 3 state
transitions; one that is not asked costs two.
"""

import json
from typing import Any, Optional

import pulumi

from components import definition, gathering
from components.gathering import ScatterGatherArgs
from components.workflow import Workflow


class ParallelScatterGatherArgs(ScatterGatherArgs):
    pass


class ParallelScatterGather(pulumi.ComponentResource):
    """Outputs: stateMachineArn, stateMachineName."""

    stateMachineArn: pulumi.Output[str]
    stateMachineName: pulumi.Output[str]

    def __init__(self, name: str, args: ParallelScatterGatherArgs, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__("scatter-gather:index:ParallelScatterGather", name, {}, opts)
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


def _definition(args: ParallelScatterGatherArgs, responders: list[dict[str, Any]], table: str) -> str:
    tokens = {
        **gathering.tokens("parallel", args),
        "TableName": table,
        "ResponderNames": [responder["name"] for responder in responders],
    }
    branches = [
        {
            "Responder": responder["name"],
            "ResponderName": json.dumps(responder["name"]),
            "FunctionArn": responder["functionArn"],
            "AskTimeoutSeconds": gathering.ask_timeout(responder["timeoutSeconds"]),
        }
        for responder in responders
    ]
    return definition.render("parallel_scatter_gather.asl.json", tokens, branches)
