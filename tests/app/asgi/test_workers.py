"""Processes that share a port are one instance, whatever becomes of each of them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from tests.app.asgi.serving import Watched, free_port, server, watched

from muster import Client
from muster.agent import Agent
from muster.model.snapshot import Known

pytestmark = pytest.mark.anyio


@dataclass
class Load:
    """Calls, from now to the end of `calling`: which process answered, and what failed.

    Each on a connection of its own, so that every process gets some.
    """

    answered: Counter[int] = field(default_factory=Counter[int])
    failed: list[Exception] = field(default_factory=list[Exception])
    _more: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def until(self, calls: int, workers: int) -> None:
        """Until so many more calls were answered, and so many processes have answered in all."""
        wanted = self.answered.total() + calls
        async with asyncio.timeout(60), self._more:
            await self._more.wait_for(
                lambda: self.failed or (self.answered.total() >= wanted and len(self.answered) >= workers)
            )
        assert self.failed == []

    async def call(self, client: Client) -> None:
        """The first failure ends it."""
        while not self.failed:
            try:
                async with client.http.get("http://orders/", headers={"Connection": "close"}) as response:
                    self.answered[(await response.json())["pid"]] += 1
            except Exception as error:
                self.failed.append(error)
            async with self._more:
                self._more.notify_all()


@asynccontextmanager
async def calling(agent: Agent) -> AsyncIterator[Load]:
    load = Load()
    async with Client(registry=agent.url) as client, asyncio.TaskGroup() as tasks:
        calls = [tasks.create_task(load.call(client)) for _ in range(8)]
        try:
            yield load
        finally:
            for call in calls:
                call.cancel()


@asynccontextmanager
async def gunicorn(
    agent: Agent, options: str, runtime: Path, kind: str = "uvicorn_worker.UvicornWorker"
) -> AsyncIterator[tuple[Watched, asyncio.subprocess.Process]]:
    command = f"gunicorn orders:app -k {kind} -b 127.0.0.1:{free_port()} {options}"
    async with watched(agent, "orders") as seen, server(agent, *command.split(), runtime=runtime) as process:
        yield seen, process


def only_passing(seen: Watched) -> set[str]:
    """The ids since the first one came. Nobody was ever away or unwell."""
    answers = [answer for answer in seen.answers if isinstance(answer, Known)]
    assert seen.answers[-len(answers) :] == answers, seen.answers
    assert [each.failing for answer in answers for each in answer.instances if each.failing] == []
    return {each.id for answer in answers for each in answer.instances}


async def test_workers_that_come_and_go_under_load_are_one_registration(agent: Agent, tmp_path: Path) -> None:
    async with gunicorn(agent, "-w 4 --max-requests 50", tmp_path) as (seen, _):
        (instance,) = await seen.until(1)
        async with calling(agent) as load:
            await load.until(300, workers=8)
        assert load.failed == []
        assert only_passing(seen) == {instance.id}


async def test_questions_for_the_health_are_none_of_the_requests_that_a_worker_serves(
    agent: Agent, tmp_path: Path
) -> None:
    async with gunicorn(agent, "-w 1 --max-requests 20", tmp_path) as (seen, _):
        (instance,) = await seen.until(1)
        async with aiohttp.ClientSession(f"http://{instance.address}", headers={"Connection": "close"}) as session:
            for _ in range(60):
                async with session.get(f"/health/{instance.id}") as response:
                    assert response.status == 200
            served = {await answering(session, set()) for _ in range(19)}
            assert len(served) == 1
            await answering(session, served)


async def test_gunicorns_own_workers_that_have_served_enough_leave_in_order(agent: Agent, tmp_path: Path) -> None:
    async with gunicorn(agent, "-w 2 --max-requests 20 --max-requests-jitter 20", tmp_path, "asgi") as (seen, _):
        (instance,) = await seen.until(1)
        async with calling(agent) as load:
            await load.until(20, workers=4)
        assert load.failed == []
        assert only_passing(seen) == {instance.id}


async def test_a_reload_under_load_is_nobody_s_loss(agent: Agent, tmp_path: Path) -> None:
    async with gunicorn(agent, "-w 2", tmp_path) as (seen, process):
        (instance,) = await seen.until(1)
        async with calling(agent) as load:
            await load.until(20, workers=2)
            process.send_signal(signal.SIGHUP)
            await load.until(20, workers=4)
        assert load.failed == []
        assert only_passing(seen) == {instance.id}


async def test_killed_workers_are_replaced_and_the_instance_stays(agent: Agent, tmp_path: Path) -> None:
    """One after the other, so that the one that registered is among them. What it was doing is lost."""
    async with gunicorn(agent, "-w 2", tmp_path) as (seen, _):
        (instance,) = await seen.until(1)
        async with aiohttp.ClientSession(f"http://{instance.address}") as session:
            first = await answering(session, set())
            second = await answering(session, {first})
            for pid in (first, second):
                os.kill(pid, signal.SIGKILL)
            third = await answering(session, {first, second})
            await answering(session, {first, second, third})
        assert only_passing(seen) == {instance.id}


async def answering(session: aiohttp.ClientSession, others: set[int]) -> int:
    """The first process that answers and is none of those."""
    async with asyncio.timeout(30):
        while True:
            try:
                async with session.get("/", headers={"Connection": "close"}) as response:
                    if (pid := (await response.json())["pid"]) not in others:
                        return int(pid)
            except aiohttp.ClientError:
                pass  # it was killed meanwhile
