"""A service as a process of its own: the greeter of the examples, and the signals that end it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from greeter_pb2 import HelloRequest
from greeter_pb2_grpc import SayStub
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from muster.agent import Agent
from muster.model.snapshot import Absent, Answer
from muster.registry.url import open_registry

pytestmark = pytest.mark.anyio

GREETER = Path(__file__).parents[2] / "examples" / "greeter" / "server.py"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Greeter:
    """A running greeter: its process, id and address."""

    def __init__(self, process: asyncio.subprocess.Process, line: str) -> None:
        self.process = process
        self.line = line
        self.id, self.address = line.split()[0], line.split()[3]

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self) -> int:
        async with asyncio.timeout(30):
            return await self.process.wait()


async def start(registry: str) -> asyncio.subprocess.Process:
    environment = {**os.environ, "MUSTER_REGISTRY": registry, "PYTHONUNBUFFERED": "1"}
    return await asyncio.create_subprocess_exec(
        sys.executable, str(GREETER), env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )


async def end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.communicate()


@asynccontextmanager
async def greeter(registry: str) -> AsyncIterator[Greeter]:
    process = await start(registry)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            line = await process.stdout.readline()
        yield Greeter(process, line.decode())
    finally:
        await end(process)


async def registered(registry: str) -> Answer:
    async with open_registry(registry) as opened:
        async for answer in opened.watch("greeter"):  # type: ignore[attr-defined]
            return answer  # type: ignore[no-any-return]
    raise AssertionError("a watch never ends by itself")


async def test_every_stopping_signal_drains_and_leaves_nothing(agent: Agent) -> None:
    async with greeter(agent.url) as a, greeter(agent.url) as b, greeter(agent.url) as c:
        assert "is ready" in a.line
        began = time.monotonic()
        for each, number in ((a, signal.SIGTERM), (b, signal.SIGINT), (c, signal.SIGQUIT)):
            each.signal(number)
        assert [await each.ended() for each in (a, b, c)] == [0, 0, 0]
        assert 2.0 <= time.monotonic() - began < 5.0
        assert await registered(agent.url) == Absent("greeter")


async def test_clients_are_told_at_once_and_served_meanwhile(agent: Agent) -> None:
    async with greeter(agent.url) as running, grpc.aio.insecure_channel(running.address) as channel:
        say = SayStub(channel)
        watching = HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=running.id))
        assert (await watching.read()).status == SERVING
        stream = say.ListHellos(HelloRequest(count=25))
        assert (await stream.read()).served_by == running.id
        running.signal(signal.SIGTERM)
        assert (await watching.read()).status == NOT_SERVING
        assert (await say.Hello(HelloRequest(name="late"))).message == "Hello, late!"
        assert [(await stream.read()).served_by for _ in range(24)] == [running.id] * 24
        assert await stream.code() is grpc.StatusCode.OK
        assert await running.ended() == 0


async def test_a_second_signal_stops_at_once(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSTER_DRAIN", "60")
    async with greeter(agent.url) as running, grpc.aio.insecure_channel(running.address) as channel:
        watching = HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=running.id))
        await watching.read()
        began = time.monotonic()
        running.signal(signal.SIGINT)
        assert (await watching.read()).status == NOT_SERVING
        running.signal(signal.SIGINT)
        assert await running.ended() == 0
        assert time.monotonic() - began < 20
        assert await registered(agent.url) == Absent("greeter")


async def test_a_signal_while_a_registry_lets_it_wait() -> None:
    """It accepts, and never answers: the signal ends the start."""
    connected = asyncio.Event()
    writers: list[asyncio.StreamWriter] = []

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        connected.set()

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        process = await start(f"consul://127.0.0.1:{port}")
        try:
            async with asyncio.timeout(30):
                await connected.wait()
                process.terminate()
                assert await process.wait() == 0
        finally:
            await end(process)
            for writer in writers:
                writer.close()


async def test_its_port_is_free_again_at_once(agent: Agent) -> None:
    async with greeter(agent.url) as running:
        running.signal(signal.SIGKILL)
        assert await running.ended() == -signal.SIGKILL
        port = int(running.address.rpartition(":")[2])
        with socket.create_server(("127.0.0.1", port)):
            pass
        answer: Any = await registered(agent.url)
        assert [instance.id for instance in answer.instances] == [running.id]
