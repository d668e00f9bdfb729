"""What processes that were killed, and emulators that are gone, have left in a project's `.local`."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from local import emulator
from local.state import StateError, StateFile


class Leftover(NamedTuple):
    """found: a clause; command: what mends it."""

    found: str
    command: str


def leftovers(folder: Path, running: emulator.Emulator | None) -> Iterator[Leftover]:
    """running: what runs in the folder and answers."""
    if running is None and (folder / emulator.RECORD).exists():
        pid = emulator.holder(folder)
        if pid is None:
            yield Leftover("an emulator was killed", f"rm -r {folder / emulator.RECORD} {folder / 'tmp'}")
        else:
            yield Leftover("the emulator does not answer", f"kill -9 {pid}")
    names = {path.name.removesuffix(path.suffix).removesuffix(".state") for path in folder.glob("*.*")}
    for file in (StateFile(folder, name) for name in sorted(names)):
        if file.exists():
            yield from _of_stack(file, running.instance if running else None)


def _of_stack(file: StateFile, instance: str | None) -> Iterator[Leftover]:
    up = f"python -m {__package__} up --stack {file.stack}"
    try:
        state = file.load()
    except StateError as error:
        yield Leftover(str(error), f"rm {file.path}, which forgets the stack")
        return
    if file.journal_path.exists() or state.pending_creates or state.pending_deletes:
        if not file.is_locked():
            yield Leftover(f"an update of stack {file.stack} was killed", f"{up} goes on with it")
    elif state.emulator not in (None, instance) and any(resource.custom for resource in state.resources):
        forget = f"python -m {__package__} stack rm --force --yes --stack {file.stack}"
        yield Leftover(f"stack {file.stack} was deployed to an emulator that is gone", f"{up} deploys it again, {forget} forgets it")
