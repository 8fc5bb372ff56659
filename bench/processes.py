"""The processes that are measured, each on a free loopback port, ended by who started them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from muster.testing.servers import ConsulServer, find_server

REPOSITORY = Path(__file__).parent.parent


@contextmanager
def agent() -> Iterator[str]:
    """The registry URL of `muster agent` in a process of its own."""
    command = [sys.executable, "-m", "muster", "--log", "warning", "agent", "--http", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert process.stdout is not None
            address = next(found[0] for line in process.stdout if (found := re.search(r"127\.0\.0\.1:\d+", line)))
            yield f"consul://{address}"
        finally:
            process.terminate()


@contextmanager
def consul() -> Iterator[str]:
    """The registry URL of a real Consul."""
    binary = find_server("consul", REPOSITORY / ".servers" / "bin")
    if binary is None:
        raise SystemExit("no consul to compare with: run scripts/servers")
    with ConsulServer(binary) as server:
        yield server.url
