"""Wheels and source packages, made here, in a folder that pip looks into instead of an index."""

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path


def wheel(folder: Path, name: str, tag: str, files: Mapping[str, bytes], needs: str = "", version: str = "1.0") -> None:
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + (f"Requires-Dist: {needs}\n" if needs else "")
    about = f"{name}-{version}.dist-info"
    content = {**files, f"{about}/METADATA": metadata.encode(), f"{about}/WHEEL": f"Wheel-Version: 1.0\nTag: {tag}\n".encode()}
    content[f"{about}/RECORD"] = "".join(f"{path},,\n" for path in [*content, f"{about}/RECORD"]).encode()
    with zipfile.ZipFile(folder / f"{name}-{version}-{tag}.whl", "w") as made:
        for path, text in content.items():
            made.writestr(path, text)


def source_package(folder: Path, name: str) -> None:
    with tarfile.open(folder / f"{name}-1.0.tar.gz", "w:gz") as made:
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode()
        entry = tarfile.TarInfo(f"{name}-1.0/PKG-INFO")
        entry.size = len(text)
        made.addfile(entry, io.BytesIO(text))
