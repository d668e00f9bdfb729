"""python -m examples.demo: what `make demo` shows, on the emulator: deploy, send the sample through every carrier, compare, destroy, stop.

Each step is a command that can be typed by hand. What was deployed is destroyed again, and an emulator that was started here is
stopped, whatever happens in between.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
REPORT = Path("artifacts") / "comparison.html"


def main() -> int:
    listed = _run("local", "stack", "ls", "--json", quiet=True)
    if listed.returncode:
        print(listed.stderr.strip(), file=sys.stderr)
        return listed.returncode
    stacks = json.loads(listed.stdout)
    if any(stack["current"] and stack["resourceCount"] for stack in stacks):
        print("error: your stack is deployed, and the demo would destroy it at its end; first: python -m local destroy", file=sys.stderr)
        return 1
    ours = _run("local", "status", quiet=True).returncode != 0
    try:
        _step("local", "up", "--yes", "--skip-preview")
        outputs = json.loads(_run("local", "stack", "output", "--json", quiet=True).stdout)
        variants = list(outputs["carriers"])
        for variant in variants:
            _step("client", "request", variant)
        if variants:
            _stored(variants[0])
            (ROOT / REPORT).parent.mkdir(exist_ok=True)
            _step("client", "compare", "-n", "3", "--report", str(REPORT))
    except subprocess.CalledProcessError as error:
        print(f"error: {' '.join(error.cmd[2:])} ended with code {error.returncode}", file=sys.stderr)
        return 1
    finally:
        is_tidy = _tidy("local", "destroy", "--yes", "--skip-preview")
        if ours:
            is_tidy = _tidy("local", "stop") and is_tidy
    return 0 if is_tidy else 1


def _stored(variant: str) -> None:
    """Sends one request more, without waiting for it, and shows the item that is kept of it."""
    arguments = ("request", variant, "--no-wait")
    _say(f"\n$ python -m client {' '.join(arguments)}")
    request_id = _run("client", *arguments, quiet=True, check=True).stdout.strip()
    _say(request_id)
    _step("client", "watch", request_id)
    _step("client", "get", request_id)


def _step(module: str, *arguments: str) -> None:
    _say(f"\n$ python -m {module} {' '.join(arguments)}")
    _run(module, *arguments, check=True)


def _tidy(module: str, *arguments: str) -> bool:
    """A step of which only a failure is shown, so that the comparison stays in sight. False when it failed."""
    _say(f"\n$ python -m {module} {' '.join(arguments)}")
    ended = _run(module, *arguments, quiet=True)
    _say((f"{ended.stdout}{ended.stderr}" if ended.returncode else "done").strip())
    return ended.returncode == 0


def _say(text: str) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # Whoever read this has seen enough; what was deployed is still to be destroyed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(module: str, *arguments: str, quiet: bool = False, check: bool = False) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, text=True, check=check, capture_output=quiet)


if __name__ == "__main__":
    sys.exit(main())
