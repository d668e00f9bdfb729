"""Builds the wheel: the repository's folders as sub-packages of `scatter_gather`, with imports of each other that are relative.

    components/code.py      from components import policy       scatter_gather/components/code.py    from . import policy
    client/stack.py         from handlers import contract       scatter_gather/client/stack.py       from ..handlers import contract

`scatter_gather/__init__.py` says why.
"""

import ast
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = "scatter_gather"
FOLDERS = ("client", "components", "handlers", "local", "statemachines")
SUFFIXES = (".py", ".json", ".html", ".typed")


class SubPackages(BuildHookInterface):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            raise ValueError("the wheel's modules are not the repository's files: work in the repository as it is, without installing it")
        self._folder = Path(tempfile.mkdtemp())
        for target, source in _files(Path(self.root)):
            made = self._folder / target
            made.parent.mkdir(parents=True, exist_ok=True)
            made.write_bytes(relative_imports(source.read_bytes(), target) if target.suffix == ".py" else source.read_bytes())
        build_data["force_include"][str(self._folder / PACKAGE)] = PACKAGE

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        shutil.rmtree(self._folder)


def _files(root: Path) -> Iterator[tuple[Path, Path]]:
    """Where each file goes in the wheel, and where it is."""
    for folder in (PACKAGE, *FOLDERS):
        for file in sorted((root / folder).rglob("*")):
            if file.suffix in SUFFIXES:
                yield Path(PACKAGE if folder != PACKAGE else "", file.relative_to(root)), file


def relative_imports(source: bytes, file: Path) -> bytes:
    """The module with its imports of the repository's folders made relative. file: its place in the wheel. Raises ValueError for an
    `import components`, which has no relative form."""
    lines = source.decode().splitlines(keepends=True)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import) and any(_is_ours(alias.name) for alias in node.names):
            raise ValueError(f"{file}:{node.lineno} must import with `from`: `import` has no relative form")
        if isinstance(node, ast.ImportFrom) and not node.level and _is_ours(node.module or ""):
            found = _relative(str(node.module), file.parent)
            before, statement = lines[node.lineno - 1][: node.col_offset], lines[node.lineno - 1][node.col_offset :]
            lines[node.lineno - 1] = before + re.sub(rf"^from\s+{re.escape(str(node.module))}\b", f"from {found}", statement)
    return "".join(lines).encode()


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] in FOLDERS


def _relative(module: str, package: Path) -> str:
    """`handlers.clock` for a module in scatter_gather/handlers is `.clock`, in scatter_gather/client it is `..handlers.clock`."""
    target, here = [PACKAGE, *module.split(".")], list(package.parts)
    shared = 0
    while shared < min(len(target), len(here)) and target[shared] == here[shared]:
        shared += 1
    return "." * (len(here) - shared + 1) + ".".join(target[shared:])
