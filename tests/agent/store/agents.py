"""Agents in processes of their own, to be killed: forked from a process that has everything imported, since starting
Python anew for each takes most of a second.

As a program: reads directories from its input, a line each, and answers with the process and the address of an agent
that keeps its data there.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from muster.agent import Agent


@dataclass(frozen=True)
class AgentProcess:
    pid: int
    address: str

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def limit_files(self, size: int) -> None:
        """Let no file that it writes grow beyond `size` bytes, as if the disk were full."""
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


class Agents:
    def __init__(self, program: subprocess.Popen[str]) -> None:
        self._program = program

    def start(self, directory: Path) -> AgentProcess:
        assert self._program.stdin is not None and self._program.stdout is not None
        self._program.stdin.write(f"{directory}\n")
        self._program.stdin.flush()
        pid, address = self._program.stdout.readline().split()
        return AgentProcess(int(pid), address)


@contextmanager
def agents() -> Iterator[Agents]:
    """What starts agents; those that still run end with it."""
    with subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        yield Agents(program)


async def _serve(directory: str) -> None:
    async with Agent(http="127.0.0.1:0", data_dir=directory) as agent:
        print(os.getpid(), agent.address, flush=True)
        await asyncio.Event().wait()


def _main() -> None:
    running: list[int] = []
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            sys.stdin.close()
            asyncio.run(_serve(line.strip()))
        running.append(pid)
        running = [pid for pid in running if not os.waitpid(pid, os.WNOHANG)[0]]
    for pid in running:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    _main()
