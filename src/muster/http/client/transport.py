"""All that requests by name are made of, as a client puts it together."""

from __future__ import annotations

from collections.abc import Callable

from muster.call.attempt import Retrier
from muster.http.client.alarm import Alarms
from muster.http.client.dialing import Dialing
from muster.http.client.retrying import Calling
from muster.http.client.services import Services, Spawn
from muster.http.client.session import Session
from muster.model.events import Observer
from muster.watch.hub import Hub


class HTTPTransport:
    """A session and the pools behind it. Made within the event loop that it is used in; close it there.

    `spawn` runs the tasks that keep connections, and owns them. `timeout`: seconds for the head of an answer where a
    request names no time; None for no end. `retries(name)` tells whether failed attempts of requests to `name` may be
    repeated at this moment.
    """

    def __init__(
        self,
        hub: Hub,
        spawn: Spawn,
        retrier: Retrier,
        *,
        timeout: float | None,
        dialing: Dialing,
        observe: Observer,
        retries: Callable[[str], bool],
    ) -> None:
        self._services = Services(hub, spawn, dialing, observe)
        self.session = Session(Calling(self._services, Alarms(), retrier, observe, retries), timeout, dialing)

    async def close(self) -> None:
        """Refuse further requests, and cut those under way."""
        await self.session.close()
        await self._services.close()
