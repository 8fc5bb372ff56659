"""One HTTP/1.1 connection: uvicorn's, with limits on what a stranger may send.

uvicorn's httptools protocol bounds neither the size of a request's head nor the time that it may take, and its
limit on concurrency counts idle connections. Bodies are the application's to bound: it alone knows what it expects.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections import Counter
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from muster.http.capitals import CapitalHeads
from muster.http.parser import RequestParser

if TYPE_CHECKING:
    from uvicorn.config import Config


@dataclass(frozen=True, slots=True)
class Limits:
    """What a server takes from clients. Times in seconds.

    `head_bytes`: request line and headers, give or take one read of the socket; more is answered with 431.
    `head_seconds`: from the connection, or from the first byte of a further request, to the end of its headers; then
    the connection is closed. `idle_seconds`: a connection kept alive between requests.
    `connections`: at once, in all; more are answered with 503. `connections_per_client`: at once from one address;
    more are answered with 429, as Consul does.
    """

    head_bytes: int = 64 * 1024
    head_seconds: float = 10.0
    idle_seconds: float = 75.0
    connections: int = 10_000
    connections_per_client: int = 10_000


class Connections(ServerState):
    """The connections of one server, and the tasks that serve their requests."""

    def __init__(self, limits: Limits, *, capitals: bool = False) -> None:
        super().__init__()
        self.limits = limits
        self.capitals = capitals
        self.per_client: Counter[str] = Counter()
        self._closed = asyncio.Event()

    def enter(self, client: str) -> None:
        self.per_client[client] += 1

    def leave(self, client: str) -> None:
        self.per_client[client] -= 1
        if not self.per_client[client]:
            del self.per_client[client]
        if not self.connections:
            self._closed.set()

    def refusal(self, client: str) -> bytes:
        """The status line for a client that is one too many, or nothing."""
        if len(self.connections) > self.limits.connections:
            return b"503 Service Unavailable"
        if self.per_client[client] > self.limits.connections_per_client:
            return b"429 Too Many Requests"
        return b""

    async def closed(self) -> None:
        """Waits until no connection is left."""
        while self.connections:
            self._closed.clear()
            await self._closed.wait()


class Connection(HttpToolsProtocol):
    """An HTTP/1.1 connection of a server. Made by the server for each client; calls come from the event loop."""

    def __init__(self, config: Config, state: Connections) -> None:
        super().__init__(config=config, server_state=state, app_state={})
        self.access_log = False
        self.parser = RequestParser(self)  # type: ignore[assignment]
        self._state = state
        self._peer = ""
        self._in_head = True
        self._head_begun = False
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._peer = self.client[0] if self.client else ""
        self._state.enter(self._peer)
        self._arm()
        if refusal := self._state.refusal(self._peer):
            self._refuse(refusal)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._disarm()
        self._state.leave(self._peer)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > self._state.limits.head_bytes:
            self._refuse(b"431 Request Header Fields Too Large")
        elif self._head_begun:
            self._arm()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_begins()

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        self._head_ends()
        self.server_state.default_headers = _date(int(time.time()))
        super().on_headers_complete()
        if self._state.capitals:
            self.cycle.transport = CapitalHeads(self.transport)  # type: ignore[assignment]  # all that a cycle uses

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        super().on_message_complete()
        self._in_head = True

    def _head_begins(self) -> None:
        """Its time runs from the end of this read: most heads end in the read that they begin in, and need no timer."""
        self._head_begun = True

    def _head_ends(self) -> None:
        self._in_head = self._head_begun = False
        self._head_bytes = 0
        self._disarm()

    def _refuse(self, status: bytes) -> None:
        self._disarm()
        self.transport.write(b"HTTP/1.1 %b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status)
        self.transport.close()

    def _arm(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self._state.limits.head_seconds, self._head_is_late)

    def _disarm(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self.cycle is not None and not self.cycle.response_complete:
            self._arm()  # a pipelined request must not end the answer to the one before it
        else:
            self.transport.close()


@functools.lru_cache(maxsize=1)
def _date(second: int) -> list[tuple[bytes, bytes]]:
    return [(b"date", formatdate(second, usegmt=True).encode())]
