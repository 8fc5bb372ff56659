"""What is sent without aiohttp's session is as if the session had sent it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partialmethod
from types import MappingProxyType, MethodType
from typing import Any

import aiohttp
import aiohttp.client
import pytest
from multidict import CIMultiDict
from tests.http.client.conftest import DEADLINE
from tests.http.client.web_server import NAME
from yarl import URL

from muster.http.client.direct import OPTIONS
from muster.model.instance import HTTP, Instance

pytestmark = pytest.mark.anyio

ECHO = "http://greeter/echo"

BY_SESSION: dict[str, Any] = {"max_redirects": 10}
"""What the session does anyway; requests that say so are sent by it."""


async def told(session: Any, method: str, url: Any, **options: Any) -> tuple[Any, ...]:
    """All that an answer, and the server by it, has to say of a request."""
    async with session.request(method, url, **options) as answer:
        request = answer.request_info
        seen = (answer.method, answer.url, answer.real_url, request.url, request.real_url, dict(request.headers))
        hops = [(hop.status, hop.url) for hop in answer.history]
        body = re.sub(rb'"from": \d+', b"", await answer.read())  # which connection it was is nobody's business
        return answer.status, body, seen, hops


@pytest.mark.parametrize("method", ["GET", "get", "HEAD", "POST", "DELETE"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"params": {"a": "b c"}},
        {"params": [("a", "1"), ("b", "2")]},
        {"headers": {"X-Tenant": "t", "accept": "text/plain"}},
        {"headers": [("X-Many", "1"), ("X-Many", "2")]},
        {"headers": MappingProxyType({"Host": "greeter.example.org"})},
        {"headers": CIMultiDict({"Content-Type": "text/plain"}), "params": "a=b"},
        {"json": {"y": [1, "ü"]}},
        {"json": None},
        {"json": 1, "headers": {"Content-Type": "application/x+json"}, "params": {"a": "b"}},
    ],
)
async def test_requests_arrive_as_the_session_sends_them(world: Any, method: str, options: dict[str, Any]) -> None:
    server = await world.web("a")
    session = await world.session()
    assert options.keys() <= OPTIONS
    assert await told(session, method, ECHO, **options) == await told(session, method, ECHO, **options, **BY_SESSION)
    directly, by_session = server.requests
    assert directly.raw_headers == by_session.raw_headers


@pytest.mark.parametrize(
    "url",
    [
        "http://greeter",
        "http://greeter:80/echo?a=%2F",
        "http://greeter/echo?q=ü#part",
        "http://user:secret@greeter/echo",
        "http://user@greeter/echo",
        URL("http://Greeter/echo"),
        URL("http://greeter/echo").with_query(a="b"),
    ],
)
async def test_urls_of_every_kind(world: Any, url: str | URL) -> None:
    await world.web("a")
    session = await world.session()
    assert await told(session, "GET", url) == await told(session, "GET", url, **BY_SESSION)


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("http://", {}),
        ("/echo", {}),
        ("ftp://greeter/", {}),
        ("http://[greeter/", {}),
        ("http://127.0.0.1/", {}),
        ("http://greeter:8080/", {}),
        (ECHO, {"json": object()}),
        (ECHO, {"headers": {"X-Evil": "a\r\nb"}}),
        (ECHO, {"params": {"a": object()}}),
        (5, {}),
    ],
)
async def test_refusals_are_the_sessions(world: Any, url: Any, options: dict[str, Any]) -> None:
    await world.web("a")
    session = await world.session()
    refusals = []
    for more in ({}, BY_SESSION):
        with pytest.raises(Exception) as caught:  # noqa: PT011  which one is the question
            await session.request("POST", url, **options, **more)
        refusals.append((caught.type, str(caught.value)))
    assert refusals[0] == refusals[1]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(("method", "options"), [("GET", {"params": {"to": "/echo"}}), ("POST", {"json": [1]})])
async def test_redirects_are_followed_as_the_session_does(
    world: Any, status: int, method: str, options: dict[str, Any]
) -> None:
    server = await world.web("a")
    session = await world.session()
    url = f"http://greeter/redirect?status={status}" + ("" if "params" in options else "&to=/echo")
    directly = await told(session, method, url, **options)
    assert len(server.requests) == 2, "what was answered once is not sent again"
    assert directly == await told(session, method, url, **options, **BY_SESSION)


async def test_a_redirect_to_nowhere_is_an_answer(world: Any) -> None:
    server = await world.web("a")
    session = await world.session()
    directly = await told(session, "GET", "http://greeter/status/302")
    assert directly[:2] == (302, b"a")
    assert len(server.requests) == 1
    assert directly == await told(session, "GET", "http://greeter/status/302", **BY_SESSION)


async def test_redirects_without_end(world: Any) -> None:
    server = await world.web("a")
    session = await world.session()
    with pytest.raises(aiohttp.TooManyRedirects) as caught:
        await session.get("http://greeter/round")
    assert len(caught.value.history) == len(server.requests) == 10


async def test_who_traces_sessions_sees_every_request(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As instrumentation does it that adds its own to every session that is made."""
    await world.web("a")
    seen = []

    async def begun(session: Any, context: Any, parameters: aiohttp.TraceRequestStartParams) -> None:
        seen.append(str(parameters.url))

    config = aiohttp.TraceConfig()
    config.on_request_start.append(begun)
    made = aiohttp.ClientSession.__init__
    monkeypatch.setattr(aiohttp.ClientSession, "__init__", partialmethod(made, trace_configs=[config]))
    session = await world.session()
    await told(session, "GET", ECHO)
    assert seen == [ECHO]


class Around:
    """A function in the place of one of aiohttp's, of which it says that it is that one, as wrapt's do."""

    __globals__ = vars(aiohttp.client)

    def __init__(self, function: Any) -> None:
        self.function = function

    def __get__(self, instance: object, owner: type) -> Any:
        return self if instance is None else MethodType(self.function, instance)


@pytest.mark.parametrize("wrapped", [False, True])
async def test_who_replaces_what_sessions_do_sees_every_request(
    world: Any, monkeypatch: pytest.MonkeyPatch, wrapped: bool
) -> None:
    """As mocks do it, at any time, and other instrumentation: with a function, or with an object around it."""
    await world.web("a")
    session = await world.session()
    await told(session, "GET", ECHO)
    seen = []
    send = aiohttp.ClientSession._request

    async def observed(*args: Any, **options: Any) -> aiohttp.ClientResponse:
        seen.append(args[2])
        return await send(*args, **options)

    monkeypatch.setattr(aiohttp.ClientSession, "_request", Around(observed) if wrapped else observed)
    await told(session, "GET", ECHO)
    assert seen == [ECHO]


async def test_a_body_that_is_read_late_arrives(world: Any) -> None:
    async with served(world) as (session, pieces):
        await pieces.put(b"%x\r\n%s\r\n0\r\n\r\n" % (10**6, b"a" * 10**6))
        async with session.get("http://greeter/") as response:
            await world.until(lambda: response.connection.protocol._reading_paused)
            assert len(await response.read()) == 10**6


async def test_what_the_parser_holds_back_arrives(world: Any) -> None:
    """Told to pause with the last that it has parsed, aiohttp's pauses with the next that it parses."""
    async with served(world) as (session, pieces), session.get("http://greeter/") as response:
        chunks = response.content._high_water_chunks + 1
        await pieces.put(b"1\r\na\r\n" * chunks)
        await world.until(lambda: response.connection.protocol._reading_paused)
        assert await response.content.readexactly(chunks) == b"a" * chunks
        await pieces.put(b"1\r\nb\r\n" * 3 + b"0\r\n\r\n")
        async with asyncio.timeout(DEADLINE):
            assert await response.read() == b"bbb"


@asynccontextmanager
async def served(world: Any) -> AsyncIterator[tuple[Any, asyncio.Queue[bytes]]]:
    """A session, and what the service's only instance sends after the head of an answer, piece by piece."""
    pieces: asyncio.Queue[bytes] = asyncio.Queue()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while piece := await pieces.get():
            writer.write(piece)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        world.book.know(NAME, Instance("a", NAME, "127.0.0.1", port, protocol=HTTP))
        try:
            yield await world.session(), pieces
        finally:
            await pieces.put(b"")
