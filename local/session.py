"""One stack with its emulator and its provider, ready for an update: what `up`, `preview`, `destroy` and `refresh` share."""

import contextlib
import io
import os
import sys
import time
import traceback
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pulumi import RunError

from local import emulator as emulator_control
from local.config import StackConfig
from local.display import Diagnostic, Display, LiveDisplay, PlainDisplay, QuietConsole, SilentDisplay, digest
from local.emulator import Emulator
from local.engine import Deployment
from local.files import private_folder
from local.interrupt import stopping
from local.plugin import Plugin
from local.program import run_program
from local.state import State, StateFile, root_urn
from local.steps import ProgramError, Stopped

MEANT_FOR_USERS = (RunError, ValueError, ImportError, ProgramError)


@dataclass
class Options:
    """How a verb shows what it does, and what it may do."""

    json: bool = False
    diff: bool = False
    show_sames: bool = False
    suppress_outputs: bool = False
    live: bool = False
    colour: bool = False
    parallel: int = 16
    endpoint: str | None = None


@dataclass
class Outcome:
    """What one run of the engine did. `error` is what the program raised, if it did."""

    deployment: Deployment
    display: Display
    seconds: float
    error: Exception | None = None

    @property
    def failed(self) -> bool:
        return bool(self.deployment.failures) or self.error is not None

    def messages(self) -> list[str]:
        """One line for each thing that went wrong."""
        lines = [str(failure) for failure in self.deployment.failures]
        if self.error is not None and not (lines and isinstance(self.error, Stopped)):
            lines.append(_in_one_line(self.error, self.deployment.folder))
        return lines

    def digest(self, config: StackConfig, *, show_sames: bool) -> dict[str, Any]:
        hidden = dict.fromkeys(config.secret_keys(), "[secret]")
        texts = {key: hidden.get(key, value) for key, value in config.texts().items()}
        return digest(self.deployment, texts, self.display.diagnostics, self.seconds, show_sames=show_sames)


def _in_one_line(error: Exception, folder: Path) -> str:
    """What the program meant the user to read, as it is; anything else with its type and its place in the program."""
    message = " ".join(str(error).split())
    if message and (type(error) is Exception or isinstance(error, MEANT_FOR_USERS)):
        return message
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(folder)]
    place = f" ({Path(frames[-1].filename).relative_to(folder)}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}{': ' if message else ''}{message}{place}"


class Session:
    """Opens the emulator and the state once; `run` then previews or updates.

    makes: whether it may make resources. What makes none of a stack that has none does without an emulator, unless one runs.
    """

    def __init__(self, config: StackConfig, file: StateFile, options: Options, *, makes: bool) -> None:
        self.config = config
        self.options = options
        # The program's own printing is redirected while it runs; what is shown here is not.
        self.console = QuietConsole(file=sys.stdout, no_color=not options.colour, highlight=False, soft_wrap=True)
        self._file = file
        self.state = file.load()
        self.emulator = self._open_emulator(makes=makes)
        self._plugin = configure_provider(config, self.emulator)
        self._said: list[Diagnostic] = []

    def take_up(self, *, save: bool) -> list[str]:
        """Squares the state with the emulator before anything else; returns what the user should know about it.

        The emulator's life is compared with the one that the state was made in: another life may have lost it all.
        """
        notes = [
            f"an update was interrupted while creating {resource.type} ({resource.name}); it is taken up again where it is found by "
            "its name, else what was made of it may stay behind"
            for resource in self.state.pending_creates
        ]
        # A start that was killed leaves the address of the process before it: such a file names a life that is over.
        instance = self.emulator.instance if self.emulator.pid is None or _is_alive(self.emulator.pid) else None
        is_same_life = instance is not None and instance == self.state.emulator
        deleting, self.state.pending_deletes = self.state.pending_deletes, []
        doubtful = [resource for resource in self.state.resources if not is_same_life or resource in deleting]
        if doubtful:
            known = sum(resource.custom for resource in self.state.resources)
            missing = self._deployment(self.state, preview=not save, display=None).drop_missing(doubtful)
            if missing and not is_same_life:
                restarted = instance is not None and self.state.emulator is not None
                notes.append(
                    f"the emulator at {self.emulator.endpoint} {'was restarted and has lost' if restarted else 'does not have'} "
                    f"{len(missing)} of this stack's {known} resources"
                )
        if save and (deleting or instance != self.state.emulator):
            self.state.emulator = instance
            self._file.save(self.state)
        return notes

    def update(self, *, preview: bool) -> Outcome:
        """Runs the program and makes the stack what it says; a preview only says what would be done."""

        def work(deployment: Deployment, display: Display) -> None:
            root = root_urn(self.config.stack, self.config.project.name)
            with _printing_to(display, root), _pointing_at(self.emulator):
                run_program(
                    self.config.project.program_folder,
                    deployment,
                    self.config.texts(),
                    self.config.secret_keys(),
                    display.on_log,
                    self.options.parallel,
                )
            deployment.finish()

        return self._run("Previewing update" if preview else "Updating", work, preview=preview)

    def destroy(self, *, preview: bool) -> Outcome:
        title = "Previewing destroy" if preview else "Destroying"
        return self._run(title, lambda deployment, _: deployment.finish(), preview=preview)

    def refresh(self, *, preview: bool) -> Outcome:
        title = "Previewing refresh" if preview else "Refreshing"
        return self._run(title, lambda deployment, _: deployment.refresh(), preview=preview)

    def _run(self, title: str, work: Callable[[Deployment, Display], None], *, preview: bool) -> Outcome:
        display = self._display(f"{title} ({self.config.stack})", preview=preview)
        state = self.state.copy() if preview else self.state
        deployment = self._deployment(state, preview=preview, display=display)
        started, error = time.monotonic(), None
        try:
            with stopping(deployment.stop), display:
                try:
                    work(deployment, display)
                except Exception as raised:  # noqa: BLE001 - whatever the program raises ends the update, in one line
                    error = raised
        finally:
            if not preview:
                self._file.settle(state)
        outcome = Outcome(deployment, display, time.monotonic() - started, error)
        if not self.options.json:
            root = deployment.resource(root_urn(self.config.stack, self.config.project.name))
            outputs = root.outputs if root is not None and not outcome.failed else None
            display.summarise(deployment, None if self.options.suppress_outputs else outputs, diff=self.options.diff)
        return outcome

    def _deployment(self, state: State, *, preview: bool, display: Display | None) -> Deployment:
        return Deployment(
            project=self.config.project.name,
            stack=self.config.stack,
            state=state,
            plugins={self._plugin.package: self._plugin},
            folder=self.config.project.program_folder,
            save=None if preview else self._file.journal(state),
            parallel=self.options.parallel,
            **({} if display is None else {"listen": display.on_event}),
        )

    def _display(self, title: str, *, preview: bool) -> Display:
        if self.options.json:
            return SilentDisplay(self.console, title, preview)
        return (LiveDisplay if self.options.live else PlainDisplay)(self.console, title, preview, self._said)

    def _open_emulator(self, *, makes: bool) -> Emulator:
        needed = makes or bool(self.state.resources or self.state.pending_creates or self.state.pending_deletes)
        emulator = open_emulator(self.config.project.local_folder, self.options.endpoint, needed=needed)
        if emulator.started and not self.options.json:
            self.console.print(f"Started the emulator at {emulator.endpoint}\n")
        return emulator


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def configure_provider(config: StackConfig, emulator: Emulator) -> Plugin:
    """The project's own provider of package `aws`, set to the emulator."""
    # boto3 and the provider take most of a second to import, and are only needed from here on.
    from local.provider import AwsProvider

    settings = config.provider_config("aws")
    # The configured endpoints and their token are for the genuine plugin; here the emulator may be at any address.
    for name in ("endpoints", "token"):
        settings.pop(name, None)
    plugin = Plugin("aws", AwsProvider())
    with _pointing_at(emulator):
        plugin.configure(settings)
    return plugin


def open_emulator(folder: Path, endpoint: str | None, *, needed: bool = True) -> Emulator:
    """The emulator at the address that the user gave, else the project's own, which is started when it isn't running, if it is needed.

    folder: where the project keeps what it knows of its stacks, which is the user's alone from here on.
    """
    private_folder(folder)
    address = endpoint or os.environ.get("AWS_ENDPOINT_URL")
    if address:
        return emulator_control.at(address, folder)
    running = None if needed else emulator_control.find(folder) or Emulator(emulator_control.NOWHERE)
    return running or emulator_control.start(folder, auth=True)


@contextlib.contextmanager
def _pointing_at(emulator: Emulator) -> Generator[None]:
    """The provider finds the emulator there, and so does boto3 in a program that uses it directly."""
    ours = emulator.environment
    former = {name: os.environ[name] for name in ours if name in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            del os.environ[name]
        os.environ.update(former)


@contextlib.contextmanager
def _printing_to(display: Display, urn: str) -> Generator[None]:
    """What the program prints is shown with its other messages, and never mixes with JSON."""

    class Lines(io.TextIOBase):
        def write(self, text: str) -> int:
            display.on_log("info", text, urn)
            return len(text)

    with contextlib.redirect_stdout(Lines()):
        yield
