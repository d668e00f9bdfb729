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


def evaluate(expression: str, *, selection: str = "lowest", completion: Mapping[str, Any] | None = None, workflow_type: str = "STANDARD",
             states: Mapping[str, Any]) -> Any:
    """`expression` is the name of a shared expression, or JSONata that uses some; states: input, result, errorOutput, context. completion: the stack's own."""
    args: ScatterGatherArgs = {**ARGS, "selection": selection, "completion": completion or ARGS["completion"], "workflowType": workflow_type}
    tokens = {
        **gathering.answer_tokens("map", args), **gathering.expression_tokens(args, KNOWN), "Weights": args["completion"].get("weights", {}),
        "ResponderName": "$states.input.responder",
    }
    source = definition.bind(expression if "${" in expression else "${" + expression + "}", tokens, set())
    return _engine(source).evaluate(None, {"states": states})


@cache
def _engine(source: str) -> jsonata.Jsonata:
    """Parsed once: that takes longer than most evaluations."""
    engine = jsonata.Jsonata.jsonata(source)
    # Step Functions has it beside standard JSONata.
    engine.register_lambda("hash", lambda text, algorithm: hashlib.new(algorithm.replace("-", ""), text.encode()).hexdigest())
    return engine
