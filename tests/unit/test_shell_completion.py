"""Tab in real shells: what is completed, and what is left to the shell. Where a shell is not installed, its tests are skipped."""

import os
import pty
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from client.completion import SCRIPTS
from local.state import Resource, State, StateFile, root_urn

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 60
PROMPT = "ready> "
STARTED = {"bash": ["bash", "--noprofile", "--norc", "-i"], "zsh": ["zsh", "-f", "-i"]}
OUTPUTS = {
    "quoteTableName": "quotes",
    "responderNames": ["avis", "alamo"],
    "carriers": {"map": {"stateMachineArn": "arn:aws:states:us-east-1:000000000000:stateMachine:map"}, "sns": {}},
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The commands, with a responder of its own and two stacks, one of which is deployed."""
    for name in ("client", "components", "examples", "handlers", "local", "scatter_gather"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "Pulumi.yaml", tmp_path)
    (tmp_path / "Pulumi.local.yaml").write_text("config:\n  scatter-gather:responders: [{name: acme, module: acme}]\n")
    (tmp_path / "Pulumi.production.yaml").write_text("config: {}\n")
    StateFile(tmp_path / ".local", "local").save(State([Resource(root_urn("local", "scatter-gather"), custom=False, outputs=OUTPUTS)]))
    return tmp_path


@pytest.fixture
def environment(project: Path) -> dict[str, str]:
    """In which `python` is the one that runs this, and the deployed stack is somewhere."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {"PATH": path, "HOME": str(project), "TERM": "dumb", "LANG": "C.UTF-8", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("python -m client co", ["compare", "completion"]),
        ("python -m client request ", ["map", "sns"]),
        ("python -m client request map --r", ["--require"]),
        ("python -m client request map --require ", ["avis", "alamo"]),
        ("python -m client request map --input Pulumi.p", ["Pulumi.production.yaml"]),
        ("python -m client list --status F", ["FAILED"]),
        ("python -m client get --stack ", ["local", "production"]),
        ("python -m client try ", ["acme"]),
        ("python -m client completion ", ["bash", "zsh", "fish"]),
        ("python -m local st", ["stack", "start", "stop", "status"]),
        ("python -m local stack ", ["output", "ls", "rm"]),
        ("python -m local up --wa", ["--watch"]),
        ("python -m local up --stack p", ["production"]),
        ("python -m local config set maxC", ["maxConcurrency"]),
        ("python -m examples car", ["car_rental"]),
    ],
)
def test_a_command_answers_the_shell(project, environment, tmp_path, line, found):
    answer = tmp_path / "answer"
    asked = {"_ARGCOMPLETE": "3", "COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE_STDOUT_FILENAME": str(answer)}

    ran = subprocess.run(line.split()[:3], cwd=project, env=environment | asked | {"_ARGCOMPLETE_SUPPRESS_SPACE": "1"}, check=False)

    assert ran.returncode == 0
    assert sorted(answer.read_text().split("\v")) == sorted(found)


def test_what_a_shell_does_not_ask_for_imports_nothing_for_it():
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "client", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert "argcomplete" not in ran.stderr


@pytest.fixture
def press(project: Path, environment: dict[str, str]) -> Callable[..., str]:
    """`press(shell, line, until)` types the line and Tab, and is what is seen, at the latest when `until` is. before: what the shell has
    read before the script."""

    def pressed(shell: str, line: str, until: str, before: str = "true") -> str:
        if shutil.which(shell) is None:
            pytest.skip(f"there is no {shell} here")
        script = f"python -m client completion {shell}"
        if shell == "fish":
            typed = f"{before}; {script} | source; complete -C {shlex.quote(line)}"
            ran = subprocess.run([shell, "-c", typed], cwd=project, env=environment, capture_output=True, text=True, check=True)
            return ran.stdout
        return _screen(STARTED[shell], f"{before}; source <({script}); PS1='{PROMPT}'\n", f"{line}\tthen", until, project, environment)

    return pressed


def _screen(shell: list[str], command: str, keys: str, until: str, folder: Path, environment: dict[str, str]) -> str:
    child, terminal = pty.fork()
    if not child:
        os.chdir(folder)
        os.execvpe(shell[0], shell, environment)
    try:
        os.write(terminal, command.encode())
        # What is typed has the prompt in it, too, in quotes.
        _read(terminal, rf"[\r\n]{PROMPT}")
        os.write(terminal, keys.encode())
        return _read(terminal, until)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(terminal)


def _read(terminal: int, until: str) -> str:
    # Not select.select, which takes no descriptor above 1023.
    waiting = select.poll()
    waiting.register(terminal, select.POLLIN)
    shown, ends = "", time.monotonic() + PATIENCE_SECONDS
    while not re.search(until, shown):
        assert time.monotonic() < ends, f"{until!r} is not on the screen: {shown!r}"
        if waiting.poll(1000):
            shown += re.sub(r"\x1b(\[[0-9;?>=]*[a-zA-Z]|[()>=].?)", "", os.read(terminal, 10_000).decode(errors="replace"))
    return shown


each_shell = pytest.mark.parametrize("shell", SCRIPTS)


@each_shell
@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("python -m client compl", "completion"),
        ("true | python -m client request map --require al", "alamo"),
        ("python3 -m local up --stack pro", "production"),
        ("python -m examples car", "car_rental"),
        ("python Pulumi.pro", "Pulumi.production.yaml"),
    ],
)
def test_tab_completes_the_word(press, shell, line, word):
    assert word in press(shell, line, rf"{word}[ \b]+then")


OTHERS = {"bash": "_mine() { COMPREPLY=(my-script); }; complete -F _mine python", "zsh": "true", "fish": "true"}


@pytest.mark.parametrize(
    ("shell", "line", "word"),
    [
        ("bash", "python my-", "my-script"),
        ("zsh", "python --check-h", "--check-hash-based-pycs"),
        ("fish", "python --check-h", "--check-hash-based-pycs"),
    ],
)
def test_what_else_completes_python_stays(press, shell, line, word):
    assert word in press(shell, line, rf"{word}[ \b]+then", OTHERS[shell])


@each_shell
def test_the_script_may_be_read_twice(press, shell):
    read = {"fish": "python -m client completion fish | source"}.get(shell, f"source <(python -m client completion {shell})")

    assert "completion" in press(shell, "python -m client compl", "completion[ \b]+then", read)
    assert "Pulumi.production.yaml" in press(shell, "python Pulumi.pro", r"Pulumi.production.yaml[ \b]+then", read)


@each_shell
def test_a_module_of_somebody_else_s_is_not_run(press, project, shell):
    was_run = project / "was-run"
    (project / "examples").unlink()
    (project / "examples").mkdir()
    (project / "examples" / "__main__.py").write_text(f"open({str(was_run)!r}, 'w')\n")

    press(shell, "python -m examples car", "then")

    assert not was_run.exists()
