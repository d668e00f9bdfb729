"""Stack: a deployed stack as a caller sees it."""

import json
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from client import outputs as stack_outputs
from client.outputs import NoStack
from handlers import contract
from handlers.contract import InvalidRequest

__all__ = ["NoStack", "RequestFailed", "Stack"]

POLL_SECONDS = 0.1


class RequestFailed(Exception):
    """The carrier could not take or finish the request; the message is its reason."""


@dataclass(frozen=True)
class Stack:
    """outputs: the stack's; endpoint: the emulator's address, None for AWS with the usual credential chain."""

    outputs: Mapping[str, Any]
    endpoint: str | None = None
    _clients: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def find(cls, stack: str | None = None, outputs_file: Path | None = None) -> "Stack":
        """The deployed stack of that name; NoStack says what to do where there is none."""
        return cls(*stack_outputs.find(stack, outputs_file))

    @property
    def variants(self) -> list[str]:
        """The deployed variants that take requests."""
        keys = {"map": "mapStateMachineArn", "parallel": "parallelStateMachineArn", "sns": "requesterFunctionName"}
        return [variant for variant, key in keys.items() if key in self.outputs]

    @property
    def sample_request(self) -> dict[str, Any]:
        return json.loads(self.outputs["sampleInput"])

    def request(self, variant: str, request: Mapping[str, Any], timeout: float = 300) -> dict[str, Any]:
        """Sends the request and waits for its Result. timeout: seconds. InvalidRequest where the contract is broken."""
        self._require(variant)
        if variant == "sns":
            return self.wait(self.send(variant, request), timeout)
        workflows, machine = self.client("stepfunctions"), self.outputs[f"{variant}StateMachineArn"]
        order = {"stateMachineArn": machine, "input": json.dumps(dict(request))}
        if workflows.describe_state_machine(stateMachineArn=machine)["type"] == "EXPRESS":
            return _outcome(workflows.start_sync_execution(**order))
        execution, ends = workflows.start_execution(**order)["executionArn"], time.monotonic() + timeout
        while (state := workflows.describe_execution(executionArn=execution))["status"] == "RUNNING":
            if time.monotonic() > ends:
                raise RequestFailed(f"execution {execution} is still running after {timeout:g} seconds")
            time.sleep(POLL_SECONDS)
        return _outcome(state)

    def send(self, variant: str, request: Mapping[str, Any]) -> str:
        """Sends the request without waiting; returns its id, to be used with `watch`, `wait` and `result`."""
        self._require(variant)
        if variant == "sns":
            return self._through_requester(request)["requestId"]
        identified = {"requestId": uuid.uuid4().hex, **request}
        self.client("stepfunctions").start_execution(
            stateMachineArn=self.outputs[f"{variant}StateMachineArn"], input=json.dumps(identified))
        return identified["requestId"]

    def record(self, request_id: str) -> dict[str, Any] | None:
        """The stored record of a request, as plain JSON with amounts as strings; None where the id is unknown."""
        from boto3.dynamodb.types import TypeDeserializer

        found = self.client("dynamodb").get_item(
            TableName=self.outputs["quoteTableName"], Key={"requestId": {"S": request_id}}, ConsistentRead=True).get("Item")
        return None if found is None else {key: TypeDeserializer().deserialize(value) for key, value in found.items()}

    def result(self, request_id: str) -> dict[str, Any] | None:
        """The request with its Result so far; None where the id is unknown."""
        record = self.record(request_id)
        if record is None:
            return None
        best = record["answers"].get(record["best"]) if record.get("best") else None
        return {"request": record["request"], **contract.result(record, best)}

    def wait(self, request_id: str, timeout: float = 300) -> dict[str, Any]:
        for result in self.watch(request_id, timeout):
            if result["status"] != "OPEN":
                return result
        raise RequestFailed(f"request {request_id} is still open after {timeout:g} seconds")

    def watch(self, request_id: str, timeout: float = 300) -> Iterator[dict[str, Any]]:
        """The result whenever it has changed, until it is closed or `timeout` seconds are over."""
        ends, seen = time.monotonic() + timeout, None
        while time.monotonic() < ends:
            result = self.result(request_id)
            if result is not None and result != seen:
                seen = result
                yield result
                if result["status"] != "OPEN":
                    return
            time.sleep(POLL_SECONDS)

    def client(self, service: str) -> Any:
        """A boto3 client, in the region (and, on the emulator, the account) where the stack is."""
        if service not in self._clients:
            import boto3
            from botocore.config import Config

            region, account = self._whereabouts()
            local = {"endpoint_url": self.endpoint, "aws_access_key_id": account, "aws_secret_access_key": "local"}
            self._clients[service] = boto3.client(
                service, region_name=region, config=Config(inject_host_prefix=self.endpoint is None),
                **(local if self.endpoint else {}))
        return self._clients[service]

    def _whereabouts(self) -> tuple[str | None, str]:
        arns = (value for key, value in self.outputs.items() if key.endswith("Arn") and isinstance(value, str))
        parts = next(arns, "arn:aws:::").split(":")
        return parts[3] or None, parts[4] or "000000000000"

    def _require(self, variant: str) -> None:
        if variant not in self.variants:
            raise RequestFailed(f"variant {variant} is not deployed; deployed: {', '.join(self.variants) or 'none'}")

    def _through_requester(self, request: Mapping[str, Any]) -> dict[str, Any]:
        answer = self.client("lambda").invoke(
            FunctionName=self.outputs["requesterFunctionName"], Payload=json.dumps(dict(request)).encode())
        payload = json.loads(answer["Payload"].read())
        if "FunctionError" not in answer:
            return payload
        refused = payload.get("errorType") == "InvalidRequest"
        raise (InvalidRequest if refused else RequestFailed)(payload.get("errorMessage", "the requester failed"))


def _outcome(execution: Mapping[str, Any]) -> dict[str, Any]:
    if execution["status"] == "SUCCEEDED":
        return json.loads(execution["output"])
    reason = execution.get("cause") or execution.get("error") or execution["status"]
    raise (InvalidRequest if execution.get("error") == "InvalidRequest" else RequestFailed)(reason)
