"""Where the session's attempts go: to the instance that was chosen for each."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import aiohttp

from muster.http.client.link import Link
from muster.http.client.methods import SAFE

if TYPE_CHECKING:
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace


class Routed(aiohttp.ClientRequest):
    """A request that knows the link for its next attempt. aiohttp gives middlewares, which choose, and connectors,
    which connect, nothing else in common; a context variable in place of it costs 1 µs more."""

    link: Link | None = None


class Router(aiohttp.BaseConnector):
    """The connector of the session. Has no connections of its own, and asks nobody for the address of a host."""

    def connect(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> Coroutine[Any, Any, Connection]:
        """No coroutine function itself, which would only await another."""
        assert isinstance(req, Routed) and req.link is not None, "only middlewares of the session send requests"
        connector = req.link.connector
        connect = connector.connect if req.method in SAFE else connector.connect_surely
        return connect(req, traces, timeout)
