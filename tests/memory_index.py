"""The indexes of the records, in memory: what `handlers.history` asks of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from handlers.history import Place


def entries(records: Mapping[str, Mapping[str, Any]], index: str, value: str, behind: Place, size: int) -> list[Place]:
    """As `history.Index`. records: by id."""
    kept = sorted(((record["createdAt"], request_id) for request_id, record in records.items() if record.get(index) == value), reverse=True)
    last = (behind.at, behind.request_id or "")
    return [Place(*entry) for entry in kept if entry < last][:size]


def read_all(records: Mapping[str, dict[str, Any]], ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    return {request_id: records[request_id] for request_id in ids if request_id in records}
