"""`muster demo`, as people and CI run it: it ends right, and leaves nothing behind however it ends."""

from __future__ import annotations

import json
import os
import pty
import secrets
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from muster.cli.demo.command import stays

if TYPE_CHECKING:
    from tests.cli.conftest import Command, Staying

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found by /proc")


@pytest.fixture
def mark(muster: Command) -> Iterator[str]:
    """Something in the environment by which every process of the demo is known. None may be left."""
    marked = secrets.token_hex(8)
    muster.environ["THIS_TEST"] = marked
    yield marked
    left = processes(marked)
    for pid in left:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert not left


def processes(mark: str) -> list[int]:
    """The living processes whose environment has the mark."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if f"THIS_TEST={mark}".encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
    return found


def registered(registry: str) -> list[str]:
    """The names in a registry that the demo may have made."""
    connection = HTTPConnection(registry.partition("://")[2], timeout=30)
    try:
        connection.request("GET", "/v1/catalog/services")
        return [name for name in json.loads(connection.getresponse().read()) if name.startswith("greeter-demo")]
    finally:
        connection.close()


def under_load(demo: Staying) -> None:
    demo.said("calls go out")


@pytest.mark.parametrize(
    ("told_to_end", "keyboard", "screen", "stay"),
    [
        (False, True, True, True),
        (True, True, True, False),
        (False, False, True, False),
        (False, True, False, False),
        (False, False, False, False),
    ],
)
def test_it_stays_only_where_somebody_is_there(told_to_end: bool, keyboard: bool, screen: bool, stay: bool) -> None:
    assert stays(told_to_end, keyboard, screen) is stay


def test_on_a_real_consul(muster: Command, mark: str, consul_server: str) -> None:
    done = muster("demo", "--json", MUSTER_REGISTRY=consul_server)
    assert done.status == 0, done.out + done.err
    figures = json.loads(done.out)
    assert figures["right"]
    assert figures["left_behind"] == []
    assert figures["calls"]["client"]["calls"] > 100
    assert [instance["ended_by"] for instance in figures["instances"]].count("SIGKILL") == 1
    assert registered(consul_server) == []


def test_a_registry_of_the_environment_by_consuls_own_variable(muster: Command, mark: str, nobody: str) -> None:
    done = muster("demo", CONSUL_HTTP_ADDR=nobody.partition("://")[2])
    assert done.status == 1
    assert "127.0.0.1:1" in done.err


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_and_everything_it_started(
    muster: Command, mark: str, consul_server: str, number: signal.Signals, status: int
) -> None:
    with muster.staying("demo", "--registry", consul_server) as demo:
        under_load(demo)
        assert registered(consul_server) != []
        assert demo.end(number) == status
    assert processes(mark) == []
    assert registered(consul_server) == []


def test_its_children_end_with_it_even_if_it_is_killed(muster: Command, mark: str, consul_server: str) -> None:
    with muster.staying("demo", "--registry", consul_server) as demo:
        under_load(demo)
        demo.process.kill()
        demo.process.wait()
        demo.wait_for(lambda: processes(mark) == [])
    assert registered(consul_server) == []


def test_on_a_terminal_it_stays_until_ctrl_c(muster: Command, mark: str) -> None:
    shown = b""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(muster.directory)
        os.execve(sys.executable, [sys.executable, "-m", "muster", "demo"], muster.environ | {"TERM": "dumb"})
    end = time.monotonic() + 50
    while b"Ctrl-C ends it" not in shown:
        assert time.monotonic() < end, shown.decode()
        shown += os.read(terminal, 4096)
    assert b"curl 'http://127.0.0.1:" in shown
    os.write(terminal, b"\x03")
    with suppress(OSError):  # EIO: the other end of the terminal was closed
        while True:
            shown += os.read(terminal, 4096)
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, shown.decode()
    for text in (
        b"client, gRPC",
        b"gateway, HTTP",
        b"SIGTERM",
        b"SIGKILL",
        b"failed calls: 0 of",
        b"left behind: nothing",
    ):
        assert text in shown
    assert b"WRONG" not in shown
