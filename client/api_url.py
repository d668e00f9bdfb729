"""Where the API of a stack answers."""

from collections.abc import Mapping
from typing import Any

from client.errors import UsageError


def api_url(outputs: Mapping[str, Any], endpoint: str | None = None) -> str:
    """The address before `/{variant}/requests`, without a slash at its end. UsageError where the stack has no API, with what to set.

    endpoint: the emulator's, where the stack lives there. It serves every API under its own address, by the API's id; the domain
    that the stack's output names is only resolved by AWS.
    """
    if "apiId" not in outputs:
        raise UsageError("the stack has no API: set api.enabled to true, and variants to one that takes requests")
    if endpoint is None:
        return outputs["apiUrl"].rstrip("/")
    return f"{endpoint.rstrip('/')}/_aws/execute-api/{outputs['apiId']}/$default"
