"""Keeping a link to one instance."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from random import Random

import aiohttp
from yarl import URL

from muster.balance.nodes import Readiness
from muster.client.connector import Report
from muster.http.client.connector import InstanceConnector, connector_to
from muster.http.client.dialing import Dialing
from muster.http.client.link import Link, Spawn
from muster.model.backoff import Backoff
from muster.model.instance import Instance

log = logging.getLogger("muster.http")

STEADY = 1.0
"""Seconds that a link must have lasted for its break to count as the first failure, tried anew at once."""

BACKOFF = Backoff(initial=0.05, maximum=2.0)


class Connection:
    """Connects, tells `report`, and starts over when the link is broken; until cancelled.

    An instance is ready once a connection to it stands and is verified, which is also the first that requests use. An
    HTTP connection may end at any time without a reason, so the end of one says nothing; that none can be made does.
    """

    def __init__(self, instance: Instance, origin: URL, dialing: Dialing, report: Report[Link], rng: Random) -> None:
        self._instance = instance
        self._origin = origin
        self._dialing = dialing
        self._report = report
        self._rng = rng
        self._ready_since: float | None = None

    async def run(self, opened: Callable[[Link], None], spawn: Spawn) -> None:
        """`opened` is told of every link; `spawn` owns the tasks that close them."""
        failures = 0
        while True:
            link, broken = self._dial(spawn)
            opened(link)
            try:
                await self._hold(link, broken)
            finally:
                link.retire()
            failures = 0 if self._steady() else failures + 1
            if failures:
                await asyncio.sleep(BACKOFF.pause(failures, self._rng))

    def _dial(self, spawn: Spawn) -> tuple[Link, asyncio.Event]:
        broken = asyncio.Event()

        def breaks(why: str) -> None:
            if not broken.is_set():
                broken.set()
                self._report(Readiness.CONNECTING if self._steady() else Readiness.DOWN, why, None)

        self._ready_since = None
        return Link(connector_to(self._instance, self._dialing, breaks), spawn), broken

    async def _hold(self, link: Link, broken: asyncio.Event) -> None:
        """The life of one link. Returns when it is broken, and the pool has been told."""
        try:
            await self._open(link.connector)
        except aiohttp.ClientSSLError as error:
            # It is there. Requests may bring a context of their own, and those that do not are told what is wrong.
            log.info("%s at %s: %s", self._instance.id, self._instance.address, error)
        except Exception as error:
            # Not only what connecting raises: a malformed entry in the registry must not end the client.
            link.connector.broken(str(error) or repr(error))
        if not broken.is_set():
            self._ready_since = time.monotonic()
            self._report(Readiness.READY, "", link)
        await broken.wait()

    async def _open(self, connector: InstanceConnector) -> None:
        """Make the first connection, verify it, and leave it for the first request."""
        secure = self._origin.scheme == "https"
        request = aiohttp.ClientRequest(
            "GET",
            self._origin,
            loop=asyncio.get_running_loop(),
            server_hostname=self._dialing.server_name if secure else None,
        )
        timeout = aiohttp.ClientTimeout(sock_connect=self._dialing.connect)
        (await connector.connect(request, [], timeout)).release()

    def _steady(self) -> bool:
        return self._ready_since is not None and time.monotonic() - self._ready_since >= STEADY
