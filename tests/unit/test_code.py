"""What travels to Lambda: complete, no more than needed, and the same bytes for the same sources."""

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import boto3
import pytest

from components import code


@pytest.fixture
def program(tmp_path, monkeypatch):
    """`program({"acme.py": "import json"})` writes a program's files (text or bytes) into a folder of its own, and works there."""
    monkeypatch.chdir(tmp_path)

    def write(files: Mapping[str, str | bytes]) -> None:
        for name, content in files.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)

    return write


def test_a_function_carries_the_modules_that_it_imports_and_no_others():
    files = code.sources("handlers.responder", "handlers.quotes.flight")

    assert {"handlers/__init__.py", "handlers/responder.py", "handlers/contract.py", "handlers/quotes/flight.py"} <= files.keys()
    assert not any(file.startswith(("components/", "local/", "tests/")) for file in files)
    assert "handlers/quotes/car_rental.py" not in files


def test_the_programs_modules_and_the_librarys_go_together(program):
    program({"acme.py": "import prices\nfrom handlers.quoting import Quote\n", "prices.py": ""})

    files = code.sources("handlers.responder", "acme")

    assert {"acme.py", "prices.py", "handlers/responder.py", "handlers/quoting.py"} <= files.keys()
    assert files["acme.py"] == Path.cwd() / "acme.py"


def test_the_programs_module_wins_over_one_of_the_standard_library(program):
    program({"acme.py": "import queue\n", "queue.py": ""})

    assert "queue.py" in code.sources("acme")


def test_the_librarys_own_modules_take_nothing_of_the_program(program):
    program({"acme.py": "", "json.py": "", "decimal.py": ""})

    assert not {"json.py", "decimal.py"} & code.sources("handlers.responder", "acme").keys()


def test_a_folder_without_modules_does_not_hide_the_standard_librarys(program):
    program({"acme.py": "import json, email.message\n", "json/data.json": "{}", "email/letter.html": ""})

    assert code.sources("acme").keys() == {"acme.py"}


def test_a_module_that_is_not_there_is_named(program):
    with pytest.raises(code.CodeError, match=r"there is no module quotes\.acme in the project \(.+\)"):
        code.sources("quotes.acme")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (
            "\nimport pandas",
            r"acme\.py:2 imports pandas, which is neither in the project nor in the Lambda layer \(aws_lambda_powertools, ",
        ),
        ("import yaml", r"acme\.py:1 imports yaml, which is neither in the project nor in the Lambda layer"),
        ("def quote(request):\n    import pandas.api", r"acme\.py:2 imports pandas, which is neither in the project nor"),
        (
            "from aws_lambda_powertools.utilities.parser import parse",
            r"acme\.py:1 imports aws_lambda_powertools\.utilities\.parser, which needs a package that is not in the Lambda layer",
        ),
        ("import rates.world", r"acme\.py:1 imports rates\.world, but the project has no module rates\.world"),
        ("from plain import prices", r"acme\.py:1 imports prices from plain, which has no such module"),
        ("from . import prices", r"acme\.py:1 imports from \., which is outside of its package"),
        ("import vendored", r"acme\.py:1 imports vendored, which has _fast\.cpython-311\.so, compiled for one kind of machine"),
        ("import distutils.util", r"acme\.py:1 imports distutils\.util, which is not in the standard library of Lambda's python3\.13"),
        ("import rates.broken", r"rates/broken\.py:2: unmatched '\)'"),
        ("import rates.half", r"rates/half\.py:1 imports pandas, which is neither"),
        (
            "from scatter_gather import Quote, MapScatterGather",
            r"acme\.py:1 imports MapScatterGather from scatter_gather, of which a function has Decline, Quote, QuoteRequest",
        ),
        ("from scatter_gather.handlers import clock", r"acme\.py:1 imports scatter_gather\.handlers; a function has Decline, Quote, "),
        ("import components", r"acme\.py:1 imports components, which is neither in the project nor"),
        ("try:\n    import pandas\nexcept ImportError:\n    raise RuntimeError('pandas is needed')", r"acme\.py:2 imports pandas"),
        ("try:\n    import pandas\nexcept ImportError:\n    import polars", r"acme\.py:4 imports polars"),
        ("try:\n    import pandas\nexcept KeyError:\n    pass", r"acme\.py:2 imports pandas"),
        ("if not TYPE_CHECKING:\n    import pandas", r"acme\.py:2 imports pandas"),
        ("x = '\0'", r"acme\.py:1: source code string cannot contain null bytes"),
        (b"# coding: nonsense\n", r"acme\.py:1: (unknown encoding|encoding problem): nonsense"),
    ],
)
def test_what_cannot_be_packed_is_refused_with_file_and_line(program, source, reason):
    program(
        {
            "acme.py": source,
            "rates/__init__.py": "",
            "rates/broken.py": "\n)",
            "rates/half.py": "import pandas",
            "plain/eu.py": "",
            "vendored/__init__.py": "",
            "vendored/_fast.cpython-311.so": b"\x7fELF",
        }
    )

    with pytest.raises(code.CodeError, match=reason):
        code.sources("acme")


def test_a_program_cannot_have_a_folder_that_hides_the_librarys(program):
    program({"acme.py": "\nfrom handlers import prices\n", "handlers/__init__.py": "", "handlers/prices.py": ""})

    with pytest.raises(code.CodeError, match=r"acme\.py:2 imports handlers, but in a function handlers is scatter_gather's own: call ha"):
        code.sources("acme")


@pytest.mark.parametrize(
    "source",
    [
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pandas",
        "import typing\nif typing.TYPE_CHECKING:\n    import pandas\nelse:\n    import json",
        "try:\n    import pandas\nexcept ImportError:\n    pandas = None",
        "try:\n    import pandas\nexcept (KeyError, ModuleNotFoundError):\n    import json",
        "try:\n    import pandas\nexcept Exception:\n    pandas = None\nelse:\n    import pandas.api",
        "try:\n    import tomllib\nexcept ModuleNotFoundError:\n    import tomli as tomllib",
        "import contextlib\nwith contextlib.suppress(ImportError):\n    import pandas",
        "try:\n    import needs_pandas\nexcept ImportError:\n    needs_pandas = None",
    ],
)
def test_an_import_that_the_code_does_without_is_left_out(program, source):
    program({"acme.py": source, "needs_pandas.py": "import pandas"})

    assert code.sources("acme").keys() == {"acme.py"}


def test_an_optional_import_that_the_program_has_is_packed(program):
    program({"acme.py": "try:\n    import fast\nexcept ImportError:\n    import slow as fast", "fast.py": "", "slow.py": ""})

    assert code.sources("acme").keys() == {"acme.py", "fast.py", "slow.py"}


@pytest.mark.parametrize(
    "source",
    [
        b"\xef\xbb\xbfimport prices\n",
        "# -*- coding: latin-1 -*-\nname = 'é'\nimport prices\n".encode("latin-1"),
        b"def quote(request):\n    from prices import price\n",
        b"if True:\n    import prices\nelse:\n    import prices as others\n",
        b"match 1:\n    case 1:\n        import prices\n",
    ],
    ids=["byte-order mark", "encoding line", "in a function", "under if", "in a match"],
)
def test_a_source_is_read_as_python_reads_it(program, source):
    program({"acme.py": source, "prices.py": ""})

    assert code.sources("acme").keys() == {"acme.py", "prices.py"}


def test_relative_imports_are_followed(program):
    program(
        {
            "shop/__init__.py": "",
            "shop/eu/__init__.py": "from .rates import RATE\n",
            "shop/eu/rates.py": "from .. import tax\n",
            "shop/eu/acme.py": "from . import rates\nfrom ..money import euro\n",
            "shop/tax.py": "",
            "shop/money.py": "",
            "shop/us.py": "",
        }
    )

    assert code.sources("shop.eu.acme").keys() == {
        "shop/__init__.py",
        "shop/eu/__init__.py",
        "shop/eu/acme.py",
        "shop/eu/rates.py",
        "shop/money.py",
        "shop/tax.py",
    }


def test_a_package_may_have_no_init(program):
    program({"shop/acme.py": "import shop.prices\n", "shop/prices.py": ""})

    assert code.sources("shop.acme").keys() == {"shop/acme.py", "shop/prices.py"}


def test_a_packages_data_goes_with_it(program):
    program(
        {
            "shop/__init__.py": "",
            "shop/acme.py": "",
            "shop/rates.json": "{}",
            "shop/data/eu/rates.csv": "",
            "shop/.env": "SECRET=1",
            "shop/__pycache__/acme.cpython-311.pyc": b"",
            "shop/other/__init__.py": "",
            "shop/other/rates.json": "{}",
            "Pulumi.yaml": "",
        }
    )

    assert code.sources("shop.acme").keys() == {"shop/__init__.py", "shop/acme.py", "shop/rates.json", "shop/data/eu/rates.csv"}


def test_data_beside_a_module_goes_with_it_where_it_has_its_name_or_is_named_in_it(program):
    program(
        {
            "acme.py": "rates = Path(__file__).with_name('rates.json').read_text()\nzones = open('data/zones.csv')\nkey = '.env'\n",
            "acme.schema.json": "{}",
            "rates.json": "{}",
            "data/zones.csv": "",
            "data/others.csv": "",
            ".env": "SECRET=1",
            "Pulumi.yaml": "",
        }
    )

    assert code.sources("acme").keys() == {"acme.py", "acme.schema.json", "rates.json", "data/zones.csv"}


def test_a_functions_scatter_gather_is_light_and_the_same_code(program):
    program({"acme.py": "from scatter_gather import Quote\n"})

    files = code.sources("acme")

    assert {"scatter_gather/__init__.py", "handlers/quoting.py"} <= files.keys()
    assert not any(name.startswith("components/") for name in files)


@pytest.mark.parametrize(
    "text",
    [
        "def quote(request): ...",
        "from prices import quote",
        "from prices import ask as quote",
        "from prices import *",
        "quote = lambda request: 1",
        "quote: object = print",
        "if True:\n    quote = print",
        "if True:\n    def quote(request): ...",
        "try:\n    from prices import quote\nexcept ImportError:\n    def quote(request): ...",
        "\ufeffdef quote(request): ...",
        "async def quote(request): ...\ndef quote(request): ...",
        "for quote in [print]: ...",
        "class quote: ...",
        "def __getattr__(name): ...",
    ],
)
def test_a_module_may_have_its_function_from_anywhere(program, text):
    program({"acme.py": text})

    code.check_defines("acme", "quote")


@pytest.mark.parametrize(
    "text",
    [
        "def price(request): ...",
        "print(quote)",
        "def price():\n    def quote(request): ...",
        "class Prices:\n    def quote(self): ...",
        "if TYPE_CHECKING:\n    from prices import quote",
        "import prices.quote",
    ],
)
def test_a_module_without_its_function_is_named(program, text):
    program({"acme.py": text})

    with pytest.raises(code.CodeError, match=r"acme\.py has no function quote"):
        code.check_defines("acme", "quote")


def test_an_async_function_is_refused_by_name(program):
    program({"acme.py": "\n\nif True:\n    async def quote(request): ...\n"})

    with pytest.raises(code.CodeError, match=r"acme\.py:4: quote is `async def`, which nobody would await"):
        code.check_defines("acme", "quote")


def test_the_layer_is_built_in_the_programs_folder(program):
    archive = code.layer()

    assert archive.path == ".build/layer.zip"
    assert Path(".build/layer.zip").is_file()


def test_powertools_logs_measures_and_validates_from_the_layer_alone(tmp_path):
    code.layer()
    with zipfile.ZipFile(".build/layer.zip") as layer:
        layer.extractall(tmp_path)
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'python')!r})\n"
        "from aws_lambda_powertools import Logger, Metrics\n"
        "from aws_lambda_powertools.utilities.validation import validate\n"
        "validate(event={'days': 3}, schema={'type': 'object', 'required': ['days']})\n"
        "print('complete')"
    )

    ran = subprocess.run([sys.executable, "-IS", "-c", program], capture_output=True, text=True, check=False)

    assert (ran.stdout, ran.stderr) == ("complete\n", "")


def test_the_layer_is_the_same_bytes_when_built_again():
    def build():
        code._layer_in.cache_clear()
        code.layer()
        return hashlib.sha256(Path(".build/layer.zip").read_bytes()).hexdigest()

    assert build() == build()


@pytest.mark.parametrize("module", ["handlers.quotes.car_rental", "acme"])
def test_zip_and_layer_are_complete_in_a_bare_interpreter(tmp_path, program, module):
    """The emulator's workers see the virtualenv, Lambda does not: here nothing but the two archives, and what is part of Lambda's
    runtime, is importable."""
    program({"acme.py": "from scatter_gather import Quote\n\ndef quote(request):\n    return Quote(99 * request.data['days_rental'])\n"})
    code.layer()
    with zipfile.ZipFile(".build/layer.zip") as layer:
        layer.extractall(tmp_path / "layer")
    for name, file in code.sources("handlers.responder", module).items():
        target = tmp_path / "function" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    for part in ("boto3", "botocore", "s3transfer", "dateutil", "urllib3", "six.py"):
        (runtime / part).symlink_to(Path(boto3.__file__).parents[1] / part)
    question = {
        "requestId": "r1",
        "description": "",
        "data": {"days_rental": 30},
        "recipients": ["avis"],
        "deadlineAt": "2099-01-01T00:00:00.000Z",
    }
    event = {"question": question, "retryCount": 0}
    environment = {
        "RESPONDER": "avis",
        "QUOTE_MODULE": module,
        "SETTINGS": json.dumps({"rate": "99"}),
        "CURRENCY": "USD",
        "TIMEOUT_SECONDS": "5",
        "RETRIES": "2",
        "AWS_DEFAULT_REGION": "us-east-1",
        "PATH": os.environ["PATH"],
    }
    program = (
        f"import sys; sys.path[:0] = [{str(tmp_path / 'function')!r}, {str(tmp_path / 'layer' / 'python')!r}, {str(runtime)!r}]\n"
        f"import json, handlers.responder as module\n"
        f"print(json.dumps(module.handler({event!r}, None)))"
    )

    # -I and -S: no environment variables of Python's, no user folder, no site-packages.
    run = subprocess.run([sys.executable, "-I", "-S", "-c", program], env=environment, capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stderr
    printed = json.loads(run.stdout.strip().splitlines()[-1])
    assert printed["answer"]["amount"] == "2970"
