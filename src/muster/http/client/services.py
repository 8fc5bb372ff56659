"""The pool of each service, opened when it is first called."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from yarl import URL

from muster.balance.balancing import BALANCING, Balancing
from muster.client.connector import Report
from muster.client.pool import Pool
from muster.http.client.connection import Connection
from muster.http.client.dialing import Dialing
from muster.http.client.link import Link
from muster.http.client.naming import service_of
from muster.model.events import Observer
from muster.model.instance import HTTP, Instance
from muster.watch.hub import Hub, Subscription

OUT_OF_USE = 300.0
"""Seconds after its last request at which a service may be let go, so that names called once, or misspelled, are not
watched and connected to for ever."""

SECURE = frozenset({"https", "wss"})

Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]


@dataclass(eq=False)
class Service:
    """One service by one scheme. `used`: when it was last called, in seconds of the monotonic clock."""

    name: str
    pool: Pool[Link]
    subscription: Subscription
    links: Links
    used: float


class Services:
    """Finds the service that a URL means. For one event loop; `spawn` owns the tasks that keep connections."""

    def __init__(
        self,
        hub: Hub,
        spawn: Spawn,
        dialing: Dialing,
        observe: Observer,
        balancing: Balancing = BALANCING,
        ejects: Callable[[str], bool] = lambda name: True,
    ) -> None:
        self._hub = hub
        self._balancing = balancing
        self._ejects = ejects
        self._spawn = spawn
        self._dialing = dialing
        self._observe = observe
        self._rng = Random()
        self._open: dict[tuple[str, str], Service] = {}

    def of(self, url: URL, now: float) -> Service:
        """The service in `url`, which is watched and connected to from now on.

        Raises aiohttp.InvalidURL for a URL that names none, and BadConfiguration for an override that cannot be used.
        """
        service = self._open.get((url.scheme, url.raw_authority))
        if service is None:
            service = self._find("https" if url.scheme in SECURE else "http", service_of(url), now)
            self._open[url.scheme, url.raw_authority] = service
        service.used = now
        return service

    async def close(self) -> None:
        """Let go of every service, and cut the connections that are in use."""
        services = tuple(self._let_go(lambda service: True))
        async with asyncio.TaskGroup() as group:
            for service in services:
                group.create_task(service.links.close())

    def _find(self, scheme: str, name: str, now: float) -> Service:
        found = self._open.get((scheme, name))
        if found is None:
            self._let_go(lambda service: now - service.used > OUT_OF_USE)
            found = self._open[scheme, name] = self._new(scheme, name)
            found.pool.open()
        return found

    def _new(self, scheme: str, name: str) -> Service:
        subscription = self._hub.watch(name)
        links = Links(URL.build(scheme=scheme, host=name), self._dialing, self._spawn, self._rng)
        pool: Pool[Link] = Pool(
            subscription.latest,
            HTTP,
            connector=links,
            balancing=self._balancing,
            ejects=partial(self._ejects, name),
            observe=self._observe,
        )
        return Service(name, pool, subscription, links, 0.0)

    def _let_go(self, unwanted: Callable[[Service], bool]) -> set[Service]:
        """Requests under way may finish."""
        leaving = {service for service in self._open.values() if unwanted(service)}
        self._open = {key: service for key, service in self._open.items() if service not in leaving}
        for service in leaving:
            service.pool.close()
            service.subscription.close()
        return leaving


class Links:
    """The connections of one pool: its Connector."""

    def __init__(self, origin: URL, dialing: Dialing, spawn: Spawn, rng: Random) -> None:
        self._origin = origin
        self._dialing = dialing
        self._spawn = spawn
        self._rng = rng
        self._links: set[Link] = set()

    def connect(self, instance: Instance, report: Report[Link]) -> _Kept:
        connection = Connection(instance, self._origin, self._dialing, report, self._rng)
        return _Kept(self._spawn(connection.run(self._opened, self._spawn)))

    def _opened(self, link: Link) -> None:
        self._links = {other for other in self._links if not other.closed} | {link}

    async def close(self) -> None:
        """Close every link, also those in use."""
        for link in self._links:
            await link.close()


class _Kept:
    """A connection that is kept by a task, and closed by ending it."""

    def __init__(self, task: asyncio.Task[None]) -> None:
        self._task = task

    def close(self) -> None:
        self._task.cancel()
