"""The sockets that a process listens at."""

from __future__ import annotations

import os
import socket

import pytest

from muster.serve.listeners import Listener, listeners, parent_has


def test_listening_sockets_are_found_and_no_others() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        found = {each.port: each for each in listeners()}
        port = listening.getsockname()[1]
        assert found[port] == Listener("127.0.0.1", port, os.fstat(listening.fileno()).st_ino)
        assert bound.getsockname()[1] not in found
        with socket.create_connection(("127.0.0.1", port)):  # looked at, and still open
            pass
    assert port not in {each.port for each in listeners()}


@pytest.mark.parametrize(
    ("host", "near"),
    [("0.0.0.0", "127.0.0.1:80"), ("::", "[::1]:80"), ("10.0.0.7", "10.0.0.7:80"), ("::1", "[::1]:80")],
)
def test_where_to_connect_from_here(host: str, near: str) -> None:
    assert Listener(host, 80).near == near


def test_a_socket_of_this_process_alone_is_not_its_parent_s() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert parent_has(Listener("127.0.0.1", 0, os.fstat(listening.fileno()).st_ino)) is False
