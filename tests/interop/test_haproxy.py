"""HAProxy finds the instances of a service by SRV, and follows them as they come and go."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.interop.needed import BINARIES, needed

from muster.testing.servers import ConsulServer, end_process, find_server, free_ports

SECONDS = 60.0
CONFIGURATION = """
defaults
  mode http
  timeout connect 2s
  timeout client 5s
  timeout server 5s

resolvers consul
  nameserver agent {dns}
  accepted_payload_size 8192
  timeout resolve 100ms
  timeout retry 100ms
  hold valid 100ms
  hold obsolete 0s
  hold nx 0s

frontend all
  bind 127.0.0.1:{port}
  default_backend web

backend web
  server-template web 10 _web._tcp.service.consul resolvers consul resolve-opts allow-dup-ip resolve-prefer ipv4 check inter 100ms
"""  # noqa: E501  HAProxy has no way to go on in the next line


class Server(NamedTuple):
    """Where a server takes HTTP, and where DNS."""

    http: str
    dns: str

    def put(self, path: str, body: Any = None) -> None:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{self.http}{path}", data, method="PUT")
        with urllib.request.urlopen(request, timeout=30):
            pass


@contextmanager
def an_agent() -> Iterator[Server]:
    command = (sys.executable, "-m", "muster", "--log", "error", "agent", "--json")
    process = subprocess.Popen([*command, "--http", "127.0.0.1:0", "--dns", "127.0.0.1:0"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout:
        try:
            said = json.loads(process.stdout.readline())
            yield Server(said["address"], said["dns"])
        finally:
            end_process(process)


@contextmanager
def a_consul(binary: str) -> Iterator[Server]:
    (port,) = free_ports(1)
    with ConsulServer(binary, f"-dns-port={port}") as consul:
        yield Server(consul.address, f"127.0.0.1:{port}")


@pytest.fixture(params=["agent", "consul"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with an_agent() if request.param == "agent" else a_consul(request.getfixturevalue("consul_binary")) as running:
        yield running


@contextmanager
def haproxy(server: Server, folder: Path) -> Iterator[str]:
    """The address that HAProxy listens on."""
    binary = needed("HAProxy", find_server("haproxy", BINARIES), "scripts/servers")
    (port,) = free_ports(1)
    file = folder / "haproxy.cfg"
    file.write_text(CONFIGURATION.format(dns=server.dns, port=port))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([binary, "-db", "-f", str(file)], stdout=log, stderr=log)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        end_process(process, kill=True)


@contextmanager
def instance(name: str) -> Iterator[int]:
    """The port of something that answers with its name."""

    class Named(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(name)))
            self.end_headers()
            self.wfile.write(name.encode())

        def log_message(self, format: str, *args: Any) -> None:
            """Nobody wants to know."""

    listening = HTTPServer(("127.0.0.1", 0), Named)
    thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield listening.server_port
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()


def answered(address: str) -> str:
    """Who answers through HAProxy; empty where nobody does."""
    try:
        with urllib.request.urlopen(f"http://{address}/", timeout=30) as answer:
            return str(answer.read().decode())
    except (urllib.error.HTTPError, OSError):
        return ""


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_instances_come_and_go(server: Server, tmp_path: Path) -> None:
    with ExitStack() as stack:
        for name in ("one", "two"):
            port = stack.enter_context(instance(name))
            server.put("/v1/agent/service/register", {"Name": "web", "ID": name, "Address": "127.0.0.1", "Port": port})
        address = stack.enter_context(haproxy(server, tmp_path))

        def seen() -> set[str]:
            return {answered(address) for _ in range(4)}

        until(lambda: seen() == {"one", "two"})
        server.put("/v1/agent/service/deregister/one")
        until(lambda: seen() == {"two"})
        server.put("/v1/agent/service/maintenance/two?enable=true")
        until(lambda: seen() == {""})
