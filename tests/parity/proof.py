"""Each program of the table by our engine, held against what Pulumi documents and, where there is one, against the Pulumi CLI over the
same provider. `make parity` runs it; no other run of pytest collects it.

A difference is in the table, with its reason; one that is no longer there fails too.
"""

import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest

from local.emulator import Emulator
from tests.parity.programs import DIFFERENCES, PROGRAMS, Program
from tests.parity.sides import Seen, Side

ACCOUNTS = itertools.count(1)
NAMES = [program.name for program in PROGRAMS]

See = Callable[..., list[Seen]]


@pytest.fixture
def see(emulator: Emulator, tmp_path: Path) -> See:
    """`see(program, is_cli=False)` runs all of the program's commands in an account of their own."""

    def run(program: Program, *, is_cli: bool) -> list[Seen]:
        folder, account = tmp_path / ("cli" if is_cli else "engine"), f"{next(ACCOUNTS):012d}"
        folder.mkdir()

        def client(service: str) -> object:
            return boto3.client(
                service, region_name="us-east-1", endpoint_url=emulator.endpoint, aws_access_key_id=account,
                aws_secret_access_key="test", aws_session_token=emulator.session_token,
            )  # fmt: skip

        return list(Side(folder, emulator, account, is_cli).run(program, client))

    return run


def _accepted(program: Program) -> dict[int, str]:
    return {number: reason for (name, number), reason in DIFFERENCES.items() if name == program.name}


def _against_documentation(program: Program, seen: list[Seen]) -> Iterator[tuple[int, str]]:
    for number, (run, found) in enumerate(zip(program.runs, seen, strict=True)):
        documented = (run.code, sorted(run.steps.split()), run.shows)
        engine = (found.code, sorted(found.steps), None if run.shows is None else found.shows)
        if documented != engine:
            yield number, f"{run.verb}: documented {documented}, the engine {engine}"


@pytest.mark.parametrize("program", PROGRAMS, ids=NAMES)
def test_engine_does_what_pulumi_documents(program: Program, see: See) -> None:
    seen = see(program, is_cli=False)

    differences = dict(_against_documentation(program, seen))

    assert differences.keys() == _accepted(program).keys(), differences


@pytest.mark.skipif(shutil.which("pulumi") is None, reason="there is no pulumi on PATH: the engine is not held against the CLI")
@pytest.mark.parametrize("program", PROGRAMS, ids=NAMES)
def test_engine_does_what_the_cli_does(program: Program, see: See) -> None:
    engine, cli = see(program, is_cli=False), see(program, is_cli=True)

    differences = {number: pair for number, pair in enumerate(zip(engine, cli, strict=True)) if pair[0] != pair[1]}

    assert differences.keys() == _accepted(program).keys(), differences


def test_every_difference_is_one_of_a_program() -> None:
    runs = {(program.name, number) for program in PROGRAMS for number, _ in enumerate(program.runs)}

    assert DIFFERENCES.keys() <= runs
