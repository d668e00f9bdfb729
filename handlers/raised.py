"""What the user's own code raised, as its answer reports it: the message and the line."""

import traceback
from pathlib import Path

OURS = Path(__file__).parent
CODE = OURS.parent
"""The root of the function's archive, where the user's modules lie beside `handlers`."""


def message_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as fault:  # noqa: BLE001 - the code's own __str__
        return f"its message cannot be read: {type(fault).__name__}"


def line_of(error: BaseException) -> str | None:
    """The innermost line of the user's own code, such as "acme.py:12", by its path in the archive; None if that code had not begun."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if CODE in Path(frame.filename).parents]
    own = [frame for frame in frames if Path(frame.filename).parent != OURS]
    return f"{Path(own[-1].filename).relative_to(CODE).as_posix()}:{own[-1].lineno}" if own else None


def untold(error: BaseException) -> None:
    """Logs nothing."""
