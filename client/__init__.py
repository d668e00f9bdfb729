"""Send a request through any carrier of a deployed stack, and read what came of it.

    from client import Stack
    stack = Stack.find()
    result = stack.request("map", {"data": {"days_rental": 30}})
"""

from client.stack import NoStack, RequestFailed, Stack

__all__ = ["NoStack", "RequestFailed", "Stack"]
