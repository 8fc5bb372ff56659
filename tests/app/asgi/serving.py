"""Servers of others in processes of their own, and what a registry hears of what they serve."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from muster.agent import Agent
from muster.model.instance import Instance
from muster.model.snapshot import Answer, Known
from muster.registry.url import open_registry

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Watched:
    """Everything that a registry has said of a name, in order."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self._more = asyncio.Condition()

    @property
    def instances(self) -> tuple[Instance, ...]:
        """What it said last."""
        last = self.answers[-1] if self.answers else None
        return last.instances if isinstance(last, Known) else ()

    async def until(self, count: int) -> tuple[Instance, ...]:
        """The instances, once there are so many and all are passing."""
        async with asyncio.timeout(90), self._more:
            await self._more.wait_for(lambda: len(self._passing()) == count == len(self.instances))
            return self.instances

    def _passing(self) -> list[Instance]:
        return [each for each in self.instances if not each.failing]

    async def follow(self, url: str, name: str) -> None:
        async with open_registry(url) as registry:
            async for answer in registry.watch(name):  # type: ignore[attr-defined]
                async with self._more:
                    self.answers.append(answer)
                    self._more.notify_all()


@asynccontextmanager
async def watched(agent: Agent, name: str) -> AsyncIterator[Watched]:
    found = Watched()
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(found.follow(agent.url, name))
        try:
            yield found
        finally:
            following.cancel()


@asynccontextmanager
async def server(agent: Agent, *command: str, runtime: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program of the environment, in the folder of these tests; killed at the end with all that it started."""
    environment = {**os.environ, "MUSTER_REGISTRY": agent.url, "MUSTER_RUNTIME_DIR": str(runtime)}
    program, *arguments = command
    process = await asyncio.create_subprocess_exec(
        str(BIN / program),
        *arguments,
        env=environment | {"PYTHONPATH": str(HERE)},
        cwd=HERE,
        start_new_session=True,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.TaskGroup() as tasks:
            shown = tasks.create_task(_show(process))
            try:
                yield process
            finally:
                _kill_all(process.pid)
                await process.wait()
                await shown
    finally:
        _kill_all(process.pid)


async def _show(process: asyncio.subprocess.Process) -> None:
    """Its output, where a test that fails shows it."""
    assert process.stdout is not None
    while line := await process.stdout.readline():
        print(line.decode(), end="")


def _kill_all(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass  # nobody is left
