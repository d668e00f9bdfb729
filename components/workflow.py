"""Workflow: a state machine with the role that it needs.

Builds: the state machine, with logging and tracing, its log group, its role and one policy.
"""

from collections.abc import Sequence
from typing import Optional, TypedDict

import pulumi
import pulumi_aws as aws

from components import policy
from components.log_group import vended_log_group


class WorkflowArgs(TypedDict):
    definition: pulumi.Input[str]
    """Amazon States Language, as JSON."""
    workflowType: str
    """STANDARD or EXPRESS."""
    statements: Sequence[policy.Statement]
    logRetentionDays: int


class Workflow(pulumi.ComponentResource):
    """Outputs: stateMachineArn, stateMachineName."""

    stateMachineArn: pulumi.Output[str]
    stateMachineName: pulumi.Output[str]

    def __init__(self, name: str, args: WorkflowArgs, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__("scatter-gather:index:Workflow", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.role = aws.iam.Role(name, assume_role_policy=policy.trust("states.amazonaws.com"), opts=child)
        self.logs = vended_log_group(f"{name}-logs", "states", self.role.name, args["logRetentionDays"], self)
        rights = aws.iam.RolePolicy(
            f"{name}-runs",
            role=self.role.name,
            policy=policy.document([
                *args["statements"], policy.allow_without_resource("deliverLogs"), policy.allow_without_resource("trace"),
                policy.allow_without_resource("sample")]),
            opts=child,
        )
        self.state_machine = aws.sfn.StateMachine(
            name,
            type=args["workflowType"],
            role_arn=self.role.arn,
            definition=args["definition"],
            logging_configuration={
                # A Standard workflow keeps its history; of an Express one the log is all that there is. Requests and answers are
                # the users' own, so they stay out of it.
                "level": "ALL" if args["workflowType"] == "EXPRESS" else "ERROR",
                "include_execution_data": False,
                "log_destination": policy.log_streams(self.logs.arn),
            },
            tracing_configuration={"enabled": True},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[rights]),
        )
        self._name = name
        self.stateMachineArn = self.state_machine.arn
        self.stateMachineName = self.state_machine.name
        self.register_outputs({"stateMachineArn": self.stateMachineArn, "stateMachineName": self.stateMachineName})

    def grant(self, purpose: str, statements: Sequence[policy.Statement]) -> aws.iam.RolePolicy:
        """Lets the workflow do more, in a policy of its own: what can only be named once the workflow is there."""
        return aws.iam.RolePolicy(
            f"{self._name}-{purpose}", role=self.role.name, policy=policy.document(statements), opts=pulumi.ResourceOptions(parent=self))
