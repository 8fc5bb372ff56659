"""Cancels what is done for a client that goes away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any

from muster.http.asgi import Receive

Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
"""Runs a coroutine as a task that somebody owns."""

SOON = 0.05
"""Seconds after which it is worth a task to find out whether the client is still there: most calls are over by then."""


class Leaving:
    """Within it the current task is cancelled when the client goes away. The whole body has to have been received.

    ASGI tells of it only who waits for the next message.
    """

    def __init__(self, receive: Receive, spawn: Spawn) -> None:
        self._receive = receive
        self._spawn = spawn
        self._serving: asyncio.Task[Any] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        self._serving = asyncio.current_task()
        self._timer = asyncio.get_running_loop().call_later(SOON, self._begin)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._timer is not None
        self._timer.cancel()
        if self._watching is not None:
            self._watching.cancel()

    def _begin(self) -> None:
        self._watching = self._spawn(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if self._serving is not None:
            self._serving.cancel()
