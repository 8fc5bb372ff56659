"""muster.http.prompt: what an application may answer at once or promise, and when it is asked the usual way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from muster.http.asgi import Receive, Scope, Send
from muster.http.prompt import Give, Later, Reply, WholeRequest
from muster.http.server import Bound, serving

pytestmark = pytest.mark.anyio

SOON = 30.0
CLOSE = b"Connection: close\r\n"


def get(target: str, *headers: bytes) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: h\r\n".encode() + b"".join(headers) + b"\r\n"


def put(target: str, body: bytes, *headers: bytes) -> bytes:
    length = b"Content-Length: %d\r\n" % len(body)
    return f"PUT {target} HTTP/1.1\r\nHost: h\r\n".encode() + length + b"".join(headers) + b"\r\n" + body


def reply(body: bytes) -> Reply:
    return Reply(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n" % len(body), body)


class Promise:
    """An answer that the test gives."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.abandoned = asyncio.Event()
        self._give: Give

    def begin(self, give: Give) -> None:
        self._give = give
        self.begun.set()

    def abandon(self) -> None:
        self.abandoned.set()

    def keep(self, body: bytes) -> None:
        self._give(lambda: reply(body))

    def fail(self) -> None:
        def make() -> Reply:
            raise KeyError("mine")

        self._give(make)


class Application:
    """Answers `/now...` at once and `/later...` when the test says; the rest, and what was promised, as ASGI."""

    def __init__(self) -> None:
        self.promise = Promise()
        self.asked = asyncio.Event()
        self.prompted: list[WholeRequest] = []

    def prompt(self, request: WholeRequest) -> Reply | Later | None:
        self.prompted.append(request)
        if request.target.startswith(b"/now"):
            return reply(request.target + request.body)
        if request.target.startswith(b"/bad"):
            raise KeyError("mine")
        return self.promise if request.target.startswith(b"/later") else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.set()
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        body = b"task " + scope["raw_path"] + body
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def served() -> AsyncIterator[tuple[Application, Bound]]:
    application = Application()
    async with serving(application, "127.0.0.1:0", prompt=application.prompt, grace=1.0) as bound:
        yield application, bound


@asynccontextmanager
async def connected(bound: Bound) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(bound.host, bound.port)
    try:
        async with asyncio.timeout(SOON):
            yield reader, writer
    finally:
        writer.close()


async def answer(reader: asyncio.StreamReader) -> bytes:
    """The body of the next answer."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return await reader.readexactly(length)


async def exchange(bound: Bound, *parts: bytes) -> bytes:
    """Everything that the server sends until it closes the connection."""
    async with connected(bound) as (reader, writer):
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)
        return await reader.read()


async def test_a_prompt_answer_goes_out_with_date_and_without_a_task() -> None:
    async with served() as (application, bound), connected(bound) as (reader, writer):
        writer.write(get("/now"))
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nDate: ")
        assert b"Connection" not in head
        assert await reader.readexactly(4) == b"/now"
        writer.write(put("/now/", b"body", b"X-A: b\r\n"))
        assert await answer(reader) == b"/now/body"
    assert application.prompted[-1].method == "PUT"
    assert (b"x-a", b"b") in application.prompted[-1].headers


async def test_an_answer_to_head_is_without_its_body() -> None:
    async with served() as (application, bound), connected(bound) as (reader, writer):
        for target in ("/now", "/later"):
            writer.write(get(target).replace(b"GET", b"HEAD"))
            if target == "/later":
                await application.promise.begun.wait()
                application.promise.keep(b"kept")
            assert b"\r\nContent-Length: 4\r\n" in await reader.readuntil(b"\r\n\r\n")
        writer.write(get("/now"))
        assert await answer(reader) == b"/now"
        writer.write(get("/bad").replace(b"GET", b"HEAD"))
        assert (await reader.read()).endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "request_",
    [get("/now", CLOSE), b"GET /now HTTP/1.0\r\n\r\n", b"GET /now HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"],
)
async def test_the_connection_ends_where_the_client_or_its_version_says_so(request_: bytes) -> None:
    async with served() as (_, bound):
        sent = await exchange(bound, request_)
    assert b"Connection: close\r\n" in sent
    assert sent.endswith(b"/now")


async def test_without_a_prompt_answer_the_application_is_asked() -> None:
    async with served() as (_, bound), connected(bound) as (reader, writer):
        for _ in range(2):
            writer.write(put("/slow", b"body") + get("/now") + get("/slow") + get("/now2"))
            assert [await answer(reader) for _ in range(4)] == [
                b"task /slowbody",
                b"task /now",  # behind a task everything is one, so that answers stay in order
                b"task /slow",
                b"task /now2",
            ]


async def test_a_body_in_several_reads_goes_the_usual_way() -> None:
    async with served() as (application, bound), connected(bound) as (reader, writer):
        whole = put("/now", b"abcdef")
        writer.write(whole[:-3])
        await application.asked.wait()
        writer.write(whole[-3:])
        assert await answer(reader) == b"task /nowabcdef"
        writer.write(get("/now"))
        assert await answer(reader) == b"/now"


async def test_who_expects_to_be_told_to_continue_is_told() -> None:
    async with served() as (_, bound), connected(bound) as (reader, writer):
        head, _, body = put("/now", b"body", b"Expect: 100-continue\r\n").rpartition(b"body")
        writer.write(head)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        writer.write(b"body" + body)
        assert await answer(reader) == b"task /nowbody"


async def test_an_offer_to_upgrade_is_no_offer() -> None:
    async with served() as (_, bound), connected(bound) as (reader, writer):
        writer.write(put("/now", b"body", b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"))
        assert await answer(reader) == b"/nowbody"


async def test_what_the_prompt_raises_is_500_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with served() as (application, bound):
        assert b"500 Internal Server Error" in await exchange(bound, get("/bad"))
        async with connected(bound) as (reader, writer):
            writer.write(get("/later"))
            await application.promise.begun.wait()
            application.promise.fail()
            assert b"500 Internal Server Error" in await reader.read()
    assert [record.message for record in caplog.records if record.exc_info] == ["a request has no answer"] * 2


async def test_a_promise_is_kept_and_the_connection_goes_on() -> None:
    async with served() as (application, bound), connected(bound) as (reader, writer):
        writer.write(get("/later"))
        await application.promise.begun.wait()
        application.promise.keep(b"kept")
        assert await answer(reader) == b"kept"
        writer.write(get("/now"))
        assert await answer(reader) == b"/now"
    assert not application.promise.abandoned.is_set()


async def test_a_client_that_leaves_abandons_its_promise() -> None:
    async with served() as (application, bound):
        async with connected(bound) as (_, writer):
            writer.write(get("/later"))
            await application.promise.begun.wait()
        async with asyncio.timeout(SOON):
            await application.promise.abandoned.wait()


@pytest.mark.parametrize("together", [True, False])
async def test_behind_a_promise_answers_stay_in_order(together: bool) -> None:
    async with served() as (application, bound), connected(bound) as (reader, writer):
        writer.write(put("/later", b"body") + (get("/now", CLOSE) if together else b""))
        await application.promise.begun.wait()
        if not together:
            writer.write(get("/now", CLOSE))
        assert await answer(reader) == b"task /laterbody"
        assert await answer(reader) == b"task /now"
        assert await reader.read() == b""
    assert application.promise.abandoned.is_set()


async def test_what_is_no_http_behind_a_promise_ends_it() -> None:
    async with served() as (application, bound):
        assert b"400 Bad Request" in await exchange(bound, get("/later"), b"\x00\x01\r\n\r\n")
        async with asyncio.timeout(SOON):
            await application.promise.abandoned.wait()


async def test_a_server_that_ends_keeps_its_promises_and_closes() -> None:
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as tasks, served() as (application, bound):
        asked = tasks.create_task(exchange(bound, get("/later")))
        async with asyncio.timeout(SOON):
            await application.promise.begun.wait()
        loop.call_later(0.05, application.promise.keep, b"kept")
    sent = asked.result()
    assert b"Connection: close" in sent
    assert sent.endswith(b"kept")


async def test_a_client_that_does_not_read_is_not_answered_without_end() -> None:
    """Its requests wait in the sockets once enough answers do."""
    target = "/now" + "x" * 1000
    async with served() as (application, bound), connected(bound) as (reader, writer):
        transport: Any = writer.transport
        transport.pause_reading()
        sent = 0
        try:
            async with asyncio.timeout(1.0):
                while True:
                    writer.write(get(target) * 100)
                    sent += 100
                    await writer.drain()
        except TimeoutError:
            pass
        assert len(application.prompted) < sent
        transport.resume_reading()
        assert [await answer(reader) for _ in range(sent - 100)][-1].endswith(target.encode())
