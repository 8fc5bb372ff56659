"""muster.http.server: what it promises to applications and to strangers on the other end of the socket."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from muster.http.asgi import Receive, Scope, Send
from muster.http.connection import Limits
from muster.http.listening import listen
from muster.http.server import Bound, serving
from muster.model.errors import BadConfiguration

pytestmark = pytest.mark.anyio

REQUEST = b"GET /x?y=z HTTP/1.1\r\nHost: h\r\n\r\n"
LAST_REQUEST = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


async def answer(send: Send, body: bytes = b"ok", status: int = 200) -> None:
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send)


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message["body"], message["more_body"]
    await answer(send, body)


class Slow:
    """An application whose answers wait until the test lets them go."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.go = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.started.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        await answer(send, b"late")


@asynccontextmanager
async def connected(bound: Bound) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(bound.host, bound.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def exchange(bound: Bound, request: bytes) -> bytes:
    """Everything that the server sends until it closes the connection."""
    async with connected(bound) as (reader, writer):
        writer.write(request)
        return await asyncio.wait_for(reader.read(), 30)


async def test_serves_on_a_port_of_its_own_and_tells_which() -> None:
    async with serving(hello, "127.0.0.1:0") as bound:
        assert bound.url == f"http://127.0.0.1:{bound.port}"
        reply = await exchange(bound, LAST_REQUEST)
    assert reply.startswith(b"HTTP/1.1 200 OK\r\ndate: ")
    assert reply.endswith(b"\r\n\r\nok")


async def test_the_address_of_a_wildcard_can_be_connected_to() -> None:
    assert Bound("0.0.0.0", 80).address == "127.0.0.1:80"
    assert Bound("::", 80).url == "http://[::1]:80"


async def test_localhost_is_the_ipv4_loopback() -> None:
    async with serving(hello, "localhost:0") as bound:
        assert bound.host == "127.0.0.1"


async def test_a_taken_port_is_refused_with_advice() -> None:
    async with serving(hello, "127.0.0.1:0") as bound:
        with pytest.raises(BadConfiguration, match=f"127.0.0.1:{bound.port}.*another process has that port"):
            async with serving(hello, bound.address):
                pass


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("8080", "has no port"),
        (":8080", "names no host; write 127.0.0.1:8080"),
        ("127.0.0.1:http", "'http' is not a port"),
        ("127.0.0.1:70000", "is not a port"),
        ("::1:80", "needs brackets"),
        ("192.0.2.1:0", "no such address"),
        ("no-such-host.invalid:0", "no address or known name"),
        ("a" * 70 + ".:0", "no address or known name"),
    ],
)
async def test_an_address_that_cannot_be_used_is_refused(address: str, text: str) -> None:
    with pytest.raises(BadConfiguration, match=text):
        (await listen(address)).close()


async def test_errors_in_the_body_come_out_as_they_are() -> None:
    with pytest.raises(KeyError, match="mine"):
        async with serving(hello, "127.0.0.1:0"):
            raise KeyError("mine")


async def test_what_is_in_flight_is_finished_while_nothing_new_is_taken() -> None:
    slow = Slow()
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as tasks, serving(slow, "127.0.0.1:0") as bound:
        request = tasks.create_task(exchange(bound, REQUEST))
        await slow.started.wait()
        loop.call_later(0.05, slow.go.set)
    reply = request.result()
    assert reply.endswith(b"late")
    assert b"connection: close" in reply
    with pytest.raises(ConnectionRefusedError):
        await exchange(bound, REQUEST)


async def test_after_the_grace_calls_are_cut_and_cancelled_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    slow = Slow()
    with caplog.at_level(logging.DEBUG):
        async with asyncio.TaskGroup() as tasks, serving(slow, "127.0.0.1:0", grace=0.02) as bound:
            request = tasks.create_task(exchange(bound, REQUEST))
            await slow.started.wait()
        assert slow.cancelled.is_set()
    assert request.result() == b""
    assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []


async def test_idle_connections_do_not_hold_up_the_end() -> None:
    async with serving(hello, "127.0.0.1:0", grace=60) as bound:
        reader, writer = await asyncio.open_connection(bound.host, bound.port)
        writer.write(REQUEST)
        await reader.readuntil(b"ok")
        silent, silent_writer = await asyncio.open_connection(bound.host, bound.port)
    assert await reader.read() == b""
    assert await silent.read() == b""
    writer.close()
    silent_writer.close()


async def test_two_requests_on_one_connection() -> None:
    async with serving(hello, "127.0.0.1:0") as bound:
        reply = await exchange(bound, REQUEST + LAST_REQUEST)
    assert reply.count(b"200 OK") == 2


OFFER = (
    b"POST / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\n"
    b"Upgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n"
)


@pytest.mark.parametrize(
    "offer",
    [
        OFFER + b"Content-Length: 4\r\n\r\nbody",
        OFFER + b"Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
        OFFER.replace(b"h2c", b"websocket") + b"Content-Length: 4\r\n\r\nbody",
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
async def test_an_offer_to_upgrade_is_ignored_and_the_body_arrives(
    offer: bytes, at_once: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(echo, "127.0.0.1:0") as bound, connected(bound) as (reader, writer):
        for part in [offer] if at_once else [offer[i : i + 1] for i in range(len(offer))]:
            writer.write(part)
            await asyncio.sleep(0)
        writer.write(LAST_REQUEST)
        reply = await asyncio.wait_for(reader.read(), 30)
    assert reply.count(b"200 OK") == 2
    assert b"\r\n\r\nbodyHTTP/1.1" in reply
    assert caplog.records == []


async def test_an_endless_head_is_refused() -> None:
    async with serving(hello, "127.0.0.1:0", limits=Limits(head_bytes=1000)) as bound:
        assert (await exchange(bound, b"GET / HTTP/1.1\r\nA: " + b"x" * 2000)).startswith(b"HTTP/1.1 431 ")


async def test_a_slow_head_is_cut_off() -> None:
    async with serving(hello, "127.0.0.1:0", limits=Limits(head_seconds=0.05)) as bound:
        assert await exchange(bound, b"") == b""
        assert await exchange(bound, b"GET / HT") == b""
        assert (await exchange(bound, REQUEST + b"GET /")).endswith(b"ok")


async def test_a_slow_second_head_does_not_end_the_answer_before_it() -> None:
    slow = Slow()
    async with serving(slow, "127.0.0.1:0", limits=Limits(head_seconds=0.05)) as bound:
        asyncio.get_running_loop().call_later(0.2, slow.go.set)
        assert (await exchange(bound, REQUEST + b"GET /")).endswith(b"late")


async def test_an_idle_connection_is_closed() -> None:
    async with serving(hello, "127.0.0.1:0", limits=Limits(idle_seconds=0.05)) as bound:
        assert (await exchange(bound, REQUEST)).endswith(b"ok")


@pytest.mark.parametrize(
    ("limits", "status"), [(Limits(connections=1), b"503"), (Limits(connections_per_client=1), b"429")]
)
async def test_a_connection_too_many_is_told_so(limits: Limits, status: bytes) -> None:
    async with serving(hello, "127.0.0.1:0", limits=limits) as bound:
        async with connected(bound) as (reader, writer):
            writer.write(REQUEST)
            await reader.readuntil(b"ok")
            assert (await exchange(bound, REQUEST)).startswith(b"HTTP/1.1 " + status)
        assert (await exchange_when_free(bound)).endswith(b"ok")


async def exchange_when_free(bound: Bound) -> bytes:
    """The server sees a closed connection a moment after the client."""
    async with asyncio.timeout(30):
        while not (reply := await exchange(bound, LAST_REQUEST)).startswith(b"HTTP/1.1 200"):
            pass
    return reply


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
        b"CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_refused_and_the_server_lives_on(request_: bytes) -> None:
    async with serving(hello, "127.0.0.1:0") as bound:
        assert (await exchange(bound, request_)).startswith(b"HTTP/1.1 400 ")
        assert (await exchange(bound, LAST_REQUEST)).endswith(b"ok")
