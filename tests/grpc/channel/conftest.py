"""Real servers in this process and in others, a name that they are known by, and a transport that calls them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from greeter_pb2 import HelloReply, HelloRequest
from greeter_pb2_grpc import SayServicer, SayStub, add_SayServicer_to_server
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from muster.balance.balancing import Balancing
from muster.grpc.transport import GrpcTransport
from muster.model.events import Event
from muster.model.instance import Instance
from muster.model.snapshot import Known, Pending, Snapshot
from muster.watch.latest import Latest

NAME = "greeter"
DEADLINE = 30.0


class Say(SayServicer):
    """Answers with its id, and misbehaves on request: the name in a request may be a command."""

    def __init__(self, id: str) -> None:
        self.id = id
        self.calls = 0
        self.metadata: list[dict[str, Any]] = []
        self.release = asyncio.Event()
        self.cancelled = 0
        self.peers: set[str] = set()

    async def Hello(self, request: HelloRequest, context: Any) -> HelloReply:
        self.calls += 1
        self.peers.add(context.peer())
        self.metadata.append(dict(context.invocation_metadata()))
        command, _, argument = request.name.partition(":")
        if command == "fail":
            await context.abort(getattr(grpc.StatusCode, argument), f"{argument} as asked")
        if command == "fail once" and self.calls == 1:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "just this once")
        if command == "push back":
            context.set_trailing_metadata((("grpc-retry-pushback-ms", argument),))
            await context.abort(grpc.StatusCode.UNAVAILABLE, "not now")
        if command == "text":
            await context.abort(grpc.StatusCode.UNAVAILABLE, argument)
        if command == "hang":
            await self._hang()
        await context.send_initial_metadata((("served-by", self.id),))
        context.set_trailing_metadata((("done-by", self.id),))
        return HelloReply(message=f"Hello {request.name}", served_by=self.id)

    async def ListHellos(self, request: HelloRequest, context: Any) -> AsyncIterator[HelloReply]:
        self.calls += 1
        if request.name == "fail":
            await context.abort(grpc.StatusCode.UNAVAILABLE, "as asked")
        for number in range(request.count or 3):
            yield HelloReply(message=f"{number}", served_by=self.id)
        if request.name == "fail after":
            await context.abort(grpc.StatusCode.UNAVAILABLE, "as asked")
        if request.name == "hang":
            await self._hang()

    async def _hang(self) -> None:
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def CollectNames(self, requests: AsyncIterator[HelloRequest], context: Any) -> HelloReply:
        self.calls += 1
        names: list[str] = []
        async for request in requests:
            names.append(request.name)
            if request.name == "enough":
                break
            if request.name == "refuse":
                await context.abort(grpc.StatusCode.NOT_FOUND, "as asked", (("why", "asked"),))
        if "fail" in names and self.calls == 1:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "as asked")
        return HelloReply(message=", ".join(names), served_by=self.id)

    async def Chat(self, requests: AsyncIterator[HelloRequest], context: Any) -> AsyncIterator[HelloReply]:
        self.calls += 1
        async for request in requests:
            if request.name == "enough":
                break
            if request.name == "refuse":
                await context.abort(grpc.StatusCode.NOT_FOUND, "as asked", (("why", "asked"),))
            yield HelloReply(message=f"Hello {request.name}", served_by=self.id)


@dataclass
class Greeter:
    """A grpc.aio server in this process."""

    id: str
    say: Say
    health: Any
    server: Any
    port: int

    @property
    def instance(self) -> Instance:
        return Instance(self.id, NAME, "127.0.0.1", self.port, protocol="grpc", verifiable=True)

    async def serving(self, serving: bool) -> None:
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        await self.health.set(self.id, status)

    async def stop(self, grace: float | None = None) -> None:
        await self.server.stop(grace)


async def start_greeter(
    id: str, port: int = 0, credentials: grpc.ServerCredentials | None = None, options: tuple[Any, ...] = ()
) -> Greeter:
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0), *options))
    say = Say(id)
    checks = health.aio.HealthServicer()
    add_SayServicer_to_server(say, server)
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    address = f"127.0.0.1:{port}"
    bound = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    greeter = Greeter(id, say, checks, server, bound)
    await greeter.serving(True)
    await server.start()
    return greeter


@dataclass
class Process:
    """A greeter in a process of its own."""

    id: str
    popen: subprocess.Popen[str]
    port: int

    @property
    def instance(self) -> Instance:
        return Instance(self.id, NAME, "127.0.0.1", self.port, protocol="grpc", verifiable=True)

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.popen.pid, number)

    def end(self) -> None:
        self.popen.kill()
        self.popen.communicate()


def start_process(id: str, port: int = 0) -> Process:
    """Returns when the process serves; holds up the event loop until then."""
    script = Path(__file__).with_name("greeter_process.py")
    popen = subprocess.Popen([sys.executable, str(script), id, str(port)], stdout=subprocess.PIPE, text=True)
    assert popen.stdout is not None
    return Process(id, popen, int(popen.stdout.readline()))


IN_TURN = Balancing(picker="round_robin")
"""So that a test knows who comes next."""


class Book:
    """A hub whose snapshots a test writes."""

    def __init__(self) -> None:
        self.latest: Latest[Snapshot] = Latest(Pending(NAME))
        self.closed = 0

    def watch(self, name: str, datacenters: tuple[str, ...] = ()) -> Book:
        assert name == NAME
        return self

    def close(self) -> None:
        self.closed += 1

    def know(self, *greeters: Greeter | Process | Instance) -> None:
        instances = (each if isinstance(each, Instance) else each.instance for each in greeters)
        self.latest.set(Known(NAME, tuple(instances)))


@dataclass
class World:
    """Greeters, what the registry says of them, and what the client told its observer."""

    stack: AsyncExitStack
    book: Book = field(default_factory=Book)
    events: list[Event] = field(default_factory=list)

    async def greeter(self, id: str, port: int = 0, **options: Any) -> Greeter:
        greeter = await start_greeter(id, port, **options)
        self.stack.push_async_callback(greeter.stop)
        return greeter

    def process(self, id: str, port: int = 0) -> Process:
        process = start_process(id, port)
        self.stack.callback(process.end)
        return process

    async def transport(self, **options: Any) -> GrpcTransport:
        options = {"observe": self.events.append, "balancing": IN_TURN} | options
        return await self.stack.enter_async_context(GrpcTransport(self.book, **options))

    async def stub(self, *ready: str, **options: Any) -> Any:
        """`ready`: the instances that are connected when it returns, if any are to be."""
        transport = await self.transport(**options)
        if ready:
            await self.ready(transport, *ready)
        return SayStub(transport.channel(NAME))

    def told(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, condition: Callable[[], object]) -> None:
        """Polls: what is waited for happens in other processes and in gRPC's threads."""
        async with asyncio.timeout(DEADLINE):
            while not condition():
                await asyncio.sleep(0.005)

    async def ready(self, transport: GrpcTransport, *ids: str) -> None:
        """Returns when these instances, and no others, can be called."""
        pool = transport.pool(NAME)
        async with asyncio.timeout(DEADLINE):
            while sorted(one.instance.id for one in pool.explain().candidates if not one.why_not) != sorted(ids):
                await pool.changed()


@pytest.fixture(scope="module", autouse=True)
async def one_loop() -> AsyncIterator[None]:
    """One event loop for all tests of a module. grpc.aio has one completion queue for the whole process, and what a
    cancelled call leaves in it fails in the next loop if its own loop is closed by then."""
    yield
    await asyncio.sleep(0.1)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        yield World(stack)
