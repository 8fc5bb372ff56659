"""Whoever watches may be slow, and may go away."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from muster.model.service import Registration
from muster.testing.conformance.subject import (
    SELF,
    Open,
    instance,
    new_name,
    registered,
    somebody,
    watched,
)
from muster.testing.watching import DEADLINE, only, until


async def a_slow_reader_sees_the_newest(open_registry: Open) -> None:
    """Who reads late is told what holds now, and not one by one what he missed."""
    async with watched(open_registry) as (registry, name, watch):
        written = instance(name)
        async with registered(registry, written):
            for number in range(1, 11):
                await registry.register(Registration(replace(written, weight=number), (SELF,)))
            await until(registry, name, lambda answer: only(answer).weight == 10 if somebody(answer) else False)
            assert only(await watch.next()).weight == 10


async def a_watch_can_be_cancelled(open_registry: Open) -> None:
    """Cancelling whoever waits for an answer ends the watch at once; the registry and other watches go on."""
    async with watched(open_registry) as (registry, name, watch):
        async with asyncio.timeout(DEADLINE), asyncio.TaskGroup() as group:
            waiting = group.create_task(until(registry, name, somebody))
            await asyncio.wait([waiting], timeout=0.05)
            waiting.cancel()
        assert waiting.cancelled()
        async with registered(registry, instance(name)):
            await watch.until(somebody)


async def a_watch_can_be_closed(open_registry: Open) -> None:
    """Closing a watch is fine before its first answer, after it, and twice."""
    async with open_registry() as registry:
        never_asked, asked = registry.watch(new_name()), registry.watch(new_name())
        await never_asked.aclose()
        await anext(asked)
        await asked.aclose()
        await asked.aclose()
