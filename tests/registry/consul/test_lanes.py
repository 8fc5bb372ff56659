"""Connections for heartbeats: they succeed, or say that they did not, and leave the reason to others."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from muster.registry.consul.lanes import Lanes
from muster.testing.scripted import HANG, REFUSE, Hang, Scripted, Send, Step, answer

pytestmark = pytest.mark.anyio

HEADERS = {"Host": "consul", "X-Consul-Token": "secret"}


def lanes_to(server: Scripted) -> Lanes:
    host, _, port = server.address.rpartition(":")
    return Lanes(host, int(port))


async def test_a_request_arrives_whole_and_the_connection_stays() -> None:
    async with Scripted([answer(b"null"), answer(b"")]) as server:
        lanes = lanes_to(server)
        for _ in range(3):
            assert await lanes.put("/v1/agent/check/update/a%3Aself", HEADERS, b'{"Status":"passing"}')
        lanes.close()
        await server.until(lambda server: server.gone == 1)
        assert {each.connection for each in server.requests} == {1}
        (first, *_) = server.requests
        assert (first.method, first.target) == ("PUT", "/v1/agent/check/update/a%3Aself")
        assert (first.headers["host"], first.headers["x-consul-token"]) == ("consul", "secret")
        assert first.body == b'{"Status":"passing"}'


async def test_there_are_as_many_as_are_needed_at_a_time() -> None:
    async with Scripted([answer()]) as server:
        lanes = lanes_to(server)
        for _ in range(2):
            assert all(await asyncio.gather(*(lanes.put("/", HEADERS, b"") for _ in range(3))))
        lanes.close()
        assert sorted({each.connection for each in server.requests}) == [1, 2, 3]


@pytest.mark.parametrize(
    "step",
    [
        answer(b"CheckID does not exist", status=404),
        answer(b"", status=500),
        answer(b"", status=204),
        REFUSE,
        Send(b"SSH-2.0-OpenSSH_9.2\r\n"),
        Send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nnu", close=True),
        Send(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"),
    ],
)
async def test_what_is_no_plain_answer_is_none(step: Step) -> None:
    async with Scripted([step, answer()]) as server:
        lanes = lanes_to(server)
        async with asyncio.timeout(30):
            assert not await lanes.put("/", HEADERS, b"")
            assert await lanes.put("/", HEADERS, b"")
        lanes.close()


async def test_an_answer_that_ends_its_connection_counts_and_another_is_opened() -> None:
    last = Send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", close=True)
    async with Scripted([last]) as server:
        lanes = lanes_to(server)
        assert await lanes.put("/", HEADERS, b"")
        assert await lanes.put("/", HEADERS, b"")
        assert [each.connection for each in server.requests] == [1, 2]


async def test_an_answer_that_nobody_asked_for_ends_the_connection() -> None:
    twice = answer()
    async with Scripted([Send(twice.data + twice.data), answer()]) as server:
        lanes = lanes_to(server)
        assert await lanes.put("/", HEADERS, b"")
        await server.until(lambda server: server.gone == 1)
        assert await lanes.put("/", HEADERS, b"")
        assert [each.connection for each in server.requests] == [1, 2]
        lanes.close()


async def test_an_answer_that_comes_in_pieces() -> None:
    async with Scripted([Hang(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n")]) as server:
        lanes = lanes_to(server)
        async with asyncio.timeout(30):
            assert await lanes.put("/", HEADERS, b"")
        lanes.close()


async def test_who_gives_up_closes_the_connection() -> None:
    async with Scripted([HANG, answer()]) as server:
        lanes = lanes_to(server)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await lanes.put("/", HEADERS, b"")
        await server.until(lambda server: server.gone == 1)
        assert await lanes.put("/", HEADERS, b"")
        lanes.close()


async def test_nobody_there() -> None:
    async with Scripted([answer()]) as server:
        lanes = lanes_to(server)
        assert await lanes.put("/", HEADERS, b"")
    assert not await lanes.put("/", HEADERS, b"")
    assert not await lanes.put("/", HEADERS, b"")


@pytest.mark.parametrize("headers", [{"X-Consul-Token": "a\r\nX-Evil: 1"}, {"X-Consul-Token": "ü"}])
async def test_what_would_not_be_one_request_is_not_sent(headers: dict[str, str]) -> None:
    async with Scripted([answer()]) as server:
        assert not await lanes_to(server).put("/", headers, b"")
        assert not await lanes_to(server).put("/a b\n", HEADERS, b"")
        assert server.requests == []


async def test_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "consul.sock")
    async with Scripted([answer()], socket=path):
        lanes = Lanes("", 0, path)
        assert await lanes.put("/", HEADERS, b"")
        lanes.close()
