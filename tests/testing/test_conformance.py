"""The suite finds what it is there to find: registries that break one rule each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from muster.model.check import CheckState, Health
from muster.model.errors import MusterError, NotRegistered, RegistryUnavailable
from muster.model.service import Registration
from muster.model.snapshot import Absent, Answer, Known
from muster.registry.memory import Memory
from muster.testing.conformance import RULES, ReadWrite, again, health, readers, refusals, seen
from muster.testing.watching import until

pytestmark = pytest.mark.anyio


class SaysNobodyAsAnEmptyList(Memory):
    async def watch(self, name: str) -> AsyncGenerator[Answer, None]:
        async for answer in super().watch(name):
            yield Known(name, ()) if isinstance(answer, Absent) else answer


class LosesMetadata(Memory):
    async def register(self, registration: Registration) -> None:
        registration.validate()
        await super().register(replace(registration, instance=replace(registration.instance, metadata={})))


class HidesTheUnhealthy(Memory):
    async def watch(self, name: str) -> AsyncGenerator[Answer, None]:
        async for answer in super().watch(name):
            healthy = tuple(each for each in getattr(answer, "instances", ()) if each.health == "passing")
            yield Known(name, healthy) if healthy else Absent(name)


class NeverForgetsAnything(Memory):
    async def deregister(self, instance_id: str) -> None:
        return


class RaisesForTheUnknown(Memory):
    async def deregister(self, instance_id: str) -> None:
        try:
            await self.beat(instance_id, CheckState("self", Health.PASSING))
        except NotRegistered:
            raise RegistryUnavailable("no such instance") from None
        await super().deregister(instance_id)


class BeatsAnybody(Memory):
    async def beat(self, instance_id: str, state: CheckState) -> None:
        try:
            await super().beat(instance_id, state)
        except NotRegistered:
            return


class TellsEveryStep(Memory):
    """Tells a slow reader everything that he missed, one by one."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._steps: list[Answer] = []

    async def register(self, registration: Registration) -> None:
        await super().register(registration)
        self._steps.append(await until(Memory(self._name), registration.instance.service, lambda answer: True))

    async def watch(self, name: str) -> AsyncGenerator[Answer, None]:
        yield Absent(name)
        for step in self._steps:
            yield step


BROKEN: list[tuple[type[ReadWrite], str]] = [
    (SaysNobodyAsAnEmptyList, "nobody_is_absent"),
    (LosesMetadata, "a_registration_is_seen_whole"),
    (LosesMetadata, "any_text_is_kept"),
    (HidesTheUnhealthy, "reported_health_is_seen"),
    (NeverForgetsAnything, "a_deregistration_is_seen"),
    (NeverForgetsAnything, "names_are_told"),
    (RaisesForTheUnknown, "deregistering_the_unknown_is_fine"),
    (BeatsAnybody, "beating_the_unknown_is_told"),
    (TellsEveryStep, "a_slow_reader_sees_the_newest"),
]


@pytest.mark.parametrize(("broken", "rule"), BROKEN, ids=lambda value: getattr(value, "__name__", value))
async def test_a_broken_registry_is_found_out(broken: type[Memory], rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("muster.testing.watching.DEADLINE", 0.2)
    check = next(each for each in RULES if each.__name__ == rule)
    with pytest.raises((AssertionError, MusterError)):
        await check(lambda: broken("broken"))


def test_every_rule_is_in_the_suite() -> None:
    written = [
        value
        for module in (seen, health, again, readers, refusals)
        for name, value in vars(module).items()
        if asyncio.iscoroutinefunction(value) and value.__module__ == module.__name__ and not name.startswith("_")
    ]
    assert list(RULES) == written
