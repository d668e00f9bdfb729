"""AsyncStack: `Stack` for asyncio. boto3 is synchronous, so each call runs in a thread of the loop's executor."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from client.shapes import Request, Result, StoredResult
from client.stack import TIMEOUT_SECONDS, Stack


@dataclass(frozen=True)
class AsyncStack:
    """The methods of `Stack`, to be awaited; they raise the same."""

    stack: Stack

    @classmethod
    async def find(cls, stack: str | None = None, outputs_file: Path | None = None) -> "AsyncStack":
        return cls(await asyncio.to_thread(Stack.find, stack, outputs_file))

    async def request(self, variant: str, request: Request | Mapping[str, Any], timeout: float = TIMEOUT_SECONDS) -> Result:
        return await asyncio.to_thread(self.stack.request, variant, request, timeout)

    async def send(self, variant: str, request: Request | Mapping[str, Any]) -> str:
        return await asyncio.to_thread(self.stack.send, variant, request)

    async def result(self, request_id: str) -> StoredResult | None:
        return await asyncio.to_thread(self.stack.result, request_id)

    async def record(self, request_id: str) -> dict[str, Any] | None:
        return await asyncio.to_thread(self.stack.record, request_id)

    async def wait(self, request_id: str, timeout: float = TIMEOUT_SECONDS) -> StoredResult:
        return await asyncio.to_thread(self.stack.wait, request_id, timeout)

    def follow(self, variant: str, request: Request | Mapping[str, Any], timeout: float = TIMEOUT_SECONDS) -> AsyncIterator[StoredResult]:
        return _in_threads(self.stack.follow(variant, request, timeout))

    def watch(self, request_id: str, timeout: float = TIMEOUT_SECONDS) -> AsyncIterator[StoredResult]:
        return _in_threads(self.stack.watch(request_id, timeout))


async def _in_threads(items: Iterator[StoredResult]) -> AsyncIterator[StoredResult]:
    def next_item() -> StoredResult | None:
        return next(items, None)

    while (item := await asyncio.to_thread(next_item)) is not None:
        yield item
