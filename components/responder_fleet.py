"""ResponderFleet: the responders that the carriers ask, made once and shared by all of them.

Builds: a HandlerFunction for each responder, with code of its own or in front of an existing function; one with a circuit breaker may
read and change its own circuit in the table of the requests. For the state machines that ask them, once, the requester.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Optional, TypedDict

import pulumi

from components import code, policy
from components.handler_function import HandlerFunction
from components.request_store import HANDLER_MEMORY_MB, RequestStore
from handlers import circuit
from handlers.attempt import BACKSTOP_SECONDS

REQUESTER_SECONDS = 10


class CircuitBreakerArgs(TypedDict, total=False):
    failures: Optional[int]
    """How many in a row open the circuit, so that the responder is not asked; 5."""
    pauseSeconds: Optional[float]
    """How long it stays open before one request tries again; 30."""


class ResponderArgs(TypedDict, total=False):
    name: str
    module: Optional[str]
    """A Python module with a function `quote`; excludes functionArn."""
    functionArn: Optional[str]
    """An existing function; excludes module."""
    timeoutSeconds: Optional[float]
    """10."""
    memoryMb: Optional[int]
    """128."""
    queueConcurrency: Optional[int]
    """How many requests it works on at once where a queue feeds it: 2 to 1,000, as Lambda has it; 10."""
    retries: Optional[int]
    """How often it is asked again after a TransientError, before that becomes a FAILED answer; 2."""
    circuitBreaker: Optional[CircuitBreakerArgs]
    settings: Optional[Mapping[str, Any]]
    """JSON that `quote` gets as `request.settings`."""


class ResponderFleetArgs(TypedDict):
    store: RequestStore
    responders: Sequence[ResponderArgs]


class Responder:
    """A responder as the carriers know it. timeout_seconds: of its function."""

    def __init__(self, args: ResponderArgs, function: HandlerFunction) -> None:
        self.name = args["name"]
        self.function = function
        self.timeout_seconds = function_timeout(args)
        self.queue_concurrency = int(args.get("queueConcurrency") or 10)
        self.retries = retries_of(args)


def function_timeout(args: ResponderArgs) -> int:
    return math.ceil(_limit(args)) + BACKSTOP_SECONDS


def retries_of(args: ResponderArgs) -> int:
    retries = args.get("retries")
    return 2 if retries is None else int(retries)


def _limit(args: ResponderArgs) -> float:
    return float(args.get("timeoutSeconds") or 10)


class ResponderFleet(pulumi.ComponentResource):
    """Outputs: functionArns, by responder."""

    functionArns: pulumi.Output[Mapping[str, str]]

    def __init__(self, name: str, args: ResponderFleetArgs, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__("scatter-gather:index:ResponderFleet", name, {}, opts)
        self._name, self._store = name, args["store"]
        self._requester: Optional[HandlerFunction] = None
        self.responders = [Responder(responder, self._function(responder)) for responder in args["responders"]]
        self.functionArns = pulumi.Output.all(
            **{responder.name: responder.function.functionArn for responder in self.responders})
        self.register_outputs({"functionArns": self.functionArns})

    @property
    def functions(self) -> dict[str, HandlerFunction]:
        return {responder.name: responder.function for responder in self.responders}

    @property
    def environment(self) -> dict[str, pulumi.Input[str]]:
        """What a function that opens requests has to know, see `handlers.environment`."""
        return {**self._store.environment, "RESPONDERS": ",".join(responder.name for responder in self.responders)}

    @property
    def requester(self) -> HandlerFunction:
        """The function that opens requests for state machines."""
        if self._requester is None:
            self._requester = HandlerFunction(f"{self._store.name}-{self._name}-requester", {
                "module": "handlers.requester",
                "withModules": [],
                "environment": self.environment,
                "timeoutSeconds": REQUESTER_SECONDS,
                "memoryMb": HANDLER_MEMORY_MB,
                "logRetentionDays": self._store.log_retention_days,
                "statements": [
                    policy.allow(["dynamodb:PutItem"], self._store.tableArn),
                    policy.allow(["sqs:SendMessage"], self._store.responseQueueArn),
                ],
            }, pulumi.ResourceOptions(parent=self))
        return self._requester

    def _function(self, responder: ResponderArgs) -> HandlerFunction:
        store, name = self._store, responder["name"]
        module, function_arn = responder.get("module"), responder.get("functionArn")
        breaker = responder.get("circuitBreaker")
        statements = [policy.allow(["sqs:SendMessage"], store.responseQueueArn)]
        if module is not None:
            code.check_defines(module, "quote")
            source = {"QUOTE_MODULE": module, "SETTINGS": json.dumps(responder.get("settings") or {}, sort_keys=True)}
        elif function_arn is not None:
            source = {"FUNCTION_ARN": function_arn}
            statements.append(policy.allow(["lambda:InvokeFunction"], function_arn))
        else:
            raise ValueError(f"responder {name} has neither module nor functionArn: give one of them")
        if breaker is not None:
            statements.append(_own_circuit(name, store.tableArn))
            breaker = {"failures": int(breaker.get("failures") or 5), "pauseSeconds": float(breaker.get("pauseSeconds") or 30)}
        return HandlerFunction(f"{self._name}-{name}", {
            "module": "handlers.responder",
            "withModules": [module] if module is not None else [],
            "environment": {
                "RESPONDER": name,
                **source,
                "CURRENCY": store.currency,
                "TIMEOUT_SECONDS": f"{_limit(responder):g}",
                "RETRIES": str(retries_of(responder)),
                **({"CIRCUIT_BREAKER": json.dumps(breaker, sort_keys=True), "TABLE_NAME": store.tableName} if breaker else {}),
            },
            "timeoutSeconds": function_timeout(responder),
            "memoryMb": int(responder.get("memoryMb") or 128),
            "logRetentionDays": store.log_retention_days,
            "statements": statements,
        }, pulumi.ResourceOptions(parent=self))


def _own_circuit(responder: str, table_arn: pulumi.Input[str]) -> policy.Statement:
    return policy.allow(["dynamodb:GetItem", "dynamodb:UpdateItem"], table_arn, {
        "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [circuit.key(responder)]}})
