"""Connections that another process has accepted."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from muster.watch.background import background_tasks

log = logging.getLogger("muster.http")


class Incoming(Protocol):
    """Where they come from. `host` and `port`: of the listener, wherever that is."""

    host: str
    port: int

    def begin(self, take: Callable[[socket.socket], None]) -> None:
        """From now on call `take`, on the event loop, with each connection: it is the taker's to close."""
        ...

    def end(self) -> None:
        """No more of them. May be called more than once."""
        ...


@dataclass(frozen=True, slots=True)
class Taking:
    """As much of an asyncio.Server as is needed of one."""

    incoming: Incoming

    @property
    def place(self) -> tuple[str, int]:
        return self.incoming.host, self.incoming.port

    def close(self) -> None:
        self.incoming.end()


@asynccontextmanager
async def taking(
    incoming: Incoming, make: Callable[[], asyncio.Protocol], tls: ssl.SSLContext | None
) -> AsyncIterator[Taking]:
    """Serve what comes in while the context lasts."""
    loop = asyncio.get_running_loop()
    connecting: set[asyncio.Task[None]] = set()

    async def connect(connection: socket.socket) -> None:
        try:
            await loop.connect_accepted_socket(make, connection, ssl=tls)
        except OSError as error:
            log.debug("a connection ended before it had begun: %s", error)
            connection.close()

    async with background_tasks() as tasks:

        def take(connection: socket.socket) -> None:
            task = tasks.create_task(connect(connection))
            connecting.add(task)
            task.add_done_callback(connecting.discard)

        incoming.begin(take)
        try:
            yield Taking(incoming)
        finally:
            incoming.end()
            for task in connecting:
                task.cancel()
