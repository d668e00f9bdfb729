"""What the workflow variants share: their arguments, the tokens of the states that open, ask and close, and the second workflow that
takes over where a request may close before all have answered."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional, TypedDict

import pulumi

from components import definition, policy
from components.responder_fleet import BACKSTOP_SECONDS, Responder
from components.workflow import Workflow
from handlers import contract

MARGIN_SECONDS = 240
"""Past the deadline, for an existing function that was asked just before it, which knows no deadline: three times 63 seconds at the most,
with the pauses between them."""

PATIENCE_MARGIN_SECONDS = 20
"""Between the end of the wait for the recorder and the end of the workflow: for reading what there is."""

SELECTOR_SECONDS = 10

RANK_KEY = {
    "lowest": "$number($quote.amount)",
    "highest": "-$number($quote.amount)",
    "first": "$quote.respondedAt",
    "median": "$number($quote.amount)",
}
"""JSONata: by what the quotes are sorted."""

EARLY_STATES = ("Turn", "Await completion")
SELECTION_STATES = ("Select",)


class ScatterGatherArgs(TypedDict):
    responders: pulumi.Input[Sequence[Responder]]
    tableName: pulumi.Input[str]
    tableArn: pulumi.Input[str]
    workflowType: str
    """STANDARD or EXPRESS; an Express workflow cannot close before all have answered."""
    completion: Mapping[str, Any]
    """{"deadlineSeconds": number, "quorum"?, "amountBelow"?, "required"?, "weights"?}, see `handlers.completion`."""
    selection: str
    """lowest, highest, first, median, or the dotted name of the user's own module."""
    topK: int
    selectorArn: Optional[pulumi.Input[str]]
    """The function of `handlers.selector`, where the selection is the user's own."""
    currency: str
    resultRetentionDays: int
    logRetentionDays: int


@dataclass(frozen=True)
class Workflows:
    """main: takes the requests. recorder: asks and records for those that may close early; an Express workflow has none."""

    main: Workflow
    recorder: Workflow | None


Known = Mapping[str, Any]
"""What is known once it has been made: {"responders": [Responder], "table", "recorder": ARN or "", "selector": ARN or ""}."""


def workflows(name: str, variant: str, args: ScatterGatherArgs, max_concurrency: int,
              render: Callable[[Known], str], opts: pulumi.ResourceOptions) -> Workflows:
    """max_concurrency: how many responders the recorder asks at once; 0 leaves it to Step Functions. render: the main definition."""
    known: dict[str, Any] = {"responders": args["responders"], "table": args["tableName"], "selector": args["selectorArn"] or ""}
    recorder = None
    if args["workflowType"] == "STANDARD":
        rights = _statements(args, ["dynamodb:UpdateItem", "dynamodb:GetItem"])
        recorder = _workflow(f"{name}-recorder", args, rights, opts, pulumi.Output.all(**known).apply(
            lambda known: recording(variant, args, max_concurrency, known)))
    start = [policy.allow(["states:StartExecution"], recorder.stateMachineArn)] if recorder else []
    rights = _statements(args, ["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:GetItem"])
    main = _workflow(name, args, [*rights, *start], opts, pulumi.Output.all(
        **known, recorder=recorder.stateMachineArn if recorder else "").apply(render))
    if recorder:
        # Step Functions checks this right against the machine whose execution waits (AWS names that ARN where it denies it).
        recorder.grant("replies", [policy.allow(["states:SendTaskSuccess", "states:SendTaskFailure"], main.stateMachineArn)])
    return Workflows(main, recorder)


def tokens(variant: str, args: ScatterGatherArgs, known: Known) -> dict[str, Any]:
    """The tokens of the main definition that the variants share."""
    recorder = {} if args["workflowType"] == "EXPRESS" else {
        "RecorderArn": known["recorder"],
        "PatienceSeconds": workflow_seconds(args["workflowType"], args["completion"]) - PATIENCE_MARGIN_SECONDS,
    }
    return {**_shared(variant, args, known), **recorder, **expression_tokens(args, [each["name"] for each in known["responders"]])}


def expression_tokens(args: ScatterGatherArgs, names: Sequence[str]) -> dict[str, Any]:
    """The tokens of the expressions that check and open a request. names: the responders'."""
    return {
        "ResponderNames": list(names),
        "Completion": _plain({"required": [], "weights": {}, **args["completion"]}),
        "CanCloseEarly": args["workflowType"] == "STANDARD",
        "ResultRetentionSeconds": args["resultRetentionDays"] * 86_400,
        "MaxRequestBytes": contract.MAX_REQUEST_BYTES,
    }


def _shared(variant: str, args: ScatterGatherArgs, known: Known) -> dict[str, Any]:
    """The tokens of both definitions."""
    selector = {"SelectorArn": known["selector"], "SelectorTimeoutSeconds": SELECTOR_SECONDS + BACKSTOP_SECONDS + 1,
                "SelectorRetry": definition.CALL_RETRY} if args["selectorArn"] is not None else {}
    return {
        **answer_tokens(variant, args),
        **selector,
        "TableName": known["table"],
        "StoreRetry": definition.STORE_RETRY,
        "CloseRetry": definition.CLOSE_RETRY,
    }


def answer_tokens(variant: str, args: ScatterGatherArgs) -> dict[str, Any]:
    """The tokens of the expressions that read answers and close a record."""
    return {
        "Variant": variant,
        "TimeoutSeconds": workflow_seconds(args["workflowType"], args["completion"]),
        "SelectionBy": args["selection"],
        "RankKey": RANK_KEY.get(args["selection"], "$place"),
        # The user's own code is asked once, when a request closes; until then nobody is the best.
        "TopK": 0 if args["selectorArn"] is not None else args["topK"],
        "Currency": args["currency"],
        "DetailsBudgetBytes": contract.DETAILS_BUDGET_BYTES,
        "MaxTypeChars": contract.MAX_TYPE_CHARS,
        "MaxMessageChars": contract.MAX_MESSAGE_CHARS,
        "MaxAmountDigits": contract.MAX_AMOUNT_DIGITS,
    }


def map_tokens(responders: Sequence[Responder], max_concurrency: int) -> dict[str, Any]:
    """The tokens of a Map over the responders."""
    return {
        "FunctionArns": {responder["name"]: responder["functionArn"] for responder in responders},
        "AskRetry": definition.ask_retry([responder["retries"] for responder in responders]),
        "AskTimeoutSeconds": ask_timeout(max(responder["timeoutSeconds"] for responder in responders)),
        "MaxConcurrency": int(max_concurrency),
        "ResponderName": "$states.input.responder",
    }


def ask_timeout(seconds: float) -> int:
    """Seconds that the workflow waits for a function: past the function's own end, which says more about what went wrong."""
    return math.ceil(seconds) + BACKSTOP_SECONDS + 1


def workflow_seconds(workflow_type: str, completion: Mapping[str, Any]) -> int:
    """When a workflow is over, whatever happens, and its record is nobody's any more."""
    if workflow_type == "EXPRESS":
        return definition.EXPRESS_SECONDS
    return math.ceil(completion["deadlineSeconds"]) + MARGIN_SECONDS


def recording(variant: str, args: ScatterGatherArgs, max_concurrency: int, known: Known) -> str:
    """The recorder's definition."""
    return definition.render("recording.asl.json", {
        **_shared(variant, args, known),
        **map_tokens(known["responders"], max_concurrency),
        "Weights": args["completion"].get("weights", {}),
    }, without=() if args["selectorArn"] is not None else SELECTION_STATES)


def without(args: ScatterGatherArgs) -> list[str]:
    """The states of a main definition that this stack does without."""
    return [*(EARLY_STATES if args["workflowType"] == "EXPRESS" else ()), *(SELECTION_STATES if args["selectorArn"] is None else ())]


def _workflow(name: str, args: ScatterGatherArgs, statements: Sequence[policy.Statement], opts: pulumi.ResourceOptions,
              text: pulumi.Output[str]) -> Workflow:
    return Workflow(name, {
        "definition": text,
        "workflowType": args["workflowType"],
        "statements": statements,
        "logRetentionDays": args["logRetentionDays"],
    }, opts)


def _statements(args: ScatterGatherArgs, table_actions: list[str]) -> list[policy.Statement]:
    """What asking the responders and keeping the record takes."""
    functions = pulumi.Output.all(args["responders"], args["selectorArn"]).apply(
        lambda known: sorted({*(responder["functionArn"] for responder in known[0]), *([known[1]] if known[1] else [])}))
    return [
        policy.allow(["lambda:InvokeFunction"], functions),
        policy.allow(table_actions, args["tableArn"]),
    ]


def _plain(completion: Mapping[str, Any]) -> dict[str, Any]:
    """Whole numbers without a fraction, and the required names in order, as the messages show them."""
    seconds = completion["deadlineSeconds"]
    return {**completion, "deadlineSeconds": int(seconds) if seconds == int(seconds) else seconds,
            "required": sorted(completion["required"])}
