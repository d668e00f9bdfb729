"""The zip files that the local provider makes of Pulumi's archives."""

import io
import os
import zipfile
from pathlib import Path

import pytest

from local.properties import ARCHIVE, ASSET, SIGNATURE, Properties
from local.provider import ProviderError
from local.provider.archives import asset_bytes, zip_bytes


def contents(zipped: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(zipped)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def folder_archive(path: Path) -> Properties:
    return {SIGNATURE: ARCHIVE, "path": str(path)}


def text_asset(text: str) -> Properties:
    return {SIGNATURE: ASSET, "text": text}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "package"
    (folder / "inner").mkdir(parents=True)
    (folder / "b.py").write_text("b = 2")
    (folder / "a.py").write_text("a = 1")
    (folder / "inner" / "c.py").write_text("c = 3")
    return folder


def test_folder_is_zipped_with_its_paths_in_order(package: Path) -> None:
    zipped = zip_bytes(folder_archive(package))

    assert contents(zipped) == {"a.py": b"a = 1", "b.py": b"b = 2", "inner/c.py": b"c = 3"}
    assert list(contents(zipped)) == ["a.py", "b.py", "inner/c.py"]


def test_unchanged_files_give_the_same_bytes(package: Path) -> None:
    before = zip_bytes(folder_archive(package))
    for file in package.rglob("*.py"):
        os.utime(file, (0, 0))

    assert zip_bytes(folder_archive(package)) == before


def test_executable_files_stay_so(package: Path) -> None:
    (package / "a.py").chmod(0o755)

    with zipfile.ZipFile(io.BytesIO(zip_bytes(folder_archive(package)))) as opened:
        modes = {entry.filename: entry.external_attr >> 16 & 0o777 for entry in opened.infolist()}

    assert modes == {"a.py": 0o755, "b.py": 0o644, "inner/c.py": 0o644}


def test_zip_file_is_taken_as_it_is(tmp_path: Path, package: Path) -> None:
    ready = tmp_path / "ready.zip"
    ready.write_bytes(zip_bytes(folder_archive(package)))

    assert zip_bytes(folder_archive(ready)) == ready.read_bytes()


def test_assets_and_archives_may_be_put_together(tmp_path: Path, package: Path) -> None:
    zipped = tmp_path / "ready.zip"
    zipped.write_bytes(zip_bytes(folder_archive(package)))
    together = {
        SIGNATURE: ARCHIVE,
        "assets": {
            "index.py": text_asset("import a"),
            "copy.py": {SIGNATURE: ASSET, "path": str(package / "a.py")},
            "folder": folder_archive(package),
            "zipped": folder_archive(zipped),
            "nested": {SIGNATURE: ARCHIVE, "assets": {"x.py": text_asset("x")}},
        },
    }

    found = contents(zip_bytes(together))

    assert found["index.py"] == b"import a"
    assert found["copy.py"] == found["folder/a.py"] == found["zipped/a.py"] == b"a = 1"
    assert found["nested/x.py"] == b"x"


def test_missing_file_is_named() -> None:
    with pytest.raises(ProviderError, match=r"^nowhere/code doesn't exist$"):
        zip_bytes({SIGNATURE: ARCHIVE, "path": "nowhere/code"})


def test_other_files_than_zips_are_refused(package: Path) -> None:
    with pytest.raises(ProviderError, match="no zip file"):
        zip_bytes(folder_archive(package / "a.py"))


def test_remote_assets_are_refused() -> None:
    with pytest.raises(ProviderError, match="file and string assets only"):
        asset_bytes({SIGNATURE: ASSET, "uri": "https://example.com/code.py"})
