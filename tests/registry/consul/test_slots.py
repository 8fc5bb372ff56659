"""Which names block, and which are polled: the counting, against a scripted agent, and at a real Consul's limits."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from muster.model.snapshot import Absent, Known, Snapshot, instances_of
from muster.registry.consul import from_url
from muster.registry.consul.config import Address
from muster.registry.consul.registry import Consul
from muster.registry.consul.slots import Slots, shared_slots
from muster.testing.conformance import instance, registered
from muster.testing.scripted import HANG, Received, Scripted, Step, answer
from muster.testing.servers import ConsulServer
from muster.watch.hub import Hub, Subscription, Watching
from muster.watch.overrides import Overrides

pytestmark = pytest.mark.anyio

HERE = (Address("127.0.0.1", 8500),)


def test_slots_are_few_and_are_given_back() -> None:
    slots = Slots(2)
    with slots.claim() as third:
        with slots.claim() as first, slots.claim() as second:
            assert (first.blocks(), second.blocks(), third.blocks()) == (True, True, False)
            assert (first.blocks(), slots.blocking) == (True, 2)
        assert slots.blocking == 0
        assert third.blocks()
    assert slots.blocking == 0


def test_a_query_that_is_cancelled_keeps_its_slot_until_consul_lets_go(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    slots = Slots(1)
    with pytest.raises(asyncio.CancelledError), slots.claim() as claim:
        assert claim.blocks()
        claim.asks(64.0)
        raise asyncio.CancelledError
    assert slots.blocking == 0
    with slots.claim() as claim:
        assert not claim.blocks()
        now += 64
        assert claim.blocks()
        claim.asks(64.0)
    with slots.claim() as claim, pytest.raises(asyncio.CancelledError):
        assert claim.blocks(), "a query that broke or was answered is over"
        claim.asks(0.0)
        raise asyncio.CancelledError


def test_who_polls_is_asked_at_odd_times_and_less_often_the_more_there_are() -> None:
    slots, rng = Slots(1), Random(1)
    claims = [slots.claim() for _ in range(1002)]
    assert claims[0].blocks()
    pauses = [claims[1].pause(10.0, rng) for _ in range(1000)]
    assert 5 <= min(pauses) < 5.5 and 14.5 < max(pauses) <= 15
    for claim in claims[2:]:
        claim.pause(10.0, rng)
    pauses = [claim.pause(10.0, rng) for claim in claims[1:]]
    assert 50 <= sum(1 / pause for pause in pauses) <= 58, "1,000 names are asked about 50 times a second in all"
    with claims[0]:
        pass
    assert claims[1].blocks()


def test_clients_of_one_process_share_their_slots() -> None:
    mine = shared_slots(HERE, 64)
    assert shared_slots(HERE, 64) is mine
    assert shared_slots((Address("127.0.0.1", 8501),), 64) is not mine


def test_a_fork_starts_anew(tmp_path: Path) -> None:
    slots = shared_slots(HERE, 64)
    with slots.claim() as claim:
        assert claim.blocks()
        child = os.fork()
        if child == 0:
            (tmp_path / "child").write_text(str(shared_slots(HERE, 64).blocking))
            os._exit(0)
        os.waitpid(child, 0)
    assert (tmp_path / "child").read_text() == "0"


@asynccontextmanager
async def watching(registry: Consul, count: int, linger: float = 0.0) -> AsyncIterator[list[Subscription]]:
    """So many names `many-N`, watched through one hub."""
    async with Hub(registry, overrides=Overrides(environ={}), watching=Watching(linger=linger)) as hub:
        yield [hub.watch(f"many-{number}") for number in range(count)]


async def until(subscription: Subscription, *kinds: type[Snapshot]) -> None:
    async for snapshot in subscription.latest:
        if isinstance(snapshot, kinds):
            return


async def test_names_beyond_the_limit_are_polled_until_a_slot_is_free() -> None:
    body = json.dumps([{"Node": {"Node": "n", "Address": "10.0.0.1"}, "Service": {"ID": "w", "Port": 80}}])

    def step(received: Received) -> Step:
        return HANG if "index" in received.params else answer(body, index=5)

    def asked(server: Scripted, *, blocking: bool) -> Counter[str]:
        return Counter(each.path.rpartition("/")[2] for each in server.requests if ("index" in each.params) == blocking)

    async with (
        Scripted(step) as server,
        from_url(f"consul://{server.address}?queries=3&poll=50ms&wait=500ms", {}) as registry,
        watching(registry, 5) as subscriptions,
    ):
        await server.until(lambda server: len(asked(server, blocking=False)) == 5)
        await server.until(lambda server: sorted(asked(server, blocking=False).values())[-2:] >= [4, 4])
        blocked = asked(server, blocking=True)
        assert sorted(blocked.values()) == [1, 1, 1]
        for subscription in subscriptions:
            if subscription.latest.value.name in blocked:
                subscription.close()
                break
        await server.until(lambda server: len(asked(server, blocking=True)) == 4)


async def test_300_names_in_one_process_at_a_real_consuls_limits(own_consul: ConsulServer) -> None:
    """Each has an answer, none is refused, changes are seen in polled names too, and names out of use are released."""
    events: list[object] = []
    async with AsyncExitStack() as stack:
        registry = await stack.enter_async_context(from_url(f"{own_consul.url}?poll=1s", {}))
        hub = await stack.enter_async_context(
            Hub(registry, events.append, overrides=Overrides(environ={}), watching=Watching(linger=0.1))
        )
        subscriptions = [hub.watch(f"many-{number}") for number in range(300)]
        async with asyncio.timeout(30):
            for subscription in subscriptions:
                await until(subscription, Absent, Known)
        assert connections(own_consul) <= 64 + 16 + 2
        async with asyncio.timeout(30), AsyncExitStack() as up:
            for number in (0, 299):
                await up.enter_async_context(registered(registry, instance(f"many-{number}")))
            for number in (0, 299):
                async for snapshot in subscriptions[number].latest:
                    if instances_of(snapshot):
                        break
        for subscription in subscriptions[1:]:
            subscription.close()
        slots = shared_slots((Address(*_split(own_consul.address)),), 64)
        async with asyncio.timeout(30):
            while slots.blocking > 1:
                await asyncio.sleep(0.05)
    assert not [event for event in events if type(event).__name__ == "WatchFailed"]


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)


def connections(server: ConsulServer) -> int:
    """Established connections from this process to the server."""
    port = f":{_split(server.address)[1]:04X}"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(line[2].endswith(port) and line[3] == "01" for line in lines)
