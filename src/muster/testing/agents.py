"""An agent for one test: on a port of its own, empty, and gone when the test is.

Nothing heavy is imported before an agent is wanted: pytest loads this at its start.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from muster.agent import Agent

_ANYWHERE = "127.0.0.1:0"


@dataclass(frozen=True, slots=True)
class RunningAgent:
    """Where an agent answers: `address` is `host:port`, which Consul's clients are given."""

    address: str

    @property
    def url(self) -> str:
        """The agent as a registry URL, `consul://host:port`: for muster.Client, muster.Service and MUSTER_REGISTRY."""
        return f"consul://{self.address}"


@asynccontextmanager
async def agent() -> AsyncIterator[Agent]:
    """An agent on the test's own event loop, which must not be blocked while it is asked.

    async with muster.testing.agent() as agent, muster.Client(registry=agent.url) as client: ...
    """
    from muster.agent import Agent

    async with Agent(http=_ANYWHERE) as running:
        yield running


@contextmanager
def agent_in_thread() -> Iterator[RunningAgent]:
    """An agent with a thread and an event loop of its own, for tests that block and for any event loop.

    Blocks for some milliseconds when entered, and when left until its thread has ended. Raises what the agent's start
    raises.
    """
    started: Future[_Started] = Future()
    thread = threading.Thread(target=_run, args=(started,), name="muster agent", daemon=True)
    thread.start()
    running = started.result()
    try:
        yield RunningAgent(running.address)
    finally:
        running.stop()
        thread.join()


@dataclass(frozen=True, slots=True)
class _Started:
    address: str
    loop: asyncio.AbstractEventLoop
    ending: asyncio.Event

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.ending.set)


def _run(started: Future[_Started]) -> None:
    import asyncio

    try:
        asyncio.run(_serve(started))
    except BaseException as error:
        if started.done():
            raise  # the thread's own excepthook tells of it, and with it pytest
        started.set_exception(error)


async def _serve(started: Future[_Started]) -> None:
    import asyncio

    ending = asyncio.Event()
    async with agent() as running:
        started.set_result(_Started(running.address, asyncio.get_running_loop(), ending))
        await ending.wait()
