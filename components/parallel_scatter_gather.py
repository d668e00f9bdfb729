"""ParallelScatterGather: a Parallel state with one branch for each responder of the stack.

Builds: a Workflow from `statemachines/parallel_scatter_gather.asl.json`; with STANDARD another one from `recording.asl.json`, which
asks as many at once as Step Functions lets a Map (40). N responders that are all asked cost N + 3 state transitions, one that is not
asked costs two; where the request may close before all have answered, N that are asked cost 2 N + 8, and one more for each late answer.
"""

import json
from typing import Optional

import pulumi

from components import definition, gathering
from components.gathering import Known, ScatterGatherArgs


class ParallelScatterGatherArgs(ScatterGatherArgs):
    pass


class ParallelScatterGather(pulumi.ComponentResource):
    """Outputs: stateMachineArn, stateMachineName."""

    stateMachineArn: pulumi.Output[str]
    stateMachineName: pulumi.Output[str]

    def __init__(self, name: str, args: ParallelScatterGatherArgs, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__("scatter-gather:index:ParallelScatterGather", name, {}, opts)
        self.workflows = gathering.workflows(
            name, "parallel", args, 0, lambda known: _definition(args, known), pulumi.ResourceOptions(parent=self))
        self.stateMachineArn = self.workflows.main.stateMachineArn
        self.stateMachineName = self.workflows.main.stateMachineName
        self.register_outputs({"stateMachineArn": self.stateMachineArn, "stateMachineName": self.stateMachineName})


def _definition(args: ParallelScatterGatherArgs, known: Known) -> str:
    branches = [
        {
            "Responder": responder["name"],
            "ResponderName": json.dumps(responder["name"]),
            "FunctionArn": responder["functionArn"],
            "AskRetry": definition.ask_retry([responder["retries"]]),
            "AskTimeoutSeconds": gathering.ask_timeout(responder["timeoutSeconds"]),
        }
        for responder in known["responders"]
    ]
    return definition.render(
        "parallel_scatter_gather.asl.json", gathering.tokens("parallel", args, known), branches, gathering.without(args))
