"""Servers in processes of their own, killed, stopped and restarted under steady load: every request is counted."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import pytest

from muster.agent import Agent
from muster.balance.explanation import Candidate
from muster.call.retry import RetryPolicy
from muster.http.client.dialing import Dialing
from muster.http.client.transport import HTTPTransport
from muster.model.check import Health
from muster.model.events import AttemptFailed, InstanceEjected
from muster.model.service import Registration
from muster.registry.url import open_registry
from muster.testing.front import FAIL, FORWARD, HANG, REFUSE, Front

pytestmark = pytest.mark.anyio

URL = "http://greeter/work"
PER_SECOND = 500
TICK = 0.005

MOST = 100
"""Requests under way, which take 2 ms each where the machine has time. Where it has not, more would be an overload."""

PATIENT = Dialing(connect=15.0)
"""Else a busy machine, on which no process gets to accept, looks like one whose instances are gone."""

ATTEMPT = 2.0
"""Seconds for an attempt where it has an end: more than a busy machine keeps a process waiting."""


@dataclass
class Load:
    """Requests at a steady rate, whatever becomes of them. What a busy machine has missed is caught up with as far as
    `MOST` allows."""

    transport: HTTPTransport
    method: str = "GET"
    by: Counter[str] = field(default_factory=Counter)
    refused: list[int] = field(default_factory=list)
    failed: list[Exception] = field(default_factory=list)
    running: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def ended(self) -> int:
        return self.by.total() + len(self.refused) + len(self.failed)

    @property
    def went_well(self) -> bool:
        return not self.refused and not self.failed

    @property
    def candidates(self) -> Sequence[Candidate]:
        return self.transport.pool("greeter").explain().candidates

    def under_way(self, instance_id: str) -> int:
        return next(each.inflight for each in self.candidates if each.instance.id == instance_id)

    async def one(self) -> None:
        try:
            async with self.transport.session.request(self.method, URL) as answer:
                if answer.status == 200:
                    self.by[await answer.text()] += 1
                else:
                    self.refused.append(answer.status)
        except (aiohttp.ClientError, TimeoutError) as error:
            self.failed.append(error)

    async def more(self, requests: int) -> None:
        """Returns when so many more have ended."""
        wanted = self.ended + requests
        async with asyncio.timeout(30):
            while self.ended < wanted:
                await asyncio.sleep(TICK)

    async def until_answered(self) -> None:
        """Returns when those that are under way now have ended."""
        if self.running:
            await asyncio.wait({*self.running})

    async def until_all_serve(self, ids: str) -> None:
        before = self.by.copy()
        async with asyncio.timeout(30):
            while any(self.by[each] <= before[each] for each in ids):
                await asyncio.sleep(TICK)

    @asynccontextmanager
    async def steady(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(self._run(group))
            yield
            running.cancel()

    async def _run(self, group: asyncio.TaskGroup) -> None:
        began, due = time.monotonic(), 0
        while True:
            before, due = due, int((time.monotonic() - began) * PER_SECOND)
            for _ in range(min(due - before, MOST - len(self.running))):
                task = group.create_task(self.one())
                self.running.add(task)
                task.add_done_callback(self.running.discard)
            await asyncio.sleep(TICK)


async def patient(world: Any, **options: Any) -> HTTPTransport:
    transport: HTTPTransport = await world.transport(**{"timeout": 30.0, "dialing": PATIENT, **options})
    return transport


async def three(world: Any, *ids: str) -> list[Any]:
    processes = await asyncio.gather(*(world.process(each) for each in ids or "abc"))
    world.book.know("greeter", *(process.instance for process in processes))
    return list(processes)


async def kill(process: Any) -> float:
    """Returns when it is dead, with the seconds that it took: a busy machine lets it live on for a while."""
    began = time.monotonic()
    process.signal(signal.SIGKILL)
    await asyncio.to_thread(process.popen.wait)
    return time.monotonic() - began


async def ejected(world: Any, id: str) -> None:
    await world.until(lambda: [event for event in world.told(InstanceEjected) if event.instance_id == id])


async def test_one_is_killed_and_no_get_fails(world: Any) -> None:
    processes = await three(world)
    load = Load(await patient(world))
    async with load.steady():
        await load.until_all_serve("abc")
        processes[0].signal(signal.SIGKILL)
        await load.more(300)
    assert load.went_well
    await ejected(world, "a")


async def test_one_is_killed_and_only_posts_that_were_in_it_fail(world: Any) -> None:
    processes = await three(world)
    load = Load(await patient(world), "POST")
    async with load.steady():
        await load.until_all_serve("abc")
        in_it = load.under_way("a")
        took = await kill(processes[0])
        await load.more(300)
    assert all(isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError) for error in load.failed)
    assert all(error.__notes__ == [f"the instance was a at {processes[0].instance.address}"] for error in load.failed)
    assert len(load.failed) <= in_it + 5 + PER_SECOND * took, "more may be sent while the signal is on its way"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_rolling_restart_fails_nothing(world: Any, method: str) -> None:
    """Each leaves the registry first, then drains; its successor has another port. Without retries, too."""
    processes = await three(world)
    successors = await asyncio.gather(*(world.process(letter) for letter in "def"))
    load = Load(await patient(world, retries=lambda name: False), method)
    async with load.steady():
        await load.until_all_serve("abc")
        for number, successor in enumerate(successors):
            leaving, processes[number] = processes[number], successor
            world.book.know("greeter", *(process.instance for process in processes))
            await load.until_all_serve(successor.id)
            await load.until_answered()
            leaving.signal(signal.SIGTERM)
        await load.until_all_serve("def")
    assert load.went_well
    assert set("abcdef") == set(load.by)


async def test_one_hangs_and_no_get_fails(world: Any) -> None:
    """With a limit for each attempt below that for the whole; and soon it is not asked any more."""
    processes = await three(world)
    load = Load(await patient(world, policy=RetryPolicy(attempt_timeout=ATTEMPT)))
    async with load.steady():
        await load.until_all_serve("abc")
        processes[0].signal(signal.SIGSTOP)
        await ejected(world, "a")
        await load.more(200)
        processes[0].signal(signal.SIGCONT)
    assert load.went_well


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_stranger_takes_the_port_of_one_that_was_killed(world: Any, method: str) -> None:
    processes = await three(world)
    world.book.know("greeter", *(process.provable for process in processes))
    load = Load(await patient(world), method)
    async with load.steady():
        await load.until_all_serve("abc")
        in_it = load.under_way("a")
        took = await kill(processes[0])
        await world.process("stranger", processes[0].port)
        await load.more(300)
    assert not load.refused
    assert len(load.failed) <= (in_it + 5 + PER_SECOND * took if method == "POST" else 0)
    assert "stranger" not in load.by


async def test_all_are_replaced_at_once(world: Any) -> None:
    old = await three(world)
    new = await asyncio.gather(*(world.process(letter) for letter in "def"))
    load = Load(await patient(world), "POST")
    async with load.steady():
        await load.until_all_serve("abc")
        world.book.know("greeter", *(process.instance for process in new))
        for process in old:
            process.signal(signal.SIGTERM)
        await load.until_all_serve("def")
    assert load.went_well


async def test_one_fails_three_in_ten_and_ones_health_flaps(world: Any) -> None:
    """No GET fails; the retry budget is larger than what has to be tried again."""
    flaky, b, c = await three(world, "flaky", "b", "c")
    load = Load(await patient(world))
    async with load.steady():
        for health in (Health.CRITICAL, Health.PASSING) * 3:
            world.book.know("greeter", flaky.instance, replace(b.instance, health=health), c.instance)
            await load.more(100)
        await load.until_all_serve("bc")
    assert load.went_well
    assert {event.instance_id for event in world.told(AttemptFailed)} == {"flaky"}


async def test_the_registry_fails_in_every_way_and_nobody_notices(world: Any, agent: Agent) -> None:
    """It answers 500, hangs, is gone, and comes back empty. A POST that fails is never tried again."""
    processes = await asyncio.gather(*(world.process(letter) for letter in "abc"))
    front = await world.stack.enter_async_context(Front(agent.url.partition("://")[2]))
    registrar = await world.stack.enter_async_context(open_registry(agent.url))
    for process in processes:
        await registrar.register(Registration(process.instance))
    registry = await world.stack.enter_async_context(open_registry(front.url))
    load = Load(await patient(world, registry=registry), "POST")
    async with load.steady():
        await load.until_all_serve("abc")
        for fault in (FAIL, HANG, REFUSE):
            await front.become(fault)
            await load.more(200)
        for process in processes:
            await registrar.deregister(process.id)
        await front.become(FORWARD)
        await world.until(lambda: all(each.doubtful for each in load.candidates))
        await load.more(300)
    assert load.went_well
