"""The processes that are measured, each on a free loopback port, ended by who started them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from muster.testing.servers import ConsulServer, find_server

REPOSITORY = Path(__file__).parent.parent


@dataclass(frozen=True)
class Served:
    """A server in a process of its own."""

    address: str
    pid: int

    @property
    def url(self) -> str:
        """The registry URL."""
        return f"consul://{self.address}"

    @property
    def cpu(self) -> float:
        """Seconds of CPU that it has used, its threads' and the kernel's on its behalf included."""
        user, system = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    @property
    def memory(self) -> float:
        """Resident megabytes, of a million bytes."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextmanager
def agent_process(*options: str) -> Iterator[Served]:
    """`muster agent` with further options."""
    command = [sys.executable, "-m", "muster", "--log", "warning", "agent", "--http", "127.0.0.1:0", *options]
    with started(command, r"127\.0\.0\.1:\d+") as served:
        yield served


@contextmanager
def consul_process(*options: str) -> Iterator[Served]:
    """A real Consul with further options."""
    binary = find_server("consul", REPOSITORY / ".servers" / "bin")
    if binary is None:
        raise SystemExit("no consul to compare with: run scripts/servers")
    with ConsulServer(binary, *options) as server:
        assert server.pid is not None
        yield Served(server.address, server.pid)


@contextmanager
def started(command: list[str], address: str) -> Iterator[Served]:
    """A program that prints where it listens, as `address` matches it."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=REPOSITORY
    ) as process:
        try:
            assert process.stdout is not None
            where = next(found[0] for line in process.stdout if (found := re.search(address, line)))
            Thread(target=process.stdout.read, daemon=True).start()  # a full pipe would stop it
            yield Served(where, process.pid)
        finally:
            process.terminate()


@contextmanager
def agent() -> Iterator[str]:
    """The registry URL of `muster agent` in a process of its own."""
    with agent_process() as served:
        yield served.url


@contextmanager
def consul() -> Iterator[str]:
    """The registry URL of a real Consul."""
    with consul_process() as served:
        yield served.url
