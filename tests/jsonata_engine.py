"""The shared JSONata expressions, evaluated as Step Functions would, without Step Functions."""

import hashlib
from typing import Any

import jsonata

from components import definition, gathering
from components.gathering import ScatterGatherArgs

ARGS: ScatterGatherArgs = {
    "responders": [], "tableName": "quotes", "tableArn": "arn:aws:dynamodb:us-east-1:000000000000:table/quotes",
    "workflowType": "STANDARD", "deadlineSeconds": 60, "selection": "lowest", "currency": "USD",
    "resultRetentionDays": 30, "logRetentionDays": 14,
}
KNOWN = ["avis", "alamo", "hertz"]


def evaluate(expression: str, *, selection: str = "lowest", **states: Any) -> Any:
    """`expression` is the name of a shared expression; states: input, result, errorOutput, context."""
    tokens = {
        **gathering.tokens("map", {**ARGS, "selection": selection}),
        "ResponderNames": KNOWN, "ResponderName": "$states.input.responder",
    }
    source = definition.bind("${" + expression + "}", tokens, set())
    engine = jsonata.Jsonata.jsonata(source)
    # Step Functions has it beside standard JSONata.
    engine.register_lambda("hash", lambda text, algorithm: hashlib.new(algorithm.replace("-", ""), text.encode()).hexdigest())
    return engine.evaluate(None, {"states": states})
