"""The scripted server: what others' tests rely on."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from muster.testing.scripted import HANG, Received, Scripted, Send, Step, answer

pytestmark = pytest.mark.anyio


async def test_steps_come_in_order_and_the_last_stays() -> None:
    async with (
        Scripted([answer("one", index=7), answer("two", status=503)]) as server,
        aiohttp.ClientSession() as session,
    ):
        for status, text in ((200, "one"), (503, "two"), (503, "two")):
            async with session.get(f"http://{server.address}/a?b=c&d") as response:
                assert (response.status, await response.text()) == (status, text)
                assert response.headers.get("X-Consul-Index") == ("7" if text == "one" else None)
    assert [(each.path, each.params, each.connection) for each in server.requests] == [
        ("/a", {"b": "c", "d": ""}, 1)
    ] * 3


async def test_a_function_sees_the_whole_request() -> None:
    def echo(received: Received) -> Step:
        return answer(received.body + received.headers["x-mark"].encode())

    async with Scripted(echo) as server, aiohttp.ClientSession() as session:
        response = await session.put(f"http://{server.address}/", data=b"body-", headers={"X-Mark": "mark"})
        assert await response.read() == b"body-mark"


async def test_a_client_that_goes_away_is_counted() -> None:
    async with Scripted([HANG]) as server, aiohttp.ClientSession() as session:
        with pytest.raises(TimeoutError):
            await session.get(f"http://{server.address}/", timeout=aiohttp.ClientTimeout(total=0.05))
        await server.until(lambda server: server.gone == 1)


async def test_waiting_in_vain_tells_what_came() -> None:
    async with Scripted([Send(b"", close=True)]) as server:
        with pytest.raises(AssertionError, match=r"not within 0\.01 s"):
            await server.until(lambda server: server.gone == 1, seconds=0.01)


async def test_stopping_closes_every_connection() -> None:
    async with Scripted([HANG]) as server, aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        disconnected = group.create_task(_disconnected(session, server.address))
        await server.until(lambda server: len(server.requests) == 1)
        await server.stop()
        await disconnected


async def _disconnected(session: aiohttp.ClientSession, address: str) -> None:
    """A POST, which aiohttp does not send again by itself."""
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await session.post(f"http://{address}/")
