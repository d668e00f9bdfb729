"""ParallelScatterGather: a Parallel state with one branch for each responder of the stack.

Builds: a Workflow from `statemachines/parallel_scatter_gather.asl.json`. A stack of N responders costs N + 4 state transitions a request,
whomever it names.
"""

from collections.abc import Mapping
from typing import Optional

import pulumi

from components import definition
from components.request_workflow import COMPONENTS, RequestWorkflowArgs, Tokens, entrance, request_workflow, watched
from components.settings import WorkflowSettings, checked


class ParallelScatterGatherArgs(RequestWorkflowArgs):
    pass


class ParallelScatterGather(pulumi.ComponentResource):
    """Outputs: stateMachineArn, stateMachineName."""

    stateMachineArn: pulumi.Output[str]
    stateMachineName: pulumi.Output[str]

    def __init__(self, name: str, args: ParallelScatterGatherArgs, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__("scatter-gather:index:ParallelScatterGather", name, {}, opts)
        checked(WorkflowSettings, f"ParallelScatterGather {name}", args, needs=COMPONENTS)
        self.workflow = request_workflow(name, args, _definition, self)
        self.stateMachineArn = self.workflow.stateMachineArn
        self.stateMachineName = self.workflow.stateMachineName
        self.entrance = {**entrance(self.workflow, args), "asksEveryResponder": True}
        self.watched = watched(name, self.workflow, args)
        self.register_outputs({"stateMachineArn": self.stateMachineArn, "stateMachineName": self.stateMachineName})


def _definition(tokens: Tokens, functions: Mapping[str, str]) -> str:
    branches = [{"Responder": name, "FunctionArn": arn} for name, arn in functions.items()]
    return definition.render("parallel_scatter_gather.asl.json", tokens, branches)
