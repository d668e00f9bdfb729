"""MapScatterGather: a Map state asks the responders that the request names, a capped number of them at once.

Builds: a Workflow from `statemachines/map_scatter_gather.asl.json`. N responders cost N + 4 state transitions.
"""

from collections.abc import Mapping
from typing import Optional

import pulumi

from components import definition
from components.request_workflow import COMPONENTS, RequestWorkflowArgs, Tokens, entrance, request_workflow, watched
from components.settings import MapSettings, checked


class MapScatterGatherArgs(RequestWorkflowArgs, total=False):
    maxConcurrency: Optional[int]
    """How many are asked at once: 0 to 40; 0 (the default) leaves the cap to Step Functions (about 40)."""


class MapScatterGather(pulumi.ComponentResource):
    """Outputs: stateMachineArn, stateMachineName."""

    stateMachineArn: pulumi.Output[str]
    stateMachineName: pulumi.Output[str]

    def __init__(self, name: str, args: MapScatterGatherArgs, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__("scatter-gather:index:MapScatterGather", name, {}, opts)
        cap = checked(MapSettings, f"MapScatterGather {name}", args, needs=COMPONENTS).maxConcurrency
        self.workflow = request_workflow(name, args, lambda tokens, functions: _definition(tokens, functions, cap), self)
        self.stateMachineArn = self.workflow.stateMachineArn
        self.stateMachineName = self.workflow.stateMachineName
        self.entrance = {**entrance(self.workflow, args)}
        self.watched = watched(name, self.workflow, args)
        self.register_outputs({"stateMachineArn": self.stateMachineArn, "stateMachineName": self.stateMachineName})


def _definition(tokens: Tokens, functions: Mapping[str, str], max_concurrency: int) -> str:
    return definition.render("map_scatter_gather.asl.json", {**tokens, "FunctionArns": functions, "MaxConcurrency": max_concurrency})
