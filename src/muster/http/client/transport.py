"""All that requests by name are made of, as a client puts it together."""

from __future__ import annotations

import time
from collections.abc import Callable

from muster.balance.selector import ANY, Selector
from muster.call.attempt import Retrier
from muster.client.pool import Pool
from muster.http.client.alarm import Alarms
from muster.http.client.link import Link
from muster.http.client.retrying import Calling
from muster.http.client.services import Rules, Services
from muster.http.client.session import Session
from muster.http.client.shared import Fleets, Opening


class HTTPTransport:
    """A session and the pools behind it. Made within the event loop that it is used in; close it there.

    `timeout`: seconds for the head of an answer where a request names no time; None for no end. For requests to `name`
    at this moment, `retries(name)` tells whether failed attempts may be repeated, `hedges(name)` whether requests may
    be sent twice.
    """

    def __init__(
        self,
        opening: Opening,
        retrier: Retrier,
        *,
        timeout: float | None,
        retries: Callable[[str], bool],
        hedges: Callable[[str], bool] = lambda name: True,
    ) -> None:
        policy = retrier.policy
        self._services = Services(Fleets(opening), Rules(opening.observe, opening.concurrency, policy.hedging))
        self._narrowed: dict[tuple[tuple[str, ...], Selector], Services] = {((), ANY): self._services}
        limited = policy.attempt_timeout is not None
        calling = Calling(self._services, Alarms(), retrier, opening.observe, retries, hedges, limited)
        self.session = Session(calling, timeout, opening.dialing)

    def pool(self, name: str, datacenters: tuple[str, ...] = (), selector: Selector = ANY) -> Pool[Link]:
        """The pool behind `http://name/`, or one of some of its instances, which is followed from now on."""
        wants = datacenters, selector
        if wants not in self._narrowed:
            self._narrowed[wants] = self._services.narrowed(*wants)
        return self._narrowed[wants].named(name, "http", time.monotonic()).pool

    async def close(self) -> None:
        """Refuse further requests, and cut those under way."""
        await self.session.close()
        for services in self._narrowed.values():
            await services.close()
