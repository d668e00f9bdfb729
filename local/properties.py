"""Property values as they travel in Pulumi's protocol, held as plain JSON values.

Values that JSON has no word for are dictionaries with a signature (secrets, assets, archives, references to
resources) or, when not known yet, one reserved string. `from_struct` and `to_struct` translate to and from protobuf.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from google.protobuf.struct_pb2 import Struct, Value  # ty: ignore[import-not-found]

Properties = dict[str, Any]

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"
ASSET = "c44067f5952c0a294b673a41bacd8c17"
ARCHIVE = "0def7320c3a5731c473e5ecbe6d01bc7"
RESOURCE_REFERENCE = "5cf8f73096256a8f31e491e813e4eb8e"
OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

PathKey = str | int


# Protobuf


def from_struct(struct: Struct) -> Properties:
    # A protobuf map has no order of its own.
    return {name: _from_value(value) for name, value in sorted(struct.fields.items())}


def to_struct(properties: Mapping[str, Any]) -> Struct:
    # Here, because who only reads a state does without.
    from google.protobuf.struct_pb2 import Struct  # ty: ignore[import-not-found]

    struct = Struct()
    struct.update(properties)
    return struct


def _from_value(value: Value) -> Any:
    match value.WhichOneof("kind"):
        case "struct_value":
            return from_struct(value.struct_value)
        case "list_value":
            return [_from_value(item) for item in value.list_value.values]
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() else number
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
    return None


# Special values


def signature(value: Any) -> str | None:
    return value.get(SIGNATURE) if isinstance(value, dict) else None


def secret(value: Any) -> Properties:
    return value if signature(value) == SECRET else {SIGNATURE: SECRET, "value": value}


def replace_special(value: Any, replace: Callable[[Any], Any]) -> Any:
    """A copy of `value` in which `replace(special)` stands for every signed dictionary and every unknown."""
    if value == UNKNOWN or signature(value) is not None:
        return replace(value)
    if isinstance(value, dict):
        return {key: replace_special(item, replace) for key, item in value.items()}
    if isinstance(value, list):
        return [replace_special(item, replace) for item in value]
    return value


def without_secrets(value: Any) -> Any:
    """The same value with the secrets laid open."""
    return replace_special(value, lambda special: without_secrets(special["value"]) if is_secret(special) else special)


def is_secret(value: Any) -> bool:
    return signature(value) == SECRET


def has_secret(value: Any) -> bool:
    return any(is_secret(special) for special in specials(value))


def has_unknown(value: Any) -> bool:
    return any(special == UNKNOWN or signature(special) == OUTPUT for special in specials(value))


def specials(value: Any) -> Iterator[Any]:
    """Every signed dictionary and every unknown in `value`, those inside secrets and archives too."""
    if value == UNKNOWN or signature(value) is not None:
        yield value
    if isinstance(value, dict):
        for item in value.values():
            yield from specials(item)
    elif isinstance(value, list):
        for item in value:
            yield from specials(item)


def redact(value: Any, *, unknown: Any = UNKNOWN) -> Any:
    """The value for a reader's eyes: `[secret]` for secrets, `unknown` for what isn't known yet."""

    def show(special: Any) -> Any:
        if is_secret(special):
            return "[secret]"
        return unknown if special == UNKNOWN else special

    return replace_special(value, show)


def with_secrets_marked(outputs: Properties, inputs: Properties, secret_names: list[str]) -> Properties:
    """The outputs, with those secret that came in as a secret under the same name or are named by the program."""
    # What has secret tags repeats them here.
    named = {*secret_names, *(["tagsAll"] if has_secret(inputs.get("tags")) else [])}
    return {name: secret(value) if name in named or has_secret(inputs.get(name)) else value for name, value in outputs.items()}


def with_asset_hashes(value: Any, folder: Path) -> Any:
    """The value, with the hash of its contents put into each asset and archive: what tells a changed file."""

    def add_hash(special: Any) -> Any:
        if signature(special) == ARCHIVE and "assets" in special:
            assets = {name: add_hash(item) for name, item in special["assets"].items()}
            return special | {"assets": assets, "hash": _combined_hash((name, item["hash"]) for name, item in assets.items())}
        if signature(special) in (ASSET, ARCHIVE):
            return special | {"hash": _content_hash(special, folder)}
        if is_secret(special):
            return special | {"value": with_asset_hashes(special["value"], folder)}
        return special

    return replace_special(value, add_hash)


def _content_hash(asset: Mapping[str, Any], folder: Path) -> str:
    if "text" in asset:
        return hashlib.sha256(asset["text"].encode()).hexdigest()
    if "path" in asset:
        path = folder / asset["path"]
        return _folder_hash(path) if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()
    if "uri" in asset:
        raise ValueError(f"asset {asset['uri']}: assets behind an address aren't supported by the local engine")
    return _combined_hash(())


def _folder_hash(folder: Path) -> str:
    files = (path for path in folder.rglob("*") if path.is_file())
    return _combined_hash((path.relative_to(folder).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()) for path in files)


def _combined_hash(parts: Iterable[tuple[str, str]]) -> str:
    combined = hashlib.sha256()
    for name, digest in sorted(parts):
        combined.update(f"{name}\0{digest}\n".encode())
    return combined.hexdigest()


def files_of(value: Any) -> dict[str, str] | None:
    """{name: hash} of what an asset or an archive has, "" where it is one file or folder; None for any other value."""
    if signature(value) not in (ASSET, ARCHIVE):
        return None
    if "assets" not in value:
        return {"": value.get("hash", "")}
    inner = [(name, files_of(item) or {}) for name, item in value["assets"].items()]
    return {"/".join(filter(None, (name, below))): digest for name, files in inner for below, digest in files.items()}


# Comparison


def comparable(value: Any) -> Any:
    """What equality is decided on: secrets laid open, assets by their contents wherever these come from."""

    def simplify(special: Any) -> Any:
        if is_secret(special):
            return comparable(special["value"])
        if signature(special) in (ASSET, ARCHIVE) and "hash" in special:
            return {SIGNATURE: special[SIGNATURE], "hash": special["hash"]}
        return special

    return replace_special(value, simplify)


def changed_paths(old: Any, new: Any) -> dict[str, str]:
    """{property path: "add" | "delete" | "update"} for every leaf that differs, e.g. {"tags.owner": "add"}."""
    return dict(_changes(comparable(old), comparable(new), ""))


def _changes(old: Any, new: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(old, dict) and isinstance(new, dict) and not signature(old) and not signature(new):
        for key in [*old, *(key for key in new if key not in old)]:
            inner = _join(path, key)
            if key not in new:
                yield inner, "delete"
            elif key not in old:
                yield inner, "add"
            else:
                yield from _changes(old[key], new[key], inner)
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            inner = f"{path}[{index}]"
            if index >= len(new):
                yield inner, "delete"
            elif index >= len(old):
                yield inner, "add"
            else:
                yield from _changes(old[index], new[index], inner)
    elif old != new:
        yield path, "update"


def _join(path: str, key: str) -> str:
    if not re.fullmatch(r"[A-Za-z_$][\w$]*", key):
        return f'{path}["{key}"]'
    return f"{path}.{key}" if path else key


# Property paths: `a.b[0]["c d"].*`

_PATH_PART = re.compile(r"""\.?([^.\["\]]+)|\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]|\[(\*)\]""")


def parse_path(path: str) -> list[PathKey]:
    """['a', 'b', 0, 'c d', '*'] for `a.b[0]["c d"].*`; ValueError for what is no property path."""
    keys: list[PathKey] = []
    position = 0
    while position < len(path):
        part = _PATH_PART.match(path, position)
        if part is None:
            raise ValueError(f"{path!r} is not a property path")
        name, index, quoted, wildcard = part.groups()
        keys.append(int(index) if index is not None else name or wildcard or quoted.replace('\\"', '"'))
        position = part.end()
    if not keys:
        raise ValueError("a property path may not be empty")
    return keys


def path_contains(outer: list[PathKey], inner: list[PathKey]) -> bool:
    """Whether the value at `inner` is the one at `outer` or a part of it. `*` stands for any key."""
    return len(outer) <= len(inner) and all(left in ("*", right) for left, right in zip(outer, inner, strict=False))


def with_old_values(new: Any, old: Any, path: list[PathKey]) -> Any:
    """A copy of `new` in which the value at `path` is the one `old` has there, absent where `old` has none."""
    if is_secret(new):
        return secret(with_old_values(new["value"], old, path))
    if is_secret(old):
        return with_old_values(new, old["value"], path)
    key, rest = path[0], path[1:]
    if isinstance(new, dict) and isinstance(old, dict):
        keys = [*old, *(name for name in new if name not in old)] if key == "*" else [key]
        result = dict(new)
        for name in keys:
            if rest and name in new and name in old:
                result[name] = with_old_values(new[name], old[name], rest)
            elif not rest and name in old:
                result[name] = old[name]
            elif not rest:
                result.pop(name, None)
        return result
    if isinstance(new, list) and isinstance(old, list):
        indices = range(min(len(new), len(old))) if key == "*" else [key]
        result = list(new)
        for index in indices:
            if isinstance(index, int) and index < len(new) and index < len(old):
                result[index] = with_old_values(new[index], old[index], rest) if rest else old[index]
        return result
    return new
