"""The connections of one pool: how a pool connects to its instances by HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

from yarl import URL

from muster.client.connector import Report
from muster.http.client.connection import Connection
from muster.http.client.dialing import Dialing
from muster.http.client.link import Link
from muster.model.instance import Instance

Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
"""Runs a coroutine as a task that somebody owns."""


class Links:
    """Keeps a link to each instance that the pool asks for; `origin` has the scheme and the name of the service."""

    def __init__(self, origin: URL, dialing: Dialing, spawn: Spawn, rng: Random) -> None:
        self._origin = origin
        self._dialing = dialing
        self._spawn = spawn
        self._rng = rng
        self._links: set[Link] = set()

    def connect(self, instance: Instance, report: Report[Link]) -> _Kept:
        connection = Connection(instance, self._origin, self._dialing, report, self._rng)
        return _Kept(self._spawn(connection.run(self._opened, self._spawn)))

    def _opened(self, link: Link) -> None:
        self._links = {other for other in self._links if not other.closed} | {link}

    async def close(self) -> None:
        """Close every link, also those in use."""
        for link in self._links:
            await link.close()


class _Kept:
    """A connection that is kept by a task, and closed by ending it."""

    def __init__(self, task: asyncio.Task[None]) -> None:
        self._task = task

    def close(self) -> None:
        self._task.cancel()
