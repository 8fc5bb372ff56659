"""`muster register`: foreign programs that behave, and that do not. The registry is a real Consul."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Command, Staying

SERVER = """
import http.server, os, signal, sys, time

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path in HEALTHY else 503)
        self.end_headers()
    def log_message(self, *_):
        pass

HEALTHY = ["/", *os.environ.get("HEALTHY", "/health").split()]
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print("pid", os.getpid(), flush=True)
"""

POLITE = SERVER + "server.serve_forever()"
STUBBORN = SERVER + "signal.signal(signal.SIGTERM, lambda *_: print('no', flush=True))\nserver.serve_forever()"
TELLING = SERVER + (
    "for name in ('SIGHUP', 'SIGUSR1'):\n"
    "    signal.signal(getattr(signal, name), lambda number, _: print(signal.Signals(number).name, flush=True))\n"
    "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
    "server.serve_forever()"
)
PARENT = (
    SERVER
    + """
if os.fork() == 0:
    os.setsid()
    print("orphan", os.getpid(), flush=True)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(60)
server.serve_forever()
"""
)


@pytest.fixture
def port(free_address: str) -> str:
    return free_address.rpartition(":")[2]


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A service of this test's own, in the Consul that all share."""
    return "register-" + "".join(c if c.isalnum() else "-" for c in request.node.name)[-60:].strip("-")


@pytest.fixture
def entries(consul_server: str, name: str) -> Callable[[], list[Any]]:
    """Asks Consul for the instances."""
    url = f"http://{consul_server.removeprefix('consul://')}/v1/health/service/{name}"

    def ask() -> list[Any]:
        with urllib.request.urlopen(url) as answer:
            found = json.load(answer)
        assert isinstance(found, list)
        return found

    return ask


@pytest.fixture
def program(muster: Command) -> Callable[[str], list[str]]:
    def write(text: str) -> list[str]:
        (muster.directory / "program.py").write_text(text)
        return ["--", "python3", "program.py"]

    return write


Program = Callable[[str], list[str]]
Entries = Callable[[], list[Any]]


def lives(pid: int) -> bool:
    """Whether a process runs; one that has ended and is not reaped yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def pid_of(process: Staying) -> int:
    return int(process.line().split()[1])


def test_it_is_registered_while_it_runs(
    muster: Command, consul_server: str, name: str, port: str, program: Program, entries: Entries
) -> None:
    arguments = ["--port", port, "--check", "http:/health", "--tag", "a", "--tag", "b", "--meta", "team=x"]
    arguments += ["--version", "1.2", "--weight", "3", "--drain", "0", "--registry", consul_server]
    with muster.staying("register", name, *arguments, *program(POLITE), port) as process:
        pid = pid_of(process)
        process.said("is registered")
        [entry] = entries()
        service = entry["Service"]
        assert (service["Address"], service["Port"], service["Weights"]["Passing"]) == ("127.0.0.1", int(port), 3)
        assert (service["Tags"], service["Meta"]) == (["a", "b"], {"protocol": "http", "version": "1.2", "team": "x"})
        assert {check["Name"] for check in entry["Checks"]} == {"Serf Health Status", "self", "reach"}
        assert process.end() == 128 + signal.SIGTERM
        assert entries() == []
        assert not lives(pid)


def test_it_leaves_the_registry_before_it_is_told_to_end(
    muster: Command, consul_server: str, name: str, port: str, program: Program, entries: Entries
) -> None:
    arguments = ("--port", port, "--drain", "0", "--grace", "60", "--registry", consul_server)
    with muster.staying("register", name, *arguments, *program(STUBBORN), port) as process:
        pid = pid_of(process)
        process.said("is registered")
        process.process.send_signal(signal.SIGINT)
        assert process.line() == "no\n"
        assert entries() == []
        assert lives(pid)
        assert process.end() == 128 + signal.SIGKILL
        assert not lives(pid)


@pytest.mark.parametrize("check", ["tcp", "ttl", "none", "grpc"])
def test_other_checks(
    muster: Command, consul_server: str, name: str, port: str, program: Program, entries: Entries, check: str
) -> None:
    arguments = ("--port", port, "--check", check, "--drain", "0", "--registry", consul_server)
    with muster.staying("register", name, *arguments, *program(POLITE), port) as process:
        process.said("is registered")
        [entry] = entries()
        found = {each["Name"] for each in entry["Checks"]} - {"Serf Health Status"}
        assert found == {"tcp": {"self", "reach"}, "grpc": {"self", "reach"}, "ttl": {"self"}, "none": set()}[check]
        assert entry["Service"]["Meta"] == ({"protocol": "grpc"} if check == "grpc" else {})
        process.end()
    assert entries() == []


def test_it_is_not_registered_before_its_health_path_says_so(
    muster: Command, consul_server: str, name: str, port: str, program: Program, entries: Entries
) -> None:
    arguments = ("--port", port, "--check", "http:/health", "--drain", "0", "--registry", consul_server)
    with muster.staying("register", name, *arguments, *program(POLITE), port, HEALTHY="/other") as process:
        process.said(f"http://127.0.0.1:{port}/health answers 503")
        assert entries() == []
        process.end()


def test_when_it_ends_by_itself_its_entry_goes_at_once(
    muster: Command, consul_server: str, name: str, port: str, program: Program, entries: Entries
) -> None:
    arguments = ("--port", port, "--drain", "50", "--registry", consul_server)
    with muster.staying("register", name, *arguments, *program(TELLING), port) as process:
        pid = pid_of(process)
        process.said("is registered")
        process.process.send_signal(signal.SIGHUP)
        assert process.line() == "SIGHUP\n"
        process.process.send_signal(signal.SIGUSR1)
        assert process.line() == "SIGUSR1\n"
        assert len(entries()) == 1
        os.kill(pid, signal.SIGTERM)
        assert process.process.wait(60) == 7
        assert entries() == []


def test_what_it_leaves_behind_ends_with_it(
    muster: Command, consul_server: str, name: str, port: str, program: Program
) -> None:
    arguments = ("--port", port, "--drain", "0", "--registry", consul_server)
    with muster.staying("register", name, *arguments, *program(PARENT), port) as process:
        pids = {pid_of(process), pid_of(process)}
        process.said("is registered")
        process.end()
        assert "left behind" in process.err
        assert not any(map(lives, pids))


def test_a_registry_that_is_away_keeps_nobody_from_serving(
    muster: Command, nobody: str, name: str, port: str, program: Program
) -> None:
    arguments = ("--port", port, "--drain", "0", "--registry", nobody)
    with muster.staying("register", name, *arguments, *program(POLITE), port) as process:
        pid = pid_of(process)
        process.said("connection refused")
        assert lives(pid)
        assert process.end() == 128 + signal.SIGTERM


def errors(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("error: ")]


def test_a_program_that_never_listens(muster: Command, nobody: str, port: str, program: Program) -> None:
    command = program("import time\nprint('up', flush=True)\ntime.sleep(60)")
    done = muster("register", "web", "--port", port, "--start-timeout", "0.5", "--registry", nobody, *command)
    assert done.status == 1
    [error] = errors(done.err)
    assert f"python3 does not listen at 127.0.0.1:{port} after 0.5 s" in error


@pytest.mark.parametrize(("status", "ours"), [(3, 3), (0, 1)])
def test_a_program_that_ends_at_once(
    muster: Command, nobody: str, port: str, program: Program, status: int, ours: int
) -> None:
    done = muster("register", "web", "--port", port, "--registry", nobody, *program(f"raise SystemExit({status})"))
    assert done.status == ours
    assert errors(done.err) == [f"error: python3 ended with status {status} before it listened at 127.0.0.1:{port}"]


def test_a_program_that_is_not_there(muster: Command, nobody: str, port: str) -> None:
    done = muster("register", "web", "--port", port, "--registry", nobody, "--", "no-such-program")
    assert done.status == 127
    assert errors(done.err) == ["error: there is no program 'no-such-program' that can be run"]


def test_a_file_that_nobody_may_execute(muster: Command, nobody: str, port: str) -> None:
    (muster.directory / "plain").write_text("#!/bin/sh")
    (muster.directory / "plain").chmod(0o644)
    done = muster("register", "web", "--port", port, "--registry", nobody, "--", "./plain")
    assert done.status == 126
    assert errors(done.err) == [
        "error: './plain' cannot be run: it is no file that may be executed; chmod +x makes it one"
    ]


def test_a_program_that_cannot_be_run(muster: Command, nobody: str, port: str) -> None:
    (muster.directory / "odd").write_text("no program")
    (muster.directory / "odd").chmod(0o755)
    done = muster("register", "web", "--port", port, "--registry", nobody, "--", "./odd")
    assert done.status == 126
    assert errors(done.err) == ["error: './odd' cannot be run: Exec format error"]


def test_a_port_that_somebody_else_has(
    muster: Command, consul_server: str, name: str, program: Program, entries: Entries
) -> None:
    """The registry must not learn a stranger's address: the program is not even started."""
    taken = consul_server.rpartition(":")[2]
    done = muster("register", name, "--port", taken, "--registry", consul_server, *program("print('started')"))
    assert (done.status, done.out) == (1, "")
    assert errors(done.err) == [
        f"error: something listens at 127.0.0.1:{taken} already: end it, or give the program another port"
    ]
    assert entries() == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("web", "--port", "1", "--check", "udp"), "--check 'udp' is none of http:/PATH"),
        (("web", "--port", "1", "--check", "http:health"), "--check 'http:health' is none of"),
        (("web", "--port", "1", "--meta", "team"), "--meta 'team' has no '='"),
        (("web", "--port", "1", "--protocol", "soap"), "--protocol 'soap' is neither http nor grpc"),
    ],
)
def test_wrong_arguments(muster: Command, arguments: tuple[str, ...], says: str) -> None:
    done = muster("register", *arguments, "--", "true")
    assert done.status == 2
    assert done.error.startswith(says)


@pytest.mark.parametrize(
    "arguments",
    [("web",), ("web", "--port", "0", "--", "true"), ("web", "--port", "x", "--", "true"), ("web", "--port", "1")],
)
def test_a_command_line_that_lacks_something(muster: Command, arguments: tuple[str, ...]) -> None:
    assert muster("register", *arguments).status == 2


def test_a_name_and_a_registry_that_cannot_be(muster: Command) -> None:
    assert "'a b' cannot be used" in muster("register", "a b", "--port", "1", "--", "true").err
    done = muster("register", "a", "--port", "1", "--registry", "static://?a=127.0.0.1:1", "--", "true")
    assert (done.status, errors(done.err)) == (1, [done.err.splitlines()[-1]])
    assert "can only be read" in done.err
