"""Crowds, giants and sloths on raw sockets: each meets its limit, and nobody else is held up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from muster.agent import Agent
from muster.agent.settings import Limits, Settings

pytestmark = pytest.mark.anyio

SOON = 30.0
LEADER = b"GET /v1/status/leader HTTP/1.1\r\nHost: x\r\n\r\n"
HERE = Settings(http="127.0.0.1:0")


def limited(**limits: Any) -> Agent:
    return Agent.configured(lambda: replace(HERE, limits=Limits(**limits)))


class Client:
    """A connection that sends what it is told and keeps what it gets."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def status(self) -> bytes:
        """The status of the next answer, whose head is read; empty where the connection is closed before."""
        try:
            async with asyncio.timeout(SOON):
                head = await self.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await self.reader.readexactly(length)
        return head[9:12]

    async def ended(self) -> bool:
        """True when the agent has closed the connection."""
        async with asyncio.timeout(SOON):
            try:
                while await self.reader.read(65536):
                    pass
            except ConnectionError:
                pass
        return True


@asynccontextmanager
async def client(agent: Agent) -> AsyncIterator[Client]:
    host, _, port = agent.address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield Client(reader, writer)
    finally:
        writer.close()


async def answered(agent: Agent) -> bytes:
    """What another client gets meanwhile, and soon."""
    begun = time.monotonic()
    async with client(agent) as other:
        await other.send(LEADER)
        status = await other.status()
    assert time.monotonic() - begun < 2.0
    return status


async def test_consuls_own_limits_are_the_defaults() -> None:
    assert (Limits().http_max_conns_per_client, Limits().kv_max_value_size) == (200, 512 * 1024)


async def test_a_client_has_so_many_connections() -> None:
    async with limited(http_max_conns_per_client=3) as agent, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(client(agent)) for _ in range(5)]
        assert [await each.status() for each in clients[3:]] == [b"429", b"429"]
        for each in clients[:3]:
            await each.send(LEADER)
            assert await each.status() == b"200"
        assert all([await each.ended() for each in clients[3:]])
        clients[0].writer.close()
        await clients[0].writer.wait_closed()
        assert await soon_again(agent) == b"200"


async def soon_again(agent: Agent) -> bytes:
    """The agent hears of an end when its loop gets to it, and tells nobody: so it is asked again and again."""
    while (status := await answered(agent)) == b"429":
        await asyncio.sleep(0.01)
    return status


async def test_all_clients_have_so_many_connections() -> None:
    async with limited(http_max_conns=2) as agent, AsyncExitStack() as stack:
        *_, last = [await stack.enter_async_context(client(agent)) for _ in range(3)]
        assert await last.status() == b"503"


async def test_a_reload_changes_how_many() -> None:
    limits = [Limits(http_max_conns_per_client=1)]
    async with Agent.configured(lambda: replace(HERE, limits=limits[0])) as agent, client(agent) as first:
        assert await answered(agent) == b"429"
        limits[0] = Limits(http_max_conns_per_client=2)
        agent.reload()
        assert await answered(agent) == b"200"
        await first.send(LEADER)
        assert await first.status() == b"200"


async def test_a_giant_head_is_refused() -> None:
    async with limited(http_max_head_bytes=10_000) as agent, client(agent) as giant:
        await giant.send(LEADER[:-2] + b"X: " + b"a" * 200_000)
        assert await giant.status() == b"431"
        assert await giant.ended()


async def test_an_endless_head_is_cut_off_where_the_limit_is() -> None:
    async with limited(http_max_head_bytes=10_000) as agent, client(agent) as giant, asyncio.TaskGroup() as tasks:
        status = tasks.create_task(giant.status())
        giant.writer.write(LEADER[:-2])
        while not status.done():
            giant.writer.write(b"X: y\r\n" * 100)
            await asyncio.sleep(0.001)
        assert await status in (b"431", b""), "the refusal, or the reset of who went on writing"
        assert await answered(agent) == b"200"


@pytest.mark.parametrize("begun", [b"", b"G", LEADER[:-2], LEADER + LEADER[:-2]])
async def test_a_slow_head_ends_its_connection_and_holds_up_nobody(begun: bytes) -> None:
    async with limited(http_head_timeout=0.2) as agent, client(agent) as slow:
        await slow.send(begun)
        assert await answered(agent) == b"200"
        assert await slow.ended()


async def test_a_head_that_dribbles_ends_all_the_same() -> None:
    async with limited(http_head_timeout=0.2) as agent, client(agent) as slow, asyncio.TaskGroup() as tasks:
        ended = tasks.create_task(slow.ended())
        for byte in LEADER * 100:
            if ended.done():
                break
            slow.writer.write(bytes([byte]))
            await asyncio.sleep(0.02)
        assert await ended


async def test_a_slow_body_is_told_so() -> None:
    async with limited(http_body_timeout=0.2) as agent, client(agent) as slow:
        await slow.send(b"PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345")
        assert await answered(agent) == b"200"
        assert await slow.status() == b"408"
        assert await slow.ended()


async def test_a_body_in_time_is_taken_however_it_comes() -> None:
    async with limited() as agent, client(agent) as slow:
        await slow.send(b"PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
        for byte in b"1234567890":
            await slow.send(bytes([byte]))
            await asyncio.sleep(0.005)
        assert await slow.status() == b"200"


@pytest.mark.parametrize("head", [b"Content-Length: 100000", b"Transfer-Encoding: chunked"])
async def test_a_giant_body_is_refused(head: bytes) -> None:
    body = b"186a0\r\n" + b"a" * 100_000 + b"\r\n0\r\n\r\n" if b"chunked" in head else b"a" * 100_000
    async with limited(http_max_body_bytes=50_000) as agent, client(agent) as giant:
        await giant.send(b"PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n" + body)
        assert await giant.status() == b"413"
        assert await answered(agent) == b"200"


async def test_an_idle_connection_is_closed_in_its_time() -> None:
    async with limited(http_idle_timeout=0.2) as agent, client(agent) as idle:
        await idle.send(LEADER)
        assert await idle.status() == b"200"
        assert await idle.ended()


async def test_a_client_that_has_said_all_that_it_will_is_answered() -> None:
    """`printf 'GET ...' | nc` closes its half of the connection behind the request."""
    async with limited() as agent, client(agent) as half:
        half.writer.write(LEADER)
        half.writer.write_eof()
        assert await half.status() == b"200"
        assert await half.ended()


@pytest.mark.parametrize("begun", [b"", b"GET /v1/status", b"PUT /v1/kv/a HTTP/1.1\r\nContent-Length: 5\r\n\r\n123"])
async def test_half_closed_in_the_middle_is_the_end(begun: bytes) -> None:
    async with limited() as agent, client(agent) as half:
        half.writer.write(begun)
        half.writer.write_eof()
        assert await half.ended()
        assert await answered(agent) == b"200"


async def test_blocked_queries_beyond_the_limit_are_refused() -> None:
    wait = f"GET /v1/catalog/nodes?index={2**60} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    async with limited(max_blocked_queries=2) as agent, AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        clients = [await stack.enter_async_context(client(agent)) for _ in range(3)]
        for each in clients:
            await each.send(wait)
        first, pending = await asyncio.wait(
            [tasks.create_task(each.status()) for each in clients], return_when=asyncio.FIRST_COMPLETED
        )
        assert [task.result() for task in first] == [b"503"]
        assert await answered(agent) == b"200"
        for task in pending:
            task.cancel()


async def test_a_client_that_does_not_read_holds_up_nobody() -> None:
    async with limited() as agent, client(agent) as deaf, client(agent) as writer:
        await writer.send(b"PUT /v1/kv/a HTTP/1.1\r\nContent-Length: 500000\r\n\r\n" + b"a" * 500_000)
        assert await writer.status() == b"200"
        deaf.writer.write(b"GET /v1/kv/a?raw HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
        for _ in range(20):
            assert await answered(agent) == b"200"
