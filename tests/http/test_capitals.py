"""Names of headers with capitals."""

from __future__ import annotations

import asyncio

import pytest

from muster.http.asgi import Receive, Scope, Send
from muster.http.capitals import capitalized
from muster.http.server import serving


@pytest.mark.parametrize(
    ("head", "sent"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"),
        (
            b"HTTP/1.1 200 OK\r\nx-consul-index: 5\r\nVary: accept-encoding\r\nlocation: http://a/b: c\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX-Consul-Index: 5\r\nVary: accept-encoding\r\nLocation: http://a/b: c\r\n\r\n",
        ),
        (b"HTTP/1.1 404 Not Found\r\netag: \r\n\r\n", b"HTTP/1.1 404 Not Found\r\nEtag: \r\n\r\n"),
    ],
)
def test_names_alone_are_changed(head: bytes, sent: bytes) -> None:
    assert capitalized(head) == sent


@pytest.mark.anyio
@pytest.mark.parametrize("capitals", [True, False])
async def test_a_server_spells_as_it_is_told(capitals: bool) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-a", b"b")]})
        await send({"type": "http.response.body", "body": b"\r\nx-a: b", "more_body": True})
        await send({"type": "http.response.body", "body": b"HTTP/1.1 2\r\nx-a: b"})

    request = b"PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 1\r\n\r\n"
    async with serving(app, "127.0.0.1:0", capitals=capitals) as bound:
        reader, writer = await asyncio.open_connection(bound.host, bound.port)
        writer.write(request)
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"x")
        head, body = (await reader.readuntil(b"\r\n\r\n")).splitlines(), await reader.read()
        writer.close()
    names = [line.partition(b":")[0] for line in head[1:-1]]
    expected = [b"date", b"x-a", b"connection", b"transfer-encoding"]
    assert names == [name.title() if capitals else name for name in expected]
    assert body == b"8\r\n\r\nx-a: b\r\n12\r\nHTTP/1.1 2\r\nx-a: b\r\n0\r\n\r\n"
