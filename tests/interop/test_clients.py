"""Libraries: Python's, Node's and Go's, and a program that elects its leader with them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from tests.interop.needed import BINARIES, CLIENTS, PROGRAMS, needed

from muster.testing.servers import find_server

SECONDS = 60.0


def passes(*command: str, **environ: str) -> None:
    """Runs a program that says that all was fine."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("CONSUL_", "PYTHON"))}
    done = subprocess.run(command, env=inherited | environ, capture_output=True, text=True, timeout=SECONDS)
    assert (done.returncode, done.stdout[:4]) == (0, "fine"), done.stdout + done.stderr


@pytest.mark.parametrize("package", ["python-consul", "patroni"], ids=["python-consul", "py-consul"])
def test_python(server: str, package: str) -> None:
    """Patroni brings py-consul."""
    folder = needed(package, CLIENTS / package, "scripts/clients")
    passes(sys.executable, str(PROGRAMS / "python_client.py"), server, PYTHONPATH=folder)


def test_patroni(server: str) -> None:
    folder = needed("patroni", CLIENTS / "patroni", "scripts/clients")
    passes(sys.executable, str(PROGRAMS / "patroni_leader.py"), server, PYTHONPATH=folder)


def test_node(server: str) -> None:
    node = needed("node", find_server("node", BINARIES), "scripts/clients")
    folder = needed("consul of npm", CLIENTS / "npm" / "node_modules", "scripts/clients")
    passes(node, str(PROGRAMS / "client.js"), server, NODE_PATH=folder)


def test_go(server: str) -> None:
    client = needed("client in Go", CLIENTS / "go" / "client", "scripts/clients")
    passes(client, CONSUL_HTTP_ADDR=server)
