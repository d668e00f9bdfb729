"""local/ and the product know nothing of each other but one door."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PRODUCT = ("client", "components", "handlers")


def imported(file: Path) -> Iterator[str]:
    """The first name of everything that the file imports."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


def test_local_imports_nothing_of_the_product():
    files = list((ROOT / "local").rglob("*.py"))

    assert len(files) > 30
    assert [file.name for file in files if set(imported(file)) & set(PRODUCT)] == []


def test_the_product_has_one_door_to_local():
    files = (file for folder in PRODUCT for file in (ROOT / folder).rglob("*.py"))

    assert [str(file.relative_to(ROOT)) for file in files if "local" in imported(file)] == ["client/outputs.py"]
