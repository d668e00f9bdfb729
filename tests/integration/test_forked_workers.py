"""The emulator's workers: what they leave open would end a long day of it."""

import os
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from local.forked_workers import Server, Worker

MORE_THAN_SELECT_TAKES = 1_100


@pytest.fixture(scope="module")
def server():
    return Server()


@pytest.fixture
def start(server, tmp_path):
    script = tmp_path / "script.py"
    script.write_text("input()\n")
    return lambda: Worker(server, str(script), str(tmp_path), {"PYTHONPATH": os.pathsep.join(sys.path)})


def descriptors():
    return len([*Path("/proc/self/fd").iterdir()])


def ended(worker):
    worker.kill()
    return worker.wait(10)


def test_a_worker_can_be_waited_for_whatever_else_is_open(start):
    with ExitStack() as opened:
        for _ in range(MORE_THAN_SELECT_TAKES):
            opened.enter_context(Path(os.devnull).open())
        worker = start()

        assert worker.poll() is None
        assert ended(worker) == worker.poll() == 1


def test_a_worker_that_has_ended_leaves_nothing_open(start):
    ended(start())
    before = descriptors()

    for _ in range(5):
        ended(start())

    assert descriptors() == before
