"""One HTTP/1.1 request on a connection of its own, and what of the answer came in time.

A connection is not used again: a target that closed its side must not look like a failure, and one behind a balancer
must not be the same copy every time. aiohttp's client needs twice the time for such an exchange (220 µs to 117 µs; on
uvloop 164 to 48), asks a second time by itself where a target closes the connection, and has its own mind about
redirections and headers.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from typing import NamedTuple, cast

import httptools

from muster.agent.checks.state import Tail

_LARGEST_BODY = 1 << 20
"""Bytes after which reading stops: a target that never stops sending must not hold a check up."""


class Response(NamedTuple):
    """`headers` by name in lower case, the last of each; `body` is the end of what was read."""

    status: int
    reason: str
    headers: dict[str, str]
    body: str


class Broken(Exception):
    """The answer was no HTTP, or the connection ended before there was one; the text is Go's."""


class Exchange(asyncio.Protocol):
    """Sends `request` once it is connected, and reads the answer into `response`, a future of Response or Broken.

    `output_limit` is how much of the body is kept. `bodiless`: the answer is that to a HEAD. `gzip`: the request asked
    for a compressed body on its own account, so that one is unpacked.
    """

    def __init__(self, request: bytes, output_limit: int, *, bodiless: bool, gzip: bool) -> None:
        self.response: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._request = request
        self._bodiless = bodiless
        self._gzip = gzip
        self._body = Tail(output_limit)
        self._unpack: Callable[[bytes], bytes] | None = None
        self._seen = 0
        self._reason = b""
        self._headers: dict[str, str] = {}
        self._in_body = False
        self._first = b""
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None

    def cut(self) -> None:
        """The time is over: what there is of the answer is the answer; without its headers, there is none."""
        if self._in_body:
            self._done()
        elif not self.response.done():
            self.response.set_exception(TimeoutError())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._first = self._first or data
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._done()
        except httptools.HttpParserError:
            self._malformed()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._in_body:
            self._done()
        elif not self.response.done():
            self.response.set_exception(Broken("EOF" if exc is None else "read: connection reset by peer"))

    # What the parser tells of

    def on_status(self, reason: bytes) -> None:
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self._parser.get_status_code() < 200:
            return
        self._in_body = True
        if self._gzip and self._headers.get("content-encoding", "").lower() == "gzip":
            inflate = zlib.decompressobj(wbits=31)
            self._unpack = lambda data: inflate.decompress(data, _LARGEST_BODY)
        if self._bodiless:
            self._done()

    def on_body(self, body: bytes) -> None:
        self._seen += len(body)
        try:
            self._body.add(body if self._unpack is None else self._unpack(body))
        except zlib.error:
            self._done()
        if self._seen > _LARGEST_BODY:
            self._done()

    def on_message_complete(self) -> None:
        if self._in_body:
            self._done()
        else:  # an interim answer: the answer itself follows
            self._reason = b""
            self._headers.clear()

    def _done(self) -> None:
        if not self.response.done():
            reason = self._reason.decode("latin-1")
            status = self._parser.get_status_code()
            self.response.set_result(Response(status, reason, self._headers, self._body.text()))
        self._close()

    def _malformed(self) -> None:
        if self._in_body:
            self._done()
        elif not self.response.done():
            line = self._first.partition(b"\n")[0].rstrip(b"\r")[:100].decode("utf-8", "replace")
            what = f'net/http: HTTP/1.x transport connection broken: malformed HTTP response "{line}"'
            self.response.set_exception(Broken(what))
        self._close()

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
