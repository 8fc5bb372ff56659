"""Steady calls through a client and through the gateway."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

CLIENT = "client"
GATEWAY = "gateway"

Door = Callable[[], Awaitable[str]]
"""Makes one call and returns the id of the instance that answered; raises where it fails."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call, as its caller saw it. Times of `time.monotonic`; `error` is empty for one that was answered."""

    door: str
    started: float
    ended: float
    instance_id: str = ""
    error: str = ""


class Load:
    """Calls through each of `doors` at `rate` a second, whether or not earlier ones have been answered."""

    def __init__(self, doors: Mapping[str, Door], rate: float = 50.0) -> None:
        self._doors = doors
        self._rate = rate
        self.calls: list[Call] = []
        self._answered: dict[str, set[str]] = {}
        self._news = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Calls are made while the context lasts; those in flight at its end are waited for."""
        failure: Exception | None = None
        async with asyncio.TaskGroup() as calls:
            pacers = [calls.create_task(self._pace(name, door, calls)) for name, door in self._doors.items()]
            try:
                yield
            except Exception as error:
                failure = error  # raised below: the TaskGroup would wrap it
            for pacer in pacers:
                pacer.cancel()
        if failure is not None:
            raise failure

    async def _pace(self, name: str, door: Door, calls: asyncio.TaskGroup) -> None:
        due = time.monotonic()
        while True:
            calls.create_task(self._call(name, door))
            due += 1 / self._rate
            await asyncio.sleep(due - time.monotonic())

    async def _call(self, name: str, door: Door) -> None:
        started = time.monotonic()
        try:
            instance_id = await door()
        except Exception as error:
            text = " ".join(str(error).split()) or type(error).__name__
            self.calls.append(Call(name, started, time.monotonic(), error=text))
        else:
            self.calls.append(Call(name, started, time.monotonic(), instance_id))
            self._answered.setdefault(instance_id, set()).add(name)
        self._news.set()

    async def answered_by(self, instance_id: str, limit: float = 15.0) -> bool:
        """Waits until `instance_id` has answered through every door; False if it has not after `limit` seconds."""
        try:
            async with asyncio.timeout(limit):
                while self._answered.get(instance_id, set()) != set(self._doors):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return False
        return True
