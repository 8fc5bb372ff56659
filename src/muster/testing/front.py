"""A registry's front that can be broken: what stands between a registry and everybody else."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Self

FORWARD, REFUSE, FAIL, HANG = "forward", "refuse", "fail", "hang"


class Front:
    """Forwards connections to `address`; or refuses them, answers 500, or nothing at all, as `become` says."""

    def __init__(self, address: str) -> None:
        self._upstream = address
        self._mode = FORWARD
        self._port = 0
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        await self.become(FORWARD)
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.become(REFUSE)

    @property
    def url(self) -> str:
        return f"consul://127.0.0.1:{self._port}"

    async def become(self, mode: str) -> None:
        """Connections that stand are broken, as by a SIGKILL."""
        self._mode = mode
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in tuple(self._open):
            writer.transport.abort()
        if mode != REFUSE:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
            self._port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            await self._behave(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _behave(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._mode == FORWARD:
            await self._forward(reader, writer)
        elif self._mode == FAIL:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 9\r\n\r\nNo leader")
        else:
            while await reader.read(65536):
                pass

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = self._upstream.rpartition(":")
        upstream_reader, upstream = await asyncio.open_connection(host, int(port))
        self._open.add(upstream)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_pipe(reader, upstream))
                group.create_task(_pipe(upstream_reader, writer))
        finally:
            self._open.discard(upstream)
            upstream.transport.abort()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()
