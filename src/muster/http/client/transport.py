"""All that requests by name are made of, as a client puts it together."""

from __future__ import annotations

import time
from collections.abc import Callable

from muster.call.attempt import Retrier
from muster.client.pool import Pool
from muster.http.client.alarm import Alarms
from muster.http.client.link import Link
from muster.http.client.retrying import Calling
from muster.http.client.services import Opening, Services
from muster.http.client.session import Session


class HTTPTransport:
    """A session and the pools behind it. Made within the event loop that it is used in; close it there.

    `timeout`: seconds for the head of an answer where a request names no time; None for no end. `retries(name)` tells
    whether failed attempts of requests to `name` may be repeated at this moment.
    """

    def __init__(
        self, opening: Opening, retrier: Retrier, *, timeout: float | None, retries: Callable[[str], bool]
    ) -> None:
        self._services = Services(opening)
        limited = retrier.policy.attempt_timeout is not None
        calling = Calling(self._services, Alarms(), retrier, opening.observe, retries, limited)
        self.session = Session(calling, timeout, opening.dialing)

    def pool(self, name: str) -> Pool[Link]:
        """The pool behind `http://name/`, which is followed from now on."""
        return self._services.named(name, "http", time.monotonic()).pool

    async def close(self) -> None:
        """Refuse further requests, and cut those under way."""
        await self.session.close()
