"""ResponderFleet: the responders that the variants ask, made once and shared by all of them.

Builds: for each responder with code of its own a HandlerFunction; one with a circuit breaker may read and change its own circuit
in the table of results. A responder with a functionArn is an existing function and is only referred to.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Optional, TypedDict

import pulumi

from components import code, policy
from components.handler_function import HandlerFunction
from handlers import circuit

BACKSTOP_SECONDS = 2
"""Between the responder's own time limit, which ends in an answer, and the function's, which ends in a crash."""


class CircuitBreakerArgs(TypedDict):
    failures: int
    """How many in a row open the circuit, so that the responder's code is not called."""
    pauseSeconds: float
    """How long it stays open before one request tries again."""


class ResponderArgs(TypedDict):
    name: str
    module: Optional[str]
    """A Python module of the project with a function `quote`; excludes functionArn."""
    functionArn: Optional[str]
    """An existing function; excludes module."""
    timeoutSeconds: float
    memoryMb: int
    queueConcurrency: int
    """How many requests it works on at once where a queue feeds it: 2 to 1,000, as Lambda has it."""
    retries: int
    """How often it is asked again after a TransientError, before that becomes a FAILED answer."""
    circuitBreaker: Optional[CircuitBreakerArgs]
    """None for an existing function."""
    settings: Mapping[str, Any]
    """JSON that `quote` gets as `request.settings`."""


class ResponderFleetArgs(TypedDict):
    responders: Sequence[ResponderArgs]
    layerArn: pulumi.Input[str]
    tableName: pulumi.Input[str]
    tableArn: pulumi.Input[str]
    currency: str
    logRetentionDays: int


class Responder(TypedDict):
    """A responder as the variants know it: by its name."""

    name: str
    functionArn: str
    timeoutSeconds: float
    retries: int


class Member(TypedDict):
    """A responder as the variant knows it that makes a queue for each, and needs to know how many there are."""

    name: str
    functionArn: pulumi.Input[str]
    roleName: Optional[pulumi.Input[str]]
    """The role of a function that the fleet made; none for an existing function, whose rights are not ours to change."""
    timeoutSeconds: float
    queueConcurrency: int
    retries: int


def function_timeout(seconds: float) -> int:
    """The time limit of a function whose work may take `seconds`."""
    return math.ceil(seconds) + BACKSTOP_SECONDS


class ResponderFleet(pulumi.ComponentResource):
    """Outputs: functionArns, by responder. `responders` is what the workflow variants take, `members` what SnsScatterGather
    takes, both in the order of the configuration."""

    functionArns: pulumi.Output[Mapping[str, str]]

    def __init__(self, name: str, args: ResponderFleetArgs, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__("scatter-gather:index:ResponderFleet", name, {}, opts)
        self.functions: dict[str, HandlerFunction] = {}
        self.members: list[Member] = []
        for responder in args["responders"]:
            function = None if responder["functionArn"] else self._function(name, responder, args)
            self.members.append({
                "name": responder["name"],
                "functionArn": function.functionArn if function else responder["functionArn"] or "",
                "roleName": function.roleName if function else None,
                "timeoutSeconds": responder["timeoutSeconds"],
                "queueConcurrency": responder["queueConcurrency"],
                "retries": responder["retries"],
            })
        self.responders: pulumi.Output[Sequence[Responder]] = pulumi.Output.all(*(
            {key: member[key] for key in ("name", "functionArn", "timeoutSeconds", "retries")}
            for member in self.members))
        self.functionArns = pulumi.Output.all(**{member["name"]: member["functionArn"] for member in self.members})
        self.register_outputs({"functionArns": self.functionArns})

    def _function(self, fleet: str, responder: ResponderArgs, args: ResponderFleetArgs) -> HandlerFunction:
        module = responder["module"]
        if module is None:
            raise ValueError(f"responder {responder['name']} has neither module nor functionArn: give one of them")
        code.check_defines(module, "quote")
        breaker = responder["circuitBreaker"]
        function = HandlerFunction(f"{fleet}-{responder['name']}", {
            "module": "handlers.responder",
            "withModules": [module],
            "layerArn": args["layerArn"],
            "environment": {
                "RESPONDER": responder["name"],
                "QUOTE_MODULE": module,
                "SETTINGS": json.dumps(responder["settings"], sort_keys=True),
                "CURRENCY": args["currency"],
                "TIMEOUT_SECONDS": f"{responder['timeoutSeconds']:g}",
                "RETRIES": str(int(responder["retries"])),
                **({"CIRCUIT_BREAKER": json.dumps(breaker, sort_keys=True), "TABLE_NAME": args["tableName"]} if breaker else {}),
            },
            "timeoutSeconds": function_timeout(responder["timeoutSeconds"]),
            "memoryMb": responder["memoryMb"],
            "logRetentionDays": args["logRetentionDays"],
            "statements": [_own_circuit(responder["name"], args["tableArn"])] if breaker else [],
        }, pulumi.ResourceOptions(parent=self))
        self.functions[responder["name"]] = function
        return function


def _own_circuit(responder: str, table_arn: pulumi.Input[str]) -> policy.Statement:
    return policy.allow(["dynamodb:GetItem", "dynamodb:UpdateItem"], table_arn, {
        "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [circuit.key(responder)]}})
