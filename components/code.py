"""What a Lambda function is made of: its own modules, and the layer that all functions share.

A module is looked for in the program's folder, which is Pulumi's working directory; `handlers` and `scatter_gather` are this library's.
What a module imports goes with it, as Python itself would find it; what will not be there when it runs stops the preview, with file
and line.

Both archives are the same, byte for byte, as long as the sources and the pinned packages are, so an unchanged function stays as it is.
"""

import ast
import importlib.metadata
import os
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pulumi

import scatter_gather

LIBRARY = {"handlers": Path(__file__).parents[1], "scatter_gather": Path(scatter_gather.__file__).parents[1]}
"""Where this library's modules are found that a function may have: both in the repository; installed, one is in the other."""

RUNTIME = "python3.13"
ARCHITECTURE = "arm64"
LAYER_PACKAGES = ("aws-lambda-powertools", "fastjsonschema", "jmespath", "typing_extensions", "urllib3")
LAYER_MODULES = frozenset({"aws_lambda_powertools", "fastjsonschema", "jmespath", "typing_extensions", "urllib3"})
NOT_IN_LAYER = ("aws_lambda_powertools.utilities.parser", "aws_lambda_powertools.tracing", "aws_lambda_powertools.utilities.data_masking")
"""Parts of Powertools that need packages of their own (pydantic, aws-xray-sdk, aws-encryption-sdk)."""

RUNTIME_MODULES = frozenset({"boto3", "botocore"})
"""Part of Lambda's Python runtime."""

NOT_IN_RUNTIME = frozenset(
    {
        "aifc",
        "asynchat",
        "asyncore",
        "audioop",
        "cgi",
        "cgitb",
        "chunk",
        "crypt",
        "distutils",
        "imghdr",
        "imp",
        "lib2to3",
        "mailcap",
        "msilib",
        "nis",
        "nntplib",
        "ossaudiodev",
        "pipes",
        "smtpd",
        "sndhdr",
        "spwd",
        "sunau",
        "telnetlib",
        "uu",
        "xdrlib",
        "annotationlib",
        "compression",
    }
)
"""Of the standard libraries from 3.11 on, what 3.13 has no more or not yet."""

COMPILED = (".so", ".pyd", ".dylib")
IMPORT_ERRORS = ("ImportError", "ModuleNotFoundError", "Exception", "BaseException")


class CodeError(pulumi.RunError):
    """A module that a function needs is missing, cannot be read, or imports what will not be there when it runs."""


@dataclass(frozen=True)
class _Module:
    """name: what goes into the archive under it, with `/`."""

    module: str
    name: str
    file: Path

    @property
    def is_library(self) -> bool:
        return _top(self.module) in LIBRARY

    @property
    def package(self) -> str:
        """What a relative import in it starts from."""
        return self.module if self.file.name == "__init__.py" else self.module.rpartition(".")[0]


@dataclass(frozen=True)
class _Import:
    """One import statement. level: of a relative one, else 0; names: those taken from the module."""

    line: int
    level: int
    module: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Attempt:
    """Imports whose failure the code expects, and those that it makes then."""

    tried: "tuple[_Import | _Attempt, ...]"
    otherwise: "tuple[_Import | _Attempt, ...]"


_IN_FUNCTIONS = ", ".join(sorted(scatter_gather.IN_FUNCTIONS))


class _Packed(dict[str, Path]):
    """The files of an archive by their names in it. provided: the modules that layers of its own have; None where nobody knows them."""

    def __init__(self, files: Mapping[str, Path], provided: frozenset[str] | None) -> None:
        super().__init__(files)
        self.provided = provided


def archive(*modules: str, provided: frozenset[str] | None = frozenset()) -> pulumi.AssetArchive:
    """The named modules, and every module of the program and of this library that they import, as a function's archive."""
    return pulumi.AssetArchive({name: pulumi.FileAsset(str(file)) for name, file in sorted(sources(*modules, provided=provided).items())})


def sources(*modules: str, provided: frozenset[str] | None = frozenset()) -> dict[str, Path]:
    """Their files by their names in the archive, with `/`. provided: the modules that further layers have; None where these are not known,
    and may have any. Raises CodeError for a module that is not there or cannot be read, and for an import that is neither the program's,
    this library's, the standard library's, a layer's nor part of Lambda's runtime."""
    packed = _Packed({}, provided)
    for module in modules:
        found = _existing(module)
        if found.is_library:
            packed.update(_library_files(found))
        else:
            _pack(found, packed)
    return packed


def check_defines(module: str, name: str) -> None:
    """Raises CodeError where the module has no function `name` at its top level, or only one that is `async`. What it takes from
    elsewhere with * may be there, and so may what its `__getattr__` gives."""
    found = _existing(module)
    coroutine = None
    for node in _top_level(_parsed(found.file.read_bytes(), found.name).body):
        if isinstance(node, ast.AsyncFunctionDef) and node.name == name:
            coroutine = node
        elif _names(node) & {name, "*", "__getattr__"}:
            return
    if coroutine is not None:
        raise CodeError(
            f"{found.name}:{coroutine.lineno}: {name} is `async def`, which nobody would await: make it `def {name}`, with "
            f"asyncio.run inside where it needs to await"
        )
    raise CodeError(f"{found.name} has no function {name}")


def _existing(module: str) -> _Module:
    found = _find(module)
    if found is None:
        raise CodeError(f"there is no module {module} in the project ({Path.cwd()})")
    return found


def _find(module: str) -> _Module | None:
    """A module or a package with its `__init__.py`."""
    if module.startswith("scatter_gather."):
        # A function has what stands inside of it beside it.
        return None
    return _find_of_library(module) if _top(module) in LIBRARY else _look_for(module)


# Nobody changes this library while it runs.
@cache
def _find_of_library(module: str) -> _Module | None:
    return _look_for(module)


def _look_for(module: str) -> _Module | None:
    path = Path(*module.split("."))
    for candidate in (path / "__init__.py", path.with_suffix(".py")):
        file = _file(candidate)
        if file.is_file():
            return _Module(module, candidate.as_posix(), file)
    return None


def _file(path: Path) -> Path:
    """Where a file of an archive comes from."""
    return LIBRARY.get(path.parts[0], Path.cwd()) / path


def _top(module: str) -> str:
    return module.partition(".")[0]


def _pack(module: _Module, packed: _Packed) -> None:
    """Adds a module, the packages that it is in, their data, and what all of these import."""
    parts = module.module.split(".")
    for length in range(1, len(parts) + 1):
        found = _find(".".join(parts[:length]))
        if found is None or found.name in packed:
            continue
        packed[found.name] = found.file
        text = found.file.read_bytes()
        packed.update(_data(found, text))
        for statement in _import_statements(text, found.name):
            _pack_imported(statement, found, packed)


def _pack_imported(statement: _Import | _Attempt, by: _Module, packed: _Packed) -> None:
    if isinstance(statement, _Attempt):
        complete = True
        for tried in statement.tried:
            complete = _try_to_pack(tried, by, packed) and complete
        for other in statement.otherwise:
            if complete:
                _try_to_pack(other, by, packed)
            else:
                _pack_imported(other, by, packed)
        return
    where = f"{by.name}:{statement.line}"
    module = _absolute(statement, by, where)
    if not _is_provided(module, by, where, packed.provided):
        found = _resolved(module, by, where)
        if found is not None:
            _pack_by(found, where, packed)
        if module == "scatter_gather":
            _pack_library_names(statement.names, where, packed)
        for name in statement.names:
            inner = _find(f"{module}.{name}")
            if inner is not None:
                _pack_by(inner, where, packed)
            elif found is None and name != "*" and not _folder_of(f"{module}.{name}"):
                raise CodeError(f"{where} imports {name} from {module}, which has no such module")


# The same for all functions of a kind, and of no program.
@cache
def _library_files(module: _Module) -> _Packed:
    packed = _Packed({}, frozenset())
    _pack(module, packed)
    return packed


def _try_to_pack(statement: _Import | _Attempt, by: _Module, packed: _Packed) -> bool:
    trial = _Packed(packed, packed.provided)
    try:
        _pack_imported(statement, by, trial)
    except CodeError:
        return False
    packed.update(trial)
    return True


def _pack_by(module: _Module, where: str, packed: _Packed) -> None:
    """Adds a module; what is wrong with a package is told with the place that imports it."""
    for compiled in _compiled(module):
        raise CodeError(
            f"{where} imports {module.module}, which has {compiled.name}, compiled for one kind of machine; only Python can be packed"
        )
    _pack(module, packed)


def _pack_library_names(names: Iterable[str], where: str, packed: _Packed) -> None:
    missing = sorted(set(names) - scatter_gather.IN_FUNCTIONS)
    if missing:
        raise CodeError(f"{where} imports {', '.join(missing)} from scatter_gather, of which a function has {_IN_FUNCTIONS}")
    _pack(_existing("handlers.quoting"), packed)


def _absolute(statement: _Import, by: _Module, where: str) -> str:
    """The module's whole name. Raises CodeError for a relative import that leaves the archive."""
    if not statement.level:
        return statement.module
    parents = by.package.split(".") if by.package else []
    if statement.level > len(parents):
        raise CodeError(f"{where} imports from {'.' * statement.level}{statement.module}, which is outside of its package")
    return ".".join([*parents[: len(parents) - statement.level + 1], *filter(None, [statement.module])])


def _is_provided(module: str, by: _Module, where: str, provided: frozenset[str] | None) -> bool:
    """Whether a function has the module without our packing it. Raises CodeError for a part of Python or Powertools that it has not."""
    top = _top(module)
    if module.startswith(NOT_IN_LAYER):
        raise CodeError(
            f"{where} imports {module}, which needs a package that is not in the Lambda layer ({', '.join(sorted(LAYER_MODULES))})"
        )
    if not by.is_library and _find(top) is not None:
        return False
    if provided is not None and top in provided:
        return True
    if top in NOT_IN_RUNTIME:
        raise CodeError(f"{where} imports {module}, which is not in the standard library of Lambda's {RUNTIME}")
    if top in sys.stdlib_module_names or top in LAYER_MODULES or top in RUNTIME_MODULES:
        return True
    return provided is None and not _folder_of(top) and top not in LIBRARY


def _resolved(module: str, by: _Module, where: str) -> _Module | None:
    """The module, None for a folder without `__init__.py`. Raises CodeError where there is neither, and where the program has a module
    of the same name as this library."""
    top = _top(module)
    if module.startswith("scatter_gather."):
        raise CodeError(f"{where} imports {module}; a function has {_IN_FUNCTIONS}, from scatter_gather itself")
    if top in LIBRARY and LIBRARY[top] != Path.cwd() and not by.is_library:
        own = next((path for path in (Path.cwd() / top, Path.cwd() / f"{top}.py") if path.exists()), None)
        if own is not None:
            raise CodeError(f"{where} imports {module}, but in a function {top} is scatter_gather's own: call {own.name} otherwise")
    parts = module.split(".")
    for length in range(1, len(parts) + 1):
        name = ".".join(parts[:length])
        if _find(name) is None and not _folder_of(name):
            if length == 1:
                raise CodeError(
                    f"{where} imports {top}, which is neither in the project nor in the Lambda layer "
                    f"({', '.join(sorted(LAYER_MODULES))}); a responder's packages may have it"
                )
            raise CodeError(f"{where} imports {module}, but the project has no module {name}")
    return _find(module)


def _folder_of(module: str) -> bool:
    """Whether it is a package without `__init__.py`."""
    return _file(Path(*module.split("."))).is_dir()


def _data(module: _Module, text: bytes) -> dict[str, Path]:
    """What a module reads: files of its name (`request.schema.json` with `request.py`); for the program's own, all data in its package,
    and files beside it that it names in a text."""
    folder, name = module.file.parent, Path(module.name).parent
    if module.file.name == "__init__.py":
        return {} if module.is_library else {(name / file.relative_to(folder)).as_posix(): file for file in _package_data(folder)}
    beside = [file for file in folder.glob(f"{module.file.stem}.*") if file.is_file()]
    if not module.is_library:
        beside += [folder / path for path in _texts(text, module.name) if _is_data_within(folder, path)]
    return {(name / file.relative_to(folder)).as_posix(): file for file in beside if file.suffix not in (".py", ".pyc", *COMPILED)}


def _package_data(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith(".") or entry.name == "__pycache__":
            continue
        if entry.is_dir() and not (entry / "__init__.py").is_file():
            yield from _package_data(entry)
        elif entry.is_file() and entry.suffix not in (".py", ".pyc", *COMPILED):
            yield entry


def _is_data_within(folder: Path, path: str) -> bool:
    parts = Path(path).parts
    if not parts or Path(path).is_absolute() or any(part.startswith(".") for part in parts):
        return False
    return (folder / path).is_file()


def _compiled(module: _Module) -> list[Path]:
    """Compiled modules in the program's package."""
    if module.is_library or module.file.name != "__init__.py":
        return []
    return sorted(file for file in module.file.parent.iterdir() if file.suffix in COMPILED)


# What a source says


# The functions share most of their modules, and ten responders all of them.
@cache
def _parsed(text: bytes, name: str) -> ast.Module:
    """From bytes, so that a byte-order mark and a line that names the encoding count as they do for Python."""
    try:
        return ast.parse(text, name)
    except SyntaxError as error:
        raise CodeError(f"{name}:{error.lineno or 1}: {error.msg}") from None
    except ValueError as error:
        raise CodeError(f"{name}:1: {error}") from None


@cache
def _import_statements(text: bytes, name: str) -> tuple[_Import | _Attempt, ...]:
    return tuple(_imports_of(_parsed(text, name).body))


@cache
def _texts(text: bytes, name: str) -> frozenset[str]:
    return frozenset(
        node.value
        for node in ast.walk(_parsed(text, name))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and 0 < len(node.value) < 256 and node.value.isprintable()
    )


def _imports_of(nodes: Iterable[ast.AST]) -> Iterator[_Import | _Attempt]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (_Import(node.lineno, 0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield _Import(node.lineno, node.level, node.module or "", tuple(alias.name for alias in node.names))
        elif isinstance(node, ast.If):
            yield from _imports_of(_when_running(node))
        elif isinstance(node, (ast.Try, ast.TryStar)) and (expecting := [each for each in node.handlers if _expects_no_import(each)]):
            yield _Attempt(tuple(_imports_of([*node.body, *node.orelse])), tuple(_imports_of(expecting)))
            yield from _imports_of([each for each in node.handlers if each not in expecting])
            yield from _imports_of(node.finalbody)
        elif isinstance(node, (ast.With, ast.AsyncWith)) and any(_suppresses(item.context_expr) for item in node.items):
            yield _Attempt(tuple(_imports_of(node.body)), ())
        elif not isinstance(node, ast.expr):
            # An expression has no statements in it.
            yield from _imports_of(ast.iter_child_nodes(node))


def _when_running(node: ast.If) -> Sequence[ast.stmt]:
    """The branches that Python may take when it runs: a type checker's are none."""
    if _is_type_checking(node.test):
        return node.orelse
    if isinstance(node.test, ast.UnaryOp) and isinstance(node.test.op, ast.Not) and _is_type_checking(node.test.operand):
        return node.body
    return [*node.body, *node.orelse]


def _is_type_checking(test: ast.expr) -> bool:
    return _last_name(test) == "TYPE_CHECKING"


def _expects_no_import(handler: ast.ExceptHandler) -> bool:
    """Whether the code goes on without what could not be imported."""
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    catches = any(kind is None or _last_name(kind) in IMPORT_ERRORS for kind in kinds)
    return catches and not any(isinstance(statement, ast.Raise) for statement in handler.body)


def _suppresses(expression: ast.expr) -> bool:
    return (
        isinstance(expression, ast.Call)
        and _last_name(expression.func) == "suppress"
        and any(_last_name(kind) in IMPORT_ERRORS for kind in expression.args)
    )


def _last_name(node: ast.expr) -> str | None:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


def _top_level(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Whatever is evaluated when the module is imported, without the bodies of its functions and classes."""
    for node in nodes:
        yield node
        if isinstance(node, ast.If):
            yield from _top_level([node.test, *_when_running(node)])
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            yield from _top_level(ast.iter_child_nodes(node))


def _names(node: ast.AST) -> set[str]:
    """The names that a statement or expression defines itself."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return {node.name}
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {alias.asname or _top(alias.name) for alias in node.names}
    return {node.id} if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else set()


# The layer


def layer() -> pulumi.FileArchive:
    """The layer's zip in `.build/` of the program's folder, made from the installed, pinned packages."""
    return _layer_in(Path.cwd())


@cache
def _layer_in(folder: Path) -> pulumi.FileArchive:
    """Stored, not deflated: what deflate makes of the same bytes differs between versions of zlib, and the layer would be replaced for
    nothing."""
    target = folder / ".build" / "layer.zip"
    target.parent.mkdir(exist_ok=True)
    # Whoever reads the zip meanwhile must find all of it.
    part = target.with_suffix(f".{os.getpid()}")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as zipped:
        for name, source in sorted(_layer_files()):
            entry = zipfile.ZipInfo(f"python/{name}", (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            zipped.writestr(entry, source.read_bytes())
    part.replace(target)
    return pulumi.FileArchive(target.relative_to(folder).as_posix())


def _layer_files() -> list[tuple[str, Path]]:
    files = []
    for package in LAYER_PACKAGES:
        for file in importlib.metadata.files(package) or []:
            if file.suffix in (".py", ".json", ".typed") and ".dist-info" not in file.parts[0] and ".." not in file.parts:
                files.append((file.as_posix(), Path(str(file.locate()))))
    return files
