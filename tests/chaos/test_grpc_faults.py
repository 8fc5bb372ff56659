"""Three instances under a steady load of gRPC calls, and everything that goes wrong in production.

All of it with real processes and real signals. Every call is counted: none may fail unless the test says which.
"""

from __future__ import annotations

import asyncio
import signal
import urllib.request
from typing import Any

import pytest

from muster.agent import Agent
from muster.call.retry import NO_RETRIES, RetryPolicy
from muster.model.events import AttemptFailed, InstanceEjected, SnapshotUpdated
from muster.model.snapshot import instances_of
from muster.testing.front import FAIL, FORWARD, HANG, REFUSE, Front

pytestmark = [pytest.mark.anyio, pytest.mark.chaos]

HELLO = "/greeter.Say/Hello"
CUT_OFF = RetryPolicy(attempt_timeout=0.5)


async def test_one_is_killed_and_a_stranger_takes_its_port(scene: Any, agent: Agent) -> None:
    """Idempotent calls: none fails. Others: those that were in flight in it. The stranger gets none of either."""
    a, *_ = await scene.instances(agent.url, "a", "b", "c")
    idempotent, other = await scene.client(agent.url, idempotent={HELLO}), await scene.client(agent.url)
    async with scene.load(idempotent, other) as (safe, unsafe):
        await _all_serve(scene, safe, unsafe, "abc")
        a.signal(signal.SIGKILL)
        await a.ended()
        stranger = await scene.stranger(a.port)
        await asyncio.sleep(2.0)
        await _all_serve(scene, safe, unsafe, "bc")
    assert safe.problems == []
    assert len(unsafe.failed) <= 16, unsafe.problems
    assert all(a.id in problem and "Stream removed" in problem for problem in unsafe.problems)
    assert "called" not in stranger.end()


async def test_one_hangs(scene: Any, agent: Agent) -> None:
    """With a time for each attempt no idempotent call fails, and it gets no more than a few."""
    a, *_ = await scene.instances(agent.url, "a", "b", "c")
    client = await scene.client(agent.url, idempotent={HELLO}, retry=CUT_OFF)
    async with scene.load(client) as (ends,):
        await _all_serve(scene, ends, ends, "abc")
        a.signal(signal.SIGSTOP)
        await scene.until(lambda: a.id in {event.instance_id for event in scene.told(InstanceEjected)})
        missed = len(scene.told(AttemptFailed))
        await asyncio.sleep(1.0)
        late = len(scene.told(AttemptFailed)) - missed
        a.signal(signal.SIGCONT)
        await _all_serve(scene, ends, ends, "a")
    assert ends.problems == []
    assert late <= 150 * 0.5, "those that were in flight when it was ejected"


async def test_all_are_restarted_one_after_the_other(scene: Any, agent: Agent) -> None:
    """No call fails, and none is even tried twice."""
    old = await scene.instances(agent.url, "a", "b", "c")
    client = await scene.client(agent.url, retry=NO_RETRIES)
    async with scene.load(client) as (ends,):
        await _all_serve(scene, ends, ends, "abc")
        for process in old:
            process.signal(signal.SIGTERM)
            _, status = await asyncio.gather(scene.instances(agent.url, process.label.upper()), process.ended())
            assert status == 0
        await _all_serve(scene, ends, ends, "ABC")
    assert ends.problems == []
    assert scene.told(AttemptFailed) == []


async def test_all_are_replaced_at_once(scene: Any, agent: Agent) -> None:
    """New addresses come, all old ones leave in the same moment."""
    old = await scene.instances(agent.url, "a", "b", "c")
    client = await scene.client(agent.url)
    async with scene.load(client) as (ends,):
        await _all_serve(scene, ends, ends, "abc")
        await scene.instances(agent.url, "A", "B", "C")
        for process in old:
            process.signal(signal.SIGTERM)
        for process in old:
            assert await process.ended() == 0
        ends.served.clear()
        await _all_serve(scene, ends, ends, "ABC")
        assert set(ends.served) == {"A", "B", "C"}
    assert ends.problems == []


async def test_one_fails_three_in_ten_and_ones_health_flaps(scene: Any, agent: Agent) -> None:
    """Idempotent calls: none fails."""
    _, b, _ = await scene.instances(agent.url, "flaky", "b", "c")
    client = await scene.client(agent.url, idempotent={HELLO})
    async with scene.load(client) as (ends,):
        for out in (True, False, True, False):
            await _maintain(agent.url, b, out)
            await asyncio.sleep(0.7)
        await _all_serve(scene, ends, ends, "bc")
    assert ends.problems == []
    assert ends.served.total() > 300
    updates = [event.snapshot for event in scene.told(SnapshotUpdated) if event.changed]
    seen = {i.health.callable for snapshot in updates for i in instances_of(snapshot) if i.id == b.id}
    assert seen == {True, False}, "the client saw it flap"


async def test_the_registry_breaks_in_every_way(scene: Any) -> None:
    """Away and back with its data, answering 500, hanging, killed, back empty: no call notices."""
    agent = await scene.agent()
    front = await scene.stack.enter_async_context(Front(f"127.0.0.1:{agent.port}"))
    await scene.instances(front.url, "a", "b", "c")
    client = await scene.client(front.url)
    async with scene.load(client) as (ends,):
        await _all_serve(scene, ends, ends, "abc")
        for fault in (REFUSE, FAIL, HANG):
            await front.become(fault)
            await asyncio.sleep(1.5)
            await front.become(FORWARD)
            await _all_serve(scene, ends, ends, "abc")
        agent.signal(signal.SIGKILL)
        await agent.ended()
        await asyncio.sleep(1.0)
        await scene.agent(agent.port)
        scene.events.clear()
        await scene.until(lambda: any(len(instances_of(e.snapshot)) == 3 for e in scene.told(SnapshotUpdated)))
        await _all_serve(scene, ends, ends, "abc")
    assert ends.problems == []


async def _all_serve(scene: Any, ends: Any, others: Any, labels: str) -> None:
    """Returns once each of these has served calls of both from now on."""
    before = [dict(each.served) for each in (ends, others)]
    await scene.until(
        lambda: all(
            each.served[label] > then.get(label, 0) + 3
            for each, then in zip((ends, others), before, strict=True)
            for label in labels
        )
    )


async def _maintain(registry: str, process: Any, out: bool) -> None:
    """Take an instance out of service, or back, by the registry's word alone."""
    base = registry.replace("consul://", "http://")
    url = f"{base}/v1/agent/service/maintenance/{process.id}?enable={str(out).lower()}"
    request = urllib.request.Request(url, method="PUT")
    await asyncio.to_thread(lambda: urllib.request.urlopen(request, timeout=5).close())
