"""Workflow: a state machine with the role that it needs.

Builds: the state machine, with logging and tracing, its log group, its role and one policy; with very many functions, further policies.
"""

from collections.abc import Sequence
from typing import Optional, TypedDict

import pulumi
import pulumi_aws as aws

from components import place, policy
from components.log_group import vended_log_group


class WorkflowArgs(TypedDict):
    definition: pulumi.Input[str]
    """Amazon States Language, as JSON."""
    workflowType: str
    """STANDARD or EXPRESS."""
    timeoutSeconds: int
    """When an execution is over, whatever happens."""
    functions: Sequence[pulumi.Input[str]]
    """ARNs of those that it may invoke."""
    statements: Sequence[policy.Statement]
    """What it may do besides."""
    logRetentionDays: int


DELETION_SECONDS = 300
"""For the deletion of a state machine itself; it is what the AWS provider allows without being told."""

FUNCTIONS_PER_POLICY = 40
"""An ARN of a function takes up to 126 characters of a policy. All inline policies of a role take 10,240 of them, each managed one 6,144,
and a role has ten of those: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""


class Workflow(pulumi.ComponentResource):
    """Outputs: stateMachineArn, stateMachineName."""

    stateMachineArn: pulumi.Output[str]
    stateMachineName: pulumi.Output[str]

    def __init__(self, name: str, args: WorkflowArgs, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__("scatter-gather:index:Workflow", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.role = aws.iam.Role(name, assume_role_policy=policy.trust("states.amazonaws.com", place.of(self)), opts=child)
        self.logs = vended_log_group(f"{name}-logs", "states", self.role.name, args["logRetentionDays"], self)
        rights = aws.iam.RolePolicy(
            f"{name}-runs",
            role=self.role.name,
            policy=policy.document(
                [
                    _invokes(args["functions"][:FUNCTIONS_PER_POLICY]),
                    *args["statements"],
                    policy.allow_without_resource("deliverLogs"),
                    policy.allow_without_resource("trace"),
                    policy.allow_without_resource("sample"),
                ]
            ),
            opts=child,
        )
        starts = range(FUNCTIONS_PER_POLICY, len(args["functions"]), FUNCTIONS_PER_POLICY)
        further = [
            self._further_policy(f"{name}-invokes-{number}", args["functions"][start : start + FUNCTIONS_PER_POLICY])
            for number, start in enumerate(starts, start=2)
        ]
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
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[rights, *further],
                # AWS deletes a state machine after its executions have ended:
                # https://docs.aws.amazon.com/step-functions/latest/apireference/API_DeleteStateMachine.html
                custom_timeouts=pulumi.CustomTimeouts(delete=f"{args['timeoutSeconds'] + DELETION_SECONDS}s"),
            ),
        )
        self._name = name
        self.stateMachineArn = self.state_machine.arn
        self.stateMachineName = self.state_machine.name
        self.register_outputs({"stateMachineArn": self.stateMachineArn, "stateMachineName": self.stateMachineName})

    def grant(self, purpose: str, statements: Sequence[policy.Statement]) -> aws.iam.RolePolicy:
        """Lets the workflow do more, in a policy of its own: what can only be named once the workflow is there."""
        return aws.iam.RolePolicy(
            f"{self._name}-{purpose}", role=self.role.name, policy=policy.document(statements), opts=pulumi.ResourceOptions(parent=self)
        )

    def _further_policy(self, name: str, functions: Sequence[pulumi.Input[str]]) -> aws.iam.RolePolicyAttachment:
        child = pulumi.ResourceOptions(parent=self)
        managed = aws.iam.Policy(name, policy=policy.document([_invokes(functions)]), opts=child)
        return aws.iam.RolePolicyAttachment(name, role=self.role.name, policy_arn=managed.arn, opts=child)


def _invokes(functions: Sequence[pulumi.Input[str]]) -> policy.Statement:
    return policy.allow(["lambda:InvokeFunction"], functions)
