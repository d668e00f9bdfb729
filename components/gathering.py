"""What the workflow variants share: their arguments, and the tokens and rights of the states that open, ask and close."""

import math
from collections.abc import Sequence
from typing import Any, TypedDict

import pulumi

from components import definition, policy
from components.responder_fleet import BACKSTOP_SECONDS, Responder
from handlers import contract

TIMEOUT_SECONDS = 300
"""The whole workflow ends by then; also the longest that an Express workflow may run."""

BETTER = {
    "lowest": "$number($next.amount) < $number($best.amount)",
    "highest": "$number($next.amount) > $number($best.amount)",
    "first": "$next.respondedAt < $best.respondedAt",
}
"""JSONata: is the next quote better than the best so far? Never for a tie, so that the first recipient wins it."""


class ScatterGatherArgs(TypedDict):
    responders: pulumi.Input[Sequence[Responder]]
    tableName: pulumi.Input[str]
    tableArn: pulumi.Input[str]
    workflowType: str
    """STANDARD or EXPRESS."""
    deadlineSeconds: float
    selection: str
    """lowest, highest or first."""
    currency: str
    resultRetentionDays: int
    logRetentionDays: int


def tokens(variant: str, args: ScatterGatherArgs) -> dict[str, Any]:
    """The tokens that need nothing but the arguments."""
    return {
        "Variant": variant,
        "TimeoutSeconds": TIMEOUT_SECONDS,
        "DeadlineSeconds": _plain(args["deadlineSeconds"]),
        "ResultRetentionSeconds": args["resultRetentionDays"] * 86_400,
        "Better": BETTER[args["selection"]],
        "Currency": args["currency"],
        "MaxRequestBytes": contract.MAX_REQUEST_BYTES,
        "DetailsBudgetBytes": contract.DETAILS_BUDGET_BYTES,
        "MaxMessageChars": contract.MAX_MESSAGE_CHARS,
        "MaxAmountDigits": contract.MAX_AMOUNT_DIGITS,
        "AskRetry": definition.ASK_RETRY,
        "StoreRetry": definition.STORE_RETRY,
        "CloseRetry": definition.CLOSE_RETRY,
    }


def ask_timeout(seconds: float) -> int:
    """Seconds that the workflow waits for a function: past the function's own end, which says more about what went wrong."""
    return math.ceil(seconds) + BACKSTOP_SECONDS + 1


def statements(args: ScatterGatherArgs) -> list[policy.Statement]:
    """What asking the responders and keeping the record takes."""
    functions = pulumi.Output.from_input(args["responders"]).apply(
        lambda responders: sorted({responder["functionArn"] for responder in responders}))
    return [
        policy.allow(["lambda:InvokeFunction"], functions),
        policy.allow(["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:GetItem"], args["tableArn"]),
    ]


def _plain(number: float) -> float:
    return int(number) if number == int(number) else number
