"""Files that a crash at any moment leaves with either the old or the new text, never a part; folders that only the user can open."""

import os
import tempfile
from pathlib import Path


def replace_text(path: Path, text: str, mode: int = 0o644) -> None:
    """Replaces the file's text atomically and durably. `mode` is for a new file; an old one keeps its own."""
    if path.exists():
        mode = path.stat().st_mode & 0o777
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink()
        raise


def private_folder(path: Path) -> None:
    """Makes the folder where it is missing. It is the user's alone, also where it was made for all to read."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)
