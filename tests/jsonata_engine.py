"""The shared JSONata expressions, evaluated as Step Functions would, without Step Functions."""

import hashlib
from collections.abc import Mapping
from functools import cache
from typing import Any

import jsonata

from components import definition, gathering
from components.gathering import ScatterGatherArgs

ARGS: ScatterGatherArgs = {
    "responders": [], "tableName": "quotes", "tableArn": "arn:aws:dynamodb:us-east-1:000000000000:table/quotes",
    "workflowType": "STANDARD", "completion": {"deadlineSeconds": 60}, "selection": "lowest", "topK": 2, "selectorArn": None,
    "currency": "USD", "resultRetentionDays": 30, "logRetentionDays": 14,
}
KNOWN = ["avis", "alamo", "hertz"]

MAX_DEPTH = 100
"""How deep Step Functions nests the evaluation of an expression before it calls it a stack overflow. Documented is no figure; this one
was found by others, by trial on AWS (floci-io/floci, issue 2737)."""


def evaluate(expression: str, *, selection: str = "lowest", completion: Mapping[str, Any] | None = None, workflow_type: str = "STANDARD",
             states: Mapping[str, Any]) -> Any:
    """`expression` is the name of a shared expression, or JSONata that uses some; states: input, result, errorOutput, context.
    completion: the stack's own."""
    policy = completion or ARGS["completion"]
    args: ScatterGatherArgs = {**ARGS, "selection": selection, "completion": policy, "workflowType": workflow_type}
    tokens = {
        **gathering.answer_tokens("map", args), **gathering.expression_tokens(args, KNOWN), "Weights": policy.get("weights", {}),
        "ResponderName": "$states.input.responder",
    }
    source = definition.bind(expression if "${" in expression else "${" + expression + "}", tokens, set())
    return run(source, states)


def run(source: str, states: Mapping[str, Any]) -> Any:
    """What JSONata text comes to; raises the engine's own errors."""
    engine = _engine(source)
    frame = engine.create_frame()
    frame.set_runtime_bounds(None, MAX_DEPTH)
    frame.bind("states", states)
    return engine.evaluate(None, frame)


@cache
def _engine(source: str) -> jsonata.Jsonata:
    """Parsed once: that takes longer than most evaluations."""
    engine = jsonata.Jsonata.jsonata(source)
    # Step Functions has it beside standard JSONata.
    engine.register_lambda("hash", lambda text, algorithm: hashlib.new(algorithm.replace("-", ""), text.encode()).hexdigest())
    return engine
