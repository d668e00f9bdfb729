"""The ids that the API generates. They tell when they were generated: UUIDs of version 7 (RFC 9562). Pure."""

import secrets
import uuid

VERSION, VARIANT = 7, 0b10


def new(now: float) -> str:
    """now: epoch seconds."""
    return str(uuid.UUID(int=int(1000 * now) << 80 | VERSION << 76 | secrets.randbits(12) << 64 | VARIANT << 62 | secrets.randbits(62)))


def age(request_id: str, now: float) -> float | None:
    """Seconds since the API generated this id; None for any other id."""
    try:
        found = uuid.UUID(request_id)
    except ValueError:
        return None
    return now - (found.int >> 80) / 1000 if found.version == VERSION else None
