"""What travels to Lambda: complete, no more than needed, and the same bytes for the same sources."""

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import boto3
import pytest

from components import code


def test_a_function_carries_the_modules_that_it_imports_and_no_others():
    files = code.sources("handlers.responder", "handlers.quotes.flight")

    assert {"handlers/__init__.py", "handlers/responder.py", "handlers/contract.py", "handlers/quotes/flight.py"} <= files
    assert not any(file.startswith(("components/", "local/", "tests/")) for file in files)
    assert "handlers/quotes/car_rental.py" not in files


def test_a_module_that_is_not_there_is_named():
    with pytest.raises(code.CodeError, match=r"there is no module quotes\.acme in the project"):
        code.sources("quotes.acme")


def test_an_import_that_will_be_missing_in_lambda_is_named(tmp_path, monkeypatch):
    (tmp_path / "acme.py").write_text("import pandas\n")
    monkeypatch.setattr(code, "PROJECT", tmp_path)

    with pytest.raises(code.CodeError, match=r"acme\.py imports pandas, which is neither in the project nor in the Lambda layer"):
        code.sources("acme")


def test_a_part_of_powertools_that_the_layer_cannot_carry_is_named(tmp_path, monkeypatch):
    (tmp_path / "acme.py").write_text("from aws_lambda_powertools.utilities.parser import parse\n")
    monkeypatch.setattr(code, "PROJECT", tmp_path)

    with pytest.raises(code.CodeError, match=r"acme\.py imports aws_lambda_powertools\.utilities\.parser, which needs a package"):
        code.sources("acme")


@pytest.mark.parametrize("text", [
    "def quote(request): ...", "from prices import quote", "from prices import ask as quote", "from prices import *",
    "quote = lambda request: 1", "if True:\n    quote = print"])
def test_a_module_may_have_its_function_from_anywhere(tmp_path, monkeypatch, text):
    (tmp_path / "acme.py").write_text(text)
    monkeypatch.setattr(code, "PROJECT", tmp_path)

    code.check_defines("acme", "quote")


def test_a_module_without_its_function_is_named(tmp_path, monkeypatch):
    (tmp_path / "acme.py").write_text("def price(request): ...")
    monkeypatch.setattr(code, "PROJECT", tmp_path)

    with pytest.raises(code.CodeError, match=r"acme\.py has no function quote"):
        code.check_defines("acme", "quote")


def test_powertools_logs_measures_and_validates_from_the_layer_alone(tmp_path):
    code.layer()
    with zipfile.ZipFile(code.PROJECT / ".build" / "layer.zip") as layer:
        layer.extractall(tmp_path)
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'python')!r})\n"
        "from aws_lambda_powertools import Logger, Metrics\n"
        "from aws_lambda_powertools.utilities.validation import validate\n"
        "validate(event={'days': 3}, schema={'type': 'object', 'required': ['days']})\n"
        "print('complete')")

    ran = subprocess.run([sys.executable, "-IS", "-c", program], capture_output=True, text=True, check=False)

    assert (ran.stdout, ran.stderr) == ("complete\n", "")


def test_the_layer_is_the_same_bytes_when_built_again():
    def build():
        code.layer.cache_clear()
        code.layer()
        return hashlib.sha256((code.PROJECT / ".build" / "layer.zip").read_bytes()).hexdigest()

    assert build() == build()


def test_zip_and_layer_are_complete_in_a_bare_interpreter(tmp_path):
    """The emulator's workers see the virtualenv, Lambda does not: here nothing but the two archives, and what is part of Lambda's
    runtime, is importable."""
    code.layer()
    with zipfile.ZipFile(code.PROJECT / ".build" / "layer.zip") as layer:
        layer.extractall(tmp_path / "layer")
    for name in code.sources("handlers.responder", "handlers.quotes.car_rental"):
        target = tmp_path / "function" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((code.PROJECT / name).read_bytes())
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    for module in ("boto3", "botocore", "s3transfer", "dateutil", "urllib3", "six.py"):
        (runtime / module).symlink_to(Path(boto3.__file__).parents[1] / module)
    question = {"requestId": "r1", "description": "", "data": {"days_rental": 30}, "recipients": ["avis"],
                "deadlineAt": "2099-01-01T00:00:00.000Z"}
    event = {"question": question, "retryCount": 0}
    environment = {
        "RESPONDER": "avis", "QUOTE_MODULE": "handlers.quotes.car_rental", "SETTINGS": json.dumps({"rate": "99"}),
        "CURRENCY": "USD", "TIMEOUT_SECONDS": "5", "RETRIES": "2", "AWS_DEFAULT_REGION": "us-east-1", "PATH": os.environ["PATH"]}
    program = (
        f"import sys; sys.path[:0] = [{str(tmp_path / 'function')!r}, {str(tmp_path / 'layer' / 'python')!r}, {str(runtime)!r}]\n"
        f"import json, handlers.responder as module\n"
        f"print(json.dumps(module.handler({event!r}, None)))")

    # -I and -S: no environment variables of Python's, no user folder, no site-packages.
    run = subprocess.run([sys.executable, "-I", "-S", "-c", program], env=environment, capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stderr
    printed = json.loads(run.stdout.strip().splitlines()[-1])
    assert printed["answer"]["amount"] == "2970"
