"""Real servers in this process and in others, what a registry says of them, and sync clients that call them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent import futures
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from greeter_pb2 import HelloReply, HelloRequest
from greeter_pb2_grpc import SayServicer, SayStub, add_SayServicer_to_server
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from muster.client.background import background
from muster.model.events import Event
from muster.model.instance import Instance
from muster.model.snapshot import Absent, Answer, Known
from muster.sync import Client
from muster.watch.latest import Latest

NAME = "greeter"
DEADLINE = 30.0


class Say(SayServicer):
    """Answers with its id, and misbehaves on request: the name in a request may be a command."""

    def __init__(self, id: str) -> None:
        self.id = id
        self.calls = 0
        self.metadata: list[dict[str, Any]] = []
        self.hanging = threading.Event()
        self.release = threading.Event()
        self.gone = threading.Event()

    def _come(self, context: Any) -> None:
        self.calls += 1
        self.metadata.append(dict(context.invocation_metadata()))
        context.add_callback(self.gone.set)

    def _hang(self) -> None:
        self.hanging.set()
        self.release.wait(DEADLINE)

    def Hello(self, request: HelloRequest, context: Any) -> HelloReply:
        self._come(context)
        command, _, argument = request.name.partition(":")
        if command == "fail":
            context.set_trailing_metadata((("why", "as asked"),))
            context.abort(getattr(grpc.StatusCode, argument), f"{argument} as asked")
        if command == "fail once" and self.calls == 1:
            context.abort(grpc.StatusCode.UNAVAILABLE, "just this once")
        if command == "hang" and argument in ("", self.id):
            self._hang()
        context.send_initial_metadata((("served-by", self.id),))
        context.set_trailing_metadata((("done-by", self.id),))
        return HelloReply(message=f"Hello {request.name}", served_by=self.id)

    def ListHellos(self, request: HelloRequest, context: Any) -> Iterator[HelloReply]:
        self._come(context)
        if request.name == "fail once" and self.calls == 1:
            context.abort(grpc.StatusCode.UNAVAILABLE, "just this once")
        for number in range(request.count or 3):
            yield HelloReply(message=f"{number}", served_by=self.id)
        if request.name == "fail after":
            context.abort(grpc.StatusCode.UNAVAILABLE, "as asked")
        if request.name == "hang":
            self._hang()

    def CollectNames(self, requests: Iterator[HelloRequest], context: Any) -> HelloReply:
        self._come(context)
        names = [request.name for request in requests]
        if "fail once" in names and self.calls == 1:
            context.abort(grpc.StatusCode.UNAVAILABLE, "just this once")
        return HelloReply(message=", ".join(names), served_by=self.id)

    def Chat(self, requests: Iterator[HelloRequest], context: Any) -> Iterator[HelloReply]:
        self._come(context)
        for request in requests:
            if request.name == "fail once" and self.calls == 1:
                context.abort(grpc.StatusCode.UNAVAILABLE, "just this once")
            yield HelloReply(message=f"Hello {request.name}", served_by=self.id)


@dataclass
class Greeter:
    """A grpc server in this process."""

    id: str
    say: Say
    health: Any
    server: Any
    port: int

    @property
    def instance(self) -> Instance:
        return Instance(self.id, NAME, "127.0.0.1", self.port, protocol="grpc", verifiable=True)

    def serving(self, serving: bool) -> None:
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        self.health.set(self.id, status)

    def stop(self, grace: float | None = None) -> None:
        self.say.release.set()
        self.server.stop(grace).wait()


def start_greeter(id: str, port: int = 0, credentials: Any = None) -> Greeter:
    server = grpc.server(futures.ThreadPoolExecutor(32), options=(("grpc.so_reuseport", 0),))
    say = Say(id)
    checks = health.HealthServicer()
    add_SayServicer_to_server(say, server)
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    address = f"127.0.0.1:{port}"
    bound = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    greeter = Greeter(id, say, checks, server, bound)
    greeter.serving(True)
    server.start()
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
        if number == signal.SIGSTOP:  # which takes a moment: until then it may answer
            os.waitid(os.P_PID, self.popen.pid, os.WSTOPPED | os.WNOWAIT)

    def end(self) -> None:
        """May be called again."""
        self.popen.kill()
        self.popen.wait()
        if self.popen.stdout is not None:
            self.popen.stdout.close()


def start_process(id: str, port: int = 0) -> Process:
    script = Path(__file__).with_name("greeter_process.py")
    popen = subprocess.Popen([sys.executable, str(script), id, str(port)], stdout=subprocess.PIPE, text=True)
    assert popen.stdout is not None
    return Process(id, popen, int(popen.stdout.readline()))


class Book:
    """A registry whose answers a test writes."""

    def __init__(self) -> None:
        self._latest: Latest[Answer] = Latest(Absent(NAME))

    async def watch(self, name: str) -> AsyncIterator[Answer]:
        if name != NAME:
            yield Absent(name)
            return
        async for answer in self._latest:
            yield answer

    async def watch_names(self) -> AsyncIterator[dict[str, frozenset[str]]]:
        yield {NAME: frozenset()}

    def know(self, *greeters: Greeter | Process | Instance) -> None:
        instances = tuple(each if isinstance(each, Instance) else each.instance for each in greeters)
        background().call(self._latest.set, Known(NAME, instances))


@dataclass
class World:
    """Greeters, what the registry says of them, and what clients told their observer."""

    stack: ExitStack
    book: Book = field(default_factory=Book)
    events: list[Event] = field(default_factory=list)

    def greeter(self, id: str = "a", port: int = 0, credentials: Any = None) -> Greeter:
        greeter = start_greeter(id, port, credentials)
        self.stack.callback(greeter.stop)
        return greeter

    def process(self, id: str, port: int = 0) -> Process:
        process = start_process(id, port)
        self.stack.callback(process.end)
        return process

    def client(self, **options: Any) -> Client:
        return self.stack.enter_context(Client(self.book, observe=self.events.append, **options))

    def stub(self, *greeters: Greeter | Process | Instance, **options: Any) -> SayStub:
        """A stub of a new client, once all of `greeters` can be called."""
        client = self.client(**options)
        self.book.know(*greeters)
        end = time.monotonic() + DEADLINE
        while sum(candidate.eligible for candidate in client.explain(NAME).candidates) < len(greeters):
            assert time.monotonic() < end, client.explain(NAME)
            time.sleep(0.005)
        return SayStub(client.channel(NAME))


@pytest.fixture
def world() -> Iterator[World]:
    with ExitStack() as stack:
        yield World(stack)


@pytest.fixture
def until() -> Callable[[Callable[[], object]], None]:
    """Waits for what another thread or process does: `until(lambda: it is so)`; fails after DEADLINE seconds."""

    def until(so: Callable[[], object]) -> None:
        tick = threading.Event()
        for _ in range(int(DEADLINE / 0.01)):
            if so():
                return
            tick.wait(0.01)
        raise AssertionError("it never came to be")

    return until
