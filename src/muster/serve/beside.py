"""A membership on another thread's event loop: the registration is kept also while the loop that serves is blocked."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

from muster.serve.membership import Gate, Membership, Unwell
from muster.serve.standing import Standing
from muster.serve.within import within
from muster.watch.latest import Latest

T = TypeVar("T")

log = logging.getLogger("muster.serve")

MARGIN = 0.5
"""Seconds that a thread may be late with what it has to do within a limit."""


class Thread(Protocol):
    """A thread with a running event loop: `muster.client.background.Background`."""

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin a coroutine on its loop, and do not wait. Cancelling the future cancels it."""
        ...

    def call(self, callback: Callable[..., object], *args: Any) -> None:
        """Call `callback` on its loop, soon; in the order of the calls."""
        ...


class Beside:
    """A Member for the running event loop whose `membership` lives on the loop of `thread`.

    `standing` follows the membership's: it may be some milliseconds old, and stands still while the loop is blocked.
    """

    def __init__(self, membership: Membership, thread: Thread) -> None:
        self.standing = Latest(membership.standing.value)
        self.tried = asyncio.Event()
        self._membership = membership
        self._thread = thread
        self._loop = asyncio.get_running_loop()
        self._told = _tellable(membership.standing.value)
        membership.standing.listen(self._follow)

    @property
    def known(self) -> bool:
        return self._membership.known

    async def keep(self) -> None:
        """As Membership.keep. When it is cancelled, the membership stops soon, which `leave` waits for."""
        await asyncio.wrap_future(self._thread.start(self._keep()))

    async def leave(self, limit: float) -> bool:
        """As Membership.leave."""
        try:
            async with within(limit + MARGIN):
                return await asyncio.wrap_future(self._thread.start(self._membership.leave(limit)))
        except TimeoutError:
            log.warning("the thread that writes to the registry does not answer; the instance may be left there")
            return False

    async def _keep(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            telling = tasks.create_task(self._tell_tried())
            try:
                await self._membership.keep()
            finally:
                if not self._membership.tried.is_set():
                    telling.cancel()

    async def _tell_tried(self) -> None:
        await self._membership.tried.wait()
        self._on_loop(self.tried.set)

    def _follow(self, standing: Standing) -> None:
        """A heartbeat that arrived as ever need not wake the loop that serves."""
        if _tellable(standing) != self._told:
            self._told = _tellable(standing)
            self._on_loop(self.standing.set, standing)

    def _on_loop(self, callback: Callable[..., object], *args: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:
            log.debug("nobody hears what became of the registration: the event loop is closed")


def _tellable(standing: Standing) -> tuple[object, ...]:
    return standing.state, standing.why, standing.checked, standing.registered_once


def asked_of(loop: asyncio.AbstractEventLoop, gate: Gate) -> Callable[[], Coroutine[Any, Any, None]]:
    """A register check for another thread's loop that is made on `loop`, where what it looks at belongs.

    Raises Unwell while that loop has not run since it was last asked: else it would find a heap of questions.
    """
    waiting = threading.Event()

    async def ask() -> None:
        if waiting.is_set():
            raise Unwell("the event loop is blocked")
        waiting.set()
        loop.call_soon_threadsafe(waiting.clear)
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_awaited(gate), loop))

    return ask


async def _awaited(gate: Gate) -> None:
    await gate()
