"""muster.lifespan: registered while a lifespan lasts, for those who want no wrapper."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Unpack

from muster.app.joining import LISTEN, Joining, Options, joining
from muster.app.presence import Presence
from muster.http.finding import reach_of
from muster.model.errors import BadConfiguration
from muster.serve.listeners import Listener, listeners
from muster.serve.reach import Reach
from muster.watch.background import background_tasks

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
    joins = joining("lifespan", name, options)

    @asynccontextmanager
    async def joined(app: object = None) -> AsyncIterator[None]:
        joins.check()
        async with background_tasks() as tasks:
            presence = Presence(joins, _Seeking(joins).reach, unproven)
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
        if self._told or listener.port == self._port():
            return await reach_of(listener, self._health)
        return None

    def _port(self) -> int | None:
        """uvicorn binds its port after the lifespan has begun, while gunicorn's workers have theirs from the start, as
        others that the program listens at for something else: what comes soon after the begin is the server's."""
        now = {each.port for each in listeners()}
        ports = now - self._before
        if not ports and self._clock() > self._begun + SOON:
            ports = now
        if len(ports) > 1:
            several = ", ".join(map(str, sorted(ports)))
            raise BadConfiguration(
                f"cannot tell which of its ports is the server's ({several}): set listen= or {LISTEN}"
            )
        return ports.pop() if ports else None


async def unproven(listener: Listener, reach: Reach, instance_id: str) -> None:
    """A register check for who cannot prove who it is: no more can be asked than when the port was found."""
