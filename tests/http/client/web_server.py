"""A web server that does what a request's path says. Little is imported: it is started often, as a process too."""

from __future__ import annotations

import asyncio
import gzip
from dataclasses import dataclass, field, replace
from random import random
from typing import Any

from aiohttp import web

from muster.model.instance import HTTP, Instance

NAME = "greeter"
ACCEPTING = 5
"""Turns of the loop in which a connection that asyncio has accepted reaches its server, which then knows of it and
closes it: one that comes just before the end would stay open."""


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
        app.router.add_route("*", "/work", self.work)
        app.router.add_route("*", "/redirect", self.redirect)
        app.router.add_route("*", "/round", self.round)
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

    async def work(self, request: web.Request) -> web.Response:
        """One that is called "flaky" cannot do it three times in ten."""
        return web.Response(status=503 if self.id == "flaky" and random() < 0.3 else 200, text=self.id)

    async def redirect(self, request: web.Request) -> web.Response:
        return web.Response(status=int(request.query.get("status", 302)), headers={"Location": request.query["to"]})

    async def round(self, request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": request.path})

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
        if self.runner is None:
            return
        for site in tuple(self.runner.sites):
            await site.stop()
        for _ in range(ACCEPTING):
            await asyncio.sleep(0)
        await self.runner.cleanup()
        self.runner = None
