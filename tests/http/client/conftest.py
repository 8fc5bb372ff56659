"""Real web servers in this process and in others, a registry that a test writes, and a session that calls by name."""

from __future__ import annotations

import asyncio
import gzip
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
from aiohttp import web

from muster.balance.balancing import BALANCING, Balancing
from muster.call.attempt import Retrier
from muster.call.breaker import Concurrency
from muster.call.budget import RetryBudget
from muster.call.retry import RETRIES, RetryPolicy
from muster.http.client.dialing import Dialing
from muster.http.client.services import Opening
from muster.http.client.session import Session
from muster.http.client.transport import HTTPTransport
from muster.model.events import Event
from muster.model.instance import HTTP, Instance
from muster.model.snapshot import Absent, Answer, Known
from muster.watch.hub import Hub
from muster.watch.latest import Latest

NAME = "greeter"
DEADLINE = 10.0


@dataclass
class Web:
    """An aiohttp server in this process that does what a request's path says, and remembers what came."""

    id: str
    port: int = 0
    requests: list[web.Request] = field(default_factory=list)
    once_asked: set[str] = field(default_factory=set)
    answers_to: str = ""
    healthy: bool = True
    release: asyncio.Event = field(default_factory=asyncio.Event)
    runner: web.AppRunner | None = None

    @property
    def instance(self) -> Instance:
        return Instance(self.id, NAME, "127.0.0.1", self.port, protocol=HTTP)

    @property
    def provable(self) -> Instance:
        return replace(self.instance, metadata={"muster-health": "/health"})

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._remember])
        app.router.add_route("*", "/echo", self.echo)
        app.router.add_route("*", "/status/{status}", self.status)
        app.router.add_route("*", "/once/{status}", self.once)
        app.router.add_route("*", "/redirect", self.redirect)
        app.router.add_route("*", "/hang", self.hang)
        app.router.add_route("*", "/hang-at-{id}", self.hang_at)
        app.router.add_route("*", "/stream", self.stream)
        app.router.add_route("*", "/compressed", self.compressed)
        app.router.add_route("*", "/drop", self.drop)
        app.router.add_route("*", "/cut", self.cut)
        app.router.add_get("/ws", self.websocket)
        app.router.add_get("/health/{id}", self.health)
        return app

    @web.middleware
    async def _remember(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if not request.path.startswith("/health/"):
            self.requests.append(request)
        return await handler(request)

    async def echo(self, request: web.Request) -> web.Response:
        body = await request.text()
        return web.json_response(
            {
                "by": self.id,
                "method": request.method,
                "query": dict(request.query),
                "headers": {name.title(): value for name, value in request.headers.items()},
                "body": body,
                "from": request.transport.get_extra_info("peername")[1] if request.transport else 0,
            },
            headers={"Set-Cookie": "seen=yes"},
        )

    async def status(self, request: web.Request) -> web.Response:
        status = int(request.match_info["status"])
        headers = {"Retry-After": request.query["after"]} if "after" in request.query else {}
        return web.Response(status=status, text=self.id, headers=headers)

    async def once(self, request: web.Request) -> web.Response:
        """The status that is asked for, and 200 to every later request, whichever server it comes to."""
        await request.read()
        first = request.path not in self.once_asked
        self.once_asked.add(request.path)
        return await self.status(request) if first else web.Response(text=self.id)

    async def redirect(self, request: web.Request) -> web.Response:
        return web.Response(status=int(request.query.get("status", 302)), headers={"Location": request.query["to"]})

    async def hang(self, request: web.Request) -> web.Response:
        await self.release.wait()
        return web.Response(text=self.id)

    async def hang_at(self, request: web.Request) -> web.Response:
        return await self.hang(request) if request.match_info["id"] == self.id else web.Response(text=self.id)

    async def stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for number in range(3):
            await response.write(b"%d\n" % number)
        if "hang" in request.query:
            await self.release.wait()
        await response.write_eof()
        return response

    async def compressed(self, request: web.Request) -> web.Response:
        return web.Response(body=gzip.compress(b"a" * 1000), headers={"Content-Encoding": "gzip"})

    async def drop(self, request: web.Request) -> web.Response:
        """Takes the request and answers nothing."""
        await request.read()
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def cut(self, request: web.Request) -> web.StreamResponse:
        """Announces more than it sends."""
        response = web.StreamResponse(headers={"Content-Length": request.query["of"]})
        await response.prepare(request)
        await response.write(b"beginning")
        assert request.transport is not None
        request.transport.close()
        return response

    async def websocket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(f"{self.id}: {message.data}")
        return socket

    async def health(self, request: web.Request) -> web.Response:
        if request.match_info["id"] != (self.answers_to or self.id):
            return web.Response(status=404)
        headers = {"Muster-Instance": self.answers_to or self.id}
        return web.Response(status=200 if self.healthy else 503, headers=headers)

    async def start(self, port: int = 0, *, host: str = "127.0.0.1", **site: Any) -> None:
        self.runner = web.AppRunner(self.application(), access_log=None, shutdown_timeout=0.1)
        await self.runner.setup()
        await web.TCPSite(self.runner, host, port, **site).start()
        self.port = self.runner.addresses[0][1]

    async def stop(self) -> None:
        self.release.set()
        if self.runner is not None:
            await self.runner.cleanup()
            self.runner = None


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
    """A registry that a test writes."""

    def __init__(self) -> None:
        self._latest: dict[str, Latest[Answer]] = {}

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
    ) -> HTTPTransport:
        hub = await self.stack.enter_async_context(Hub(self.book, self.events.append))
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
