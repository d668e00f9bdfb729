"""How the API hands a request to each kind of carrier: thin adapters over the AWS clients. See `routes.Carrier`."""

import json
import uuid
from typing import Any

from aws_lambda_powertools.logging import Logger
from botocore.exceptions import ReadTimeoutError

from handlers.contract import InvalidRequest, Json

logger = Logger(service="api", child=True)


class CarrierError(Exception):
    """A carrier did not take a request that keeps the contract: our fault, not the caller's."""


class StandardWorkflow:
    """A Standard state machine: started, never waited for."""

    def __init__(self, states: Any, state_machine_arn: str) -> None:
        self._states, self._state_machine_arn = states, state_machine_arn

    def start(self, request: Json, wait_seconds: float) -> None:
        self._states.start_execution(**_execution(self._state_machine_arn, request))


class ExpressWorkflow:
    """An Express state machine: started, or run while the caller waits.

    patient_states: a client that waits as long as a caller may, and never starts the same again. `start` raises InvalidRequest where
    the workflow refuses, CarrierError where it failed.
    """

    def __init__(self, states: Any, patient_states: Any, state_machine_arn: str) -> None:
        self._states, self._patient_states, self._state_machine_arn = states, patient_states, state_machine_arn

    def start(self, request: Json, wait_seconds: float) -> None:
        execution = _execution(self._state_machine_arn, request)
        if not wait_seconds:
            self._states.start_execution(**execution)
            return
        try:
            ended = self._patient_states.start_sync_execution(**execution)
        except ReadTimeoutError:
            # The workflow goes on without us; the record will tell how it ends.
            logger.info("still running", extra={"execution": execution["name"]})
            return
        if ended.get("error") == "InvalidRequest":
            raise InvalidRequest(ended["cause"])
        if ended["status"] != "SUCCEEDED":
            raise CarrierError(f"execution {execution['name']} {ended['status']}: {ended.get('error')}: {ended.get('cause')}")


class Requester:
    """The function `handlers.sns_requester`, which keeps the record and publishes the request."""

    def __init__(self, functions: Any, function_arn: str) -> None:
        self._functions, self._function_arn = functions, function_arn

    def start(self, request: Json, wait_seconds: float) -> None:
        """Raises InvalidRequest with the function's reason, CarrierError when it broke."""
        invoked = self._functions.invoke(FunctionName=self._function_arn, Payload=_json(request))
        returned = invoked["Payload"].read()
        if "FunctionError" in invoked:
            raise CarrierError(f"the requester failed: {returned[:2000].decode(errors='replace')}")
        refusal = json.loads(returned).get("error")
        if refusal:
            raise InvalidRequest(refusal["message"])


def _execution(state_machine_arn: str, request: Json) -> dict[str, str]:
    """The name begins with the request's id, for people to find it, and is new each time: a name stays taken for 90 days even when
    the execution failed before it opened the record, while the record itself refuses what is asked twice."""
    return {
        "stateMachineArn": state_machine_arn,
        "name": f"{request['requestId']}-{uuid.uuid4().hex[:12]}",
        "input": _json(request),
    }


def _json(request: Json) -> str:
    return json.dumps(request, separators=(",", ":"))
