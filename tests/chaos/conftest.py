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

import grpc.aio
import pytest
from greeter_pb2 import HelloRequest
from greeter_pb2_grpc import SayStub

import muster
from muster.model.events import Event

RATE = 300
"""Calls a second, of all kinds together."""

DEADLINE = 15.0


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

    async def ended(self) -> int:
        return await asyncio.to_thread(self.popen.wait, DEADLINE)


@dataclass
class Ends:
    """How calls ended: whom they were served by, and what failed, with when it began."""

    served: Counter[str] = field(default_factory=Counter)
    failed: list[tuple[float, Exception]] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        return [str(error) for _, error in self.failed]


class Scene:
    """Starts processes and ends them."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self.stack = stack
        self.events: list[Event] = []

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

    async def client(self, registry: str, **options: Any) -> muster.Client:
        return await self.stack.enter_async_context(muster.Client(registry, observe=self.events.append, **options))

    def told(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(DEADLINE):
            while not condition():
                await asyncio.sleep(0.01)

    @asynccontextmanager
    async def load(self, *clients: muster.Client) -> AsyncIterator[list[Ends]]:
        """Calls through each client in turn until the block ends; then their ends are complete."""
        ends = [Ends() for _ in clients]
        stubs = [SayStub(client.channel("greeter")) for client in clients]
        for stub in stubs:
            await stub.Hello(HelloRequest(), timeout=DEADLINE, wait_for_ready=True)
        stopping = asyncio.Event()
        async with asyncio.TaskGroup() as calls:
            ticking = calls.create_task(_tick(calls, stubs, ends, stopping))
            try:
                yield ends
            finally:
                stopping.set()
                await ticking

    def _start(self, *arguments: str, label: str = "") -> Process:
        process = Process(
            subprocess.Popen(
                [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            ),
            label,
        )
        self.stack.callback(process.end)
        return process

    async def _line(self, process: Process) -> str:
        assert process.popen.stdout is not None
        async with asyncio.timeout(DEADLINE):
            return await asyncio.to_thread(process.popen.stdout.readline)


async def _tick(calls: asyncio.TaskGroup, stubs: list[Any], ends: list[Ends], stopping: asyncio.Event) -> None:
    """At a steady rate; what a busy machine has missed is caught up with."""
    began, sent = time.monotonic(), 0
    while not stopping.is_set():
        due = int((time.monotonic() - began) * RATE)
        for number in range(sent, due):
            which = number % len(stubs)
            calls.create_task(_call(stubs[which], ends[which]))
        sent = max(sent, due)
        await asyncio.sleep(0.002)


async def _call(stub: Any, ends: Ends) -> None:
    began = time.monotonic()
    try:
        reply = await stub.Hello(HelloRequest(), timeout=5)
    except grpc.aio.AioRpcError as error:
        ends.failed.append((began, error))
    else:
        ends.served[reply.served_by] += 1


@pytest.fixture(scope="module", autouse=True)
async def one_loop() -> AsyncIterator[None]:
    """One event loop for all tests of a module. grpc.aio has one completion queue for the whole process, and what a
    cancelled call leaves in it fails in the next loop if its own loop is closed by then."""
    yield
    await asyncio.sleep(0.1)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        yield Scene(stack)
