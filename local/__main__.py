# PYTHON_ARGCOMPLETE_OK: it answers where a shell asks for completions (`local.cli`).
import importlib.util
import sys

NEEDED = ("cryptography", "jsonata", "ministack", "rich", "ruamel")

missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
if missing:
    sys.exit(
        f"error: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed: activate the environment "
        "(source .venv/bin/activate), pip install -r requirements-local.txt, or the package with [local]"
    )

from local.cli import main  # noqa: E402 - it needs them

sys.exit(main(sys.argv[1:]))
