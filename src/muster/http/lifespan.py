"""The lifespan of an ASGI application: under a server, with something of one's own in between, or as its server.

https://asgi.readthedocs.io/en/latest/specs/lifespan.html. An application that knows no lifespan is left alone, and the
server is answered in its place.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import Enum, auto
from typing import Any

from muster.http.asgi import App, Message, Receive, Scope, Send
from muster.model.errors import MusterError
from muster.watch.background import background_tasks

log = logging.getLogger("muster.http")


class _Phase(Enum):
    NEW = auto()
    STARTING = auto()
    STARTED = auto()
    STOPPING = auto()
    OVER = auto()


_HEARD = {"lifespan.startup": _Phase.STARTING, "lifespan.shutdown": _Phase.STOPPING}
_TOLD = {
    "lifespan.startup.complete": _Phase.STARTED,
    "lifespan.startup.failed": _Phase.OVER,
    "lifespan.shutdown.complete": _Phase.OVER,
    "lifespan.shutdown.failed": _Phase.OVER,
}


class Lifespan:
    """One lifespan of `app`. `started` is called when it has started, before the server hears of it; `stopping` is
    waited for when the server wants it to stop, before it hears of that."""

    def __init__(self, app: App, started: Callable[[], object], stopping: Callable[[], Awaitable[object]]) -> None:
        self._app = app
        self._started = started
        self._stopping = stopping
        self._phase = _Phase.NEW

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises what the application raises once it has shown that it knows lifespans."""

        async def hear() -> Message:
            message = await receive()
            self._phase = _HEARD.get(message["type"], self._phase)
            if self._phase is _Phase.STOPPING:
                await self._stopping()
            return message

        async def tell(message: Message) -> None:
            self._phase = _TOLD.get(message["type"], self._phase)
            if self._phase is _Phase.STARTED:
                self._started()
            await send(message)

        try:
            await self._app(scope, hear, tell)
        except Exception as error:
            if self._phase not in (_Phase.NEW, _Phase.STARTING):
                raise
            log.info("the application has no lifespan: %r", error)
        await self._instead(hear, tell)

    async def _instead(self, hear: Receive, tell: Send) -> None:
        """What is left of the conversation, where the application says no more."""
        if self._phase is _Phase.NEW:
            await hear()
        if self._phase is _Phase.STARTING:
            await tell({"type": "lifespan.startup.complete"})
        if self._phase is _Phase.STARTED:
            await hear()
        if self._phase is _Phase.STOPPING:
            await tell({"type": "lifespan.shutdown.complete"})


class LifespanFailed(MusterError):
    """The application says that it could not start, or stop."""


@asynccontextmanager
async def begun(app: App) -> AsyncIterator[dict[str, Any]]:
    """Be the server of an application's lifespan: it has started when this is entered, and stops at the end.

    Gives the state that requests are to carry. Raises LifespanFailed. One that knows no lifespan is left alone.
    """
    state: dict[str, Any] = {}
    asked: asyncio.Queue[Message] = asyncio.Queue()
    answers: asyncio.Queue[Message | None] = asyncio.Queue()

    async def run() -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": state}
        try:
            await app(scope, asked.get, answers.put)
        except Exception as error:
            # Who has said that it failed raises as well, to have a traceback in the log.
            log.info("the application's lifespan ended: %r", error)
        finally:
            answers.put_nowait(None)

    async with background_tasks() as tasks:
        running = tasks.create_task(run(), name="muster: lifespan")
        try:
            knows = await _asked("startup", asked, answers)
            yield state
            if knows:
                await _asked("shutdown", asked, answers)
        finally:
            running.cancel()


async def _asked(event: str, asked: asyncio.Queue[Message], answers: asyncio.Queue[Message | None]) -> bool:
    """False where the application ends instead of answering. Raises LifespanFailed."""
    asked.put_nowait({"type": f"lifespan.{event}"})
    answer = await answers.get()
    if answer is not None and answer["type"] == f"lifespan.{event}.failed":
        raise LifespanFailed(f"the application failed at its {event}: {answer.get('message') or 'it does not say why'}")
    return answer is not None
