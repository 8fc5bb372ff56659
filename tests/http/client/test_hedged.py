"""Requests that are sent a second time when their answer is late."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from muster.call.budget import RetryBudget
from muster.call.hedge import ENOUGH, Hedging
from muster.call.retry import RetryPolicy
from muster.http.client.transport import HTTPTransport
from muster.model.events import AttemptFailed, CallHedged

pytestmark = pytest.mark.anyio

URL = "http://greeter"
AT_ONCE = RetryPolicy(hedging=Hedging(delay=0.0))


async def two(world: Any, **options: Any) -> HTTPTransport:
    """A client of two servers, `a` and `b`, that have answered it."""
    for letter in "ab":
        await world.web(letter)
    transport: HTTPTransport = await world.transport(**{"policy": AT_ONCE, **options})
    seen: set[str] = set()
    async with asyncio.timeout(30):
        while seen != {"a", "b"}:
            async with transport.session.post(f"{URL}/status/200") as answer:
                seen.add(await answer.text())
    return transport


def under_way(transport: HTTPTransport) -> int:
    return sum(candidate.inflight for candidate in transport.pool("greeter").explain().candidates)


async def test_who_is_late_is_overtaken(world: Any) -> None:
    transport = await two(world)
    for _ in range(4):
        async with transport.session.get(f"{URL}/hang-at-a") as answer:
            assert await answer.text() == "b"
    assert under_way(transport) == 0
    assert world.told(CallHedged)[0].method == "GET"
    assert not world.told(AttemptFailed)


async def test_late_is_what_takes_longer_than_nearly_all(world: Any) -> None:
    transport = await two(world, policy=RetryPolicy(hedging=Hedging()))
    for _ in range(ENOUGH):
        async with transport.session.get(f"{URL}/status/200") as answer:
            assert answer.status == 200
    while not world.told(CallHedged):  # until a was the one that was asked first
        async with transport.session.get(f"{URL}/hang-at-a") as answer:
            assert await answer.text() == "b"


@pytest.mark.parametrize(
    ("method", "options", "twice"),
    [
        ("GET", {}, True),
        ("HEAD", {}, True),
        ("OPTIONS", {}, True),
        ("POST", {"data": b"x"}, False),
        ("POST", {"data": b"x", "idempotent": True}, True),
        ("PUT", {"json": {}, "headers": {"Idempotency-Key": "1"}}, True),
        ("PUT", {"data": {"field": "x"}, "idempotent": True}, True),
        ("GET", {"headers": {"Expect": "100-continue"}}, False),
    ],
)
async def test_only_what_may_be_processed_twice(world: Any, method: str, options: Any, twice: bool) -> None:
    transport = await two(world)
    async with transport.session.request(method, f"{URL}/echo", **options) as answer:
        assert answer.status == 200
        if method in ("POST", "PUT"):
            assert (await answer.json())["body"]
    assert bool(world.told(CallHedged)) is twice


async def test_a_body_that_can_be_read_once_is_sent_once(world: Any) -> None:
    transport = await two(world)

    async def body() -> Any:
        yield b"x"

    async with transport.session.put(f"{URL}/echo", data=body(), idempotent=True) as answer:
        assert (await answer.json())["body"] == "x"
    assert not world.told(CallHedged)


async def test_a_failure_counts_only_if_the_other_fails_too(world: Any) -> None:
    transport = await two(world, policy=RetryPolicy(attempts=1, hedging=Hedging(delay=0.0)))
    async with transport.session.get(f"{URL}/once/503") as answer:
        assert answer.status == 200
    async with transport.session.get(f"{URL}/status/503") as answer:
        assert answer.status == 503
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await transport.session.get(f"{URL}/drop")
    assert under_way(transport) == 0


@pytest.mark.parametrize("options", [{"budget": RetryBudget(0, 0)}, {"hedges": lambda name: False}])
async def test_not_without_leave(world: Any, options: Any) -> None:
    transport = await two(world, **options)
    async with transport.session.get(f"{URL}/status/200") as answer:
        assert answer.status == 200
    assert not world.told(CallHedged)


async def test_nobody_else_is_there(world: Any) -> None:
    await world.web("a")
    session = await world.session(policy=AT_ONCE)
    async with session.get(f"{URL}/status/200") as answer:
        assert answer.status == 200
    assert not world.told(CallHedged)


async def test_whoever_gives_up_ends_both(world: Any) -> None:
    transport = await two(world)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await transport.session.get(f"{URL}/hang")
    assert world.told(CallHedged)
    assert under_way(transport) == 0


async def test_whoever_gives_up_at_once_leaves_nothing(world: Any) -> None:
    transport = await two(world)

    async def ask() -> None:
        await transport.session.get(f"{URL}/hang")

    for turns in range(6):
        asking = world.spawn(ask())
        for _ in range(turns):
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait([asking])
        assert asking.cancelled()
    assert under_way(transport) == 0


async def test_the_deadline_ends_both(world: Any) -> None:
    transport = await two(world, timeout=0.1)
    with pytest.raises(aiohttp.ServerTimeoutError):
        await transport.session.get(f"{URL}/hang")
    with pytest.raises(TimeoutError):
        await transport.session.get(f"{URL}/hang", timeout=0.1)
    assert under_way(transport) == 0
    assert not asyncio.current_task().cancelling()  # type: ignore[union-attr]
