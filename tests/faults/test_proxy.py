"""Who is killed by the proxy: the process that called it, and nobody that has its port now."""

import os
import socket

import pytest

from tests.faults.proxy import pid_behind


@pytest.fixture
def connection():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        yield client


def test_who_is_connected_is_found_by_both_ends(connection):
    assert pid_behind(connection.getsockname()[1], connection.getpeername()[1]) == os.getpid()


def test_a_port_that_has_gone_to_another_connection_is_nobodys(connection):
    with socket.create_server(("127.0.0.1", 0)) as another, pytest.raises(LookupError):
        pid_behind(connection.getsockname()[1], another.getsockname()[1])
