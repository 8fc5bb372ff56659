"""A stranger on a dead instance's port gets no request."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from muster.http.client.identity import Verdict, health_path, judge
from muster.model.events import InstanceEjected
from muster.model.instance import Instance
from muster.testing.scripted import HANG, Scripted, Send

pytestmark = pytest.mark.anyio

URL = "http://greeter/echo"


@pytest.mark.parametrize(
    ("metadata", "path"),
    [
        ({}, None),
        ({"muster-health": "health"}, None),
        ({"muster-health": "/"}, "/a-1"),
        ({"muster-health": "/health"}, "/health/a-1"),
        ({"muster-health": "/health/"}, "/health/a-1"),
    ],
)
def test_where_to_ask(metadata: dict[str, str], path: str | None) -> None:
    assert health_path(Instance("a-1", "a", "h", 1, metadata=metadata)) == path


@pytest.mark.parametrize(
    ("status", "header", "verdict"),
    [
        (200, "a-1", Verdict.SERVING),
        (204, "a-1", Verdict.SERVING),
        (503, "a-1", Verdict.NOT_SERVING),
        (404, "a-1", Verdict.STRANGER),
        (200, "a-2", Verdict.STRANGER),
        (200, None, Verdict.STRANGER),
        (503, None, Verdict.STRANGER),
        (302, "a-1", Verdict.STRANGER),
        (503, "a", Verdict.NOT_SERVING),  # a process of the service that begins
        (200, "a", Verdict.STRANGER),
    ],
)
def test_what_an_answer_says(status: int, header: str | None, verdict: Verdict) -> None:
    assert judge(Instance("a-1", "a", "h", 1), status, header) is verdict


async def test_an_instance_that_proves_who_it_is_gets_calls(world: Any) -> None:
    server = await world.web("a", known=False)
    world.know_also(server.provable)
    session = await world.session()
    answers = await asyncio.gather(*(session.get(URL) for _ in range(20)))
    assert {(await answer.json())["by"] for answer in answers} == {"a"}


async def test_a_stranger_gets_none(world: Any) -> None:
    stranger = await world.web("stranger", known=False)
    world.know_also(replace(stranger.provable, id="a"))
    session = await world.session()
    with pytest.raises(
        aiohttp.ClientConnectorError, match=r"a stranger answers at 127.0.0.1:.*it does not know"
    ) as none:
        await session.post(URL, data="secret")
    assert "instance a" in str(none.value)
    assert stranger.requests == []
    assert "a stranger" in world.told(InstanceEjected)[0].why


async def test_a_stranger_that_comes_later_gets_none(world: Any) -> None:
    """The connections that were verified end with the process; the next one leads to the stranger."""
    server = await world.web("a", known=False)
    world.know_also(server.provable)
    session = await world.session()
    async with session.get(URL) as answer:
        assert answer.status == 200
    await server.stop()
    stranger = await world.web("stranger", server.port, known=False)
    for _ in range(5):
        with pytest.raises(aiohttp.ClientConnectorError, match="stranger"):
            await session.post(URL, data="secret")
    assert stranger.requests == []


async def test_an_instance_that_wants_no_calls_gets_none(world: Any) -> None:
    server, other = await world.web("a", known=False), await world.web("b")
    server.healthy = False
    world.know_also(server.provable)
    session = await world.session()
    for _ in range(4):
        async with session.get(URL) as answer:
            assert (await answer.json())["by"] == "b"
    assert server.requests == [] and len(other.requests) == 4
    await world.until(lambda: world.told(InstanceEjected))
    assert "draining, or not serving yet" in world.told(InstanceEjected)[0].why


def at(server: Scripted) -> Instance:
    host, _, port = server.address.partition(":")
    return Instance("a", "greeter", host, int(port), metadata={"muster-health": "/health"})


async def test_a_server_that_is_silent_is_none(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("muster.http.client.connector.FIRST_ANSWER", 0.1)
    async with Scripted([HANG]) as server:
        world.know_also(at(server))
        session = await world.session()
        with pytest.raises(aiohttp.ClientConnectorError, match="did not say who it is: no answer within"):
            await session.get(URL)
        await world.stack.aclose()


async def test_a_server_that_closes_after_each_answer_can_be_called(world: Any) -> None:
    """Each connection carries one answer, so the proof comes on the connection before."""
    head = b"HTTP/1.1 200 OK\r\nMuster-Instance: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\n"
    async with Scripted([Send(head + b"ok", close=True)]) as server:
        world.know_also(at(server))
        session = await world.session()
        async with session.get(URL) as answer:
            assert await answer.text() == "ok"
        assert [request.path for request in server.requests][-2:] == ["/health/a", "/echo"]
