"""A registry and instances in processes of their own, and calls at a steady rate whose ends are counted."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

RATE = 500
"""Calls a second, as `load.py` sends them."""

DEADLINE = 30.0
"""Seconds; a process that starts on a busy machine takes ten and more."""


@dataclass
class Process:
    """An instance; or the registry, or a stranger, which have neither a label nor an id."""

    popen: subprocess.Popen[str]
    label: str = ""
    port: int = 0
    id: str = ""

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.popen.pid, number)

    def end(self) -> str:
        """Returns what it has written."""
        if self.popen.stdout is not None and self.popen.stdout.closed:
            return ""
        self.popen.kill()
        return self.popen.communicate()[0]

    def tell_to_end(self) -> None:
        """By the end of its standard input."""
        assert self.popen.stdin is not None
        self.popen.stdin.close()
        self.popen.stdin = None  # communicate() would flush it

    async def ended(self) -> int:
        return await asyncio.to_thread(self.popen.wait, DEADLINE)


@dataclass
class Ends:
    """What a client's calls came to, and what it was told, as `load.py` reports it: attempts that failed, by instance,
    and when an instance was first left out."""

    sent: int = 0
    served: Counter[str] = field(default_factory=Counter)
    failed: list[tuple[float, str]] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    ejected: dict[str, float] = field(default_factory=dict)
    healths: dict[str, list[bool]] = field(default_factory=dict)
    updates: int = 0
    healthy: int = 0

    @property
    def problems(self) -> list[str]:
        return [text for _, text in self.failed]

    def take(self, report: dict[str, Any]) -> None:
        for name, value in report.items():
            setattr(self, name, Counter(value) if name in ("served", "faults") else value)


class Scene:
    """Starts processes and ends them."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self.stack = stack

    async def agent(self, port: int = 0) -> Process:
        """The embedded agent as a registry."""
        agent = self._start("-m", "muster", "agent", "--http", f"127.0.0.1:{port}", "--json")
        told = json.loads(await self._line(agent))
        agent.port = int(told["address"].rpartition(":")[2])
        return agent

    async def instances(self, registry: str, *labels: str) -> list[Process]:
        """Returns when they are registered."""
        script = str(Path(__file__).with_name("instance.py"))
        started = [self._start(script, label, registry, label=label) for label in labels]
        for process in started:
            port, process.id = (await self._line(process)).split()
            process.port = int(port)
        return started

    async def stranger(self, port: int) -> Process:
        stranger = self._start(str(Path(__file__).with_name("stranger.py")), str(port))
        assert await self._line(stranger) == "listening\n"
        return stranger

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(DEADLINE):
            while not condition():
                await asyncio.sleep(0.01)

    @asynccontextmanager
    async def load(self, registry: str, *kinds: str) -> AsyncIterator[list[Ends]]:
        """500 calls a second from a process of their own, through a client of each kind in turn, until the block ends;
        then each of them is accounted for. A machine that is busy with other things is sent fewer, and says so."""
        ends = [Ends() for _ in kinds]
        process = self._start(str(Path(__file__).with_name("load.py")), registry, *kinds)
        await self._take(process, ends)
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            following = group.create_task(self._follow(process, ends))
            try:
                yield ends
            finally:
                seconds = time.monotonic() - began
                process.tell_to_end()
        for each in ends:
            assert each.served.total() + len(each.failed) == each.sent
        assert sum(each.sent for each in ends) + following.result() >= RATE * seconds * 0.95

    async def _follow(self, process: Process, ends: list[Ends]) -> int:
        """Returns how many calls were due and not sent, once there are no more."""
        while (missed := await self._take(process, ends)) is None:
            pass
        return missed

    async def _take(self, process: Process, ends: list[Ends]) -> int | None:
        """Take one report over. Returns None, or what the last one says of calls that were not sent."""
        line = await self._line(process)
        assert line, "the load ended by itself"
        told = json.loads(line)
        for each, report in zip(ends, told["callers"], strict=True):
            each.take(report)
        return told["missed"] if told["over"] else None

    def _start(self, *arguments: str, label: str = "") -> Process:
        process = Process(
            subprocess.Popen(
                [sys.executable, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            ),
            label,
        )
        self.stack.callback(process.end)
        return process

    async def _line(self, process: Process) -> str:
        assert process.popen.stdout is not None
        async with asyncio.timeout(DEADLINE):
            return await asyncio.to_thread(process.popen.stdout.readline)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        yield Scene(stack)
