"""The health of an instance is what was last reported, and silence is no report."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from muster.model.check import CheckState, Health, TTLCheck
from muster.registry.protocol import Registrar
from muster.testing.conformance.subject import (
    SELF,
    Open,
    has_health,
    instance,
    new_name,
    registered,
    watched,
)
from muster.testing.watching import only, until


async def reported_health_is_seen(open_registry: Open) -> None:
    """Whatever an instance reports, it stays Known, with its health and with what the check found."""
    async with watched(open_registry) as (registry, name, watch):
        written = instance(name)
        async with registered(registry, written):
            for health, output in ((Health.WARNING, "disk nearly full"), (Health.CRITICAL, "disk full")):
                state = CheckState("self", health, output)
                await registry.beat(written.id, state)
                found = only(await watch.until(has_health(health)))
                assert found.failing == (state,)
                assert found.weight >= 1
            await registry.beat(written.id, CheckState("self", Health.PASSING))
            assert only(await watch.until(has_health(Health.PASSING))) == written


async def the_worst_check_counts(open_registry: Open) -> None:
    """Of several checks the worst decides; those that pass are not among the failing."""
    async with watched(open_registry) as (registry, name, watch):
        written = instance(name)
        async with registered(registry, written, checks=(SELF, TTLCheck("disk", 30.0))):
            await registry.beat(written.id, CheckState("self", Health.PASSING))
            await registry.beat(written.id, CheckState("disk", Health.CRITICAL, "full"))
            found = only(await watch.until(has_health(Health.CRITICAL)))
            assert found.failing == (CheckState("disk", Health.CRITICAL, "full"),)


async def silence_becomes_critical(open_registry: Open) -> None:
    """Without a beat within its time to live an instance is critical; the next beat brings it back."""
    async with watched(open_registry) as (registry, name, watch):
        written = instance(name)
        async with registered(registry, written, checks=(TTLCheck("self", 0.2),)):
            async with _beating(registry, written.id):
                await watch.until(has_health(Health.PASSING))
            await watch.until(has_health(Health.CRITICAL))
            async with _beating(registry, written.id):
                await watch.until(has_health(Health.PASSING))


@asynccontextmanager
async def _beating(registry: Registrar, instance_id: str) -> AsyncIterator[None]:
    """Beats again and again: on a busy machine a short time to live may be over before a watch has told of the one beat
    that began it, and what is past a watch skips."""

    async def beat() -> None:
        while True:
            await registry.beat(instance_id, CheckState("self", Health.PASSING))
            await asyncio.sleep(0.05)

    async with asyncio.TaskGroup() as group:
        beating = group.create_task(beat())
        yield
        beating.cancel()


async def beats_keep_it_passing(open_registry: Open) -> None:
    """Beats within the time to live keep an instance passing for longer than that."""
    async with (
        open_registry() as registry,
        registered(registry, instance(new_name()), checks=(TTLCheck("self", 1.2),)) as (written,),
        asyncio.TaskGroup() as group,
    ):
        critical = group.create_task(until(registry, written.service, has_health(Health.CRITICAL)))
        for _ in range(6):
            await asyncio.wait([critical], timeout=0.3)
            assert not critical.done(), "it became critical between two beats"
            await registry.beat(written.id, CheckState("self", Health.PASSING))
        critical.cancel()
