"""muster.asgi: any ASGI application, under any ASGI server, as a service that registers itself."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Unpack

import msgspec

from muster.app.given import check_given
from muster.app.joining import Joining, Options, joining
from muster.app.presence import Presence
from muster.app.retiring import requests_to_serve
from muster.http.asgi import App, Receive, Scope, Send
from muster.http.departing import closing
from muster.http.finding import reach_of_named, who_answers
from muster.http.lifespan import Lifespan
from muster.http.looking import NotHealthy
from muster.http.typed.health import Reply, health_of
from muster.http.typed.problem import Headers
from muster.model.errors import MusterError
from muster.rpc.identity import DEFAULT_PATH, HEADER
from muster.serve.lease import Shared
from muster.serve.listeners import Listener
from muster.serve.reach import Reach, by_http
from muster.watch.background import background_tasks

log = logging.getLogger("muster.serve")

STARTING = 5.0
"""Seconds that a question for an id waits in a process that has just begun to share a port, and knows no id yet."""


def asgi(app: App, name: str, **options: Unpack[Options]) -> App:
    """`app` as the service `name`: wrap it last, and give the result to the server.

        app = muster.asgi(app, "orders", version="1.2.0")

    It answers for its health at `/health` (`health=`), registers once it answers at its own port, and keeps registered.
    At SIGTERM it leaves the registry, waits until clients have noticed, and only then lets the server stop. Processes
    that share a port are one instance. Everything else is the application's: requests, websockets, its lifespan.

    The server has to run lifespans, as all do unless told otherwise. Raises Rejected for a name or label that no
    registry takes, BadConfiguration for an argument of another type; a setting that cannot be used makes the start
    fail.
    """
    check_given("asgi", {"app": app})
    return Wrapped(app, joining("asgi", name, options, DEFAULT_PATH))


class Wrapped:
    """An ASGI application around another. Made by `asgi`."""

    def __init__(self, app: App, joining: Joining) -> None:
        self._app = app
        self._joining = joining
        self._health = joining.health
        self._presence: Presence | None = None
        self._requests: int | None = None
        """Left to serve; None for any number."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            asked = self._asked(scope) if self._health in scope["path"] else None
            if asked is None and self._requests is not None:
                self._count()
            if self._presence is not None and self._presence.leaving and scope["http_version"].startswith("1"):
                send = closing(send)
            if asked is not None:
                await _reply(await self._answer(asked), send)
                return
        elif scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _count(self) -> None:
        assert self._requests is not None
        self._requests -= 1
        if self._requests == 0 and self._presence is not None:
            self._presence.retire()

    def _asked(self, scope: Scope) -> str | None:
        """What is asked for below the health path; None for what is the application's. The server's root path is not
        known to who asks at the port itself."""
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if scope["method"] not in ("GET", "HEAD") or not f"{path}/".startswith(f"{self._health}/"):
            return None
        return str(path.removeprefix(self._health))

    async def _answer(self, asked: str) -> Reply:
        presence = self._presence
        if asked and presence is not None:
            await _known(presence, asked[1:])
        if presence is None or presence.health is None:
            return _nobody_yet(self._joining.label.name, presence.why if presence else "lifespan has not begun")
        if asked == f"/{presence.id}" and presence.vouched:
            return _vouched(presence.id)
        reply = health_of(f"{DEFAULT_PATH}{asked}", presence.id, presence.health)
        assert reply is not None
        return reply

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._joining.check()
        except MusterError as error:
            await receive()
            await send({"type": "lifespan.startup.failed", "message": f"{self._joining.label.name}: {error}"})
            return
        self._requests = requests_to_serve(receive)
        async with background_tasks() as tasks:
            presence = self._presence = Presence(self._joining, self._seek, _proof, self._same)
            lifespan = Lifespan(self._app, lambda: presence.start(tasks), presence.end)
            try:
                await lifespan(scope, receive, send)
            finally:
                await presence.end()

    async def _seek(self, listener: Listener) -> Reach | None:
        return await reach_of_named(listener, self._health, self._joining.label.name)

    def _same(self, known: Shared) -> Reach:
        return replace(by_http(self._health, None), tls=known.tls)


async def _proof(listener: Listener, reach: Reach, instance_id: str) -> None:
    """Raises NotHealthy unless it is this instance that answers."""
    url = f"{'https' if reach.tls else 'http'}://{listener.near}{reach.path}"
    who = await who_answers(url)
    if who != instance_id:
        raise NotHealthy(f"{url} is answered by {who or 'nobody'}, not by {instance_id}")


async def _known(presence: Presence, asked: str) -> None:
    """A process that shares a port is asked for the others' id before it knows it: a 404 would take all of them out.

    It takes over what they know. Where that is nothing, it waits for what it finds out itself.
    """
    presence.adopt(asked)
    try:
        async with asyncio.timeout(STARTING):
            await presence.checked.wait()
    except TimeoutError:
        log.info("asked for its health, and %s", presence.why)


def _nobody_yet(name: str, why: str) -> Reply:
    """Until there is an id the name stands for it: that is how the application finds itself."""
    return 503, _headers(name), msgspec.json.encode({"status": "NOT_SERVING", "id": "", "why": why})


def _vouched(instance_id: str) -> Reply:
    """One of several processes begins or leaves; the instance that they are is there."""
    why = "this process begins or leaves, others serve"
    return 200, _headers(instance_id), msgspec.json.encode({"status": "SERVING", "id": instance_id, "why": why})


def _headers(who: str) -> Headers:
    json, uncached = (b"content-type", b"application/json"), (b"cache-control", b"no-store")
    return json, uncached, (HEADER.lower().encode(), who.encode())


async def _reply(reply: Reply, send: Send) -> None:
    status, headers, body = reply
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})
