"""muster.lifespan: registered while a lifespan lasts, for those who want no wrapper."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Unpack

from muster.app.joining import LISTEN, Joining, Options, joining
from muster.app.presence import Presence
from muster.http.looking import NotHealthy, look
from muster.model.errors import BadConfiguration
from muster.model.instance import HTTP, split_host_port
from muster.serve.listeners import Listener, listeners
from muster.serve.reach import Look, Reach
from muster.watch.background import background_tasks

SECONDS = 2.0
"""That a connection to the own port, or an answer there, may take."""

SOON = 1.0
"""Seconds within which a server has bound its port once the lifespan has begun."""


def lifespan(name: str, **options: Unpack[Options]) -> Callable[[object], AbstractAsyncContextManager[None]]:
    """A lifespan that registers the application as `name` once its port takes connections, and leaves at SIGTERM.

        app = FastAPI(lifespan=muster.lifespan("orders"))        # Starlette, Litestar (a list) as well

        async with muster.lifespan("orders")(app): ...           # within a lifespan of your own

    What it cannot do, as it sees no request, and `muster.asgi` can: prove who answers, so that a stranger on a dead
    instance's port is found out; tell callers `Connection: close` while the server drains; show at `/health` how the
    registration stands; find its port where the process listens at several (say `listen=`). The registry connects, or
    asks the application's own health path if `health=` tells it.

    Raises Rejected for a name or label that no registry takes, and when it is entered BadConfiguration.
    """
    joins = joining(name, options)

    @asynccontextmanager
    async def joined(app: object = None) -> AsyncIterator[None]:
        joins.check()
        async with background_tasks() as tasks:
            presence = Presence(joins, _Seeking(joins).reach, _proof)
            presence.start(tasks)
            try:
                yield
            finally:
                await presence.end()

    return joined


class _Seeking:
    """Which of the process's listeners is the server's, as far as can be told without seeing a request."""

    def __init__(self, joins: Joining) -> None:
        self._health = joins.health
        self._told = joins.listen is not None
        self._before = {each.port for each in listeners()}
        self._clock = asyncio.get_running_loop().time
        self._begun = self._clock()

    async def reach(self, listener: Listener) -> Reach | None:
        """Raises BadConfiguration where it cannot be told."""
        if listener.port not in self._ports():
            return None
        if not self._health:
            return Reach(HTTP, Look.TCP) if await _connects(listener) else None
        for scheme in ("http", "https"):
            try:
                await look(f"{scheme}://{listener.near}{self._health}", SECONDS)
            except NotHealthy:
                continue
            return Reach(HTTP, Look.HTTP, self._health, tls=scheme == "https")
        return None

    def _ports(self) -> set[int]:
        """uvicorn binds its port after the lifespan has begun, while gunicorn's workers have theirs from the start, as
        others that the program listens at for something else: what comes soon after the begin is the server's."""
        now = {each.port for each in listeners()}
        if self._told:
            return now
        ports = now - self._before
        if not ports and self._clock() > self._begun + SOON:
            ports = now
        if len(ports) > 1:
            several = ", ".join(map(str, sorted(ports)))
            raise BadConfiguration(
                f"cannot tell at which of its ports it is served ({several}): set listen= or {LISTEN}"
            )
        return ports


async def _proof(listener: Listener, reach: Reach, instance_id: str) -> None:
    """Nothing more can be asked than was asked when the port was found."""


async def _connects(listener: Listener) -> bool:
    host, port = split_host_port(listener.near)
    try:
        async with asyncio.timeout(SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True
