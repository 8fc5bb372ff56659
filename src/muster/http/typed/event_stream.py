"""An answer that is a stream of events, and that shows that it lives while it has nothing to say."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from muster.http.asgi import Send
from muster.http.typed.events import ALIVE, ALIVE_SECONDS, CONTENT_TYPE, END, written, written_error
from muster.http.typed.problem import Headers, Problem

_HEAD: Headers = (
    (b"content-type", CONTENT_TYPE.encode()),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would keep events back
)

FIRST_SIGN = 1.0
"""Seconds until the head of the answer is sent although there is no reply yet: callers limit the wait for it."""


class EventStream:
    """Writes to one ASGI `send`. The head goes out with the first event, or with the first sign of life."""

    def __init__(self, send: Send, headers: Headers) -> None:
        self.begun = False
        self._send = send
        self._headers = headers
        self._writing = asyncio.Lock()
        self._tasks = asyncio.TaskGroup()
        self._signs: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._signs = self._tasks.create_task(self._show_signs())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._signs is not None
        self._signs.cancel()
        # Without the error, which a TaskGroup would wrap: it goes on by itself.
        await self._tasks.__aexit__(None, None, None)

    async def reply(self, message: bytes) -> None:
        await self._write(written(message), more=True)
        await asyncio.sleep(0)  # a handler that never waits would keep the loop from everybody else

    async def end(self) -> None:
        await self._write(END, more=False)

    async def fail(self, problem: Problem) -> None:
        await self._write(written_error(problem.body), more=False)

    async def _show_signs(self) -> None:
        pause = FIRST_SIGN
        while True:
            await asyncio.sleep(pause)
            await self._write(ALIVE, more=True)
            pause = ALIVE_SECONDS

    async def _write(self, event: bytes, *, more: bool) -> None:
        async with self._writing:
            if not self.begun:
                self.begun = True
                headers = [*_HEAD, *self._headers]
                await self._send({"type": "http.response.start", "status": 200, "headers": headers})
            await self._send({"type": "http.response.body", "body": event, "more_body": more})
