"""MapScatterGather: a Map state asks the responders that the request names, a capped number of them at once.

Builds: a Workflow from `statemachines/map_scatter_gather.asl.json`; with STANDARD another one from `recording.asl.json`. N responders
cost N + 3 state transitions; where the request may close before all have answered 2 N + 8, and one more for each late answer.
"""

from typing import Optional

import pulumi

from components import definition, gathering
from components.gathering import Known, ScatterGatherArgs


class MapScatterGatherArgs(ScatterGatherArgs):
    maxConcurrency: int
    """0 to 40; 0 leaves the cap to Step Functions (about 40)."""


class MapScatterGather(pulumi.ComponentResource):
    """Outputs: stateMachineArn, stateMachineName."""

    stateMachineArn: pulumi.Output[str]
    stateMachineName: pulumi.Output[str]

    def __init__(self, name: str, args: MapScatterGatherArgs, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__("scatter-gather:index:MapScatterGather", name, {}, opts)
        self.workflows = gathering.workflows(
            name, "map", args, args["maxConcurrency"], lambda known: _definition(args, known), pulumi.ResourceOptions(parent=self))
        self.stateMachineArn = self.workflows.main.stateMachineArn
        self.stateMachineName = self.workflows.main.stateMachineName
        self.register_outputs({"stateMachineArn": self.stateMachineArn, "stateMachineName": self.stateMachineName})


def _definition(args: MapScatterGatherArgs, known: Known) -> str:
    return definition.render("map_scatter_gather.asl.json", {
        **gathering.tokens("map", args, known),
        **gathering.map_tokens(known["responders"], args["maxConcurrency"]),
    }, without=gathering.without(args))
