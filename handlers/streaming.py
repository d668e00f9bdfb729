"""Writes text of any length to S3 without ever holding all of it."""

import io
from collections.abc import Iterator
from typing import Any


def upload(s3: Any, bucket: str, key: str, texts: Iterator[str]) -> None:
    """Uploads in parts of 8 MB, with one part in memory at a time. A failed upload is aborted."""
    from boto3.s3.transfer import TransferConfig

    s3.upload_fileobj(_Stream(texts), bucket, key, Config=TransferConfig(use_threads=False))


class _Stream(io.RawIOBase):
    """A readable file over the texts of an iterator."""

    def __init__(self, texts: Iterator[str]) -> None:
        self._texts = texts
        self._ready = bytearray()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while size < 0 or len(self._ready) < size:
            text = next(self._texts, None)
            if text is None:
                break
            self._ready += text.encode()
        end = len(self._ready) if size < 0 else size
        data = bytes(memoryview(self._ready)[:end])
        del self._ready[:end]
        return data
