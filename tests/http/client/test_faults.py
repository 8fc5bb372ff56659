"""Servers in processes of their own, killed, stopped and restarted under steady load: every request is counted."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from muster.call.retry import RetryPolicy
from muster.model.events import InstanceEjected

pytestmark = pytest.mark.anyio

URL = "http://greeter"
PER_SECOND = 300


@dataclass
class Load:
    """Requests at a steady rate, whatever becomes of them."""

    session: Any
    method: str = "GET"
    by: Counter[str] = field(default_factory=Counter)
    failed: list[Exception] = field(default_factory=list)

    @property
    def answered(self) -> int:
        return self.by.total()

    async def one(self) -> None:
        try:
            async with self.session.request(self.method, f"{URL}/status/200") as answer:
                assert answer.status == 200
                self.by[await answer.text()] += 1
        except (aiohttp.ClientError, TimeoutError) as error:
            self.failed.append(error)

    async def more(self, requests: int) -> None:
        """Returns when so many more were answered or have failed."""
        wanted = self.answered + len(self.failed) + requests
        async with asyncio.timeout(20):
            while self.answered + len(self.failed) < wanted:
                await asyncio.sleep(0.005)

    @asynccontextmanager
    async def steady(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(self._run(group))
            yield
            running.cancel()

    async def _run(self, group: asyncio.TaskGroup) -> None:
        while True:
            group.create_task(self.one())
            await asyncio.sleep(1 / PER_SECOND)


async def three(world: Any) -> list[Any]:
    processes = [await world.process(letter) for letter in "abc"]
    world.book.know("greeter", *(process.instance for process in processes))
    return processes


async def test_one_is_killed_and_no_get_fails(world: Any) -> None:
    processes = await three(world)
    load = Load(await world.session())
    async with load.steady():
        await load.more(200)
        processes[0].signal(signal.SIGKILL)
        await load.more(300)
    assert load.failed == []
    await world.until(lambda: [event for event in world.told(InstanceEjected) if event.instance_id == "a"])


async def test_one_is_killed_and_only_posts_that_were_in_it_fail(world: Any) -> None:
    processes = await three(world)
    load = Load(await world.session(), "POST")
    async with load.steady():
        await load.more(200)
        processes[0].signal(signal.SIGKILL)
        await load.more(300)
    assert all(isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError) for error in load.failed)
    assert all(error.__notes__ == [f"the instance was a at {processes[0].instance.address}"] for error in load.failed)
    assert len(load.failed) <= 5, "as many as may have been in it at one moment"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_rolling_restart_fails_nothing(world: Any, method: str) -> None:
    """Each leaves the registry first, then drains; its successor has another port. Without retries, too."""
    processes = await three(world)
    load = Load(await world.session(retries=lambda name: False), method)
    async with load.steady():
        for number, letter in enumerate("def"):
            await load.more(60)
            successor = await world.process(letter)
            left = [other for other in processes if other is not processes[number]]
            world.book.know("greeter", *(process.instance for process in (*left, successor)))
            await load.more(30)
            processes[number].signal(signal.SIGTERM)
            processes[number] = successor
        await load.more(60)
    assert load.failed == []
    assert set("abcdef") <= set(load.by)


async def test_one_hangs_and_no_get_fails(world: Any) -> None:
    """With a limit for each attempt below that for the whole; and soon it is not asked any more."""
    processes = await three(world)
    load = Load(await world.session(policy=RetryPolicy(attempt_timeout=0.3), timeout=5.0))
    async with load.steady():
        await load.more(200)
        processes[0].signal(signal.SIGSTOP)
        await load.more(300)
        await world.until(lambda: [event for event in world.told(InstanceEjected) if event.instance_id == "a"])
        processes[0].signal(signal.SIGCONT)
    assert load.failed == []


async def test_a_stranger_takes_the_port_of_one_that_was_killed(world: Any) -> None:
    processes = await three(world)
    provable = [process.provable for process in processes]
    world.book.know("greeter", *provable)
    load = Load(await world.session())
    async with load.steady():
        await load.more(100)
        processes[0].signal(signal.SIGKILL)
        await asyncio.to_thread(processes[0].popen.wait)
        await world.process("stranger", processes[0].port)
        await load.more(300)
    assert load.failed == []
    assert "stranger" not in load.by


async def test_all_are_replaced_at_once(world: Any) -> None:
    old = await three(world)
    load = Load(await world.session())
    async with load.steady():
        await load.more(100)
        new = [await world.process(letter) for letter in "def"]
        world.book.know("greeter", *(process.instance for process in new))
        for process in old:
            process.signal(signal.SIGTERM)
        await load.more(200)
    assert load.failed == []
    assert set("def") <= set(load.by)
