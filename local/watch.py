"""`up --watch`: an update whenever a file of the project is saved.

Each update runs in a child of a process that has imported what the one before needed, apart from the project's own modules: two
seconds sooner than in a new interpreter, and with nothing left over.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

LOOK_SECONDS = 0.05
SETTLE_SECONDS = 0.05
"""Within which an editor has written all that it saves at once."""

INTERRUPTED = 128
"""The exit codes of what a signal ended are higher."""

WARM = ("pulumi", "pulumi_aws", "local.session", "local.provider")

Stamps = dict[str, tuple[int, int]]


def watch(folder: Path, update: Callable[[], int], then: str | None = None) -> int:
    """Updates now, and after every change, until it is interrupted; the exit code of an update that was.

    update: its exit code. then: a shell's command after each update that succeeded.
    """
    _import(WARM)
    seen = stamps(folder)
    code = _update(folder, update, then, time.monotonic())
    while code < INTERRUPTED:
        print("watching for changes; Ctrl-C ends it", flush=True)
        found = _next(folder, seen)
        saved = time.monotonic()
        changed = sorted(name for name in found.keys() | seen.keys() if found.get(name) != seen.get(name))
        print(f"\n{time.strftime('%H:%M:%S')} changed: {', '.join(changed[:5])}{' …' if len(changed) > 5 else ''}", flush=True)
        seen = found
        code = _update(folder, update, then, saved)
    return code


def stamps(folder: Path) -> Stamps:
    """Time and size of every file, by its path in the folder. What is hidden, compiled or a virtual environment is left out."""
    return dict(_stamps(str(folder), ""))


def _stamps(folder: str, prefix: str) -> Iterator[tuple[str, tuple[int, int]]]:
    with os.scandir(folder) as entries:
        listed = list(entries)
    if any(entry.name == "pyvenv.cfg" for entry in listed):
        return
    for entry in listed:
        if entry.name.startswith((".", "__pycache__")):
            continue
        try:
            if entry.is_dir(follow_symlinks=False):
                yield from _stamps(entry.path, f"{prefix}{entry.name}/")
            else:
                found = entry.stat()
                yield f"{prefix}{entry.name}", (found.st_mtime_ns, found.st_size)
        except FileNotFoundError:
            continue


def _next(folder: Path, seen: Stamps) -> Stamps:
    """The stamps after the next change, once they stay the same for a moment."""
    while True:
        time.sleep(LOOK_SECONDS)
        found = stamps(folder)
        while found != seen:
            time.sleep(SETTLE_SECONDS)
            before, found = found, stamps(folder)
            if found == before:
                return found


def _update(folder: Path, update: Callable[[], int], then: str | None, since: float) -> int:
    code, imported = _in_a_child(folder, update)
    if code == 0:
        print(f"deployed after {time.monotonic() - since:.1f} s", flush=True)
        if then:
            ended = subprocess.run(then, shell=True, check=False).returncode
            print(f"`{then}` ended {ended} after {time.monotonic() - since:.1f} s", flush=True)
    _import(imported)
    return code


def _in_a_child(folder: Path, update: Callable[[], int]) -> tuple[int, list[str]]:
    """Its exit code, and the modules from elsewhere that it has imported."""
    sys.stdout.flush()
    sys.stderr.flush()
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        os.close(writer)
        # Who interrupts this interrupts the update, which ends what is under way and says so.
        former = signal.signal(signal.SIGINT, lambda number, _: os.kill(child, number))
        with os.fdopen(reader, encoding="utf-8") as told:
            imported = told.read().split()
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        signal.signal(signal.SIGINT, former)
        return code, imported
    code = 1
    try:
        # A terminal's Ctrl-C is for the parent, which hands it on.
        os.setpgid(0, 0)
        # It ends before its garbage matters.
        gc.disable()
        code = update()
    except BaseException:  # noqa: BLE001 - nothing of the parent may go on in its child
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        with os.fdopen(writer, "w", encoding="utf-8") as telling:
            telling.write(" ".join(name for name, module in sys.modules.items() if _is_from_elsewhere(module, folder)))
        os._exit(code)


def _is_from_elsewhere(module: object, folder: Path) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and (not Path(file).is_relative_to(folder) or "site-packages" in file)


def _import(modules: Iterable[str]) -> None:
    for name in modules:
        # What an update could import, but only as it did, it will import again.
        with contextlib.suppress(Exception):
            importlib.import_module(name)
