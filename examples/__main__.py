"""python -m examples NAME: deploy a scenario on the emulator, send its request through every carrier, destroy it again."""
# PYTHON_ARGCOMPLETE_OK: it answers where a shell asks for completions.

import argparse
import os
import subprocess
import sys
from pathlib import Path

try:
    import yaml
except ModuleNotFoundError:
    sys.exit("error: the packages are not there: activate the environment (source .venv/bin/activate)")

FOLDER = Path(__file__).parent
SCENARIOS = sorted(file.parent.name for file in FOLDER.glob("*/Pulumi.*.yaml"))
CARRIERS = ("map", "parallel", "sns")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m examples", description=__doc__)
    parser.add_argument("scenario", choices=SCENARIOS)
    if "_ARGCOMPLETE" in os.environ:
        from argcomplete import autocomplete

        autocomplete(parser)
    scenario = FOLDER / parser.parse_args().scenario
    [config] = scenario.glob("Pulumi.*.yaml")
    stack = ["--stack", config.name.split(".")[1]]
    variants = yaml.safe_load(config.read_text())["config"]["scatter-gather:variants"]
    local = [*stack, "--config-file", str(config), "--yes", "--skip-preview"]
    try:
        return _run("local", "up", *local) or max(
            _run("client", "request", variant, *stack, "--input", str(scenario / "input.json"))
            for variant in variants
            if variant in CARRIERS
        )
    finally:
        _run("local", "destroy", *local)


def _run(module: str, *arguments: str) -> int:
    print(f"\n$ python -m {module} {' '.join(arguments)}", flush=True)
    return subprocess.run([sys.executable, "-m", module, *arguments], cwd=FOLDER.parent, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
