"""All that requests by name are made of, as a client puts it together."""

from __future__ import annotations

import time
from collections.abc import Callable

from yarl import URL

from muster.balance.balancing import BALANCING, Balancing
from muster.call.attempt import Retrier
from muster.client.pool import Pool
from muster.http.client.alarm import Alarms
from muster.http.client.dialing import Dialing
from muster.http.client.link import Link
from muster.http.client.retrying import Calling
from muster.http.client.services import Services, Spawn
from muster.http.client.session import Session
from muster.model.events import Observer
from muster.watch.hub import Hub


class HTTPTransport:
    """A session and the pools behind it. Made within the event loop that it is used in; close it there.

    `spawn` runs the tasks that keep connections, and owns them. `timeout`: seconds for the head of an answer where a
    request names no time; None for no end. `retries(name)` tells whether failed attempts of requests to `name` may be
    repeated at this moment, and `ejects(name)` whether they may be held against its instances.
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
        balancing: Balancing = BALANCING,
        ejects: Callable[[str], bool] = lambda name: True,
    ) -> None:
        self._services = Services(hub, spawn, dialing, observe, balancing, ejects)
        limited = retrier.policy.attempt_timeout is not None
        calling = Calling(self._services, Alarms(), retrier, observe, retries, limited)
        self.session = Session(calling, timeout, dialing)

    def pool(self, name: str) -> Pool[Link]:
        """The pool behind `http://name/`, which is followed from now on."""
        return self._services.of(URL.build(scheme="http", host=name), time.monotonic()).pool

    async def close(self) -> None:
        """Refuse further requests, and cut those under way."""
        await self.session.close()
        await self._services.close()
