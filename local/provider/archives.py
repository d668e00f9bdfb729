"""The bytes behind Pulumi's assets and archives. An archive of unchanged files is unchanged, byte for byte."""

import io
import os
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from local.properties import ARCHIVE, signature
from local.provider.errors import ProviderError

# The earliest date that a zip can hold.
EPOCH = (1980, 1, 1, 0, 0, 0)
PLAIN, EXECUTABLE = 0o644, 0o755


def asset_bytes(asset: Mapping[str, Any]) -> bytes:
    """The contents of a FileAsset or StringAsset."""
    if "text" in asset:
        return asset["text"].encode()
    if "path" in asset:
        return _existing(asset["path"]).read_bytes()
    raise ProviderError("the local provider takes file and string assets only, not those behind an address")


def zip_bytes(archive: Mapping[str, Any]) -> bytes:
    """The zip file of an archive: as it is where the archive is a zip already, else made with sorted, undated entries."""
    if "path" in archive and not (path := _existing(archive["path"])).is_dir():
        if not zipfile.is_zipfile(path):
            raise ProviderError(f"{archive['path']} is no zip file; the local provider takes zip files and folders")
        return path.read_bytes()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for name, mode, content in sorted(_entries(archive, "")):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100000 | mode) << 16
            target.writestr(entry, content)
    return buffer.getvalue()


def _entries(archive: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, int, bytes]]:
    """(name in the zip, file mode, contents)."""
    if "assets" in archive:
        for name, item in archive["assets"].items():
            if signature(item) == ARCHIVE:
                yield from _entries(item, f"{prefix}{name}/")
            else:
                yield f"{prefix}{name}", PLAIN, asset_bytes(item)
    elif "path" in archive:
        path = _existing(archive["path"])
        yield from _folder_entries(path, prefix) if path.is_dir() else _zip_entries(path, prefix)
    else:
        raise ProviderError("the local provider takes archives of files and assets only, not those behind an address")


def _folder_entries(folder: Path, prefix: str) -> Iterator[tuple[str, int, bytes]]:
    for path in folder.rglob("*"):
        if path.is_file():
            mode = EXECUTABLE if os.access(path, os.X_OK) else PLAIN
            yield f"{prefix}{path.relative_to(folder).as_posix()}", mode, path.read_bytes()


def _zip_entries(path: Path, prefix: str) -> Iterator[tuple[str, int, bytes]]:
    with zipfile.ZipFile(path) as source:
        for entry in source.infolist():
            if not entry.is_dir():
                yield f"{prefix}{entry.filename}", (entry.external_attr >> 16) & 0o777 or PLAIN, source.read(entry)


def _existing(path: str) -> Path:
    found = Path(path)
    if not found.exists():
        raise ProviderError(f"{path} doesn't exist")
    return found
