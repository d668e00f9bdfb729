"""When a request is complete. Pure: the same answers, in whatever order and however often, give the same verdict.

ALL        every recipient has answered, in whatever way: a quote, a decline, a failure, or its own time limit
CONDITION  a recipient has quoted less than `amountBelow`
QUORUM     the recipients that have quoted weigh `quorum` or more in total; each weighs 1 unless the stack says otherwise
DEADLINE   the time is up

Only quotes count towards a quorum, which says how many offers are enough to choose from. There is nothing to choose in a decline or a
failure, and closing on one would shut out the offers that are still to come. CONDITION and QUORUM wait until each of the `required`
responders has quoted or declined. A quorum or condition that can no longer be met leaves the request to ALL or to DEADLINE.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from handlers import contract
from handlers.contract import InvalidRequest

KEYS = ("quorum", "deadlineSeconds", "amountBelow", "required")
"""The fields that a request's `completion` may have."""


@dataclass(frozen=True)
class Policy:
    """deadline_seconds: counted from the creation of the record. quorum: the total weight of quotes that is enough, or None to wait
    for all answers. amount_below: a quote below it ends the search. required: names of responders. weights: by responder; 1 for the
    others."""

    deadline_seconds: float
    quorum: int | None = None
    amount_below: Decimal | None = None
    required: frozenset[str] = frozenset()
    weights: Mapping[str, int] = field(default_factory=dict)

    def weight(self, names: Sequence[str]) -> int:
        return sum(self.weights.get(name, 1) for name in names)

    def closes_early(self, recipients: Sequence[str]) -> bool:
        """Whether a request to these recipients can close before all have answered and before the deadline."""
        return self.amount_below is not None or (self.quorum is not None and self.quorum < self.weight(recipients))


def policy_of(completion: Mapping[str, Any]) -> Policy:
    """The policy of {"deadlineSeconds", "quorum"?, "amountBelow"?, "required"?, "weights"?}: the stack's configuration."""
    weights = {name: int(weight) for name, weight in completion.get("weights", {}).items()}
    return tighten(Policy(deadline_seconds=math.inf, weights=weights), completion)


def tighten(stack: Policy, completion: Mapping[str, Any]) -> Policy:
    """The stack's policy, tightened by a request's `completion`: of each limit the one that is reached earlier, and every responder
    that either of the two requires."""
    quorums = [int(quorum) for quorum in (stack.quorum, completion.get("quorum")) if quorum is not None]
    asked = completion.get("amountBelow")
    amounts = [amount for amount in (stack.amount_below, None if asked is None else Decimal(contract.amount_text(asked) or 0)) if amount]
    return Policy(
        deadline_seconds=min(stack.deadline_seconds, float(completion.get("deadlineSeconds", stack.deadline_seconds))),
        quorum=min(quorums, default=None),
        amount_below=max(amounts, default=None),
        required=stack.required | frozenset(completion.get("required", ())),
        weights=stack.weights,
    )


def check_request(body: Any, known: Sequence[str], stack: Policy) -> contract.Json:
    """The request without its null fields, checked completely. Raises InvalidRequest. See `contract.check_request` and `check`."""
    request = contract.check_request(body, known)
    completion = check(stack, request, contract.recipients_of(request, known))
    return {**request, "completion": completion} if "completion" in request else request


def check(stack: Policy, request: Mapping[str, Any], recipients: Sequence[str]) -> contract.Json:
    """The request's `completion` without its null fields. Raises InvalidRequest if it is malformed, can never be met, or would loosen
    what the stack demands.

    request: has passed `contract.check_request`. recipients: the responders that it asks.
    """
    missing = next((name for name in sorted(stack.required) if name not in recipients), None)
    if missing is not None:
        raise InvalidRequest(f"recipients must include {contract.show(missing)}, which the stack requires")
    completion = request.get("completion", {})
    if not isinstance(completion, dict):
        raise InvalidRequest(f"completion must be an object, not {contract.kind(completion)}")
    contract.refuse_unknown(completion, KEYS, "completion")
    completion = contract.present(completion)
    _check_quorum(stack, completion, recipients)
    _check_deadline(stack, completion)
    _check_amount(stack, completion)
    _check_required(completion, recipients)
    return completion


def _check_quorum(stack: Policy, completion: contract.Json, recipients: Sequence[str]) -> None:
    if "quorum" not in completion:
        return
    quorum, most = completion["quorum"], stack.weight(recipients)
    if not (contract.is_number(quorum) and quorum == int(quorum) and 1 <= quorum <= most):
        raise InvalidRequest(f"completion.quorum must be a whole number from 1 to {most}, not {contract.show(quorum)}")
    if stack.quorum is not None and quorum > stack.quorum:
        raise InvalidRequest(f"completion.quorum must be at most {stack.quorum}, as the stack has it, not {contract.show(quorum)}")


def _check_deadline(stack: Policy, completion: contract.Json) -> None:
    deadline = completion.get("deadlineSeconds", stack.deadline_seconds)
    if not (contract.is_number(deadline) and 0 < deadline <= stack.deadline_seconds):
        raise InvalidRequest(
            f"completion.deadlineSeconds must be above 0 and at most {stack.deadline_seconds:g}, not {contract.show(deadline)}"
        )


def _check_amount(stack: Policy, completion: contract.Json) -> None:
    if "amountBelow" not in completion:
        return
    text = contract.amount_text(completion["amountBelow"])
    if text is None or not Decimal(text):
        raise InvalidRequest(
            f"completion.amountBelow must be a decimal above 0 with at most {contract.MAX_AMOUNT_DIGITS} digits, not "
            f"{contract.show(completion['amountBelow'])}"
        )
    if stack.amount_below is not None and Decimal(text) < stack.amount_below:
        raise InvalidRequest(f"completion.amountBelow must be at least {stack.amount_below}, as the stack has it, not {text}")


def _check_required(completion: contract.Json, recipients: Sequence[str]) -> None:
    required = completion.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) and name in recipients for name in required):
        raise InvalidRequest(f"completion.required must be a list of recipients of the request: {', '.join(recipients)}")
    twice = contract.repeated(required)
    if twice is not None:
        raise InvalidRequest(f"completion.required names {contract.show(twice)} more than once")


def completed_by(
    policy: Policy, recipients: Sequence[str], answers: Mapping[str, Mapping[str, Any]], *, after_deadline: bool
) -> str | None:
    """ALL, CONDITION, QUORUM or DEADLINE, or None while the request is open. answers: by responder.

    If all have answered after the deadline and one of them gave up, it was the deadline that ended the request.
    """
    given = {name: answers[name] for name in recipients if name in answers}
    statuses = {name: answer["status"] for name, answer in given.items()}
    if len(given) == len(recipients):
        return "DEADLINE" if after_deadline and "TIMED_OUT" in statuses.values() else "ALL"
    if all(statuses.get(name) in ("QUOTED", "DECLINED") for name in policy.required):
        quoted = [name for name, status in statuses.items() if status == "QUOTED"]
        if policy.amount_below is not None and any(Decimal(given[name]["amount"]) < policy.amount_below for name in quoted):
            return "CONDITION"
        if policy.quorum is not None and policy.weight(quoted) >= policy.quorum:
            return "QUORUM"
    return "DEADLINE" if after_deadline else None
