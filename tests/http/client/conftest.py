"""Real web servers in this process and in others, a registry that a test writes, and a session that calls by name."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.http.client.web_server import NAME, Web

from muster.balance.balancing import BALANCING, Balancing
from muster.call.attempt import Retrier
from muster.call.breaker import Concurrency
from muster.call.budget import RetryBudget
from muster.call.retry import RETRIES, RetryPolicy
from muster.http.client.dialing import Dialing
from muster.http.client.session import Session
from muster.http.client.shared import Opening
from muster.http.client.transport import HTTPTransport
from muster.model.events import Event
from muster.model.instance import HTTP, Instance
from muster.model.snapshot import Absent, Answer, Known
from muster.registry.protocol import Discovery
from muster.watch.hub import Hub
from muster.watch.latest import Latest

DEADLINE = 30.0


@dataclass
class Process:
    """A web server in a process of its own."""

    id: str
    popen: subprocess.Popen[str]
    port: int

    @property
    def instance(self) -> Instance:
        return Instance(self.id, NAME, "127.0.0.1", self.port, protocol=HTTP)

    @property
    def provable(self) -> Instance:
        return replace(self.instance, metadata={"muster-health": "/health"})

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.popen.pid, number)

    def end(self) -> None:
        self.popen.kill()
        self.popen.communicate()


async def start_process(id: str, port: int = 0) -> Process:
    script = Path(__file__).with_name("web_process.py")
    popen = subprocess.Popen([sys.executable, str(script), id, str(port)], stdout=subprocess.PIPE, text=True)
    assert popen.stdout is not None
    line = await asyncio.to_thread(popen.stdout.readline)
    return Process(id, popen, int(line))


class Book:
    """A registry that a test writes. What is found in other datacenters is written in `place`."""

    def __init__(self) -> None:
        self._latest: dict[str, Latest[Answer]] = {}
        self._places: dict[tuple[str, ...], Book] = {}

    def place(self, *datacenters: str) -> Book:
        return self._places.setdefault(datacenters, Book())

    def within(self, datacenters: tuple[str, ...]) -> Book:
        return self.place(*datacenters)

    def latest(self, name: str) -> Latest[Answer]:
        return self._latest.setdefault(name, Latest[Answer](Absent(name)))

    def know(self, name: str, *instances: Instance) -> None:
        self.latest(name).set(Known(name, instances) if instances else Absent(name))

    async def watch(self, name: str) -> AsyncGenerator[Answer, None]:
        async for answer in self.latest(name):
            yield answer

    async def watch_names(self) -> AsyncGenerator[Mapping[str, frozenset[str]], None]:
        yield dict.fromkeys(self._latest, frozenset())
        await asyncio.get_running_loop().create_future()


@dataclass
class World:
    """Servers, what the registry says of them, and what the client told its observer."""

    stack: AsyncExitStack
    group: asyncio.TaskGroup
    book: Book = field(default_factory=Book)
    events: list[Event] = field(default_factory=list)
    once_asked: set[str] = field(default_factory=set)

    async def web(self, id: str, port: int = 0, *, name: str = NAME, known: bool = True, **site: Any) -> Web:
        """A server, which the registry knows beside those that it knows already."""
        server = Web(id, once_asked=self.once_asked)
        await server.start(port, **site)
        self.stack.push_async_callback(server.stop)
        if known:
            self.know_also(server.instance, name)
        return server

    async def process(self, id: str, port: int = 0) -> Process:
        process = await start_process(id, port)
        self.stack.callback(process.end)
        return process

    def know_also(self, instance: Instance, name: str = NAME) -> None:
        answer = self.book.latest(name).value
        before = answer.instances if isinstance(answer, Known) else ()
        self.book.know(name, *before, instance)

    async def transport(
        self,
        *,
        timeout: float | None = 10.0,
        dialing: Dialing | None = None,
        budget: RetryBudget | None = None,
        retries: Callable[[str], bool] = lambda name: True,
        hedges: Callable[[str], bool] = lambda name: True,
        balancing: Balancing = BALANCING,
        policy: RetryPolicy = RETRIES,
        concurrency: Concurrency | None = None,
        registry: Discovery | None = None,
    ) -> HTTPTransport:
        hub = await self.stack.enter_async_context(Hub(registry or self.book, self.events.append))
        retrier = Retrier(policy, budget or RetryBudget(), Random(0))
        opening = Opening(hub, self.spawn, dialing or Dialing(), self.events.append, balancing, concurrency=concurrency)
        made = HTTPTransport(opening, retrier, timeout=timeout, retries=retries, hedges=hedges)
        self.stack.push_async_callback(made.close)
        return made

    async def session(self, **options: Any) -> Session:
        return (await self.transport(**options)).session

    def spawn(self, coroutine: Any) -> asyncio.Task[None]:
        task = self.group.create_task(coroutine)
        self.stack.callback(task.cancel)
        return task

    def told(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, condition: Callable[[], object]) -> None:
        """Polls: what is waited for happens in other processes and in sockets."""
        async with asyncio.timeout(DEADLINE):
            while not condition():
                await asyncio.sleep(0.005)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with asyncio.TaskGroup() as group, AsyncExitStack() as stack:
        yield World(stack, group)
