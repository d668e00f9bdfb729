"""`client new responder` and `client try`: from nothing to an answer, in a project of a test's own, without a stack."""

import json
import os
import runpy
import subprocess
import sys

import pytest

from client.__main__ import main
from tests.documents import ROOT
from tests.partner_server import reply, serving


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with this program's Pulumi.yaml and an empty stack."""
    (tmp_path / "Pulumi.yaml").write_text((ROOT / "Pulumi.yaml").read_text())
    (tmp_path / "Pulumi.local.yaml").write_text("# mine\nconfig:\n  aws:region: us-east-1\n")
    for variable in ("AWS_ENDPOINT_URL", "AWS_REGION"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if not getattr(sys.modules[name], "__file__", None) or str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]


def run_tests(file):
    """The tests in a file that was made. How many there are."""
    found = [test for name, test in runpy.run_path(str(file)).items() if name.startswith("test_")]
    for test in found:
        test()
    return len(found)


def failed(capsys):
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    return error


def test_a_new_responder_answers_at_once_and_its_test_passes(project, capsys):
    assert main(["new", "responder", "acme-cars"]) == 0
    assert capsys.readouterr().out == (
        "made own/acme_cars.py, own/tests/test_acme_cars.py, Pulumi.local.yaml; next: python -m client try acme-cars\n"
    )

    assert main(["try", "acme-cars"]) == 0

    shown = capsys.readouterr().out
    assert "acme-cars quoted 2400 USD" in shown
    assert 'would be stored: {"responder": "acme-cars", "status": "QUOTED", "amount": "2400"' in shown
    assert run_tests(project / "own" / "tests" / "test_acme_cars.py") == 2
    assert (project / "Pulumi.local.yaml").read_text().startswith("# mine\n")


def test_a_second_one_stands_beside_the_first(project, capsys):
    for name in ("acme", "other"):
        main(["new", "responder", name])

    assert main(["try", "other", "--json"]) == 0

    assert json.loads(capsys.readouterr().out.partition("\n{")[2].join(["{", ""]))["responder"] == "other"


def test_a_partner_has_a_mapping_to_begin_with_and_a_test_of_it(project, capsys):
    with serving({"/quotes": reply({"price": 12.5, "car": "small"})}) as partner:
        assert main(["new", "responder", "partner", "--url", f"{partner.url}/quotes"]) == 0
        with (project / "Pulumi.local.yaml").open("a") as file:
            file.write("      http: {privateHosts: [127.0.0.1]}\n")

        assert main(["try", "partner"]) == 0

    assert "partner quoted 12.5 USD" in capsys.readouterr().out
    assert partner.asked[0].endswith(b'{"days": 30}')
    assert run_tests(project / "own" / "tests" / "test_partner.py") == 2


def test_an_existing_function_is_entered_by_its_arn(project):
    arn = "arn:aws:lambda:us-east-1:000000000000:function:prices"

    assert main(["new", "responder", "prices", "--function", arn]) == 0

    assert f"functionArn: {arn}" in (project / "Pulumi.local.yaml").read_text()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["new", "responder", "7up"], "7up is no name for a responder; allowed: 1 to 30 letters"),
        (["new", "responder", "acme", "--stack", "a/b"], "stack name 'a/b' may only have letters"),
        (["try", "nobody"], "Pulumi.local.yaml has no responder nobody; known: avis, alamo, hertz, europcar, sixt"),
        (["try", "avis", "--stack", "none"], "Pulumi.none.yaml: No such file or directory"),
        (["try", "avis", "--input", "none.json"], "cannot read none.json"),
    ],
)
def test_wrong_use_is_one_line(project, capsys, arguments, reason):
    assert main(arguments) == 2
    assert reason in failed(capsys)


def test_nothing_is_written_over(project, capsys):
    (project / "own").mkdir()
    (project / "own" / "acme.py").write_text("mine")

    assert main(["new", "responder", "acme"]) == 2

    assert "own/acme.py is there already" in failed(capsys)
    assert (project / "own" / "acme.py").read_text() == "mine"
    assert "responders" not in (project / "Pulumi.local.yaml").read_text()


def configure(project, **entry):
    (project / "Pulumi.local.yaml").write_text(json.dumps({"config": {"scatter-gather:responders": [{"name": "acme", **entry}]}}))


def test_it_is_asked_again_as_often_as_its_retries_say(project, capsys, monkeypatch):
    monkeypatch.setattr("client.trial.time.sleep", lambda seconds: None)
    (project / "busy_acme.py").write_text("import scatter_gather\n\ndef quote(request):\n    raise scatter_gather.TransientError('busy')\n")
    configure(project, module="busy_acme", retries=2)

    assert main(["try", "acme"]) == 1

    shown = capsys.readouterr()
    assert "acme failed" in shown.out
    assert "attempt 1: busy; asked again in 1 s\nattempt 2: busy; asked again in 2 s\n" in shown.err


def test_what_its_code_raises_is_shown_as_python_writes_it(project):
    (project / "broken_acme.py").write_text("def quote(request):\n    return request.data['dayz']\n")
    configure(project, module="broken_acme")

    shown = subprocess.run(
        [sys.executable, "-m", "client", "try", "acme"],
        cwd=project, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert "acme failed KeyError: 'dayz'" in shown.stdout
    assert shown.stderr.startswith("error: its code raised\nTraceback (most recent call last):\n")
    assert shown.stderr.endswith("KeyError: 'dayz'\n")


def test_its_time_limit_holds(project, capsys):
    (project / "slow_acme.py").write_text("import time\n\ndef quote(request):\n    time.sleep(60)\n")
    configure(project, module="slow_acme", timeoutSeconds=1)

    assert main(["try", "acme", "--json"]) == 1

    assert json.loads(capsys.readouterr().out)["error"]["message"] == "no answer within 1 seconds"


def test_a_secret_that_cannot_be_read_is_named_and_no_account_is_asked_for_a_local_one(project, capsys, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAMINE")
    (project / "keyed_acme.py").write_text("def quote(request):\n    return len(request.secrets['key'])\n")
    configure(project, module="keyed_acme", secrets={"key": "partners/acme"}, retries=0)

    assert main(["try", "acme", "--json"]) == 1

    assert json.loads(capsys.readouterr().out)["error"]["message"] == "partners/acme cannot be read: EndpointConnectionError"


def test_a_request_that_breaks_the_contract_is_refused(project, capsys, tmp_path):
    (tmp_path / "input.json").write_text("[]")

    assert main(["try", "avis", "--input", "input.json"]) == 2

    assert "the request must be a JSON object" in failed(capsys)
