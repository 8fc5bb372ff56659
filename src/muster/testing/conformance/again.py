"""Registering an instance that is registered already."""

from __future__ import annotations

from dataclasses import replace

from muster.model.check import CheckState, Health, TTLCheck
from muster.model.service import Registration
from muster.model.snapshot import Absent, Known, instances_of
from muster.testing.conformance.subject import (
    SELF,
    Open,
    has_health,
    instance,
    registered,
    somebody,
    watched,
)


async def registering_again_changes_nothing(open_registry: Open) -> None:
    """The same registration once more tells watchers nothing new."""
    async with watched(open_registry) as (registry, name, watch):
        first, second = sorted((instance(name), instance(name)), key=lambda each: each.id)
        async with registered(registry, first):
            await watch.until(somebody)
            await registry.register(Registration(first, (SELF,)))
            async with registered(registry, second):
                await watch.until(lambda answer: len(instances_of(answer)) == 2)
        assert watch.seen == [Absent(name), Known(name, (first,)), Known(name, (first, second))]


async def registering_again_replaces(open_registry: Open) -> None:
    """A registration of a known id holds from then on, and nothing of the former: address, tags, metadata, checks."""
    async with watched(open_registry) as (registry, name, watch):
        former = instance(name, tags=("old",), metadata={"old": "1"}, version="1", weight=2)
        latter = replace(former, tags=("new",), metadata={"new": "1"}, version="2", weight=3, port=9001)
        async with registered(registry, former, checks=(SELF, TTLCheck("extra", 30.0))):
            await registry.beat(former.id, CheckState("extra", Health.CRITICAL, "gone with the check"))
            await watch.until(has_health(Health.CRITICAL))
            await registry.register(Registration(latter, (SELF,)))
            await watch.until(lambda answer: instances_of(answer) == (latter,))


async def registering_again_revives(open_registry: Open) -> None:
    """An instance that fell silent passes again once it has registered again."""
    async with watched(open_registry) as (registry, name, watch):
        written, check = instance(name), TTLCheck("self", 0.3)
        async with registered(registry, written, checks=(check,)):
            await watch.until(has_health(Health.CRITICAL))
            await registry.register(Registration(written, (check,)))
            await watch.until(has_health(Health.PASSING))
