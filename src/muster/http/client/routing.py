"""Where the session's attempts go: to the instance that was chosen for each."""

from __future__ import annotations

from collections.abc import Coroutine
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import aiohttp

from muster.http.client.link import Link
from muster.http.client.methods import SAFE

if TYPE_CHECKING:
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

chosen: ContextVar[Link] = ContextVar("chosen")
"""The link for the attempt that the current task sends next. aiohttp has no other way from a middleware, which
chooses, to the connector, which connects."""


class Router(aiohttp.BaseConnector):
    """The connector of the session. Has no connections of its own, and asks nobody for the address of a host."""

    def connect(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> Coroutine[Any, Any, Connection]:
        """No coroutine function itself, which would only await another."""
        connector = chosen.get().connector
        connect = connector.connect if req.method in SAFE else connector.connect_surely
        return connect(req, traces, timeout)
