"""Packages of a responder, built for Lambda from wheels that these tests make: pip looks into their folder, and into no index."""

import re
import zipfile

import jmespath
import pytest

from components import code, packages
from components.packages import PackagesError
from tests.wheels import source_package, wheel

ARM, INTEL = "cp313-cp313-manylinux2014_aarch64", "cp313-cp313-manylinux2014_x86_64"


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("index")
    wheel(folder, "fastprices", ARM, {"fastprices/__init__.py": b"", "fastprices/_native.so": b"arm"}, needs="plainprices")
    wheel(folder, "fastprices", INTEL, {"fastprices/__init__.py": b"", "fastprices/_native.so": b"intel"}, needs="plainprices")
    wheel(folder, "plainprices", "py3-none-any", {"plainprices.py": b"RATE = 3", "plainprices-1.0.data/scripts/plain": b"#!python\n"})
    wheel(folder, "oldprices", "cp310-cp310-manylinux2014_aarch64", {"oldprices.py": b""})
    wheel(folder, "intelprices", INTEL, {"intelprices.py": b""})
    wheel(folder, "jmespath", "py3-none-any", {"jmespath/__init__.py": b"", "jmespath/lexer.py": b""}, version=jmespath.__version__)
    source_package(folder, "sourceprices")
    return folder


@pytest.fixture
def program(tmp_path, monkeypatch, index):
    """A program's folder, the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    return tmp_path


def built(program, *lines):
    (program / "requirements.txt").write_text("\n".join(lines))
    return packages.built("requirements.txt")


def test_a_compiled_package_is_lambdas_and_a_rebuild_has_the_same_bytes(program):
    pins = ("fastprices==1.0", "plainprices==1.0  # what the other needs", f"jmespath=={jmespath.__version__}")

    first = built(program, *pins)

    with zipfile.ZipFile(first.zip) as zipped:
        assert zipped.namelist() == [
            "python/fastprices/__init__.py",
            "python/fastprices/_native.so",
            "python/fastprices-1.0.dist-info/METADATA",
            "python/fastprices-1.0.dist-info/WHEEL",
            "python/plainprices-1.0.dist-info/METADATA",
            "python/plainprices-1.0.dist-info/WHEEL",
            "python/plainprices.py",
        ]
        assert zipped.read("python/fastprices/_native.so") == b"arm"
        assert ARM in zipped.read("python/fastprices-1.0.dist-info/WHEEL").decode()
    assert first.modules == {"fastprices", "plainprices"}
    content = (program / first.zip).read_bytes()
    (program / first.zip).unlink()
    assert (program / built(program, *pins).zip).read_bytes() == content


def test_what_was_built_before_needs_no_index(program, monkeypatch):
    first = built(program, "plainprices==1.0")
    monkeypatch.setenv("PIP_FIND_LINKS", "nowhere")

    assert built(program, "plainprices==1.0") == first


def test_a_package_that_another_needs_is_to_be_pinned(program):
    with pytest.raises(PackagesError, match=r"requirements.txt needs plainprices too, and does not pin it; add plainprices==1.0"):
        built(program, "fastprices==1.0")


@pytest.mark.parametrize("name", ["sourceprices", "oldprices", "intelprices"])
def test_a_package_without_a_wheel_for_lambda_is_named(program, name):
    with pytest.raises(PackagesError, match=rf"needs {name}==1.0, of which there is no wheel for Lambda \(python3.13, arm64\)"):
        built(program, f"{name}==1.0")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("plainprices", "which may be another version tomorrow; allowed: NAME==VERSION"),
        ("plainprices>=1.0", "which may be another version tomorrow"),
        ("plainprices==1.*", "which may be another version tomorrow"),
        ("./plainprices", "requirements.txt:1 is './plainprices'; allowed: NAME==VERSION"),
        ("jmespath==0.1", f"pins jmespath==0.1, but every function has {jmespath.__version__}; allowed: jmespath=={jmespath.__version__}"),
    ],
)
def test_a_line_that_pins_nothing_is_named(program, line, reason):
    with pytest.raises(PackagesError, match=re.escape(reason)):
        built(program, line)


def test_a_file_that_is_not_there_is_named(program):
    with pytest.raises(PackagesError, match=r"packages: none.txt cannot be read: No such file or directory"):
        packages.built("none.txt")


def test_what_takes_more_than_lambda_has_room_for_is_refused(program, monkeypatch):
    monkeypatch.setattr(packages, "MAX_UNZIPPED_BYTES", 10)

    with pytest.raises(PackagesError, match="Lambda allows 10 for a function with its layers"):
        built(program, "plainprices==1.0")


def test_code_imports_what_its_packages_have(program):
    (program / "acme.py").write_text("import fastprices\nimport plainprices.rates\n")

    assert "acme.py" in code.sources("acme", provided=frozenset({"fastprices", "plainprices"}))
    with pytest.raises(code.CodeError, match=r"acme\.py:2 imports plainprices"):
        code.sources("acme", provided=frozenset({"fastprices"}))


def test_code_imports_anything_where_nobody_knows_what_its_layers_have(program):
    (program / "acme.py").write_text("import anything\n")

    assert "acme.py" in code.sources("acme", provided=None)
