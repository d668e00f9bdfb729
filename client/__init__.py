"""Send a request through any carrier of a deployed stack, and read what came of it.

from client import Stack
stack = Stack.find()
result = stack.request("map", {"data": {"days_rental": 30}})

from client import ApiStack
stack = ApiStack.find()         the same by the stack's HTTP API

from client import AsyncStack
stack = await AsyncStack.find()
results = await asyncio.gather(*(stack.request("sns", request) for request in requests))
"""

from client.api_stack import ApiStack
from client.async_stack import AsyncStack
from client.errors import NoStack, RequestFailed, StackError, StillOpen, UnknownRequest, UnknownVariant, UsageError
from client.shapes import Answer, Completion, Request, Result, StoredResult
from client.stack import Stack
from handlers.contract import InvalidRequest

__all__ = [
    "Answer",
    "ApiStack",
    "AsyncStack",
    "Completion",
    "InvalidRequest",
    "NoStack",
    "Request",
    "RequestFailed",
    "Result",
    "Stack",
    "StackError",
    "StillOpen",
    "StoredResult",
    "UnknownRequest",
    "UnknownVariant",
    "UsageError",
]
