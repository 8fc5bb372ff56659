"""Connections for heartbeats, which a process with many services sends a hundred of in a second.

A request over one of these costs a third of what it costs through aiohttp. They know how to succeed only: whatever is
not a plain answer with status 200 is no answer, and the same request goes the usual way, which knows what is wrong. A
heartbeat may be sent twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import httptools


class Lanes:
    """Connections to one agent without TLS: at `host` and `port`, or at a Unix `socket`. For one event loop.

    There are as many as were needed at a time. `close` closes them.
    """

    def __init__(self, host: str, port: int, socket: str = "") -> None:
        self._host = host
        self._port = port
        self._socket = socket
        self._idle: list[_Lane] = []

    async def put(self, target: str, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether this PUT was answered with status 200; where it was not, it may have arrived all the same.

        Waits for as long as it takes; being cancelled closes the connection.
        """
        request = _request(target, headers, body)
        if request is None:
            return False
        try:
            lane = self._rested() or await self._open()
            accepted = await lane.ask(request)
        except OSError:
            return False  # the usual way says what is wrong, or finds that nothing is
        if lane.usable:
            self._idle.append(lane)
        return accepted

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _rested(self) -> _Lane | None:
        """One that is open and idle."""
        while self._idle:
            if (lane := self._idle.pop()).usable:
                return lane
        return None

    async def _open(self) -> _Lane:
        loop = asyncio.get_running_loop()
        if self._socket:
            return (await loop.create_unix_connection(_Lane, self._socket))[1]
        return (await loop.create_connection(_Lane, self._host, self._port))[1]


class _Lane(asyncio.Protocol):
    """One connection, with one request under way at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._waiting: asyncio.Future[bool] | None = None

    @property
    def usable(self) -> bool:
        """Whether another request may follow."""
        return self._transport is not None and not self._transport.is_closing()

    async def ask(self, request: bytes) -> bool:
        if self._transport is None or not self.usable:
            return False
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            return await self._waiting
        except asyncio.CancelledError:
            self.close()
            raise

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()

    def on_message_complete(self) -> None:
        if not self._parser.should_keep_alive():
            self.close()
        self._answer(self._parser.get_status_code() == 200)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._answer(False)

    def _answer(self, accepted: bool) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            self.close()  # nobody has asked
        elif not waiting.done():
            waiting.set_result(accepted)


def _request(target: str, headers: Mapping[str, str], body: bytes) -> bytes | None:
    """None for what would not be one request: aiohttp refuses it, and says so."""
    lines = [f"PUT {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    head = "\r\n".join((*lines, f"Content-Length: {len(body)}"))
    if not head.isascii() or not "".join(lines).isprintable():
        return None
    return head.encode() + b"\r\n\r\n" + body
