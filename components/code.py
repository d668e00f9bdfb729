"""What a Lambda function is made of: its own modules, and the layer that all functions share.

Both are the same, byte for byte, as long as the sources and the pinned packages are, so an unchanged function stays as it is.
"""

import ast
import importlib.metadata
import os
import sys
import zipfile
from functools import cache
from pathlib import Path

import pulumi

PROJECT = Path(__file__).parent.parent
RUNTIME = "python3.13"
ARCHITECTURE = "arm64"
LAYER_PACKAGES = ("aws-lambda-powertools", "fastjsonschema", "jmespath", "typing_extensions")
LAYER_MODULES = frozenset({"aws_lambda_powertools", "fastjsonschema", "jmespath", "typing_extensions"})
NOT_IN_LAYER = ("aws_lambda_powertools.utilities.parser", "aws_lambda_powertools.tracing", "aws_lambda_powertools.utilities.data_masking")
"""Parts of Powertools that need packages of their own (pydantic, aws-xray-sdk, aws-encryption-sdk)."""

RUNTIME_MODULES = frozenset({"boto3", "botocore"})
"""Part of Lambda's Python runtime."""


class CodeError(pulumi.RunError):
    """A module that a function needs is missing, or imports what will not be there when it runs."""


def archive(*modules: str) -> pulumi.AssetArchive:
    """The named modules of this project, and every module of the project that they import, as a function's archive."""
    files = sources(*modules)
    return pulumi.AssetArchive({name: pulumi.FileAsset(str(PROJECT / name)) for name in sorted(files)})


def sources(*modules: str) -> set[str]:
    """Their files, relative to the project, with `/`. Raises CodeError for a module that is not there, and for an import that
    is neither the project's, the standard library's, the layer's nor part of Lambda's runtime."""
    found: set[str] = set()
    for module in modules:
        if _file_of(module) is None:
            raise CodeError(f"there is no module {module} in the project")
        _follow(module, found)
    return found


def check_defines(module: str, name: str) -> None:
    """Raises CodeError where the project's module has no `name` at its top level; what it takes from elsewhere with * may be there."""
    file = _file_of(module)
    if file is None:
        raise CodeError(f"there is no module {module} in the project")
    names: set[str] = set()
    for node in ast.parse((PROJECT / file).read_text(), file).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names.update(alias.asname or alias.name for alias in node.names)
        else:
            names.update(inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name))
    if not names & {name, "*"}:
        raise CodeError(f"{file} has no function {name}")


def _follow(module: str, found: set[str]) -> None:
    for ancestor in _ancestors(module):
        file = _file_of(ancestor)
        if file is None or file in found:
            continue
        found.add(file)
        found.update(_data_beside(file))
        for imported in _imports(PROJECT / file, ancestor):
            _follow_import(imported, file, found)


def _follow_import(imported: str, file: str, found: set[str]) -> None:
    top = imported.partition(".")[0]
    if imported.startswith(NOT_IN_LAYER):
        raise CodeError(f"{file} imports {imported}, which needs a package that is not in the Lambda layer "
                        f"({', '.join(sorted(LAYER_MODULES))})")
    if top in sys.stdlib_module_names or top in LAYER_MODULES or top in RUNTIME_MODULES:
        return
    if _file_of(top) is None and not (PROJECT / top).is_dir():
        raise CodeError(f"{file} imports {top}, which is neither in the project nor in the Lambda layer "
                        f"({', '.join(sorted(LAYER_MODULES))})")
    _follow(imported, found)


def _ancestors(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts) + 1)]


def _file_of(module: str) -> str | None:
    path = Path(*module.split("."))
    for candidate in (path / "__init__.py", path.with_suffix(".py")):
        if (PROJECT / candidate).is_file():
            return candidate.as_posix()
    return None


def _data_beside(file: str) -> set[str]:
    """A module's data travels with it: `request.schema.json` and `request.html` with `request.py`."""
    path = Path(file)
    if path.name == "__init__.py":
        return set()
    beside = (PROJECT / path.parent).glob(f"{path.stem}.*")
    return {(path.parent / found.name).as_posix() for found in beside if found.suffix not in (".py", ".pyc")}


def _imports(file: Path, module: str) -> set[str]:
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    imported: set[str] = set()
    for level, base, names in _import_statements(file.read_text(), str(file)):
        parent = package.rsplit(".", level - 1)[0] if level else ""
        base = ".".join(part for part in (parent, base) if part)
        imported.add(base)
        imported.update(f"{base}.{name}" for name in names if _file_of(f"{base}.{name}"))
    return imported


# The functions share most of their modules, and ten responders all of them.
@cache
def _import_statements(text: str, file: str) -> tuple[tuple[int, str, tuple[str, ...]], ...]:
    """Of each import: the level of a relative one, else 0; the module; the names taken from it."""
    statements: list[tuple[int, str, tuple[str, ...]]] = []
    for node in ast.walk(ast.parse(text, file)):
        if isinstance(node, ast.Import):
            statements.extend((0, alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            statements.append((node.level, node.module or "", tuple(alias.name for alias in node.names)))
    return tuple(statements)


@cache
def layer() -> pulumi.FileArchive:
    """The layer's zip in `.build/`, made from the installed, pinned packages. Stored, not deflated: what deflate makes of the
    same bytes differs between versions of zlib, and the layer would be replaced for nothing."""
    target = PROJECT / ".build" / "layer.zip"
    target.parent.mkdir(exist_ok=True)
    # Whoever reads the zip meanwhile must find all of it.
    part = target.with_suffix(f".{os.getpid()}")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as zipped:
        for name, source in sorted(_layer_files()):
            entry = zipfile.ZipInfo(f"python/{name}", (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            zipped.writestr(entry, source.read_bytes())
    part.replace(target)
    return pulumi.FileArchive(target.relative_to(PROJECT).as_posix())


def _layer_files() -> list[tuple[str, Path]]:
    files = []
    for package in LAYER_PACKAGES:
        for file in importlib.metadata.files(package) or []:
            if file.suffix in (".py", ".json", ".typed") and ".dist-info" not in file.parts[0] and ".." not in file.parts:
                files.append((file.as_posix(), Path(str(file.locate()))))
    return files
