"""A parser of HTTP/1.1 requests, to which an offer to upgrade is no offer.

To ignore `Upgrade` is a server's right (RFC 9110, section 7.8), but httptools then takes what follows the headers for
the new protocol, and the body is lost: seen with uvicorn 0.54 and httptools 0.9, where the first POST of Java's
HttpClient, which offers h2c by default, arrives empty. So such a head is parsed a second time without its offer.
"""

from __future__ import annotations

from typing import Protocol

import httptools


class Callbacks(Protocol):
    """What the parser tells of; see httptools. `url` and `headers` are those of the request being read."""

    url: bytes
    headers: list[tuple[bytes, bytes]]

    def on_message_begin(self) -> None: ...
    def on_url(self, url: bytes) -> None: ...
    def on_header(self, name: bytes, value: bytes) -> None: ...
    def on_headers_complete(self) -> None: ...
    def on_body(self, body: bytes) -> None: ...
    def on_message_complete(self) -> None: ...


class RequestParser:
    """In place of httptools.HttpRequestParser. Where `should_upgrade` is true in a callback, the callback has to do
    nothing: it comes again for the same request, as if nothing had been offered."""

    def __init__(self, protocol: Callbacks) -> None:
        self._protocol = protocol
        self._parser = _new(protocol)

    def feed_data(self, data: bytes) -> None:
        """Raises httptools.HttpParserError for what is no HTTP, and for CONNECT, which is for proxies."""
        while data:
            data = self._feed(data)

    def get_http_version(self) -> str:
        return self._parser.get_http_version()

    def get_method(self) -> bytes:
        return self._parser.get_method()

    def should_keep_alive(self) -> bool:
        return self._parser.should_keep_alive()

    def should_upgrade(self) -> bool:
        return self._parser.should_upgrade()

    def _feed(self, data: bytes) -> bytes:
        """Parses `data`, and returns what has to be parsed after it."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            head = self._without_offer()
            self._parser = _new(self._protocol)
            return head + data[offer.args[0] :]
        return b""

    def _without_offer(self) -> bytes:
        method = self._parser.get_method()
        if method == b"CONNECT":
            raise httptools.HttpParserInvalidMethodError("CONNECT")
        lines = [b"%b %b HTTP/%b" % (method, self._protocol.url, self._parser.get_http_version().encode())]
        lines += [b"%b: %b" % field for field in self._protocol.headers if field[0] != b"upgrade"]
        return b"\r\n".join(lines) + b"\r\n\r\n"


def _new(protocol: Callbacks) -> httptools.HttpRequestParser:
    parser = httptools.HttpRequestParser(protocol)
    # As uvicorn does: what a client sends after `Connection: close` must not spoil the answer to what came before.
    parser.set_dangerous_leniencies(lenient_data_after_close=True)
    return parser
