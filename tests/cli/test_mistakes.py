"""What users get wrong is answered with one line that says what to do, never with a traceback."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Command


@pytest.fixture
def taken() -> Iterator[str]:
    """An address where somebody else listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        yield f"127.0.0.1:{other.getsockname()[1]}"


@pytest.mark.parametrize(
    "arguments",
    [("services",), ("instances", "greeter"), ("call", "greeter", "Say.Hello", "{}")],
    ids=lambda arguments: arguments[0],
)
def test_no_registry_at_the_address(muster: Command, nobody: str, arguments: tuple[str, ...]) -> None:
    done = muster(*arguments, "--registry", nobody)
    assert done.status == 1
    assert "127.0.0.1:1" in done.error
    assert "muster agent" in done.error


@pytest.mark.parametrize(
    "arguments",
    [
        ("services",),
        ("instances", "greeter"),
        ("watch", "greeter"),
        ("call", "greeter", "Say.Hello", "{}"),
        ("gateway", "--http", "127.0.0.1:0"),
        ("demo",),
    ],
    ids=lambda arguments: arguments[0],
)
def test_an_unknown_scheme_lists_the_known_ones(muster: Command, arguments: tuple[str, ...]) -> None:
    done = muster(*arguments, "--registry", "conzul://127.0.0.1:8500")
    assert done.status == 1
    assert "conzul" in done.error
    assert "known: consul, memory, static" in done.error


@pytest.mark.parametrize("workers", [(), ("--workers", "2")], ids=["one process", "workers"])
def test_run_says_what_is_wrong_with_its_registry_once(muster: Command, workers: tuple[str, ...]) -> None:
    done = muster("run", "greeter:service", *workers, "--registry", "conzul://127.0.0.1:8500")
    assert done.status == 1
    assert done.err.splitlines() == [
        "error: unknown registry scheme 'conzul' in 'conzul://127.0.0.1:8500'; known: consul, memory, static"
    ]


def test_a_url_without_a_scheme(muster: Command) -> None:
    done = muster("services", "--registry", "127.0.0.1:8500")
    assert done.status == 1
    assert "consul://127.0.0.1:8500" in done.error


def test_the_agents_port_is_taken(muster: Command, taken: str) -> None:
    done = muster("agent", "--http", taken)
    assert done.status == 1
    assert taken in done.error
    assert "another process has that port" in done.error


def test_the_gateways_port_is_taken(muster: Command, nobody: str, taken: str) -> None:
    done = muster("gateway", "--http", taken, "--registry", nobody)
    assert done.status == 1
    assert taken in done.error


@pytest.mark.parametrize("command", ["agent", "gateway"])
@pytest.mark.parametrize("address", ["8500", "127.0.0.1:x", "127.0.0.1:70000", "no.such.host.invalid:0"])
def test_an_address_that_is_none(muster: Command, command: str, address: str) -> None:
    done = muster(command, "--http", address)
    assert done.status == 1
    assert "cannot listen" in done.error


def test_a_service_that_nobody_offers(muster: Command) -> None:
    registry = "static://?other=127.0.0.1:1"
    for arguments in (("instances", "greeter"), ("call", "greeter", "Say.Hello")):
        done = muster(*arguments, "--registry", registry)
        assert done.status == 1
        assert "'greeter'" in done.error
        assert "muster services" in done.error


def test_bad_json_is_shown_where_it_goes_wrong(muster: Command, nobody: str) -> None:
    done = muster("call", "greeter", "Say.Hello", '{"name": }', "--registry", nobody)
    assert done.status == 2
    assert "line 1, column 10" in done.error


def test_bad_json_from_standard_input(muster: Command, nobody: str) -> None:
    done = muster("call", "greeter", "Say.Hello", "-", "--registry", nobody, stdin="{\n}}")
    assert done.status == 2
    assert "line 2, column 2" in done.error


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("greeter", "MODULE:OBJECT"),
        ("nowhere:service", "no module 'nowhere'"),
        ("json:service", "module 'json' has no 'service'"),
        ("json:loads", "is no muster.Service"),
    ],
)
def test_run_what_cannot_be_run(muster: Command, target: str, text: str) -> None:
    done = muster("run", target)
    assert done.status == 2
    assert text in done.error


@pytest.mark.parametrize(
    "arguments",
    [("call", "greeter"), ("instances",), ("nonsense",), ("services", "--nonsense"), ("agent", "--http")],
    ids=" ".join,
)
def test_a_wrong_command_line(muster: Command, arguments: tuple[str, ...]) -> None:
    done = muster(*arguments)
    assert done.status == 2
    assert "Usage: muster" in done.err or "requires an argument" in done.err


def test_an_unknown_log_level(muster: Command) -> None:
    done = muster("--log", "loud", "services")
    assert done.status == 2
    assert done.error == "log level 'loud' is none of debug, info, warning, error"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_disk_that_is_full(muster: Command) -> None:
    command = [sys.executable, "-m", "muster", "services", "--json", "--registry", "static://?a=127.0.0.1:1"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, env=muster.environ, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr == "error: standard output cannot be written to: No space left on device\n"


def test_an_encoding_without_the_characters(muster: Command) -> None:
    registry = "static://?a=grüße:1"
    done = muster("instances", "a", "--registry", registry, PYTHONIOENCODING="ascii")
    assert done.status == 1
    assert "ascii has no" in done.error
    assert "PYTHONIOENCODING=utf-8" in done.error


def test_help_has_an_example_for_every_command(muster: Command) -> None:
    for command in ("demo", "agent", "run", "services", "instances", "watch", "call", "gateway"):
        done = muster(command, "--help")
        assert done.status == 0
        assert f"Example: muster {command}" in done.out


def test_version(muster: Command) -> None:
    from muster import __version__

    assert muster("--version").out == f"muster {__version__}\n"


def test_without_arguments_there_is_help(muster: Command) -> None:
    assert "Usage: muster" in (muster().out + muster().err)


def test_the_port_of_a_service_is_taken(muster: Command, taken: str) -> None:
    program = f"import muster\nservice = muster.Service('a', port={taken.partition(':')[2]}, registry='memory://x')"
    (muster.directory / "service_there.py").write_text(program)
    done = muster("run", "service_there:service")
    assert done.status == 1
    assert taken in done.error


def test_nobody_replaces_the_only_process_when_it_hangs(muster: Command) -> None:
    done = muster("run", "greeter:service", "--hung-after", "5")
    assert (done.status, "--workers 1" in done.error) == (2, True)


def test_only_consul_has_datacenters(muster: Command) -> None:
    done = muster("instances", "greeter", "--dc", "east", "--registry", "memory://a")
    assert (done.status, "memory://a" in done.error) == (2, True)
