"""One responder alone, in this process: no stack, no carrier, no store. With its own configuration, secrets and time limit."""

import contextlib
import importlib
import io
import json
import logging
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from client import outputs
from client.errors import UsageError
from client.shapes import Answer
from components import settings
from components.settings import Responder, SettingsError
from handlers import aggregation, attempt, clock, completion, contract, opening
from handlers.mapping import PartnerMapping
from handlers.quoting import TransientError

LOCAL = "local"
NOBODY = "http://127.0.0.1:9"
"""Where the emulator would be. Nothing listens there, and nothing meant for it may reach an account."""


@dataclass(frozen=True)
class Configured:
    """What a stack's file says, and the values of the other keys beside `settings`. region: None where it says none."""

    file: Path
    settings: settings.Settings
    region: str | None

    def responder(self, name: str) -> Responder:
        """UsageError where there is none of that name."""
        found = next((each for each in self.settings.responders if each.name == name), None)
        if found is None:
            known = ", ".join(each.name for each in self.settings.responders)
            raise UsageError(f"{self.file.name} has no responder {name}; known: {known}")
        return found


def configured(stack: str | None = None) -> Configured:
    """The configuration of a stack of the project around the working directory. UsageError where it cannot be read, or is wrong."""
    folder = outputs.project_folder()
    project = _yaml(folder / "Pulumi.yaml").get("name", "")
    file = folder / f"Pulumi.{stack or LOCAL}.yaml"
    example = file.with_name(f"{file.name}.example")
    values = _yaml(example if example.exists() and not file.exists() else file).get("config") or {}
    own = {key.removeprefix(f"{project}:"): value for key, value in values.items() if key.startswith(f"{project}:") or ":" not in key}
    try:
        return Configured(file, settings.parse(own), values.get("aws:region"))
    except SettingsError as error:
        raise UsageError(f"{file.name}: {error}") from None


def _yaml(file: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(file.read_text())
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise UsageError(f"{file} is not YAML: {' '.join(str(error).split())}") from None
    return found if isinstance(found, dict) else {}


def reply_of(name: str, reply: Any, stack: str | None = None) -> contract.Json:
    """The answer (without times) that a partner's reply gives, as the configuration maps it: for a test of that. Raises TransientError
    for a reply that is asked again."""
    found = configured(stack)
    mapping = PartnerMapping(**found.responder(name).mapping)
    return mapping.answer(name, reply, found.settings.currency, contract.DETAILS_BUDGET_BYTES)


def answer(name: str, body: Any, stack: str | None = None, tell: Callable[[str], None] = lambda _: None) -> Answer:
    """What would be stored of the responder's answer to a request: asked alone, as often as its retries say. tell: is told of each
    attempt that is made again. Raises InvalidRequest, UsageError."""
    found = configured(stack)
    given, known = found.responder(name), [each.name for each in found.settings.responders]
    policy = completion.policy_of(found.settings.completion.given)
    request = completion.check_request({**body, "recipients": [name]} if isinstance(body, dict) else body, known, policy)
    now = clock.now()
    record = {
        "requestId": request.get("requestId", "trial"),
        "request": request,
        "recipients": known,
        "createdAt": now,
        "deadlineAt": clock.later(now, policy.deadline_seconds),
    }
    # What handlers and the responder's own code print is no output of a command.
    with _environment(given, found, stack or LOCAL), contextlib.redirect_stdout(sys.stderr):
        said = _asked(given, opening.question(record), tell)
    return aggregation.checked(record, said, found.settings.currency)  # ty: ignore[invalid-explicit-return]


def _asked(given: Responder, question: contract.Json, tell: Callable[[str], None]) -> contract.Json:
    name = f"{aggregation.__package__}.responder"
    # It reads its environment when it is imported.
    sys.modules.pop(name, None)
    responder = importlib.import_module(name)
    for handler in logging.getLogger(responder.logger.name).handlers:
        # Made by whichever module of the handlers was imported first, with the standard output of that moment.
        cast("logging.StreamHandler[Any]", handler).setStream(_Log())
    for attempts in range(1, given.retries + 1):
        try:
            return responder.respond(question, attempts)
        except TransientError as fault:
            pause = attempt.pause_seconds(attempts)
            tell(f"attempt {attempts}: {fault}; asked again in {pause} s")
            time.sleep(pause)
    return responder.respond(question, given.retries + 1)


class _Log(io.TextIOBase):
    """Where handlers log to, as lines of JSON: stderr gets each message with its traceback as Python writes it."""

    def write(self, text: str) -> int:
        for line in text.splitlines():
            with contextlib.suppress(ValueError, TypeError, KeyError):
                entry = json.loads(line)
                line = "\n".join([f"{entry['level'].lower()}: {entry['message']}", entry.get("exception", "")]).rstrip()
            if line:
                sys.stderr.write(f"{line}\n")
        return len(text)


@contextlib.contextmanager
def _environment(given: Responder, found: Configured, stack: str) -> Any:
    """That of the responder's function, with the way to AWS, or to the emulator."""
    emulator = outputs.running_emulator() if stack == LOCAL and "AWS_ENDPOINT_URL" not in os.environ else None
    where = {"AWS_ENDPOINT_URL": NOBODY, "AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"} if stack == LOCAL else {}
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or found.region or "us-east-1"
    before = dict(os.environ)
    if "AWS_ENDPOINT_URL" not in before:
        os.environ.update(emulator.environment if emulator else where)
    os.environ.update(given.variables(found.settings.currency), AWS_DEFAULT_REGION=region)
    sys.path.insert(0, str(found.file.parent))
    try:
        yield
    finally:
        sys.path.remove(str(found.file.parent))
        os.environ.clear()
        os.environ.update(before)
