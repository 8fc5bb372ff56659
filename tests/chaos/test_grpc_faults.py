"""Three instances under a steady load of gRPC calls, and everything that goes wrong in production.

All of it with real processes and real signals. Every call is counted: none may fail unless the test says which.
"""

from __future__ import annotations

import asyncio
import signal
import time
import urllib.request
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from muster.agent import Agent
from muster.testing.front import FAIL, FORWARD, HANG, Front
from muster.testing.servers import ConsulServer

pytestmark = [pytest.mark.anyio, pytest.mark.chaos]

Do = Callable[[], Awaitable[None]]

RATE = 500
"""Calls a second, as `load.py` sends them."""

ATTEMPT = 2.0
"""Seconds that it gives an attempt."""

AWAY = 30.0
"""Seconds without a registry."""


async def test_one_is_killed_and_a_stranger_takes_its_port(scene: Any, agent: Agent) -> None:
    """Idempotent calls: none fails. Others: those that were in flight in it. The stranger gets none of either."""
    a, *_ = await scene.instances(agent.url, "a", "b", "c")
    async with scene.load(agent.url, "idempotent", "plain") as (safe, unsafe):
        await _all_serve(scene, "abc", safe, unsafe)
        a.signal(signal.SIGKILL)
        killed = time.monotonic()
        await a.ended()
        stranger = await scene.stranger(a.port)
        await asyncio.sleep(2.0)
        await _all_serve(scene, "bc", safe, unsafe)
    assert safe.problems == []
    assert all(a.id in problem and "Stream removed" in problem for problem in unsafe.problems)
    noticed = unsafe.ejected[a.id]
    assert all(began <= noticed for began, _ in unsafe.failed)
    assert len(unsafe.failed) <= 25 + RATE * (noticed - killed), "what is sent while the machine is busy elsewhere"
    assert "called" not in stranger.end()


async def test_one_hangs(scene: Any, agent: Agent) -> None:
    """With a time for each attempt no idempotent call fails, and it gets no more than a few."""
    a, *_ = await scene.instances(agent.url, "a", "b", "c")
    async with scene.load(agent.url, "cut off") as (ends,):
        await _all_serve(scene, "abc", ends)
        a.signal(signal.SIGSTOP)
        await scene.until(lambda: a.id in ends.ejected)
        await asyncio.sleep(ATTEMPT + 0.5)  # until those in flight then have ended
        missed = ends.faults[a.id]
        await asyncio.sleep(1.0)
        late = ends.faults[a.id] - missed
        a.signal(signal.SIGCONT)
        await _all_serve(scene, "a", ends)
    assert ends.problems == []
    assert late <= 1, "a trial"


async def test_all_are_restarted_one_after_the_other(scene: Any, agent: Agent) -> None:
    """No call fails, and none is even tried twice."""
    old = await scene.instances(agent.url, "a", "b", "c")
    async with scene.load(agent.url, "once") as (ends,):
        await _all_serve(scene, "abc", ends)
        for process in old:
            process.signal(signal.SIGTERM)
            _, status = await asyncio.gather(scene.instances(agent.url, process.label.upper()), process.ended())
            assert status == 0
        await _all_serve(scene, "ABC", ends)
    assert ends.problems == []
    assert not ends.faults


async def test_all_are_replaced_at_once(scene: Any, agent: Agent) -> None:
    """New addresses come, all old ones leave in the same moment."""
    old = await scene.instances(agent.url, "a", "b", "c")
    async with scene.load(agent.url, "plain") as (ends,):
        await _all_serve(scene, "abc", ends)
        await scene.instances(agent.url, "A", "B", "C")
        for process in old:
            process.signal(signal.SIGTERM)
        for process in old:
            assert await process.ended() == 0
        await _all_serve(scene, "ABC", ends)
        before = dict(ends.served)
        await _all_serve(scene, "ABC", ends)
    assert ends.problems == []
    assert {label for label, served in ends.served.items() if served > before.get(label, 0)} == {*"ABC"}


async def test_one_fails_three_in_ten_and_ones_health_flaps(scene: Any, agent: Agent) -> None:
    """Idempotent calls: none fails."""
    flaky, b, _ = await scene.instances(agent.url, "flaky", "b", "c")
    async with scene.load(agent.url, "idempotent") as (ends,):
        for out in (True, False, True, False, True, False):
            await _maintain(agent.url, b, out)
            await asyncio.sleep(0.5)
        await _all_serve(scene, "bc", ends)
    assert ends.problems == []
    assert ends.faults[flaky.id] > 10, "it did fail them"
    assert sorted(ends.healths[b.id]) == [False, True], "the client saw it flap"


async def test_the_registry_answers_500_and_hangs(scene: Any) -> None:
    """No call notices."""
    agent = await scene.agent()
    front = await scene.stack.enter_async_context(Front(f"127.0.0.1:{agent.port}"))
    await scene.instances(front.url, "a", "b", "c")
    async with scene.load(front.url, "plain") as (ends,):
        for fault in (FAIL, HANG):
            await front.become(fault)
            await asyncio.sleep(1.5)
            await _all_serve(scene, "abc", ends)
            before = ends.updates
            await front.become(FORWARD)
            await _heard_anew(scene, ends, before)
            await _all_serve(scene, "abc", ends)
    assert ends.problems == []


async def test_the_registry_is_killed_for_half_a_minute(scene: Any, consul_binary: str, tmp_path: Path) -> None:
    """It comes back with its data, or empty: no call notices. Two of them, side by side: 30 s are long."""
    empty = await scene.agent()
    consul = ConsulServer(consul_binary, data=tmp_path)
    scene.stack.callback(consul.kill)
    await asyncio.to_thread(consul.start)

    async def back_empty() -> None:
        await scene.agent(empty.port)

    async def kill_empty() -> None:
        empty.signal(signal.SIGKILL)
        await empty.ended()

    async with asyncio.TaskGroup() as group:
        group.create_task(_outlive(scene, f"consul://127.0.0.1:{empty.port}", kill_empty, back_empty))
        kill, back = partial(asyncio.to_thread, consul.kill), partial(asyncio.to_thread, consul.start)
        group.create_task(_outlive(scene, consul.url, kill, back))


async def _outlive(scene: Any, registry: str, kill: Do, back: Do) -> None:
    """Three instances and their load, while their registry dies and comes back."""
    await scene.instances(registry, "a", "b", "c")
    async with scene.load(registry, "plain") as (ends,):
        await _all_serve(scene, "abc", ends)
        await kill()
        await asyncio.sleep(AWAY)
        await _all_serve(scene, "abc", ends)
        before = ends.updates
        await back()
        await _heard_anew(scene, ends, before)
        await _all_serve(scene, "abc", ends)
    assert ends.problems == []


async def _heard_anew(scene: Any, ends: Any, before: int) -> None:
    """Returns once the registry has told the client of all three again, after so many updates `before`."""
    await scene.until(lambda: ends.updates > before and ends.healthy == 3)


async def _all_serve(scene: Any, labels: str, *ends: Any) -> None:
    """Returns once each of these has served calls of each client from now on."""
    before = [dict(each.served) for each in ends]
    await scene.until(
        lambda: all(
            each.served[label] > then.get(label, 0) + 3
            for each, then in zip(ends, before, strict=True)
            for label in labels
        )
    )


async def _maintain(registry: str, process: Any, out: bool) -> None:
    """Take an instance out of service, or back, by the registry's word alone."""
    base = registry.replace("consul://", "http://")
    url = f"{base}/v1/agent/service/maintenance/{process.id}?enable={str(out).lower()}"
    request = urllib.request.Request(url, method="PUT")
    await asyncio.to_thread(lambda: urllib.request.urlopen(request, timeout=30).close())
