"""One connection: how old it may become, and whether it leads to the instance that was meant."""

from __future__ import annotations

import asyncio
import socket

from aiohttp.client_proto import ResponseHandler

KEEPALIVE = {"TCP_KEEPIDLE": 20, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 2}
"""As for gRPC: after 20 s in which nothing came the other end is asked, and 10 s later it is gone. Pooled connections
are never idle for so long, but websockets and long answers are: NATs forget connections after a minute or more."""


class Protocol(ResponseHandler):
    """aiohttp's, which ends by itself after the request in which it becomes `age` seconds old; None: never.

    `verified`: it has shown that it leads to the instance. It keeps its word for as long as it lasts.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, age: float | None) -> None:
        super().__init__(loop)
        self.verified = False
        self._throttled = False
        self._age = age
        self._growing_old: asyncio.TimerHandle | None = None

    def pause_reading(self) -> None:
        self._throttled = True
        super().pause_reading()

    def resume_reading(self, *args: bool, **options: bool) -> None:
        """As aiohttp's, which every read of a body calls, and which has the parser parse nothing then: 2 µs a request.

        Whether reading is paused at this moment does not tell enough: the parser may hold back what it has read, and
        waits for this call, long after it was told to pause.
        """
        if self._throttled:
            super().resume_reading(*args, **options)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        keep_alive(transport.get_extra_info("socket"))
        if self._age is not None:
            self._growing_old = self._loop.call_later(self._age, self.force_close)

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        if self._growing_old is not None:
            self._growing_old.cancel()


def keep_alive(sock: socket.socket) -> None:
    """Have the kernel notice when the other end has vanished. Systems lack some of the options."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        option = getattr(socket, name, None)
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
