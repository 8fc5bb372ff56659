"""An event loop that is really blocked, in a process of its own, for longer than its heartbeats may be missing: the
instance is critical and says why, does not vanish, and is well as soon as the loop runs."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest

from muster.agent import Agent
from muster.model.check import Health
from muster.model.instance import Instance
from muster.model.snapshot import instances_of
from muster.registry.url import open_registry

pytestmark = pytest.mark.anyio

PROGRAM = Path(__file__).parent / "stalling.py"
TTL = 1.5
"""Three heartbeats of the program's."""


@asynccontextmanager
async def stalling(registry: str, name: str) -> AsyncIterator[str]:
    """The address of the program, running."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(PROGRAM),
        name,
        env={**os.environ, "MUSTER_REGISTRY": registry},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            yield (await process.stdout.readline()).decode().strip()
        process.terminate()
        await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def until(url: str, name: str, condition: Callable[[Instance], bool]) -> Instance:
    """The first state of the one instance that fulfils `condition`. It must not vanish meanwhile."""
    async with asyncio.timeout(30), open_registry(url) as registry:
        async for answer in registry.watch(name):  # type: ignore[attr-defined]
            (instance,) = instances_of(answer)
            if condition(instance):
                return instance
    raise AssertionError("a watch never ends by itself")


async def blocked_and_back(url: str) -> None:
    name = f"stalling-{uuid4().hex[:8]}"
    async with (
        stalling(url, name) as address,
        aiohttp.ClientSession(f"http://{address}") as session,
        asyncio.TaskGroup() as tasks,
    ):
        before = await until(url, name, lambda instance: instance.health is Health.PASSING)
        began = time.monotonic()
        calling = tasks.create_task(session.post("/stalling/stall", json=3 * TTL))
        critical = await until(url, name, lambda instance: instance.health is Health.CRITICAL)
        assert not calling.done()
        (check,) = critical.failing
        assert (check.name, check.output[:23]) == ("self", "event loop blocked for ")
        response = await calling
        assert (response.status, await response.json()) == (200, "done")
        assert time.monotonic() - began > 2 * TTL
        after = await until(url, name, lambda instance: instance.health is Health.PASSING)
        assert after.id == before.id


async def test_an_instance_whose_loop_is_blocked_is_critical_and_says_why(agent: Agent, consul_server: str) -> None:
    async with asyncio.TaskGroup() as tasks:
        for url in (agent.url, consul_server):
            tasks.create_task(blocked_and_back(url))
