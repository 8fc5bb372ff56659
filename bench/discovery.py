"""How soon a watching client knows of a registration: the embedded agent against a real Consul."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from statistics import median

from bench.figure import Figure
from bench.processes import agent, consul
from muster.model.check import TTLCheck
from muster.model.instance import Instance
from muster.model.service import Registration
from muster.model.snapshot import Pending, Snapshot, instances_of
from muster.registry.url import open_registry
from muster.watch.latest import Latest
from muster.watch.watcher import follow


def measure(quick: bool = False) -> list[Figure]:
    rounds, each = (2, 20) if quick else (9, 60)
    with agent() as ours, consul() as theirs:
        embedded, real = asyncio.run(_interleaved(ours, theirs, rounds, each))
    ratios = [ours / theirs for ours, theirs in zip(embedded, real, strict=True)]
    spread = (min(ratios), max(ratios))
    note = f"medians {median(embedded):.2f} ms and {median(real):.2f} ms, the register request included"
    return [Figure("register to snapshot, agent / Consul", median(ratios), "", 1.0, None, spread, note)]


async def _interleaved(ours: str, theirs: str, rounds: int, each: int) -> tuple[list[float], list[float]]:
    """Medians in milliseconds, one a round."""
    embedded, real = [], []
    for _ in range(rounds):
        embedded.append(median(await _rounds(ours, each)))
        real.append(median(await _rounds(theirs, each)))
    return embedded, real


async def _rounds(url: str, count: int) -> list[float]:
    """Milliseconds from the start of a registration to its snapshot, for instances that come and go."""
    name = f"bench-{time.time_ns()}"
    latest: Latest[Snapshot] = Latest(Pending(name))
    async with open_registry(url) as registry, asyncio.TaskGroup() as group:
        following = group.create_task(follow(registry, latest, lambda _: None))
        await _until(latest, 0)
        taken = [await _one(registry, latest, f"{name}-{number}") for number in range(count)]
        following.cancel()
    return taken


async def _one(registry, latest: Latest[Snapshot], instance_id: str) -> float:
    instance = Instance(instance_id, latest.value.name, "127.0.0.1", 9000)
    registration = Registration(replace(instance, protocol="grpc"), (TTLCheck("self", 30.0),))
    async with asyncio.TaskGroup() as group:
        seen = group.create_task(_until(latest, 1))
        started = time.perf_counter()
        await registry.register(registration)
        taken = (await seen - started) * 1e3
    await registry.deregister(instance_id)
    await _until(latest, 0)
    return taken


async def _until(latest: Latest[Snapshot], count: int) -> float:
    """The moment in which a snapshot with so many instances came."""
    async with asyncio.timeout(30):
        async for snapshot in latest:
            if not isinstance(snapshot, Pending) and len(instances_of(snapshot)) == count:
                return time.perf_counter()
    raise AssertionError("the watch ended")
