"""Entries that have companions."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from muster.model.check import CheckState, Health
from muster.model.errors import NotRegistered, Rejected
from muster.model.instance import Instance
from muster.model.service import Registration
from muster.serve.several import Companions, Transports

pytestmark = pytest.mark.anyio


def entry(name: str) -> Registration:
    return Registration(Instance(f"{name}-1", name, "127.0.0.1", 1))


class Recording:
    """A registrar that refuses what it is told to."""

    def __init__(self, **refusals: Exception) -> None:
        self.refusals = refusals
        self.done: list[tuple[str, str]] = []

    def _do(self, what: str, instance_id: str) -> None:
        self.done.append((what, instance_id))
        if error := self.refusals.get(f"{what}_{instance_id.partition('-')[0]}"):
            raise error

    async def register(self, registration: Registration) -> None:
        self._do("register", registration.instance.id)

    async def deregister(self, instance_id: str) -> None:
        self._do("deregister", instance_id)

    async def beat(self, instance_id: str, state: CheckState) -> None:
        self._do("beat", instance_id)


def companions(**refusals: Exception) -> tuple[Companions, Recording]:
    registrar = Recording(**refusals)
    return Companions(registrar, [entry("b"), entry("c")]), registrar


async def test_all_of_them_share_what_is_done() -> None:
    together, registrar = companions()
    await together.register(entry("a"))
    await together.beat("a-1", CheckState("self", Health.PASSING))
    await together.deregister("a-1")
    ids = ["a-1", "b-1", "c-1"]
    assert registrar.done == [(what, each) for what in ("register", "beat", "deregister") for each in ids]


async def test_one_that_is_refused_takes_the_others_with_it() -> None:
    together, registrar = companions(register_b=Rejected("no"))
    with pytest.raises(Rejected, match="no"):
        await together.register(entry("a"))
    assert ("deregister", "a-1") in registrar.done


@pytest.mark.parametrize("who", ["a", "b", "c"])
async def test_each_gets_its_turn_also_after_one_that_failed(who: str) -> None:
    together, registrar = companions(**{f"beat_{who}": NotRegistered(who, "here")})
    with pytest.raises(NotRegistered, match=who):
        await together.beat("a-1", CheckState("self", Health.PASSING))
    assert len(registrar.done) == 3


async def test_transports_stop_at_the_same_time() -> None:
    together = asyncio.Barrier(2)

    class Waiting:
        async def serve(self) -> None: ...

        async def stop(self, grace: float) -> None:
            await together.wait()

    both: Any = Transports([Waiting(), Waiting()])
    async with asyncio.timeout(30):
        await both.serve()
        await both.stop(1.0)
