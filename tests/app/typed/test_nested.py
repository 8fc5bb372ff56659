"""Calls that handlers make, and calls that are made again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from tests.app.typed.conftest import Call, Notes
from tests.app.typed.conftest import Say as Inner

import muster
from muster.registry.memory import Memory

pytestmark = pytest.mark.anyio

PROTOCOLS = pytest.mark.parametrize("protocol", ["grpc", "http"])


class Outer:
    def __init__(self, inner: Inner) -> None:
        self._inner = inner

    async def call(self) -> Call:
        return await self._inner.call()


class Steady:
    async def twice(self, number: int) -> int:
        await asyncio.sleep(0.01)
        return 2 * number


class Flaky:
    """Fails the first call of each name."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    @muster.idempotent
    async def read(self, name: str) -> str:
        return self._once(name)

    async def write(self, name: str) -> str:
        return self._once(name)

    def _once(self, name: str) -> str:
        if name not in self._seen:
            self._seen.add(name)
            raise muster.Fault("UNAVAILABLE", "not this time")
        return name


def new(name: str, protocol: str, registry: Memory) -> muster.Service:
    return muster.Service(name, registry=registry, protocols=[protocol], timing=muster.Timing(drain=0.0, stop=1.0))


@PROTOCOLS
async def test_a_call_within_a_call_has_what_is_left_of_its_time(protocol: str) -> None:
    registry = Memory(f"nested {protocol}")
    inner, outer = new("inner", protocol, registry), new("outer", protocol, registry)
    inner.handler(Inner)
    outer.handler(Outer)

    @inner.lifespan
    async def notes() -> AsyncIterator[dict[str, object]]:
        yield {"notes": Notes()}

    @outer.lifespan
    async def client() -> AsyncIterator[dict[str, object]]:
        async with muster.Client(registry) as client:
            yield {"inner": client.service(Inner, "inner")}

    async with inner.running(), outer.running(), muster.Client(registry) as caller:
        call = await caller.service(Outer, "outer", timeout=3).call()
    assert call.remaining is not None and call.remaining < 3.1


@PROTOCOLS
async def test_only_what_is_declared_idempotent_is_tried_again(protocol: str) -> None:
    registry = Memory(f"flaky {protocol}")
    async with AsyncExitStack() as stack:
        service = new("flaky", protocol, registry)
        service.handler(Flaky)
        await stack.enter_async_context(service.running())
        client = await stack.enter_async_context(muster.Client(registry))
        flaky = client.service(Flaky, "flaky")
        async with asyncio.timeout(30):
            assert await flaky.read("a") == "a"
            with pytest.raises(muster.Fault, match="UNAVAILABLE: not this time"):
                await flaky.write("b")


@PROTOCOLS
async def test_an_instance_that_leaves_loses_no_call(protocol: str) -> None:
    registry = Memory(f"leaving {protocol}")
    timing = muster.Timing(drain=0.2, stop=2.0)
    stopping, under_way, calls = asyncio.Event(), asyncio.Event(), 0

    async def call_on(steady: Steady) -> None:
        nonlocal calls
        while not stopping.is_set():
            assert await steady.twice(1) == 2
            calls += 1
            if calls == 20:
                under_way.set()

    async with AsyncExitStack() as stack:
        services = [muster.Service("steady", registry=registry, protocols=[protocol], timing=timing) for _ in "ab"]
        for service in services:
            service.handler(Steady)
        await stack.enter_async_context(services[0].running())
        client = await stack.enter_async_context(muster.Client(registry, retry=muster.RetryPolicy(attempts=1)))
        async with asyncio.timeout(30), asyncio.TaskGroup() as callers:
            async with services[1].running():
                for _ in range(8):
                    callers.create_task(call_on(client.service(Steady, "steady")))
                await under_way.wait()
            stopping.set()
