"""A list of datacenters: the first that has somebody to call answers for a name, the others stand by."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from random import Random
from typing import TypeVar

from muster.model.errors import MusterError
from muster.model.snapshot import Answer, Known, instances_of
from muster.registry.consul.agents import Agents
from muster.registry.consul.config import Config
from muster.registry.consul.discovery import ConsulDiscovery
from muster.registry.protocol import Discovery

log = logging.getLogger("muster.registry.consul")

A = TypeVar("A")

LOOK_AGAIN = 10.0
"""Seconds between looks at the datacenters that go before the one in use."""

_SOON = 0.5
"""Seconds from one choice to the next, at random up to so many: servers that disagree about who is there must not make
a watch spin. A choice that has stood for longer is made anew at once."""


def reading_from(agents: Agents, config: Config, datacenters: tuple[str, ...]) -> Discovery:
    """Reads from these datacenters; from the agents' own where there are none."""
    if len(datacenters) > 1:
        return InOrder(agents, config, datacenters)
    return ConsulDiscovery(agents, config, datacenters[0] if datacenters else "")


class InOrder:
    """Discovery over two datacenters or more, in the order of preference.

    Only the first is watched while it has somebody to call. Otherwise they are asked in their order, the next one that
    has somebody is watched, and those before it are asked again every `look_again` seconds. One that fails is passed
    over when a watch begins; once a watch stands, its failure is raised, so that it is asked a second time before
    another takes over.
    """

    def __init__(
        self, agents: Agents, config: Config, datacenters: tuple[str, ...], look_again: float = LOOK_AGAIN
    ) -> None:
        self._names = datacenters
        self._look_again = look_again
        self._first = ConsulDiscovery(agents, config, datacenters[0])
        # An answer of these, also one without news, is the occasion to look at those before it.
        self._brief = [ConsulDiscovery(agents, config, name, look_again) for name in datacenters]
        self._rng = Random()

    async def watch(self, name: str) -> AsyncGenerator[Answer, None]:
        used, clock = 0, asyncio.get_running_loop().time
        while True:
            next_choice = clock() + self._rng.uniform(0, _SOON)
            chosen = await self._choose(name)
            if chosen[0] != used:
                used = chosen[0]
                log.warning("%s is read from datacenter %s now", name, self._names[used])
            async with aclosing(self._follow(chosen, name)) as answers:
                async for answer in answers:
                    yield answer
            await asyncio.sleep(max(0.0, next_choice - clock()))

    async def watch_names(self) -> AsyncGenerator[Mapping[str, frozenset[str]], None]:
        """The names of all of them, those of the first as they change and the others' every `look_again` seconds."""
        async with aclosing(self._brief[0].watch_names()) as answers:
            async for names in answers:
                merged = dict(names)
                for other in self._brief[1:]:
                    for name, tags in (await _first_of(other.watch_names())).items():
                        merged[name] = merged.get(name, frozenset()) | tags
                yield merged

    async def _choose(self, name: str) -> tuple[int, bool]:
        """Which datacenter to follow, and whether it has somebody to call.

        Raises what the first one that failed said, where none of the others has anybody: they do not know of it.
        """
        failures: list[MusterError] = []
        registered: list[int] = []
        for number, datacenter in enumerate(self._brief):
            try:
                answer = await _first_of(datacenter.watch(name))
            except MusterError as failure:
                failures.append(failure)
                continue
            if _somebody(answer):
                return number, True
            if isinstance(answer, Known):
                registered.append(number)
        if failures:
            raise failures[0]
        return (registered or [0])[0], False

    async def _follow(self, chosen: tuple[int, bool], name: str) -> AsyncGenerator[Answer, None]:
        """The answers of one datacenter, for as long as it is the right one."""
        number, callable_before = chosen
        clock = asyncio.get_running_loop().time
        preferred = number == 0 and callable_before
        until = clock() + self._look_again
        source = self._first if preferred else self._brief[number]
        async with aclosing(source.watch(name)) as answers:
            async for answer in answers:
                if _somebody(answer) != callable_before:
                    return
                yield answer
                if not preferred and clock() >= until:
                    return


def _somebody(answer: Answer) -> bool:
    return any(instance.health.callable for instance in instances_of(answer))


async def _first_of(answers: AsyncGenerator[A, None]) -> A:
    async with aclosing(answers):
        return await anext(answers)
