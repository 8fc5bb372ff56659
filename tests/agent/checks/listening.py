"""A server of ours that is looked at."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

SOON = 30.0
Answer = Callable[[str], bytes]


@asynccontextmanager
async def listening(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A server of ours that answers each request, whose head it gets as text, with bytes, and then closes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            writer.write(answer(head.decode()))
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def talking(first: bytes) -> AsyncIterator[str]:
    """A server that answers the first bytes that it gets with `first`, and then nothing more, until it is left."""

    class Talker(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = cast(asyncio.Transport, transport)
            transports.append(self.transport)
            self.left_to_say = first

        def data_received(self, data: bytes) -> None:
            self.transport.write(self.left_to_say)
            self.left_to_say = b""

    transports: list[asyncio.Transport] = []
    server = await asyncio.get_running_loop().create_server(Talker, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for transport in transports:
            transport.abort()
