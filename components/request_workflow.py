"""What the carriers that are state machines share: their arguments, the tokens of their definitions, and what these may call."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Optional, TypedDict

import pulumi

from components import place
from components.definition import EXPRESS_SECONDS
from components.request_store import RequestStore
from components.responder_fleet import ResponderFleet
from components.settings import check_deadline
from components.watched import Watched
from components.workflow import Workflow

MARGIN_SECONDS = 60
"""Past the deadline: for a responder that is being asked, with its retries, and for gathering."""


class RequestWorkflowArgs(TypedDict, total=False):
    store: RequestStore
    fleet: ResponderFleet
    workflowType: Optional[str]
    """STANDARD (the default) or EXPRESS."""


Tokens = Mapping[str, Any]


COMPONENTS = ("store", "fleet")
"""The arguments that are components."""


def request_workflow(
    name: str, args: RequestWorkflowArgs, render: Callable[[Tokens, Mapping[str, str]], str], parent: pulumi.Resource
) -> Workflow:
    """The state machine of a carrier. render: its definition, from the tokens that they share and the responders' functions by name."""
    store, fleet, workflow_type = args["store"], args["fleet"], workflow_type_of(args)
    try:
        check_deadline(workflow_type, store.settings.completion)
    except ValueError as error:
        raise pulumi.RunError(f"{name}: {error}") from None
    functions = [store.aggregatorFunctionArn, fleet.requester.functionArn, *(function.functionArn for function in fleet.functions.values())]
    timeout_seconds = workflow_seconds(workflow_type, store.settings.completion.deadlineSeconds)
    known = pulumi.Output.all(
        partition=place.of(parent).partition,
        requester=fleet.requester.functionArn,
        aggregator=store.aggregatorFunctionArn,
        functions=fleet.functionArns,
    )
    return Workflow(
        name,
        {
            "definition": known.apply(
                lambda known: render(
                    {
                        "Partition": known["partition"],
                        "TimeoutSeconds": timeout_seconds,
                        "RequesterArn": known["requester"],
                        "AggregatorArn": known["aggregator"],
                    },
                    known["functions"],
                )
            ),
            "workflowType": workflow_type,
            "timeoutSeconds": timeout_seconds,
            "functions": functions,
            "statements": [],
            "logRetentionDays": store.settings.logRetentionDays,
        },
        pulumi.ResourceOptions(parent=parent),
    )


def workflow_type_of(args: RequestWorkflowArgs) -> str:
    return args.get("workflowType") or "STANDARD"


def entrance(workflow: Workflow, args: RequestWorkflowArgs) -> dict[str, Any]:
    """See `components.carriers`."""
    return {"stateMachineArn": workflow.stateMachineArn, "workflowType": workflow_type_of(args)}


def watched(name: str, workflow: Workflow, args: RequestWorkflowArgs) -> Watched:
    log_group = workflow.logs.name if workflow_type_of(args) == "EXPRESS" else None
    return Watched([{"name": name, "arn": workflow.stateMachineArn, "logGroupName": log_group}], {"requester": args["fleet"].requester})


def workflow_seconds(workflow_type: str, deadline_seconds: float) -> int:
    """When an execution is over, whatever happens."""
    if workflow_type == "EXPRESS":
        return EXPRESS_SECONDS
    return math.ceil(deadline_seconds) + MARGIN_SECONDS
