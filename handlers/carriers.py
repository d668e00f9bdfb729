"""How the API hands a request to each kind of carrier: thin adapters over the AWS clients. See `routes.Carrier`."""

import json
import uuid
from typing import Any

from handlers.contract import InvalidRequest, Json


class CarrierError(Exception):
    """A carrier did not accept a valid request. The fault is ours, not the caller's."""


class StateMachine:
    """A state machine, which is started and never waited for. The request's record shows its progress."""

    def __init__(self, states: Any, state_machine_arn: str) -> None:
        self._states, self._state_machine_arn = states, state_machine_arn

    def start(self, request: Json) -> None:
        """The execution's name begins with the request's id, so that people find it, and is new each time. A name stays taken for 90
        days, even if the execution failed before it opened the record, and the record itself prevents asking twice."""
        self._states.start_execution(
            stateMachineArn=self._state_machine_arn, name=f"{request['requestId']}-{uuid.uuid4().hex[:12]}", input=_json(request)
        )


class Requester:
    """A function that takes a request, stores its record and asks its recipients, such as `handlers.sns_requester`."""

    def __init__(self, functions: Any, function_arn: str) -> None:
        self._functions, self._function_arn = functions, function_arn

    def start(self, request: Json) -> None:
        """Raises InvalidRequest with the function's reason, or CarrierError if the function broke."""
        invoked = self._functions.invoke(FunctionName=self._function_arn, Payload=_json(request))
        returned = invoked["Payload"].read()
        if "FunctionError" in invoked:
            raise CarrierError(f"the requester failed: {returned[:2000].decode(errors='replace')}")
        refusal = json.loads(returned).get("error")
        if refusal:
            raise InvalidRequest(refusal["message"])


def _json(request: Json) -> str:
    return json.dumps(request, separators=(",", ":"))
