"""The pool of each service, opened when it is first called."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

import aiohttp
from yarl import URL

from muster.balance.selector import ANY, Selector
from muster.call.breaker import Concurrency
from muster.call.hedge import Hedger, Hedging
from muster.client.pool import Pool
from muster.client.turnstile import Turnstile
from muster.http.client.link import Link
from muster.http.client.naming import service_of
from muster.http.client.shared import Fleets, Shared
from muster.model.events import Observer

OUT_OF_USE = 300.0
"""Seconds after its last request at which a service may be let go, so that names called once, or misspelled, are not
watched and connected to for ever."""

SECURE = frozenset({"https", "wss"})


@dataclass(frozen=True)
class Rules:
    """How requests choose. `concurrency`: limits for requests under way, or None for none; `hedging`: when requests are
    sent twice, or None for never; `datacenters` and `selector` narrow down who is called."""

    observe: Observer
    concurrency: Concurrency | None = None
    hedging: Hedging | None = None
    datacenters: tuple[str, ...] = ()
    selector: Selector = ANY


@dataclass(eq=False)
class Service:
    """One service by one scheme. `entrance` is where requests choose: the pool, or a turnstile before it. `key`: the
    header with what requests that belong together have in common. `used`: when it was last called, in seconds of the
    monotonic clock."""

    name: str
    pool: Pool[Link]
    turnstile: Turnstile[Link] | None
    shared: Shared
    hedger: Hedger | None
    used: float = 0.0

    def __post_init__(self) -> None:
        self.entrance = self.turnstile or self.pool
        self.key = self.pool.key

    def key_in(self, request: aiohttp.ClientRequest) -> str | None:
        """What `request` has in common with others, for a picker that hashes."""
        return request.headers.get(self.key) if self.key else None


class Services:
    """Finds the service that a URL means. For one event loop."""

    def __init__(self, fleets: Fleets, rules: Rules) -> None:
        self._fleets = fleets
        self._rules = rules
        self._open: dict[tuple[str, str], Service] = {}

    def narrowed(self, datacenters: tuple[str, ...], selector: Selector) -> Services:
        """The same services, of whose instances only some are called, over the same connections. To be closed by
        itself."""
        return Services(self._fleets, replace(self._rules, datacenters=datacenters, selector=selector))

    def of(self, url: URL, now: float, spelled: str = "") -> Service:
        """The service in `url`, which is watched and connected to from now on. `spelled`: the name of a service as the
        URL was written that led here, where it has upper case.

        Raises aiohttp.InvalidURL for a URL that names none, and BadConfiguration for an override or datacenters that
        cannot be used.
        """
        if spelled and spelled.lower() == url.raw_host:
            return self.named(spelled, _scheme(url), now)
        service = self._open.get((url.scheme, url.raw_authority))
        if service is None:
            service = self.named(service_of(url), _scheme(url), now)
            self._open[url.scheme, url.raw_authority] = service
        service.used = now
        return service

    def named(self, name: str, scheme: str, now: float) -> Service:
        """The service `name`, by a scheme that is http or https."""
        found = self._open.get((scheme, name))
        if found is None:
            self._let_go(lambda service: now - service.used > OUT_OF_USE)
            found = self._open[scheme, name] = self._new(scheme, name)
            found.pool.open()
        found.used = now
        return found

    async def close(self) -> None:
        """Let go of every service, and cut the connections that are in use and that nobody else shares."""
        last = [service for service in self._let_go(lambda service: True) if not service.shared.users]
        async with asyncio.TaskGroup() as group:
            for service in last:
                group.create_task(service.shared.links.close())

    def _new(self, scheme: str, name: str) -> Service:
        rules = self._rules
        shared = self._fleets.enter(scheme, name, rules.datacenters)
        pool = Pool.of(shared.members, rules.selector)
        turnstile = None if rules.concurrency is None else Turnstile(pool, rules.concurrency, rules.observe)
        hedger = None if rules.hedging is None else Hedger(rules.hedging)
        return Service(name, pool, turnstile, shared, hedger)

    def _let_go(self, unwanted: Callable[[Service], bool]) -> set[Service]:
        """Requests under way may finish."""
        leaving = {service for service in self._open.values() if unwanted(service)}
        self._open = {key: service for key, service in self._open.items() if service not in leaving}
        for service in leaving:
            service.pool.close()
            self._fleets.leave(service.shared)
        return leaving


def _scheme(url: URL) -> str:
    return "https" if url.scheme in SECURE else "http"
