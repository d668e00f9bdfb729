"""Packages for a function, from wheels that are made for Lambda's platform, as the zip of a layer.

A requirements file pins every package that is to be there, so that another build takes the same versions; the zip has the same bytes as
long as the wheels do. It is kept in `.build/packages` of the program's folder, under the digest of what it was made of, and a preview that
finds it there needs no package index.
"""

import email
import hashlib
import importlib.metadata
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi
from packaging import tags
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from components.code import ARCHITECTURE, LAYER_PACKAGES, RUNTIME

VERSION = (3, int(RUNTIME.removeprefix("python3.")))
MACHINE = {"arm64": "aarch64", "x86_64": "x86_64"}[ARCHITECTURE]
GLIBC = range(17, 35)
"""Of wheels that run on Amazon Linux 2023, which has 2.34: from 2.17, which manylinux2014 is."""

PLATFORMS = [*(f"manylinux_2_{minor}_{MACHINE}" for minor in reversed(GLIBC)), f"manylinux2014_{MACHINE}"]

MAX_UNZIPPED_BYTES = 262_144_000
"""Lambda's limit for a function with all of its layers."""

MAX_ZIP_BYTES = 50_000_000
"""Lambda's limit for a zip that is uploaded with the call itself."""

NOT_PACKED = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}
"""Of a wheel's metadata, what the installation says about itself."""

MADE_BY = "1"
"""Changed when the same requirements would make another zip."""


class PackagesError(pulumi.RunError):
    """A requirements file cannot be read, or its packages cannot be there for Lambda; the message names the file and the package."""


@dataclass(frozen=True)
class Packages:
    """zip: of the layer, by its path in the program's folder; modules: what can be imported from it."""

    zip: str
    modules: frozenset[str]


def built(file: str) -> Packages:
    """The layer of a requirements file of the program. Raises PackagesError."""
    try:
        text = Path(file).read_text()
    except (OSError, UnicodeError) as error:
        raise PackagesError(f"packages: {file} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    pinned = _pinned(file, text)
    digest = hashlib.sha256("\n".join([text, *PLATFORMS, RUNTIME, *sorted(_shared()), MADE_BY]).encode()).hexdigest()[:16]
    target = Path(".build", "packages", f"{digest}.zip")
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            _install(file, Path(folder))
            _check(file, Path(folder), pinned)
            _write(file, Path(folder), target)
    with zipfile.ZipFile(target) as zipped:
        return Packages(target.as_posix(), frozenset(_modules(zipped.namelist())))


def _pinned(file: str, text: str) -> dict[str, str]:
    """The version of each package, by its name. Lines that begin with - are pip's own."""
    found = {}
    for number, line in enumerate(text.replace("\\\n", " ").splitlines(), start=1):
        written = line.partition(" #")[0].partition(" --hash")[0].strip()
        if not written or written.startswith(("#", "-")):
            continue
        try:
            requirement = Requirement(written)
        except InvalidRequirement:
            raise PackagesError(f"packages: {file}:{number} is {written!r}; allowed: NAME==VERSION") from None
        [version] = [each.version for each in requirement.specifier if each.operator == "=="] or [None]
        if version is None or "*" in version or len(requirement.specifier) > 1:
            raise PackagesError(f"packages: {file}:{number} is {written!r}, which may be another version tomorrow; allowed: NAME==VERSION")
        found[canonicalize_name(requirement.name)] = version
    shared = _shared()
    for name, version in found.items():
        if version != shared.get(name, version):
            raise PackagesError(
                f"packages: {file} pins {name}=={version}, but every function has {shared[name]}; allowed: {name}=={shared[name]}"
            )
    return found


def _shared() -> dict[str, str]:
    """What the layer of all functions has."""
    return {canonicalize_name(name): importlib.metadata.version(name) for name in LAYER_PACKAGES}


def _install(file: str, folder: Path) -> None:
    """Raises PackagesError with what pip says last."""
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-input",
            "--no-compile",
            "--only-binary=:all:",
            "--implementation=cp",
            f"--python-version={VERSION[0]}.{VERSION[1]}",
            *(f"--platform={platform}" for platform in PLATFORMS),
            f"--target={folder}",
            f"--requirement={file}",
        ],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if ran.returncode == 0:
        return
    said = [line.removeprefix("ERROR: ") for line in ran.stderr.splitlines() if line.startswith("ERROR: ")]
    missing = [line.removeprefix("No matching distribution found for ") for line in said if line.startswith("No matching distribution")]
    if missing:
        raise PackagesError(
            f"packages: {file} needs {missing[0]}, of which there is no wheel for Lambda ({RUNTIME}, {ARCHITECTURE}), "
            "perhaps only a source package; allowed: packages with a wheel for manylinux or for any platform"
        )
    raise PackagesError(f"packages: {file} cannot be installed: {said[-1] if said else 'there is no pip in this environment'}")


def _check(file: str, folder: Path, pinned: dict[str, str]) -> None:
    """Whether all that is there was named, and runs on Lambda by the tags of its wheel."""
    fitting = {*tags.cpython_tags(VERSION, platforms=PLATFORMS), *tags.compatible_tags(VERSION, f"cp{VERSION[0]}{VERSION[1]}", PLATFORMS)}
    for metadata in sorted(folder.glob("*.dist-info")):
        name = canonicalize_name(email.message_from_bytes((metadata / "METADATA").read_bytes())["Name"])
        if name not in pinned:
            raise PackagesError(f"packages: {file} needs {name} too, and does not pin it; add {name}=={_version(metadata)}")
        written = email.message_from_bytes((metadata / "WHEEL").read_bytes()).get_all("Tag", [])
        if not any(tag in fitting for each in written for tag in tags.parse_tag(each)):
            raise PackagesError(f"packages: the wheel of {name} is for {', '.join(written)}; allowed: {RUNTIME} on {ARCHITECTURE}")


def _version(metadata: Path) -> str:
    return email.message_from_bytes((metadata / "METADATA").read_bytes())["Version"]


def _write(file: str, folder: Path, target: Path) -> None:
    files = list(_files(folder))
    total = sum(source.stat().st_size for _, source in files)
    if total > MAX_UNZIPPED_BYTES:
        raise PackagesError(f"packages: {file} takes {total:,} bytes; Lambda allows {MAX_UNZIPPED_BYTES:,} for a function with its layers")
    # Stored, as the layer of all functions is; what would be too large so is deflated.
    how = zipfile.ZIP_STORED if total < MAX_ZIP_BYTES * 0.9 else zipfile.ZIP_DEFLATED
    part = target.with_suffix(".part")
    with zipfile.ZipFile(part, "w", how) as zipped:
        for name, source in files:
            entry = zipfile.ZipInfo(f"python/{name}", (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            entry.compress_type = how
            zipped.writestr(entry, source.read_bytes())
    if (size := part.stat().st_size) > MAX_ZIP_BYTES:
        part.unlink()
        raise PackagesError(
            f"packages: the zip of {file} takes {size:,} bytes; Lambda takes {MAX_ZIP_BYTES:,} at once: make a layer of "
            "your own, by way of S3, and name it in layers"
        )
    part.replace(target)


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Without what every function has, programs for a command line, and what tells how it was installed."""
    shared = {
        path
        for metadata in folder.glob("*.dist-info")
        if canonicalize_name(email.message_from_bytes((metadata / "METADATA").read_bytes())["Name"]) in _shared()
        for path in _recorded(folder, metadata)
    }
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder)
        told = name.parts[0].endswith(".dist-info") and name.name in NOT_PACKED
        if file.is_file() and file not in shared and name.parts[0] != "bin" and "__pycache__" not in name.parts and not told:
            yield name.as_posix(), file


def _recorded(folder: Path, metadata: Path) -> Sequence[Path]:
    return [folder / line.split(",")[0] for line in (metadata / "RECORD").read_text().splitlines()]


def _modules(names: Sequence[str]) -> Iterator[str]:
    for name in names:
        top = Path(name).parts[1]
        if not top.endswith(".dist-info"):
            yield top.partition(".")[0]
