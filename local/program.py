"""Runs the project's program in this process, as Pulumi's Python language host does in one of its own."""

import asyncio
import gc
import logging
import os
import runpy
import sys
from collections.abc import Awaitable, Collection, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pulumi.runtime
from pulumi.runtime import resource, stack
from pulumi.runtime.proto.source_pb2 import StackTrace
from pulumi.runtime.settings import SETTINGS, set_root_resource

from local.engine import Deployment
from local.monitor import EngineLog, LogListener, Monitor
from local.steps import ProgramError

_OWN = __name__.partition(".")[0]
"""The package that this module belongs to, which the program of a project in the same folder does not take along."""

DISCARD_SECONDS = 5
"""How long the program's tasks may take to end, once they are cancelled."""


def run_program(
    folder: Path, deployment: Deployment, config: Mapping[str, str], secret_keys: Collection[str], log: LogListener, parallel: int = 16
) -> None:
    """Runs `__main__.py` in `folder`, whose registrations go to `deployment`. Raises whatever the program raises.

    config: {"project:key": text}; objects and arrays as JSON.
    """
    # The SDK binds to the loop that is current when it is configured.
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    executor = ThreadPoolExecutor(parallel, "register")
    loop.set_default_executor(executor)
    # A failed update leaves futures that nobody awaits, by design of the SDK; asyncio would report each.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    set_root_resource(None)  # ty: ignore[invalid-argument-type]
    pulumi.runtime.configure(
        pulumi.runtime.Settings(
            project=deployment.project,
            stack=deployment.stack,
            monitor=Monitor(deployment),
            engine=EngineLog(log),
            parallel=parallel,
            dry_run=deployment.preview,
            organization="organization",
            root_directory=str(folder),
        )
    )
    pulumi.runtime.set_all_config(dict(config), list(secret_keys))
    try:
        with _as_main_program(folder), at_speed():
            loop.run_until_complete(pulumi.runtime.run_in_stack(lambda: _run_main(folder)))
    except BaseException:
        deployment.stop()
        raise
    finally:
        # Steps under way end before anything is reported or saved for the last time.
        executor.shutdown(wait=True)
        _discard(loop)


def _run_main(folder: Path) -> None:
    """A program may end itself early: what it has registered until then is what it wants."""
    try:
        runpy.run_path(str(folder), run_name="__main__")
    except SystemExit as end:
        if end.code not in (None, 0):
            raise ProgramError(f"Program exited with non-zero exit code: {end.code}") from end


def _discard(loop: asyncio.AbstractEventLoop) -> None:
    """Closes the loop after ending what still waits in it, which an interrupt or a failure leaves there.

    A task that is cancelled may begin another one before it ends, and may hand on the interrupt that ended one before it.
    """
    ends = loop.time() + DISCARD_SECONDS
    while (tasks := asyncio.all_tasks(loop)) and loop.time() < ends:
        for task in tasks:
            task.cancel()
        with suppress(KeyboardInterrupt):
            loop.run_until_complete(asyncio.wait(tasks, timeout=0.1))
    asyncio.set_event_loop(None)
    loop.close()


@contextmanager
def at_speed() -> Generator[None]:
    """Within this, the SDK does for a large program only what this engine needs.

    Its `wait_for_rpcs` waits anew for all outputs whenever one is done, which makes the time for n of them n². The source
    positions that it looks up for each registration are the CLI's. Nearly all that a program makes lives until it ends, so
    that a third of its time went into looking for garbage.
    """
    replaced = [(stack, "wait_for_rpcs", _wait_for_registrations), (resource, "_get_stack_trace", StackTrace)]
    originals = [(module, name, getattr(module, name)) for module, name, _ in replaced]
    collects = gc.isenabled()
    gc.disable()
    try:
        for module, name, function in replaced:
            setattr(module, name, function)
        yield
    finally:
        for module, name, function in originals:
            setattr(module, name, function)
        if collects:
            gc.enable()


async def _wait_for_registrations(await_all_outstanding_tasks: bool = True) -> None:
    """Returns when every registration and every output is done; raises what the first of them to fail has raised."""
    manager = stack._get_rpc_manager()
    while manager.rpcs or (await_all_outstanding_tasks and SETTINGS.outputs):
        while manager.rpcs:
            await asyncio.sleep(0)
            await _registered(manager.rpcs.pop(), manager)
        _raise_unhandled(manager)
        if await_all_outstanding_tasks:
            with SETTINGS.lock:
                outputs = list(SETTINGS.outputs)
                SETTINGS.outputs.clear()
            if outputs:
                done, others = await asyncio.wait(outputs, return_when=asyncio.FIRST_EXCEPTION)
                for output in done:
                    await output
                with SETTINGS.lock:
                    SETTINGS.outputs.update(others)


async def _registered(registration: Awaitable[Any], manager: Any) -> None:
    try:
        await registration
    except Exception as error:
        if manager.unhandled_exception is None:
            raise
        raise error from manager.unhandled_exception.with_traceback(manager.exception_traceback)


def _raise_unhandled(manager: Any) -> None:
    if manager.unhandled_exception is not None:
        raise manager.unhandled_exception.with_traceback(manager.exception_traceback)


@contextmanager
def _as_main_program(folder: Path) -> Generator[None]:
    """Works in the project's folder, and forgets the project's modules afterwards: the next run imports them anew."""
    former_folder, former_modules, former_argv = Path.cwd(), set(sys.modules), sys.argv
    os.chdir(folder)
    sys.argv = [str(folder)]
    try:
        yield
    finally:
        os.chdir(former_folder)
        sys.argv = former_argv
        for name in set(sys.modules) - former_modules:
            if name.partition(".")[0] != _OWN and _is_in(folder, getattr(sys.modules[name], "__file__", None)):
                del sys.modules[name]


def _is_in(folder: Path, file: str | None) -> bool:
    """Whether the file is the project's own, not one of the packages in a virtualenv inside the project."""
    return file is not None and Path(file).is_relative_to(folder) and not Path(file).is_relative_to(sys.prefix)
