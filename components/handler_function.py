"""HandlerFunction: one module of `handlers/` as a Lambda function.

Builds: the function, its log group, its role and one policy that lets it write its own logs and traces and do what
`statements` say, no more.
"""

import json
import re
import weakref
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, Optional, TypedDict

import pulumi
import pulumi_aws as aws

from components import code, place, policy

MAX_ENVIRONMENT_BYTES = 4096
"""Lambda's limit for all variables of a function, measured as JSON."""

LAYER_NAME_CHARACTERS = 64
"""A function names a layer by an ARN of at most 140 characters (Lambda's limit), up to 76 of which are not the layer's name."""

ARN_BYTES = 128
"""What a variable that is known only after a creation is taken for: an ARN, a URL or a name."""


class EnvironmentTooLarge(pulumi.RunError):
    """A function's variables are more than Lambda takes; the message names the largest."""


class _Required(TypedDict):
    module: str
    """A module with a function `handler`."""
    environment: Mapping[str, pulumi.Input[str]]
    timeoutSeconds: int
    memoryMb: int
    logRetentionDays: int
    withModules: Sequence[str]
    """Modules that `module` imports by name at run time."""
    statements: Sequence[policy.Statement]


class HandlerFunctionArgs(_Required, total=False):
    reservedConcurrency: int
    """How many calls may run at once; 0, the default, reserves nothing."""
    layers: Sequence[pulumi.Input[str]]
    """ARNs of layers beside the one that all functions share."""
    layerModules: Optional[frozenset[str]]
    """What can be imported from them; None where nobody knows."""
    vpc: Mapping[str, Sequence[pulumi.Input[str]]]
    """{"subnetIds", "securityGroupIds"}: where its network is."""


class HandlerFunction(pulumi.ComponentResource):
    """Outputs: functionArn, functionName, roleName, logGroupName. Raises EnvironmentTooLarge."""

    functionArn: pulumi.Output[str]
    functionName: pulumi.Output[str]
    roleName: pulumi.Output[str]
    logGroupName: pulumi.Output[str]

    def __init__(self, name: str, args: HandlerFunctionArgs, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__("scatter-gather:index:HandlerFunction", name, {}, opts)
        _check_environment(name, args["environment"])
        child, here = pulumi.ResourceOptions(parent=self), place.of(self)
        self.logs = aws.cloudwatch.LogGroup(f"{name}-logs", retention_in_days=args["logRetentionDays"], opts=child)
        self.role = aws.iam.Role(name, assume_role_policy=policy.trust("lambda.amazonaws.com", here), opts=child)
        self.roleName = self.role.name
        rights = self.grant(
            "runs",
            [
                policy.allow(["logs:CreateLogStream", "logs:PutLogEvents"], policy.log_streams(self.logs.arn)),
                policy.allow_without_resource("trace"),
                *(policy.attach(here) if args.get("vpc") else []),
                *args["statements"],
            ],
        )
        self.function = aws.lambda_.Function(
            name,
            runtime=code.RUNTIME,
            architectures=[code.ARCHITECTURE],
            handler=f"{args['module']}.handler",
            code=code.archive(args["module"], *args["withModules"], provided=args.get("layerModules", frozenset())),
            layers=[handler_layer(self).arn, *args.get("layers", [])],
            vpc_config={"subnet_ids": args["vpc"]["subnetIds"], "security_group_ids": args["vpc"]["securityGroupIds"]}
            if args.get("vpc")
            else None,
            role=self.role.arn,
            timeout=args["timeoutSeconds"],
            memory_size=args["memoryMb"],
            reserved_concurrent_executions=args.get("reservedConcurrency") or None,
            environment={"variables": args["environment"]},
            logging_config={"log_format": "JSON", "log_group": self.logs.name},
            tracing_config={"mode": "Active"},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[rights]),
        )
        self.functionArn = self.function.arn
        self.functionName = self.function.name
        self.logGroupName = self.logs.name
        self.register_outputs({output: getattr(self, output) for output in self.__annotations__})

    def grant(self, purpose: str, statements: Sequence[dict[str, Any]]) -> aws.iam.RolePolicy:
        """Lets the function do more, in a policy of its own: what a variant adds to a function that it did not make."""
        return aws.iam.RolePolicy(
            f"{self._name}-{purpose}",
            role=self.role.name,
            policy=policy.document(statements),
            opts=pulumi.ResourceOptions(parent=self),
        )


def _check_environment(name: str, environment: Mapping[str, pulumi.Input[str]]) -> None:
    sizes = {key: len(json.dumps({key: value})) if isinstance(value, str) else len(key) + ARN_BYTES for key, value in environment.items()}
    total = sum(sizes.values())
    if total > MAX_ENVIRONMENT_BYTES:
        largest = max(sizes, key=lambda key: sizes[key])
        raise EnvironmentTooLarge(
            f"{name}'s environment takes {total:,} bytes, {largest} {sizes[largest]:,} of them; Lambda allows {MAX_ENVIRONMENT_BYTES:,}: "
            "give fewer or shorter names and settings"
        )


def handler_layer(
    component: pulumi.Resource,
    name: str = "layer",
    parent: Optional[pulumi.Resource] = None,
) -> aws.lambda_.LayerVersion:
    """The layer with the packages that the handlers share, made once for each AWS provider of the program that runs, by the first that asks
    for it.

    component: what needs it. parent: of what serves other programs, each component of which is a program of its own.
    """
    provider = place.provider_of(component)
    made = _layers.setdefault(pulumi.runtime.settings.get_monitor(), {})
    if provider not in made:
        own_name = name if not made else f"{name}-{len(made) + 1}"
        made[provider] = layer_version(own_name, code.layer(), ", ".join(code.LAYER_PACKAGES), parent, provider)
    return made[provider]


def layer_version(
    name: str,
    archive: pulumi.Archive,
    description: str,
    parent: Optional[pulumi.Resource],
    provider: Optional[pulumi.ProviderResource] = None,
) -> aws.lambda_.LayerVersion:
    return aws.lambda_.LayerVersion(
        name,
        # No name that could collide: each publication is a version of its own, and only that one is deleted.
        layer_name=_layer_name(name),
        code=archive,
        compatible_runtimes=[code.RUNTIME],
        compatible_architectures=[code.ARCHITECTURE],
        description=description,
        opts=pulumi.ResourceOptions(parent=parent, provider=provider),
    )


def _layer_name(name: str) -> str:
    """Raises pulumi.RunError for a stack whose name AWS would refuse in this and other names, half-way through an update."""
    project, stack = pulumi.get_project(), pulumi.get_stack()
    layer = f"{project}-{stack}-{name}"
    if not re.fullmatch(rf"[A-Za-z0-9_-]{{1,{LAYER_NAME_CHARACTERS}}}", layer):
        room = LAYER_NAME_CHARACTERS - len(layer) + len(stack)
        raise pulumi.RunError(
            f'the stack is named "{stack}"; allowed: letters, digits, - and _, at most {room} of them with project {project}'
        )
    return layer


_layers: MutableMapping[Any, dict[Optional[pulumi.ProviderResource], aws.lambda_.LayerVersion]] = weakref.WeakKeyDictionary()
"""By what a program registers its resources with."""
