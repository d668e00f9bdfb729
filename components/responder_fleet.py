"""ResponderFleet: the responders that the variants ask, made once and shared by all of them.

Builds: for each responder with code of its own a HandlerFunction. A responder with a functionArn is an existing function and is
only referred to.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Optional, TypedDict

import pulumi

from components.handler_function import HandlerFunction

BACKSTOP_SECONDS = 2
"""Between the responder's own time limit, which ends in an answer, and the function's, which ends in a crash."""


class ResponderArgs(TypedDict):
    name: str
    module: Optional[str]
    """A Python module of the project with a function `quote`; excludes functionArn."""
    functionArn: Optional[str]
    """An existing function; excludes module."""
    timeoutSeconds: float
    memoryMb: int
    settings: Mapping[str, Any]
    """JSON that `quote` gets as `request.settings`."""


class ResponderFleetArgs(TypedDict):
    responders: Sequence[ResponderArgs]
    layerArn: pulumi.Input[str]
    currency: str
    logRetentionDays: int


class Responder(TypedDict):
    """A responder as the variants know it: by its name."""

    name: str
    functionArn: str
    timeoutSeconds: float


class ResponderFleet(pulumi.ComponentResource):
    """Outputs: responders, in the order of the configuration."""

    responders: pulumi.Output[Sequence[Responder]]

    def __init__(self, name: str, args: ResponderFleetArgs, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__("scatter-gather:index:ResponderFleet", name, {}, opts)
        self.functions: dict[str, HandlerFunction] = {}
        known: list[dict[str, Any]] = []
        for responder in args["responders"]:
            arn = responder["functionArn"] or self._function(name, responder, args).functionArn
            known.append({"name": responder["name"], "functionArn": arn, "timeoutSeconds": responder["timeoutSeconds"]})
        self.responders = pulumi.Output.all(*known)
        self.register_outputs({"responders": self.responders})

    def _function(self, fleet: str, responder: ResponderArgs, args: ResponderFleetArgs) -> HandlerFunction:
        module = responder["module"]
        if module is None:
            raise ValueError(f"responder {responder['name']} has neither module nor functionArn: give one of them")
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
            },
            "timeoutSeconds": math.ceil(responder["timeoutSeconds"]) + BACKSTOP_SECONDS,
            "memoryMb": responder["memoryMb"],
            "logRetentionDays": args["logRetentionDays"],
            "statements": [],
        }, pulumi.ResourceOptions(parent=self))
        self.functions[responder["name"]] = function
        return function
